"""Schemas that the hub ships beside those of the configuration."""

from importlib import resources
from typing import Any

import orjson


def shipped_schemas() -> dict[str, dict[str, Any]]:
    """Event types that the guide has no schema for, in the form of its `event_schemas`."""
    schemas: dict[str, dict[str, Any]] = orjson.loads(read("events.json"))
    return schemas


def read(name: str) -> bytes:
    """A schema file's bytes."""
    return resources.files("sitehub.codecs.schemas").joinpath(name).read_bytes()
