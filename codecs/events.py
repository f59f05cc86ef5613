"""Bytes to events: any bytes give an event or a failure, never an exception."""

from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema_rs
import orjson

from sitehub.codecs.nesting import is_too_deep
from sitehub.rules.events import Event
from sitehub.rules.failure import Failure

MAX_BYTES = 1 << 20
DEFAULT_VERSION = "1.0"
TYPE = "event_type"
VERSION = "version"
REQUIRED_OF_ALL = ("event_id", "event_timestamp")
MAX_FAULTS = 5
"""Of a document are told in a dead letter."""


class _Schema:
    """A compiled schema of one event type and version."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        validator = jsonschema_rs.validator_for(dict(schema), validate_formats=True)
        self.is_valid = validator.is_valid
        self.iter_errors = validator.iter_errors
        self.required = frozenset(schema.get("required", ()))

    def faults(self, payload: Any) -> str:
        """What is wrong, with the place of each fault."""
        errors = list(self.iter_errors(payload))
        texts = [f"{'.'.join(map(str, error.instance_path)) or '(root)'}: {error.message}" for error in errors]
        more = len(texts) - MAX_FAULTS
        return "; ".join(texts[:MAX_FAULTS]) + (f"; and {more} more" if more > 0 else "")


class EventDecoder:
    """Decodes and validates events of one topic.

    The type is the header `event_type`, else the field, else the one schema whose required fields are there.
    """

    def __init__(self, schemas: Mapping[str, Mapping[str, Mapping[str, Any]]], key_field: str) -> None:
        """`schemas` holds a JSON Schema by event type and version; the key must equal the field `key_field`."""
        self._schemas = {
            kind: {version: _Schema(schema) for version, schema in versions.items()}
            for kind, versions in schemas.items()
        }
        self._key_field = key_field

    def decode(
        self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
    ) -> Event | Failure:
        """The event, or why there is none."""
        payload = _parse(value)
        if isinstance(payload, Failure):
            return payload
        kind, version = payload.get(TYPE), payload.get(VERSION, DEFAULT_VERSION)
        for name, text in headers:
            if name == TYPE and text is not None:
                kind = text.decode("utf-8", "replace")
            elif name == VERSION and text is not None:
                version = text.decode("utf-8", "replace")
        if kind is None:
            kind = self._fitting(payload)
            if isinstance(kind, Failure):
                return kind
        schema = self._schema(kind, version)
        if isinstance(schema, Failure):
            return schema
        if not schema.is_valid(payload):
            return Failure("validate", "schema_violation", schema.faults(payload))
        return self._identified(key, kind, version, payload)

    def _schema(self, kind: Any, version: Any) -> "_Schema | Failure":
        versions = self._schemas.get(kind) if isinstance(kind, str) else None
        if versions is None:
            return Failure("decode", "unknown_event_type", f"{kind!r}: known are {sorted(self._schemas)}")
        schema = versions.get(version) if isinstance(version, str) else None
        if schema is None:
            return Failure("decode", "unknown_version", f"{kind} {version!r}: known are {sorted(versions)}")
        return schema

    def _fitting(self, payload: dict[str, Any]) -> str | Failure:
        """The one type whose required fields are there; the more a schema requires, the better it fits."""
        fitting = {
            kind: len(schema.required)
            for kind, versions in self._schemas.items()
            for schema in versions.values()
            if schema.required <= payload.keys()
        }
        most = max(fitting.values(), default=0)
        best = [kind for kind, count in fitting.items() if count == most]
        match best:
            case [kind]:
                return kind
            case []:
                return Failure("decode", "unknown_event_type", "no event_type, and no schema fits")
            case _:
                return Failure("decode", "ambiguous_event_type", f"no event_type, and {sorted(best)} fit")

    def _identified(self, key: bytes | None, kind: str, version: str, payload: dict[str, Any]) -> Event | Failure:
        """The event, if what every event needs is there whatever its schema says, and the key is its site's."""
        site_id = payload.get(self._key_field)
        event_id, timestamp = payload.get("event_id"), payload.get("event_timestamp")
        if not (isinstance(site_id, str) and isinstance(event_id, str) and isinstance(timestamp, str)):
            return Failure(
                "validate", "schema_violation", f"{self._key_field}, event_id and event_timestamp must be texts"
            )
        if key is None or key != site_id.encode():
            return Failure("validate", "key_mismatch", f"the key is {key!r}, {self._key_field} is {site_id!r}")
        if not site_id or site_id[0] == "\0":
            return Failure("validate", "invalid_site_id", "a site id is not empty and does not begin with NUL")
        return Event(kind, version, event_id, timestamp, site_id, payload)


def _parse(value: bytes | None) -> dict[str, Any] | Failure:  # noqa: PLR0911 -- one return a fault reads best
    if not value:
        return Failure("decode", "empty_value", "the record has no value")
    if len(value) > MAX_BYTES:
        return Failure("decode", "too_large", f"{len(value)} bytes; the limit is {MAX_BYTES}")
    if value[0] == 0:
        return Failure("decode", "avro_unsupported", "Confluent wire format needs a schema_registry block")
    if is_too_deep(value):
        return Failure("decode", "too_deep", "nested deeper than 64 levels")
    try:
        payload = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return _undecodable(value, error)
    if not isinstance(payload, dict):
        return Failure("decode", "not_an_object", f"an event is a JSON object, this is {type(payload).__name__}")
    return payload


def _undecodable(value: bytes, error: orjson.JSONDecodeError) -> Failure:
    try:
        value.decode()
    except UnicodeDecodeError as fault:
        return Failure("decode", "not_utf8", f"byte {fault.start}: {fault.reason}")
    return Failure("decode", "not_json", str(error))
