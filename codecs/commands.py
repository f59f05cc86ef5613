"""Commands as Avro, with what a reader counts by in the headers."""

from io import BytesIO
from typing import Any

import fastavro
import msgspec
import orjson

from sitehub.codecs.schemas import read
from sitehub.rules.commands import Command

SCHEMA = fastavro.parse_schema(orjson.loads(read("command.avsc")))


def encode_command(command: Command) -> bytes:
    """Avro by `schemas/command.avsc`, without a header."""
    fields: dict[str, Any] = msgspec.structs.asdict(command)
    fields["body"] = orjson.dumps(command.body)
    buffer = BytesIO()
    fastavro.schemaless_writer(buffer, SCHEMA, fields)
    return buffer.getvalue()


def decode_command(value: bytes) -> Command:
    """The command that `encode_command` wrote."""
    fields: dict[str, Any] = fastavro.schemaless_reader(BytesIO(value), SCHEMA, None)
    return Command(**{**fields, "body": orjson.loads(fields["body"])})


def command_headers(command: Command) -> list[tuple[str, bytes]]:
    """Ids, action and target as text."""
    return [
        ("command_id", command.command_id.encode()),
        ("event_id", command.event_id.encode()),
        ("action", command.action.encode()),
        ("target", command.target.encode()),
    ]
