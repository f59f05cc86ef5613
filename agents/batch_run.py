"""One run of a batch operation, from where it is to its end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC

from sitehub.agents.batch_calls import BatchCall, BatchCaller, Rejected
from sitehub.rules.batch_pages import BatchRow, DeliveredPrefix, Part
from sitehub.rules.batch_records import record_of
from sitehub.rules.mapping import Mapping
from sitehub.rules.source_query import SourceQuery
from sitehub.stores.postgres.batch_ledger import LEASE_SECONDS, Advance, BatchLedger, Lease, Run
from sitehub.stores.postgres.batch_source import BatchSource, Found, Reading, Span

RENEW_SECONDS = LEASE_SECONDS / 5
AHEAD = 4
"""Times `parallel_workers` pages may have ended behind one that has not, or not be written down: so much is sent again
after a crash."""


@dataclass(frozen=True, slots=True)
class BatchOperation:
    """An operation as it is configured."""

    name: str
    query: SourceQuery
    key: str
    """Column that tells rows apart which have the same time."""
    target: str
    method: str
    path: str
    batch_size: int
    parallel_workers: int


@dataclass(slots=True)
class BatchRun:
    """Works at a run for as long as it has the lease; what it raises leaves the run to be gone on with."""

    operation: BatchOperation
    run: Run
    lease: Lease
    ledger: BatchLedger
    source: BatchSource
    caller_of: Callable[[BatchCall, Callable[[], None]], BatchCaller]
    mapping: Callable[[], Mapping | None]
    bury: Callable[[BatchCall, list[Rejected]], Awaitable[None]]
    done: Callable[[Advance], None] = lambda _advance: None
    """Told of everything that is delivered and written down."""
    _written: Advance = field(default_factory=Advance)
    _written_page: int = 0
    _writing: asyncio.Task[None] | None = None
    _caller: BatchCaller | None = None

    async def finish(self) -> None:
        """Return once all rows that the run began with are delivered or dead letters, and that is written down."""
        keeping = asyncio.create_task(self._keep_lease())
        working = asyncio.create_task(self._work())
        try:
            await asyncio.wait({keeping, working}, return_when=asyncio.FIRST_COMPLETED)
            if keeping.done():
                keeping.result()
            await working
        finally:
            for task in (keeping, working):
                task.cancel()
            await asyncio.gather(keeping, working, return_exceptions=True)

    def since_written(self) -> Advance:
        """Calls and failures that no progress was written with."""
        return self._since_written(self._written.rows, self._written.rejected)

    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            await self.ledger.renew(self.lease)

    async def _work(self) -> None:
        operation = self.operation
        async with self.source.reading() as reading:
            span = await self._begin(reading)
            call = BatchCall(
                operation.name,
                operation.method,
                operation.path,
                span.watermark.astimezone(UTC).isoformat().replace("+00:00", "Z"),
                str(self.run.run_id),
                is_resumed=self.run.is_running,
            )
            self._caller = caller = self.caller_of(call, self.lease.check)
            prefix = DeliveredPrefix(self.run.position, self.run.pages)
            self._written_page = self.run.pages
            pages = reading.pages(operation.query, operation.key, span, self.run.position, operation.batch_size)
            await self._deliver(pages, prefix, caller)
        await self.ledger.complete(self.run, self.lease)

    async def _begin(self, reading: Reading) -> Span:
        """What the run is about: what it was about when it first began, or what has not come through until now."""
        if self.run.span is not None:
            await self.ledger.start(self.run, self.lease, None, None, None)
            return self.run.span
        operation, snapshot = self.operation, await reading.snapshot()
        state = await self.ledger.state(operation.name)
        since = self.run.since
        span = Span(since) if since else await reading.span(operation.query, state.watermark, state.snapshot)
        rows = await reading.count(operation.query, operation.key, span)
        await self.ledger.start(self.run, self.lease, span, snapshot, rows)
        return span

    async def _deliver(self, pages: AsyncIterator[list[Found]], prefix: DeliveredPrefix, caller: BatchCaller) -> None:
        workers = self.operation.parallel_workers
        running: dict[asyncio.Task[list[Rejected]], int] = {}
        try:
            async for found in pages:
                while len(running) >= workers or prefix.in_flight >= AHEAD * workers:
                    await self._collect(running, prefix, caller)
                if prefix.page - self._written_page >= AHEAD * workers:
                    await self._write_down(prefix)
                number = prefix.begin(found[-1].position, len(found))
                running[asyncio.create_task(caller.deliver(self._page(number, found)))] = number
            while running:
                await self._collect(running, prefix, caller)
            await self._write_down(prefix)
        finally:
            begun = [*running, *([self._writing] if self._writing is not None else [])]
            for task in begun:
                task.cancel()
            await asyncio.gather(*begun, return_exceptions=True)

    def _page(self, number: int, found: list[Found]) -> Part:
        mapping = self.mapping()
        return Part(str(number), tuple(BatchRow(row.position, record_of(row.columns, mapping)) for row in found))

    async def _collect(
        self, running: dict[asyncio.Task[list[Rejected]], int], prefix: DeliveredPrefix, caller: BatchCaller
    ) -> None:
        """Wait for pages to end, and let it be written down how far all have come: the next pages need not wait."""
        ended, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            number, rejected = running.pop(task), task.result()
            if rejected:
                await self.bury(caller.call, rejected)
            prefix.ended(number, len(rejected))
        if self._writing is None or self._writing.done():
            if self._writing is not None:
                self._writing.result()
            self._writing = asyncio.create_task(self._write(prefix))

    async def _write_down(self, prefix: DeliveredPrefix) -> None:
        """Return once all that has ended is written."""
        if self._writing is not None:
            await self._writing
        await self._write(prefix)

    async def _write(self, prefix: DeliveredPrefix) -> None:
        position, page = prefix.position, prefix.page
        if position is None or page == self._written_page:
            return
        done = self._since_written(prefix.rows, prefix.rejected)
        await self.ledger.advance(self.run, self.lease, position, page, done)
        self._written_page = page
        self._note(done)

    def _note(self, done: Advance) -> None:
        written = self._written
        written.rows += done.rows
        written.rejected += done.rejected
        written.calls += done.calls
        written.failures += done.failures
        self.done(done)

    def _since_written(self, rows: int, rejected: int) -> Advance:
        written, caller = self._written, self._caller
        calls, failures = (caller.calls, caller.failures) if caller is not None else (0, 0)
        return Advance(
            rows - written.rows, rejected - written.rejected, calls - written.calls, failures - written.failures
        )
