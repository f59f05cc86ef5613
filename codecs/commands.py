"""Commands as Avro, with what a reader counts by in the headers."""

from io import BytesIO
from typing import Any

import fastavro
import msgspec
import orjson

from sitehub.codecs.avro_number import encode_number
from sitehub.codecs.schemas import read
from sitehub.rules.commands import Command

SCHEMA = fastavro.parse_schema(orjson.loads(read("command.avsc")))
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
    """The command with its body as JSON that `orjson` writes as it is: a call needs no more of it."""
    fields: dict[str, Any] = fastavro.schemaless_reader(BytesIO(value + 2 * NOTHING), SCHEMA, None)
    fields["body"] = orjson.Fragment(fields["body"])
    return Command(**fields)


def command_headers(command: Command) -> list[tuple[str, bytes]]:
    """Ids, action and target as text."""
    return [
        ("command_id", command.command_id.encode()),
        ("event_id", command.event_id.encode()),
        ("action", command.action.encode()),
        ("target", command.target.encode()),
    ]
