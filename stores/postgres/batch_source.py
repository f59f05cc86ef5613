"""The rows of a batch operation, read through its own query: read-only, within a time limit, a page at a time."""

import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import asyncpg
import orjson

from sitehub.rules.batch_pages import Position
from sitehub.rules.source_query import SourceQuery
from sitehub.stores.postgres.address import Address, Unreachable, connect
from sitehub.stores.postgres.sql import statement

UNSEEN = (
    "NOT pg_visible_in_snapshot(integration.whole_xid(xmin, pg_snapshot_xmax(pg_current_snapshot())),"
    " {}::text::pg_snapshot)"
)
"""Whether the transaction that wrote a row was not visible to a snapshot."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Watermark of an operation that has never run."""


@dataclass(frozen=True, slots=True)
class Found:
    """A row of the source, its columns as JSON has them."""

    position: Position
    columns: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """Which rows a run is about: those from `watermark` on, which is what `?` stands for.

    With a snapshot, of those that are older than `newer` only the ones that it did not see: rows come into the database
    later than their own time says, and not in its order.
    """

    watermark: datetime
    newer: datetime | None = None
    unseen_by: str | None = None


@dataclass(frozen=True, slots=True)
class BatchSource:
    """Reads from the first server that answers: the replica before the primary."""

    servers: Sequence[Address]
    statement_seconds: float

    @asynccontextmanager
    async def reading(self) -> AsyncIterator["Reading"]:
        """One snapshot; raises one of `Unreachable` if no server answers."""
        connection = await self._connect()
        try:
            await connection.transaction(isolation="repeatable_read", readonly=True).start()
            await connection.execute(f"SET LOCAL statement_timeout = {int(self.statement_seconds * 1000)}")
            await connection.execute("SET LOCAL timezone = 'UTC'")
            yield Reading(connection)
        finally:
            connection.terminate()

    async def _connect(self) -> Any:
        for server in self.servers[:-1]:
            try:
                return await connect(server)
            except (*Unreachable, asyncpg.PostgresError):
                continue
        return await connect(self.servers[-1])


@dataclass(frozen=True, slots=True)
class Reading:
    """An open transaction."""

    connection: Any

    async def check(self, query: SourceQuery, key: str) -> str | None:
        """Why the query can't be run; None if it can."""
        try:
            prepared = await self.connection.prepare(query.sql)
        except asyncpg.PostgresError as error:
            return str(error)
        columns = {column.name: column.type.name for column in prepared.get_attributes()}
        (parameter, *_) = prepared.get_parameters()
        for name in (query.watermark_column, key):
            if name not in columns:
                return f"no column {name!r} in what it selects: {', '.join(columns)}"
        if parameter.name != "timestamptz" or columns[query.watermark_column] != "timestamptz":
            return f"{query.watermark_column} is {columns[query.watermark_column]}, and must be timestamptz"
        try:
            await self._plan(query, EARLIEST)
        except asyncpg.PostgresError as error:
            return str(error)
        return None

    async def snapshot(self) -> str:
        """What this transaction sees, as a pg_snapshot."""
        return str(await self.connection.fetchval("SELECT pg_current_snapshot()::text"))

    async def span(self, query: SourceQuery, watermark: datetime | None, snapshot: str | None) -> Span:
        """What is due: rows from the watermark on, and older ones that the last run could not see yet."""
        if watermark is None or snapshot is None:
            return Span(EARLIEST)
        unseen = await self.earliest_unseen(query, snapshot)
        if unseen is None or unseen >= watermark:
            return Span(watermark)
        return Span(unseen, watermark, snapshot)

    async def earliest_unseen(self, query: SourceQuery, snapshot: str) -> datetime | None:
        """The oldest time of a row that is visible now and was not to `snapshot`.

        Looked for in the tables that the query reads and that have the watermark's column: they are read as a whole,
        since no index knows which transaction wrote a row.
        """
        times = []
        for relation in await self._relations(query, query.watermark_column):
            statement = f"SELECT min({_quoted(query.watermark_column)}) FROM {relation} WHERE {UNSEEN.format('$1')}"  # noqa: S608 -- quoted
            times.append(await self.connection.fetchval(statement, snapshot))
        return min((time for time in times if time is not None), default=None)

    async def count(self, query: SourceQuery, key: str, span: Span) -> int:
        """Rows of the span."""
        sql, values = await self._rows(query, key, span, None)
        return int(await self.connection.fetchval(f"SELECT count(*) FROM ({sql}) AS rows", *values))  # noqa: S608 -- as it is configured

    async def pages(
        self, query: SourceQuery, key: str, span: Span, after: Position | None, size: int
    ) -> AsyncIterator[list[Found]]:
        """Pages of `size` rows behind `after`, in the order of their time and key, through a cursor on the server."""
        sql, values = await self._rows(query, key, span, after)
        ordered = f"{sql} ORDER BY source.{_quoted(query.watermark_column)}, source.{_quoted(key)}::text"
        cursor = await self.connection.cursor(ordered, *values)
        while rows := await cursor.fetch(size):
            yield [Found(Position(row[0], row[1]), orjson.loads(row[2])) for row in rows]

    async def _plan(self, query: SourceQuery, watermark: datetime) -> Any:
        text = await self.connection.fetchval(f"EXPLAIN (VERBOSE, FORMAT JSON) {query.sql}", watermark)
        return json.loads(text)[0]["Plan"]

    async def _relations(self, query: SourceQuery, *columns: str) -> list[str]:
        """Tables that the query reads and that have all these columns, quoted."""
        scanned = set(_scanned(await self._plan(query, EARLIEST)))
        for column in columns:
            having = await self.connection.fetch(statement("tables_with_column"), column)
            scanned &= {(row[0], row[1]) for row in having}
        return [f"{_quoted(schema)}.{_quoted(table)}" for schema, table in sorted(scanned)]

    async def _rows(self, query: SourceQuery, key: str, span: Span, after: Position | None) -> tuple[str, list[Any]]:
        """SQL of a row's time, key and columns, and its parameters."""
        time, name = f"source.{_quoted(query.watermark_column)}", f"source.{_quoted(key)}::text"
        values: list[Any] = [span.watermark]
        conditions = []
        if span.unseen_by is not None and (late := await self._late_keys(query, key)):
            values += [span.newer, span.unseen_by]
            conditions.append(f"({time} >= $2::timestamptz OR {name} IN ({late}))")
        if after is not None:
            place = len(values) + 1
            values += after
            conditions.append(f"({time}, {name}) > (${place}::timestamptz, ${place + 1}::text)")
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        source = f"({query.sql}\n) AS source"
        return f"SELECT {time}, {name}, row_to_json(source)::text FROM {source}{where}", values  # noqa: S608 -- as it is configured

    async def _late_keys(self, query: SourceQuery, key: str) -> str:
        """SQL of the keys of rows that the snapshot did not see; empty if no table of the query has the key."""
        relations = await self._relations(query, query.watermark_column, key)
        selects = [f"SELECT {_quoted(key)}::text FROM {one} WHERE {UNSEEN.format('$3')}" for one in relations]  # noqa: S608 -- quoted
        return " UNION ALL ".join(selects)


def _scanned(plan: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if "Relation Name" in plan:
        yield plan["Schema"], plan["Relation Name"]
    for inner in plan.get("Plans", []):
        yield from _scanned(inner)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
