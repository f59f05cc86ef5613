"""Records of a topic as rows: what cannot be stored is refused alone, and never in the way of the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import asyncpg

DATA_ERRORS = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.exceptions.ProgramLimitExceededError,
)
"""What is raised for a row that the server does not take, however often it is asked."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that has no row: its place, and why."""

    topic: str
    partition: int
    offset: int
    key: str
    reason: str


class Sink(Protocol[Row]):
    """What becomes of a topic's records."""

    def row(self, record: Any) -> Row | str | None:
        """The row of a record with `key`, `value`, `partition`, `offset`; why there is none; None if it has none."""
        ...

    async def write(self, connection: Any, rows: Sequence[Row]) -> None:
        """Write the rows in this order, in the connection's transaction; the same rows again change nothing."""
        ...


@dataclass(slots=True)
class Batch(Generic[Row]):
    """The rows of the records of one topic."""

    sink: Sink[Row]
    rows: list[tuple[Row, Any]]
    refused: list[Refused]

    async def write(self, connection: Any) -> None:
        """Write in the connection's transaction; rows that the server does not take are refused, found by halving."""
        await self._write(connection, self.rows)

    async def _write(self, connection: Any, rows: list[tuple[Row, Any]]) -> None:
        try:
            async with connection.transaction():
                await self.sink.write(connection, [row for row, _ in rows])
        except DATA_ERRORS as error:
            if len(rows) == 1:
                self.refused.append(refused(rows[0][1], str(error)))
                return
            middle = len(rows) // 2
            await self._write(connection, rows[:middle])
            await self._write(connection, rows[middle:])


def batch(sink: Sink[Row], records: Sequence[Any]) -> Batch[Row]:
    """Decode the records of one topic, in their order."""
    made: Batch[Row] = Batch(sink, [], [])
    for record in records:
        try:
            found = sink.row(record)
        except Exception as bug:  # noqa: BLE001 -- a bug costs the record it met, not the batch
            found = f"{type(bug).__name__}: {bug}"
        match found:
            case str() as reason:
                made.refused.append(refused(record, reason))
            case None:
                pass
            case row:
                made.rows.append((row, record))
    return made


def refused(record: Any, reason: str) -> Refused:
    """The refusal of a record."""
    key = (record.key or b"").decode("utf-8", "replace")
    return Refused(record.topic, record.partition, record.offset, key[:200], reason[:500])
