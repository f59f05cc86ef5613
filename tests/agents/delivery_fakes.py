"""A partition of commands in memory and a target that answers as it is told, behind the real ones' interfaces."""

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from sitehub.agents.dispatcher import Dispatcher
from sitehub.agents.target_delivery import Delivery
from sitehub.clients.answer import Answer, Delivered
from sitehub.clients.http1 import WithheldError
from sitehub.codecs.audit import decode_audit
from sitehub.codecs.commands import command_headers, encode_command
from sitehub.codecs.results import Result, decode_result
from sitehub.codecs.rows import decode_delivery
from sitehub.engine.batch import Headers, Message, Outcome, PartitionBatch
from sitehub.engine.partition import Draining
from sitehub.engine.source import Loop
from sitehub.rules.audit import AuditRecord
from sitehub.rules.breaker import Doubt
from sitehub.rules.commands import Command
from sitehub.rules.delivery import DeliveryRow
from sitehub.rules.retry import RetryPolicy
from sitehub.telemetry.metrics import Metrics

NOW, NOW_SECONDS = "2026-11-24T02:00:00.000Z", 1_795_485_600.0
QUICK = RetryPolicy(max_retries=3, backoff_multiplier=1, initial_delay_ms=1)


@dataclass(frozen=True, slots=True)
class Read:
    """A record as a consumer reads it."""

    offset: int
    key: bytes
    value: bytes
    headers: Headers
    timestamp: int = 0


def command(offset: int, site_id: str = "s1", body: Any = None) -> Command:
    event_id = f"e{offset}"
    return Command(
        f"{event_id}:update",
        "billing",
        "update",
        site_id,
        "PUT",
        f"/customers/{site_id}",
        {"n": offset} if body is None else body,
        event_id,
        "2026-11-24T01:00:00Z",
        "c0ffee",
        "events",
        4,
        offset,
    )


def record(offset: int, site_id: str = "s1", body: Any = None) -> Read:
    one = command(offset, site_id, body)
    return Read(offset, site_id.encode(), encode_command(one), command_headers(one))


class FakePartition:
    """Keeps what was committed; each commit is all or nothing, as a transaction."""

    def __init__(self, *records: Read) -> None:
        self.source = SimpleNamespace(topic="billing-commands")
        self.number = 4
        self.next_offset = records[0].offset if records else 0
        self.first_unread = 1 << 40
        self.table: dict[bytes, bytes | None] = {}
        self.sends: dict[str, list[Message]] = defaultdict(list)
        self.commits = 0
        self.cut_commits = 0
        self.may_commit = asyncio.Event()
        self.may_commit.set()
        self.is_draining = False
        self.proven_at = time.monotonic()
        self.takes = 0
        self._coming = asyncio.Event()
        self._batches: deque[Sequence[Read]] = deque([records] if records else [])

    def come(self, *records: Read) -> None:
        self._batches.append(records)
        self._coming.set()

    def drain(self) -> None:
        self.is_draining = True
        self._coming.set()

    async def take(self) -> PartitionBatch:
        self.takes += 1
        while not self._batches and not self.is_draining:
            self._coming.clear()
            await self._coming.wait()
        if self.is_draining:
            raise Draining
        return PartitionBatch("billing-commands", 4, self._batches.popleft())

    def get(self, keys: list[bytes]) -> list[bytes | None]:
        return [self.table.get(key) for key in keys]

    def scan(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        return [(key, row) for key, row in sorted(self.table.items()) if row is not None and key.startswith(prefix)]

    async def commit(self, outcome: Outcome, next_offset: int) -> None:
        began = time.monotonic()
        try:
            await self.may_commit.wait()
        except asyncio.CancelledError:
            self.cut_commits += 1
            raise
        self.table.update(outcome.rows)
        for topic, messages in outcome.sends.items():
            self.sends[topic] += messages
        self.commits += 1
        self.next_offset = next_offset
        self.proven_at = began
        outcome.committed()

    def results(self) -> list[Result]:
        return [decode_result(value or b"") for _, value, _ in self.sends["sync-results"]]

    def audits(self) -> list[AuditRecord]:
        return [decode_audit(value or b"") for _, value, _ in self.sends["audit-log"]]

    def statuses(self) -> list[tuple[str, str]]:
        return [(result.event_id, result.status) for result in self.results()]

    def row(self, site_id: str = "s1") -> DeliveryRow:
        return decode_delivery(self.table[site_id.encode()] or b"")


@dataclass(slots=True)
class FakeTarget:
    """Gives each command's answers in turn, then delivers; notes what overlapped."""

    answers: dict[str, list[Answer]] = field(default_factory=dict)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[str] = field(default_factory=list)
    repeated: list[bool] = field(default_factory=list)
    open_sites: list[str] = field(default_factory=list)
    overlaps: int = 0
    most_open: int = 0
    changed: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.gate.set()

    async def call(
        self, one: Command, *, repeated: bool = False, may_send: Callable[[], bool] = lambda: True
    ) -> Answer:
        if not may_send():
            raise WithheldError
        self.calls.append(one.event_id)
        self.repeated.append(repeated)
        self.overlaps += one.site_id in self.open_sites
        self.open_sites.append(one.site_id)
        self.most_open = max(self.most_open, len(self.open_sites))
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
        finally:
            self.open_sites.remove(one.site_id)
        answers = self.answers.get(one.event_id)
        return answers.pop(0) if answers else Delivered(200)


class OpenGate:
    """No breaker, no pace."""

    def __init__(self) -> None:
        self.left: list[Answer | None] = []
        self.is_closed = True

    def wait_seconds(self, now: float, doubt: Doubt) -> float:  # noqa: ARG002 -- as Gate
        return 0.0

    def enter(self, now: float, doubt: Doubt) -> None: ...

    def leave(self, permit: None, answer: Answer | None, now: float, doubt: Doubt) -> None:  # noqa: ARG002 -- as Gate
        self.left.append(answer)


def delivery(
    target: Any, metrics: Metrics, *, slots: int = 64, now: Callable[[], float] = lambda: NOW_SECONDS, **changes: Any
) -> Delivery:
    """To `target`, whose calls `slots` limits."""
    usual: dict[str, Any] = {
        "target": "billing",
        "dispatcher": Dispatcher(target, OpenGate(), slots, now),
        "retry": QUICK,
        "coalesced": frozenset(),
        "give_up_after_seconds": 259_200,
        "parks_rejected": False,
        "on_null": "omit",
        "metrics": metrics,
        "now": now,
        "lease_seconds": 60,
        "results_topic": "sync-results",
        "dead_letter_topic": "billing-commands.dead-letter",
        "audit_topic": "audit-log",
        "config_id": "c0ffee",
    }
    return Delivery(**{**usual, **changes})


@asynccontextmanager
async def running(run: Loop, partition: Any) -> AsyncIterator["asyncio.Task[None]"]:
    """The loop in the background; it must end by itself once the partition drains."""

    async def whole() -> None:
        await run(partition)

    task = asyncio.create_task(whole())
    try:
        yield task
        partition.drain()
        async with asyncio.timeout(10):
            await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(what: Callable[[], Any]) -> None:
    """Let the loop run until something holds; the test's own time-out bounds it."""
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0.001)
