"""Reads the audit log: what was done, and whether the rows are those that were written."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from sitehub.rules.audit_chain import Content, Head, Row
from sitehub.rules.audit_check import Check, Place
from sitehub.stores.postgres.sql import statement

PREFETCH = 5_000
"""Rows that are fetched at once."""
CONTENT = len(Content._fields)


class Wanted(msgspec.Struct, frozen=True):
    """Which records are asked for; what is None does not matter."""

    site_id: str | None = None
    actor: str | None = None
    """An actor, or a kind of actors: event, delivery, operator."""
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 100


async def newest(connection: Any, wanted: Wanted) -> list[dict[str, Any]]:
    """The newest of the wanted records, oldest first."""
    rows = await connection.fetch(
        statement("audit_list"), wanted.site_id, wanted.actor, wanted.action, wanted.since, wanted.until, wanted.limit
    )
    return [dict(row) for row in rows]


async def check(
    connection: Any, topic: str, known: Mapping[Place, bytes], progress: Callable[[int, int], None]
) -> tuple[Check, list[Head]]:
    """Look at all rows as they are at one moment; they are the records of `topic`.

    `progress` is told how many rows were looked at, of how many.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        heads = [Head(**row) for row in await connection.fetch(statement("audit_heads"))]
        expired = {row["day"] for row in await connection.fetch(statement("audit_days_expired"))}
        offsets = await next_offsets(connection, topic)
        checked = Check(heads, is_expired=expired.__contains__, known=known)
        total = sum(head.rows for head in heads if head.day not in expired)
        async for row in connection.cursor(statement("audit_rows"), prefetch=PREFETCH):
            checked.take(_row(row))
            if checked.rows % PREFETCH == 0:
                progress(checked.rows, total)
        checked.finish(offsets)
        progress(checked.rows, total)
    return checked, heads


async def next_offsets(connection: Any, topic: str) -> dict[int, int]:
    """Where the partitions of `topic` are to be read on."""
    rows = await connection.fetch(statement("audit_offsets"), topic)
    return {row["partition"]: row["next_offset"] for row in rows}


async def rows_of_chain(connection: Any, chain: int, first: int, end: int, since: datetime) -> AsyncIterator[Row]:
    """Rows of the records of a partition from offset `first` to before `end`, in their order; none before `since`."""
    async for row in connection.cursor(statement("audit_rows_of_chain"), chain, first, end, since, prefetch=PREFETCH):
        yield _row(row)


def _row(columns: Any) -> Row:
    values = tuple(columns)
    return Row(Content._make(values[:CONTENT]), *values[CONTENT:])
