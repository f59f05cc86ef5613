"""A JSON Schema, compiled, that an event must fit."""

from collections.abc import Mapping
from typing import Any

import jsonschema_rs

MAX_FAULTS = 5
"""Of a document are told in a dead letter."""
LISTED_BYTES = 4_096
"""Of larger documents the first fault alone is told: listing all of a megabyte's takes half a minute and 2 GB."""


class EventSchema:
    """The compiled schema of one event type and version; formats are enforced."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        validator = jsonschema_rs.validator_for(dict(schema), validate_formats=True)
        self.is_valid = validator.is_valid
        self.required = frozenset(schema.get("required", ()))
        self._validator = validator

    def faults(self, payload: Any, size_bytes: int) -> str:
        """What is wrong with `payload`, whose text has `size_bytes`, with the place of each fault."""
        if size_bytes > LISTED_BYTES:
            return self._first_fault(payload)
        texts = [_told(error) for error in self._validator.iter_errors(payload)]
        more = len(texts) - MAX_FAULTS
        return "; ".join(texts[:MAX_FAULTS]) + (f"; and {more} more" if more > 0 else "")

    def _first_fault(self, payload: Any) -> str:
        try:
            self._validator.validate(payload)
        except jsonschema_rs.ValidationError as error:
            return f"{_told(error)}; there may be more"
        return "does not fit its schema"


def _told(error: jsonschema_rs.ValidationError) -> str:
    return f"{'.'.join(map(str, error.instance_path)) or '(root)'}: {error.message}"
