"""Batch runs in the database: whose turn it is, how far each run has come. One connection, one statement at a time."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sitehub.rules.batch_pages import Position
from sitehub.stores.postgres.batch_source import Span
from sitehub.stores.postgres.sql import statement

LEASE_SECONDS = 15.0
"""A holder that has not been heard of for so long has lost its lease."""
LOOK_SECONDS = 0.2
MARGIN_SECONDS = 3.0
"""A holder believes in its lease for so much less than the database does."""


class LeaseLostError(Exception):
    """Another worker may be at the operation: nothing may be called or written any more."""


@dataclass(slots=True)
class Lease:
    """The right to work at an operation. The token fences what an earlier holder writes late."""

    operation: str
    token: int
    believed_until: float
    """By the monotonic clock, which goes on while the process is frozen."""

    def check(self) -> None:
        """Raise LeaseLostError if the lease may have ended."""
        if time.monotonic() >= self.believed_until:
            raise LeaseLostError(self.operation)


@dataclass(frozen=True, slots=True)
class BatchState:
    """What has come through of an operation."""

    watermark: datetime | None
    snapshot: str | None
    """None as well if it is of another server, whose transactions are not comparable."""
    scheduled_from: datetime


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its row has it."""

    run_id: UUID
    since: datetime | None
    is_running: bool
    span: Span | None
    """What it is about, once it has begun."""
    position: Position | None
    pages: int


@dataclass(slots=True)
class Advance:
    """What has come about since the last time that it was written."""

    rows: int = 0
    rejected: int = 0
    calls: int = 0
    failures: int = 0


async def waiting_run(connection: Any, run_id: UUID, seconds: float) -> Any:
    """The run's row once a worker has taken it; None, and the run is withdrawn, if none does within `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        row = await connection.fetchrow(statement("find_run"), run_id)
        if row["state"] != "requested":
            return row
        if time.monotonic() >= deadline and await connection.fetchval(statement("withdraw_run"), run_id):
            return None
        await asyncio.sleep(LOOK_SECONDS)


@dataclass(slots=True)
class BatchLedger:
    """Reads and writes over a connection to the primary."""

    connection: Any
    holder: str
    """Name of this worker."""
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def _value(self, name: str, *values: Any) -> Any:
        async with self._turn:
            return await self.connection.fetchval(statement(name), *values)

    async def _row(self, name: str, *values: Any) -> Any:
        async with self._turn:
            return await self.connection.fetchrow(statement(name), *values)

    async def take(self, operation: str) -> Lease | None:
        """The lease, if nobody else has it. What this worker had before has another token and ends."""
        began = time.monotonic()
        token = await self._value("take_lease", operation, self.holder, LEASE_SECONDS)
        return None if token is None else Lease(operation, token, began + LEASE_SECONDS - MARGIN_SECONDS)

    async def renew(self, lease: Lease) -> None:
        """Raises LeaseLostError if another has taken it."""
        began = time.monotonic()
        if not await self._value("renew_lease", lease.operation, lease.token, LEASE_SECONDS):
            raise LeaseLostError(lease.operation)
        lease.believed_until = began + LEASE_SECONDS - MARGIN_SECONDS

    async def release(self, lease: Lease) -> None:
        """Let the next one have it at once."""
        lease.believed_until = 0.0
        await self._value("release_lease", lease.operation, lease.token)

    async def state(self, operation: str) -> BatchState:
        """What has come through; an operation that is new is due from now on."""
        await self._value("adopt_operation", operation)
        row = await self._row("batch_state", operation)
        snapshot = None if row["is_foreign"] else row["snapshot"]
        return BatchState(row["watermark"], snapshot, row["scheduled_from"])

    async def schedule(self, operation: str, due: datetime) -> None:
        """Ask for the run that is due; a time is asked for once."""
        async with self._turn, self.connection.transaction():
            if await self.connection.fetchval(statement("schedule_done"), operation, due):
                await self.connection.fetchval(statement("request_run"), operation, "schedule", "schedule", None)

    async def next_run(self, operation: str) -> Run | None:
        """One that has begun and not ended, else the oldest that was asked for."""
        row = await self._row("next_run", operation)
        if row is None:
            return None
        position = None if row["position_time"] is None else Position(row["position_time"], row["position_key"])
        is_running = row["state"] == "running"
        span = None
        if row["watermark_from"] is not None:
            span = Span(row["watermark_from"], row["newer_than"], row["unseen_by"])
        return Run(row["run_id"], row["since"], is_running, span, position, row["pages"])

    async def start(self, run: Run, lease: Lease, span: Span | None, snapshot: str | None, rows: int | None) -> None:
        """Work at the run begins, or begins again: then what it began with stays. Raises LeaseLostError."""
        about = (span.watermark, span.newer, span.unseen_by) if span is not None else (None, None, None)
        await self._fenced("start_run", run, lease, self.holder, *about, snapshot, rows)

    async def advance(self, run: Run, lease: Lease, position: Position, page: int, done: Advance) -> None:
        """All up to `position` is delivered: the watermark moves. Raises LeaseLostError."""
        counts = (done.rows, done.rejected, done.calls, done.failures)
        await self._fenced("advance_run", run, lease, position.time, position.key, page, *counts)

    async def complete(self, run: Run, lease: Lease) -> None:
        """All that the run's snapshot saw is delivered. Raises LeaseLostError."""
        await self._fenced("complete_run", run, lease)
        await self._value("forget_runs")

    async def troubled(self, run: Run, lease: Lease, error: str, done: Advance) -> None:
        """Why the run does not go on for now."""
        await self._value("run_troubled", run.run_id, lease.operation, lease.token, error, done.calls, done.failures)

    async def _fenced(self, name: str, run: Run, lease: Lease, *values: Any) -> None:
        if not await self._value(name, run.run_id, lease.operation, lease.token, *values):
            raise LeaseLostError(lease.operation)
