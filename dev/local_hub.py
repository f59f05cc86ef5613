"""What `sitehub up` leaves in its folder, so that other commands find the hub that it runs."""

import json
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

FILE = "hub.json"


def data_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """SITEHUB_DATA."""
    return Path(environ.get("SITEHUB_DATA") or ".sitehub")


def leave(folder: Path, found: Mapping[str, Any]) -> None:
    """Tell others: addresses, and under `environment` variables that a command needs beside its own."""
    partial = folder / f"{FILE}.partial"
    partial.touch(mode=0o600)  # secrets of the local servers are among it
    partial.write_text(json.dumps(found))
    partial.replace(folder / FILE)


def left(folder: Path) -> dict[str, Any]:
    """What is there; empty where no hub ran."""
    try:
        found = json.loads((folder / FILE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def adopt(environ: MutableMapping[str, str]) -> None:
    """Let a command ask the hub that `sitehub up` runs here, unless SITEHUB_CONFIG says which configuration to take."""
    if environ.get("SITEHUB_CONFIG"):
        return
    given = left(data_folder(environ)).get("environment")
    for name, value in (given if isinstance(given, dict) else {}).items():
        environ.setdefault(str(name), str(value))
