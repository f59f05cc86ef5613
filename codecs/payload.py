"""Bytes of a record to the JSON object that they hold, within limits."""

from typing import Any

import orjson

from sitehub.codecs.nesting import is_too_deep
from sitehub.rules.failure import Failure

MAX_BYTES = 1 << 20

Payload = dict[str, Any]


def parse_json(value: bytes) -> Payload | Failure:
    """The object, or why there is none: NaN, invalid UTF-8 and deep nesting are faults."""
    if is_too_deep(value):
        return Failure("decode", "too_deep", "nested deeper than 64 levels")
    try:
        payload = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        return _undecodable(value, error)
    return as_object(payload)


def as_object(payload: Any) -> Payload | Failure:
    """The payload, if it is an object."""
    if not isinstance(payload, dict):
        return Failure("decode", "not_an_object", f"an event is an object, this is {type(payload).__name__}")
    return payload


def _undecodable(value: bytes, error: orjson.JSONDecodeError) -> Failure:
    try:
        value.decode()
    except UnicodeDecodeError as fault:
        return Failure("decode", "not_utf8", f"byte {fault.start}: {fault.reason}")
    return Failure("decode", "not_json", str(error))
