"""Avro values as the JSON that a producer of JSON would have sent.

A record's field that is null is left out, as in JSON; nulls of maps and arrays stay, for there they say something
(a new value that is null removes). Instants become RFC 3339 in UTC, bytes the text of Avro's own JSON encoding
(ISO 8859-1), decimals numbers.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from math import isfinite
from typing import Any, NamedTuple
from uuid import UUID

Shape = Callable[[Any], Any]
PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


class UnsafeSchemaError(ValueError):
    """A schema that a few bytes could make endless: it contains itself, or has lists of what takes no bytes."""


def shape_of(schema: Any) -> Shape:
    """Compile a schema, as fastavro parsed it, to what makes JSON of its values.

    Raises UnsafeSchemaError. The shape raises ValueError for what JSON has no number for.
    """
    return _Compiler().compile(schema).shape


class _Type(NamedTuple):
    shape: Shape
    is_empty: bool = False
    """Whether its values take no bytes."""


class _Compiler:
    def __init__(self) -> None:
        self._named: dict[str, _Type] = {}

    def compile(self, schema: Any) -> _Type:
        match schema:
            case str():
                return self._by_name(schema)
            case list():
                return self._union(schema)
            case {"type": "record" | "error", "name": name}:
                found = self._named[name] = self._record(schema)
            case {"type": "enum", "name": name}:
                found = self._named[name] = _Type(_scalar)
            case {"type": "fixed", "name": name, "size": size}:
                found = self._named[name] = _Type(_scalar, is_empty=size == 0)
            case {"type": "array", "items": inner}:
                found = self._array(inner)
            case {"type": "map", "values": inner}:
                shape = self.compile(inner).shape
                found = _Type(lambda value: {name: shape(one) for name, one in value.items()})
            case _:
                found = self.compile(schema["type"])
        return found

    def _by_name(self, name: str) -> _Type:
        if name in PRIMITIVES:
            return _Type(_scalar, is_empty=name == "null")
        if name not in self._named:
            raise UnsafeSchemaError(f"{name} contains itself")
        return self._named[name]

    def _record(self, schema: Mapping[str, Any]) -> _Type:
        fields = {field["name"]: self.compile(field["type"]) for field in schema["fields"]}
        shapes = {name: field.shape for name, field in fields.items()}

        def record(value: Mapping[str, Any]) -> dict[str, Any]:
            return {name: shape(value[name]) for name, shape in shapes.items() if value[name] is not None}

        return _Type(record, is_empty=all(field.is_empty for field in fields.values()))

    def _array(self, items: Any) -> _Type:
        item = self.compile(items)
        if item.is_empty:
            raise UnsafeSchemaError("the items of an array take no bytes")
        return _Type(lambda value: [item.shape(one) for one in value])

    def _union(self, branches: list[Any]) -> _Type:
        shapes = [self.compile(branch).shape for branch in branches if branch != "null"]
        if len(shapes) != 1:
            return _Type(_plain)
        shape = shapes[0]
        return _Type(lambda value: None if value is None else shape(value))


def _plain(value: Any) -> Any:
    """Of a union of several: which of its records it was is not known, so that nulls stay."""
    match value:
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case _:
            return _scalar(value)


def _scalar(value: Any) -> Any:
    match value:
        case float() if not isfinite(value):
            raise ValueError(f"{value} is no number of JSON")
        case None | bool() | int() | float() | str():
            return value
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case datetime() | date() | time():
            return value.isoformat()
        case Decimal():
            return float(value)
        case UUID():
            return str(value)
        case bytes():
            return value.decode("iso-8859-1")
        case _:
            raise ValueError(f"{type(value).__name__} has no JSON")
