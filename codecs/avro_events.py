"""Events in Confluent's wire format: a zero byte, the schema's id in four bytes, then Avro."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import fastavro
import orjson

from sitehub.codecs.avro_shape import Shape, shape_of
from sitehub.codecs.payload import Payload, as_object
from sitehub.rules.failure import Failure

MAGIC = 0
HEAD_BYTES = 5


class AvroSchemaError(ValueError):
    """A schema file that can't be used; the text names the file and the fault."""


class AvroDecoder:
    """Decodes values by the schemas of a registry. Total: any bytes give a payload or a failure."""

    def __init__(self, schemas: Mapping[int, Any]) -> None:
        """`schemas` holds Avro schemas, as JSON reads them, by id. Raises AvroSchemaError."""
        self._schemas = {number: _compiled(str(number), schema) for number, schema in schemas.items()}

    def decode(self, value: bytes) -> Payload | Failure:
        """The payload as JSON would have given it, or why there is none."""
        if len(value) < HEAD_BYTES:
            return Failure("decode", "not_avro", f"{len(value)} bytes hold no schema id")
        number = int.from_bytes(value[1:HEAD_BYTES], "big")
        known = self._schemas.get(number)
        if known is None:
            return Failure("decode", "unknown_schema", f"no schema has the id {number}")
        schema, shape = known
        body = BytesIO(value)
        body.seek(HEAD_BYTES)
        try:
            payload = shape(fastavro.schemaless_reader(body, schema, None))
        except Exception as fault:  # noqa: BLE001 -- fastavro raises what the bytes make it stumble over
            return Failure("decode", "not_avro", f"not of schema {number}: {type(fault).__name__}: {fault}")
        if rest := len(value) - body.tell():
            return Failure("decode", "not_avro", f"{rest} bytes behind the value of schema {number}")
        return as_object(payload)


def read_folder(folder: Path) -> dict[int, Any]:
    """Schemas by id from files `<id>.avsc`. Raises AvroSchemaError for a file that holds no JSON or names no id."""
    schemas = {}
    for path in sorted(folder.glob("*.avsc")):
        if not (path.stem.isascii() and path.stem.isdigit()):
            raise AvroSchemaError(f"{path}: a schema's file is named by its id, as in 7.avsc")
        try:
            schemas[int(path.stem)] = orjson.loads(path.read_bytes())
        except (OSError, orjson.JSONDecodeError) as error:
            raise AvroSchemaError(f"{path}: {error}") from None
    return schemas


def _compiled(name: str, schema: Any) -> tuple[Any, Shape]:
    try:
        parsed = fastavro.parse_schema(schema)
        return parsed, shape_of(parsed)
    except Exception as error:  # fastavro raises what the schema makes it stumble over
        raise AvroSchemaError(f"schema {name}: {type(error).__name__}: {error}") from error
