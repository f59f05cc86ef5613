"""Runs batch operations when they are due or asked for: on the leader, and only under the operation's lease."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any

import asyncpg
from aiokafka.errors import KafkaError
from mode import Service

from sitehub.agents.batch_calls import TargetError
from sitehub.agents.batch_run import BatchOperation, BatchRun
from sitehub.rules.schedule import last_due
from sitehub.stores.postgres.address import Address, Unreachable, connect
from sitehub.stores.postgres.batch_ledger import Advance, BatchLedger, Lease, LeaseLostError, Run
from sitehub.stores.postgres.batch_source import BatchSource
from sitehub.telemetry.logs import log
from sitehub.telemetry.metrics import Metrics

LOOK_SECONDS = 1.0
CHECK_SECONDS = 30.0
"""Between two checks of the queries that have a mistake."""
AGAIN_SECONDS = 30.0
"""Until a run that can't go on is gone on with: a target that is away, a rejected call."""

MakeRun = Callable[[BatchOperation, Run, Lease, BatchLedger, Callable[[Advance], None]], BatchRun]
GONE = (*Unreachable, asyncpg.PostgresError)


@dataclass(slots=True)
class _Standing:
    """What is known of an operation here."""

    problem: str | None = None
    """Why it can't be run at all, until the configuration or the database is mended."""
    trouble: str | None = None
    """Why its run does not go on for now."""
    again_at: float = 0.0
    rows: int = 0
    is_running: bool = False


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """Operations in their order, and when they are due."""

    operations: list[BatchOperation]
    crontab: str
    zone: tzinfo
    problems: dict[str, str] = field(default_factory=dict)
    """Operations that can't be run with this configuration, and why."""


class BatchSync(Service):
    """One operation after the other. A run that was interrupted anywhere is gone on with by whoever is the leader."""

    def __init__(
        self,
        plan: BatchPlan,
        primary: Address,
        source: BatchSource,
        *,
        holder: str,
        is_leader: Callable[[], bool],
        make_run: MakeRun,
        metrics: Metrics,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._plan, self._primary, self._source = plan, primary, source
        self._holder, self._is_leader, self._make_run, self._metrics = holder, is_leader, make_run, metrics
        self._standings = {operation.name: _Standing() for operation in plan.operations}
        self._error: str | None = None
        self._working: asyncio.Task[None] | None = None
        self._checked_at = float("-inf")

    async def on_stop(self) -> None:
        """Cut the run where it is: the next leader goes on with it."""
        if self._working is not None:
            self._working.cancel()

    @property
    def is_well(self) -> bool:
        """Whether all operations can be run."""
        standings = self._standings.values()
        return not (self._error or self._plan.problems or any(one.problem or one.trouble for one in standings))

    def report(self) -> dict[str, Any]:
        """For `/health`."""
        operations = {
            name: {"running": one.is_running, "problem": one.problem, "trouble": one.trouble}
            for name, one in self._standings.items()
        }
        for name, problem in self._plan.problems.items():
            operations[name] = {"running": False, "problem": problem, "trouble": None}
        return {"leader": self._is_leader(), "error": self._error, "operations": operations}

    @Service.task  # type: ignore[untyped-decorator]
    async def _work(self) -> None:
        while not self.should_stop:
            try:
                await self._check()
                if self._is_leader():
                    await self._look()
                self._error = None
            except GONE as error:
                self._error = str(error) or type(error).__name__
            await self.sleep(LOOK_SECONDS)

    async def _check(self) -> None:
        """The queries of operations that are not known to be well."""
        if time.monotonic() - self._checked_at < CHECK_SECONDS:
            return
        for operation in self._plan.operations:
            standing = self._standings[operation.name]
            async with self._source.reading() as reading:
                problem = await reading.check(operation.query, operation.key)
            if problem is not None and problem != standing.problem:
                log("batch_query_refused", operation=operation.name, problem=problem)
            standing.problem = problem
        is_well = not any(standing.problem for standing in self._standings.values())
        self._checked_at = float("inf") if is_well else time.monotonic()

    async def _look(self) -> None:
        connection = await connect(self._primary)
        try:
            self._error, ledger = None, BatchLedger(connection, self._holder)
            while not self.should_stop and self._is_leader():
                for operation in self._plan.operations:
                    await self._run_if_due(operation, ledger)
                await self.sleep(LOOK_SECONDS)
                await self._check()
        finally:
            connection.terminate()

    async def _run_if_due(self, operation: BatchOperation, ledger: BatchLedger) -> None:
        standing = self._standings[operation.name]
        if standing.problem is not None or time.monotonic() < standing.again_at:
            return
        state = await ledger.state(operation.name)
        due = last_due(self._plan.crontab, self._plan.zone, state.scheduled_from, datetime.now(UTC))
        if due is not None:
            await ledger.schedule(operation.name, due)
        if await ledger.next_run(operation.name) is None:
            return
        lease = await ledger.take(operation.name)
        if lease is None:
            return
        run = await ledger.next_run(operation.name)  # as whoever had the lease before has left it
        if run is not None:
            await self._run(operation, run, lease, ledger)
        with contextlib.suppress(*GONE):
            await ledger.release(lease)

    async def _run(self, operation: BatchOperation, run: Run, lease: Lease, ledger: BatchLedger) -> None:
        standing = self._standings[operation.name]
        log("batch_started", operation=operation.name, run=str(run.run_id), resumed=run.is_running)
        work = self._make_run(operation, run, lease, ledger, self._counted(operation))
        standing.is_running = True
        try:
            await self._until_stopped(work)
        except LeaseLostError:
            log("batch_lease_lost", operation=operation.name, run=str(run.run_id))
        except (TargetError, KafkaError, *GONE) as error:
            standing.trouble = f"{type(error).__name__}: {error}"
            standing.again_at = time.monotonic() + (LOOK_SECONDS if isinstance(error, GONE) else AGAIN_SECONDS)
            log("batch_interrupted", operation=operation.name, run=str(run.run_id), error=standing.trouble)
            await ledger.troubled(run, lease, standing.trouble, work.since_written())
        else:
            if not self.should_stop:
                standing.trouble = None
                self._metrics.batch_completed.labels(operation.name).set(time.time())
                log("batch_completed", operation=operation.name, run=str(run.run_id))
        finally:
            standing.is_running = False

    async def _until_stopped(self, work: BatchRun) -> None:
        """The run to its end, or cut where it is when the worker stops."""
        self._working = working = asyncio.create_task(work.finish())
        try:
            await asyncio.wait({working})
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        if not working.cancelled():
            working.result()

    def _counted(self, operation: BatchOperation) -> Callable[[Advance], None]:
        def count(done: Advance) -> None:
            metrics, name = self._metrics, operation.name
            metrics.batch_rows.labels(name).inc(done.rows)
            metrics.batch_rejected.labels(name).inc(done.rejected)
            metrics.batch_failures.labels(name).inc(done.failures)
            metrics.dead_letters.labels(f"batch/{name}", "delivery", "rejected").inc(done.rejected)

        return count
