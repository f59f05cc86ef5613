"""What came of commands, from `sync-results`, as rows of `integration.sync_status` and `command_attempts`."""

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from sitehub.codecs.results import Result, decode_result
from sitehub.stores.postgres.sql import statement
from sitehub.stores.postgres.storable import moment, storable_text

SOURCE_SYSTEM = "customer_sites"
ENTITY_TYPE = "site"
LONGEST = 100
"""Characters of the guide's columns."""
NAMESPACE = uuid.UUID("a7d0c6a2-52a5-4c05-9c34-2f3ac5f3c6f1")
"""Of the ids of attempts."""


class ResultRow(msgspec.Struct, frozen=True):
    """An attempt, or another end of a command."""

    attempt_id: uuid.UUID
    at: datetime | None
    command_id: str | None
    event_id: str | None
    action: str | None
    target: str | None
    site_id: str | None
    status: str
    attempt: int
    http_status: int | None
    error: str | None
    answer: str | None
    duration_ms: float
    event_timestamp: datetime | None
    superseded_by: str | None


class ResultRows:
    """Writes each result once: its id is made of the command's, the number of the attempt and what came of it."""

    def row(self, record: Any) -> ResultRow | str | None:
        """The row; none for news of a breaker, which are no command's; why there is none for what is no result."""
        try:
            result = decode_result(record.value or b"")
        except msgspec.MsgspecError as error:
            return f"no result: {error}"
        if not result.command_id:
            return None
        return ResultRow(
            attempt_id=attempt_id(result),
            at=moment(result.at),
            command_id=storable_text(result.command_id),
            event_id=storable_text(result.event_id),
            action=storable_text(result.action),
            target=storable_text(result.target),
            site_id=storable_text(result.site_id),
            status=result.status,
            attempt=result.attempt,
            http_status=result.http_status,
            error=storable_text(result.error),
            answer=storable_text(result.answer),
            duration_ms=result.duration_ms,
            event_timestamp=moment(result.event_timestamp),
            superseded_by=storable_text(result.superseded_by),
        )

    async def write(self, connection: Any, rows: Sequence[ResultRow]) -> None:
        """Write what is not there yet."""
        days = {row.at.astimezone(UTC).date(): row.at for row in rows if row.at is not None}
        await connection.execute(statement("ensure_attempt_partitions"), list(days.values()))
        columns = [[getattr(row, name) for row in rows] for name in ResultRow.__struct_fields__]
        await connection.execute(statement("insert_attempts"), *columns)
        await connection.execute(
            statement("insert_sync_status"),
            [row.attempt_id for row in rows],
            SOURCE_SYSTEM,
            [storable_text(row.target, LONGEST) for row in rows],
            ENTITY_TYPE,
            [storable_text(row.site_id, LONGEST) for row in rows],
            [row.at for row in rows],
            [row.status for row in rows],
            [row.error for row in rows],
            [max(0, row.attempt - 1) for row in rows],
        )


def attempt_id(result: Result) -> uuid.UUID:
    """The same for the same result, however often it is read."""
    name = f"{result.target}\n{result.command_id}\n{result.attempt}\n{result.status}"
    return uuid.uuid5(NAMESPACE, name)
