"""Blocks whose names are the user's: `<name>_integration` and `<name>_data_mapping`."""

import re
from typing import Any

SUFFIX = "_integration"
MAPPING_SUFFIX = "_data_mapping"
GATHERED = {"integrations": SUFFIX, "data_mappings": MAPPING_SUFFIX}
"""Where such blocks are gathered, and how their names end."""
TARGET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
"""A target's name is part of the names of its topics and metrics."""


def targets(document: dict[str, Any]) -> set[str]:
    """Names of the targets that have a block."""
    return {key.removesuffix(SUFFIX) for key, block in document.items() if key.endswith(SUFFIX) and block is not None}


def mappings(document: dict[str, Any]) -> dict[str, Any]:
    """The mapping of each target."""
    return {
        key.removesuffix(MAPPING_SUFFIX): block
        for key, block in document.items()
        if key.endswith(MAPPING_SUFFIX) and block is not None
    }


def gather(document: dict[str, Any]) -> dict[str, Any]:
    """The document with targets and mappings under one key each; those that are null are off, and left out."""
    gathered: dict[str, Any] = {place: {} for place in GATHERED}
    for key, value in document.items():
        place = next((place for place, suffix in GATHERED.items() if key.endswith(suffix)), None)
        if place is None:
            gathered[key] = value
        elif value is not None:
            gathered[place][key.removesuffix(GATHERED[place])] = value
    return gathered


def scatter(gathered: dict[str, Any]) -> dict[str, Any]:
    """The opposite: every block under the name that files give it."""
    document = {key: value for key, value in gathered.items() if key not in GATHERED}
    for place, suffix in GATHERED.items():
        document |= {f"{name}{suffix}": block for name, block in gathered[place].items()}
    return document
