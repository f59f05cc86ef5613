"""What a PostgreSQL column can hold, of anything that JSON can."""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec

from sitehub.rules.times import instant

NUL = "\x00"
NUL_SHOWN = "␀"
"""Stands for NUL, which PostgreSQL has no place for in text."""
NUL_ESCAPED = b"\\u0000"
DIGEST_CHARACTERS = 12

_encode = msgspec.json.Encoder().encode


def storable_text(text: str | None, longest: int | None = None) -> str | None:
    """The text with NUL made visible; one of more than `longest` characters ends with a hash of the whole."""
    if text is None:
        return None
    if NUL in text:
        text = text.replace(NUL, NUL_SHOWN)
    if longest is None or len(text) <= longest:
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_CHARACTERS]
    return f"{text[: longest - DIGEST_CHARACTERS - 1]}~{digest}"


def without_nul(document: bytes) -> bytes:
    """A JSON document with NUL made visible in its texts and names."""
    if NUL_ESCAPED not in document:
        return document
    return _encode(_shown(msgspec.json.decode(document)))


def moment(text: str | None) -> datetime | None:
    """The instant of an RFC 3339 time; the nearest that there is, for one at the ends of the calendar."""
    if text is None:
        return None
    found = instant(text)
    try:
        return found.astimezone(UTC)
    except OverflowError:
        return found.replace(tzinfo=UTC)


def _shown(value: Any) -> Any:
    match value:
        case str():
            return value.replace(NUL, NUL_SHOWN)
        case dict():
            return {_shown(key): _shown(inner) for key, inner in value.items()}
        case list():
            return [_shown(inner) for inner in value]
        case _:
            return value
