"""Bytes to events: any bytes give an event or a failure, never an exception."""

from collections.abc import Mapping, Sequence
from typing import Any

from sitehub.codecs.avro_events import MAGIC, AvroDecoder
from sitehub.codecs.event_schema import EventSchema
from sitehub.codecs.payload import MAX_BYTES, Payload, parse_json
from sitehub.rules.events import Event
from sitehub.rules.failure import Failure
from sitehub.rules.times import instant

DEFAULT_VERSION = "1.0"
TYPE = "event_type"
VERSION = "version"
REQUIRED_OF_ALL = frozenset({"event_id", "event_timestamp"})


class EventDecoder:
    """Decodes and validates events of one topic.

    The type is the header `event_type`, else the field, else the one schema whose required fields are there. A schema
    that requires only what every event has, as that of a deletion, is never guessed.
    """

    def __init__(
        self,
        schemas: Mapping[str, Mapping[str, Mapping[str, Any]]],
        key_field: str,
        avro: AvroDecoder | None = None,
    ) -> None:
        """`schemas` holds a JSON Schema by event type and version; the key must equal the field `key_field`.

        Without `avro` values in Confluent's wire format are failures; with it they meet the same JSON Schemas.
        """
        self._schemas = {
            kind: {version: EventSchema(schema) for version, schema in versions.items()}
            for kind, versions in schemas.items()
        }
        self._key_field = key_field
        self._avro = avro
        self._telling = [
            (kind, schema.required)
            for kind, versions in self._schemas.items()
            for schema in versions.values()
            if not schema.required <= REQUIRED_OF_ALL | {key_field}
        ]

    def decode(
        self, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes | None]]
    ) -> Event | Failure:
        """The event, or why there is none."""
        payload = self._payload(value)
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
            return Failure("validate", "schema_violation", schema.faults(payload, len(value or b"")))
        return self._identified(key, kind, version, payload)

    def _payload(self, value: bytes | None) -> Payload | Failure:
        if not value:
            return Failure("decode", "empty_value", "the record has no value")
        if len(value) > MAX_BYTES:
            return Failure("decode", "too_large", f"{len(value)} bytes; the limit is {MAX_BYTES}")
        if value[0] != MAGIC:
            return parse_json(value)
        if self._avro is None:
            return Failure("decode", "avro_unsupported", "Confluent wire format needs a schema_registry block")
        return self._avro.decode(value)

    def _schema(self, kind: Any, version: Any) -> EventSchema | Failure:
        versions = self._schemas.get(kind) if isinstance(kind, str) else None
        if versions is None:
            return Failure("decode", "unknown_event_type", f"{kind!r}: known are {sorted(self._schemas)}")
        schema = versions.get(version) if isinstance(version, str) else None
        if schema is None:
            return Failure("decode", "unknown_version", f"{kind} {version!r}: known are {sorted(versions)}")
        return schema

    def _fitting(self, payload: Payload) -> str | Failure:
        """The one type whose required fields are there; one that requires these and more fits better."""
        fitting = [(kind, required) for kind, required in self._telling if required <= payload.keys()]
        best = {kind for kind, required in fitting if not any(required < other for _, other in fitting)}
        match sorted(best):
            case [kind]:
                return kind
            case []:
                return Failure("decode", "unknown_event_type", "no event_type, and no schema fits")
            case several:
                return Failure("decode", "ambiguous_event_type", f"no event_type, and {several} fit")

    def _identified(self, key: bytes | None, kind: str, version: str, payload: Payload) -> Event | Failure:
        """The event, if what every event needs is there whatever its schema says, and the key is its site's."""
        site_id = payload.get(self._key_field)
        event_id, timestamp = payload.get("event_id"), payload.get("event_timestamp")
        if not (isinstance(site_id, str) and isinstance(event_id, str) and isinstance(timestamp, str)):
            return Failure(
                "validate", "schema_violation", f"{self._key_field}, event_id and event_timestamp must be texts"
            )
        try:
            instant(timestamp)
        except ValueError as error:
            return Failure("validate", "schema_violation", f"event_timestamp: {error}")
        if key is None or key != site_id.encode():
            return Failure("validate", "key_mismatch", f"the key is {key!r}, {self._key_field} is {site_id!r}")
        if not site_id or site_id[0] == "\0":
            return Failure("validate", "invalid_site_id", "a site id is not empty and does not begin with NUL")
        return Event(kind, version, event_id, timestamp, site_id, payload)
