"""Commands as Avro, with what a reader counts by in the headers."""

from typing import Any

import fastavro
import msgspec
import orjson

from sitehub.codecs.avro_number import CONTINUED, decode_number, encode_number
from sitehub.codecs.schemas import read
from sitehub.rules.commands import Command

SCHEMA = fastavro.parse_schema(orjson.loads(read("command.avsc")))
TEXTS = 11
"""Fields of a command that are texts; they come first."""
BODY = 6
"""Place of the document among them."""
KNOWN_LENGTHS = 2_048
LENGTHS = tuple(encode_number(length) for length in range(KNOWN_LENGTHS))
"""Of texts, as they are written before them; longer ones are rare."""
NOTHING = b"\x00"
"""An empty map. A command of an older hub ends before its two maps: read as if they were there."""


def encode_command(command: Command) -> bytes:
    """Avro by `schemas/command.avsc`, without a header: byte by byte what fastavro writes, in a third of its time."""
    parts: list[bytes] = []
    for text in (
        command.command_id.encode(),
        command.target.encode(),
        command.action.encode(),
        command.site_id.encode(),
        command.method.encode(),
        command.path.encode(),
        orjson.dumps(command.body),
        command.event_id.encode(),
        command.event_timestamp.encode(),
        command.config_id.encode(),
        command.source_topic.encode(),
    ):
        length = len(text)
        parts += (LENGTHS[length] if length < KNOWN_LENGTHS else encode_number(length), text)
    parts += (encode_number(command.source_partition), encode_number(command.source_offset))
    parts += (_encode_map(command.headers), _encode_map(command.query))
    return b"".join(parts)


def _encode_map(texts: dict[str, str]) -> bytes:
    if not texts:
        return NOTHING
    encoded = [text.encode() for pair in texts.items() for text in pair]
    return b"".join([encode_number(len(texts)), *(encode_number(len(one)) + one for one in encoded), NOTHING])


def decode_command(value: bytes) -> Command:
    """The command that `encode_command` wrote."""
    command = decode_for_call(value)
    return msgspec.structs.replace(command, body=orjson.loads(orjson.dumps(command.body)))


def decode_for_call(value: bytes) -> Command:
    """The command with its body as JSON that `orjson` writes as it is: a call needs no more of it.

    Reads what fastavro would, in a third of its time. Raises ValueError for what is no command.
    """
    texts: list[Any] = []
    at, size = 0, len(value)
    try:
        for _ in range(TEXTS):
            length = value[at]
            length, at = (length >> 1, at + 1) if length < CONTINUED else decode_number(value, at)
            end = at + length
            if not at <= end <= size:
                raise ValueError(f"a text of a command's record ends at byte {end} of {size}")
            texts.append(value[at:end].decode())
            at = end
        partition, at = decode_number(value, at)
        offset, at = decode_number(value, at)
        # Commands of an earlier version end here.
        headers, at = _decode_map(value, at) if at < size else ({}, at)
        query, at = _decode_map(value, at) if at < size else ({}, at)
    except IndexError:
        raise ValueError(f"a command's record is cut after {size} bytes") from None
    texts[BODY] = orjson.Fragment(texts[BODY])
    return Command(*texts, partition, offset, headers, query)  # type: ignore[call-arg]  # eleven texts


def _decode_map(value: bytes, at: int) -> tuple[dict[str, str], int]:
    """A map and where it ends; blocks whose size is told (their count is negative) are never written here."""
    if value[at] == 0:
        return {}, at + 1
    texts: list[str] = []
    count, at = decode_number(value, at)
    while count:
        if count < 0:
            raise ValueError("a map of a command's record has a block of another writer")
        for _ in range(2 * count):
            length, at = decode_number(value, at)
            texts.append(value[at : at + length].decode())
            at += length
        count, at = decode_number(value, at)
    return dict(zip(texts[::2], texts[1::2], strict=True)), at


def command_headers(command: Command) -> list[tuple[str, bytes]]:
    """Ids, action and target as text."""
    return [
        ("command_id", command.command_id.encode()),
        ("event_id", command.event_id.encode()),
        ("action", command.action.encode()),
        ("target", command.target.encode()),
    ]
