"""Deliver one target's commands: a site's calls in log order, sites in parallel, results and offset together."""

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from sitehub.agents.prefix import Prefix
from sitehub.clients.answer import Answer, Delivered, Refused, Unavailable
from sitehub.clients.target import Target
from sitehub.codecs.commands import decode_command
from sitehub.codecs.dead_letters import dead_letter_headers
from sitehub.codecs.results import Result, encode_result, result_headers
from sitehub.codecs.rows import decode_delivery, encode_delivery
from sitehub.engine.batch import Message, Outcome, Record, Row
from sitehub.engine.partition import Draining, Partition
from sitehub.engine.source import Loop
from sitehub.rules.commands import Command
from sitehub.rules.delivery import DeliveryRow
from sitehub.rules.failure import Failure
from sitehub.rules.retry import RetryPolicy
from sitehub.rules.times import rfc3339, seconds_between
from sitehub.telemetry.metrics import Metrics

COMMIT_SECONDS = 0.02
"""Results gather this long before a transaction carries them: a transaction costs the broker about 5 ms."""
DRAIN_SECONDS = 4.0
"""When the partition is given up, calls in flight have this long to end."""
MAX_OPEN = 5_000
"""Commands of a partition from the first unfinished one on; beyond it no more are read."""
LOOK_SECONDS = 0.1
"""While no more are read, this often it is looked whether the partition is to be given up."""

STATES = {"delivered": "in_sync", "rejected": "rejected", "failed": "pending", "parked": "parked"}


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the loops of one target's partitions share."""

    target: Target
    retry: RetryPolicy
    slots: asyncio.Semaphore
    metrics: Metrics
    now: Callable[[], float]
    results_topic: str
    dead_letter_topic: str


def delivery_loop(delivery: Delivery) -> Loop:
    """Make the engine's loop for the commands of one target."""

    async def run(partition: Partition) -> None:
        await _PartitionDelivery(delivery, partition).run()

    return run


@dataclass(slots=True)
class _Work:
    record: Record
    command: Command
    committed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(slots=True)
class _Ended:
    """An attempt's result, with the work if it was the last attempt."""

    work: _Work
    result: Result
    is_last: bool


@dataclass(slots=True)
class _PartitionDelivery:
    delivery: Delivery
    partition: Partition
    prefix: Prefix = field(default_factory=Prefix)
    queues: dict[bytes, deque[_Work]] = field(default_factory=dict)
    ended: list[_Ended] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    room: asyncio.Event = field(default_factory=asyncio.Event)
    draining: asyncio.Event = field(default_factory=asyncio.Event)
    committing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            committer = group.create_task(self._commit_for_ever())
            sites: set[asyncio.Task[None]] = set()
            try:
                await self._take(group, sites)
            except Draining:
                self.draining.set()
                if sites:
                    await asyncio.wait(sites, timeout=DRAIN_SECONDS)
                for site in sites:
                    site.cancel()
                async with self.committing:  # a transaction that is cut has an unknown outcome
                    committer.cancel()
        await self._commit()

    async def _take(self, group: asyncio.TaskGroup, sites: set[asyncio.Task[None]]) -> None:
        while True:
            batch = await self.partition.take()
            rows = self.partition.get([record.key or b"" for record in batch.records])
            for record, row in zip(batch.records, rows, strict=True):
                self.prefix.begin(record.offset)
                if row is not None and record.offset <= decode_delivery(row).offset:
                    self.prefix.end(record.offset)  # ended before a restart, beyond the offset that was committed
                elif task := self._queue(group, record):
                    sites.add(task)
                    task.add_done_callback(sites.discard)
            while len(self.prefix) >= MAX_OPEN and not self.partition.is_draining:
                self.room.clear()
                await _at_most(LOOK_SECONDS, self.room)

    def _queue(self, group: asyncio.TaskGroup, record: Record) -> asyncio.Task[None] | None:
        """Put the command behind its site's others; the task of a site that had none."""
        key, work = record.key or b"", _Work(record, decode_command(record.value or b""))
        if (queue := self.queues.get(key)) is not None:
            queue.append(work)
            return None
        self.queues[key] = deque([work])
        return group.create_task(self._deliver_site(key, self.queues[key]))

    async def _deliver_site(self, key: bytes, queue: deque[_Work]) -> None:
        """A site's next call starts only when the former's result is committed."""
        while queue and not self.draining.is_set():
            if not await self._deliver(queue[0]):
                break
            await queue[0].committed.wait()
            queue.popleft()
        del self.queues[key]

    async def _deliver(self, work: _Work) -> bool:
        """Call until the target takes or refuses it; False if the partition is given up before."""
        attempt, retry = 0, self.delivery.retry
        while not self.draining.is_set():
            attempt += 1
            async with self.delivery.slots:
                if self.draining.is_set():
                    break
                began = self.delivery.now()
                answer = await self.delivery.target.call(work.command)
            result = self._result(work.command, answer, attempt, self.delivery.now() - began)
            self.ended.append(_Ended(work, result, is_last=not isinstance(answer, Unavailable)))
            self.news.set()
            if not isinstance(answer, Unavailable):
                return True
            chance = random.random()  # noqa: S311 -- jitter
            await _at_most(retry.pause_seconds(attempt, chance, answer.retry_after_seconds), self.draining)
        return False

    def _result(self, command: Command, answer: Answer, attempt: int, seconds: float) -> Result:
        status = "delivered"
        http_status: int | None = None
        error: str | None = None
        text: str | None = None
        match answer:
            case Delivered(http_status):
                pass
            case Refused(http_status, text):
                status, error = "rejected", f"HTTP {http_status}"
            case Unavailable(error, http_status, text):
                status = "failed" if attempt <= self.delivery.retry.max_retries else "parked"
        return Result(
            command_id=command.command_id,
            event_id=command.event_id,
            action=command.action,
            target=command.target,
            site_id=command.site_id,
            status=status,
            attempt=attempt,
            http_status=http_status,
            error=error,
            answer=text,
            at=rfc3339(self.delivery.now()),
            event_timestamp=command.event_timestamp,
            duration_ms=round(seconds * 1000, 3),
        )

    async def _commit_for_ever(self) -> None:
        while True:
            await self.news.wait()
            self.news.clear()
            await asyncio.sleep(COMMIT_SECONDS)
            await self._commit()

    async def _commit(self) -> None:
        async with self.committing:
            await self._commit_ended()

    async def _commit_ended(self) -> None:
        ended, self.ended = self.ended, []
        for one in ended:
            if one.is_last:
                self.prefix.end(one.work.record.offset)
        next_offset = self.prefix.next_offset
        if not ended:
            return
        if next_offset is None:
            next_offset = self.partition.next_offset
        outcome = self._outcome(ended)
        await self.partition.commit(outcome, next_offset)
        for one in ended:
            if one.is_last:
                one.work.committed.set()
        self.room.set()

    def _outcome(self, ended: list[_Ended]) -> Outcome:
        rows: dict[bytes, Row] = {}
        results: list[Message] = []
        dead: list[Message] = []
        for one in ended:
            key = one.work.record.key or b""
            results.append((key, encode_result(one.result), result_headers(one.result)))
            rows[key] = (key, encode_delivery(_row(one)))
            if one.result.status == "rejected":
                dead.append(self._dead_letter(one))
        sends = {self.delivery.results_topic: results, self.delivery.dead_letter_topic: dead}
        return Outcome(list(rows.values()), sends, lambda: self._count(ended))

    def _dead_letter(self, one: _Ended) -> Message:
        record, result = one.work.record, one.result
        failure = Failure("delivery", "rejected", f"{result.error}: {result.answer}")
        headers = dead_letter_headers(
            failure,
            topic=self.partition.source.topic,
            partition=self.partition.number,
            offset=record.offset,
            time=result.at,
            attempts=result.attempt,
            target=result.target,
        )
        return record.key, record.value, [*record.headers, *headers]

    def _count(self, ended: list[_Ended]) -> None:
        metrics = self.delivery.metrics
        for result in (one.result for one in ended):
            metrics.calls.labels(result.target, result.status).inc()
            metrics.call_duration.labels(result.target).observe(result.duration_ms / 1000)
            if result.status == "delivered":
                lag_seconds = seconds_between(result.event_timestamp, result.at)
                metrics.sync_lag.labels(result.target).set(lag_seconds)
                metrics.delivery_lag.labels(result.target).observe(lag_seconds)
            elif result.status == "rejected":
                metrics.dead_letters.labels(self.partition.source.topic, "delivery", "rejected").inc()


async def _at_most(seconds: float, event: asyncio.Event) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _row(one: _Ended) -> DeliveryRow:
    result = one.result
    return DeliveryRow(
        state=STATES[result.status],
        command_id=result.command_id,
        action=result.action,
        attempts=result.attempt,
        http_status=result.http_status,
        error=result.error,
        at=result.at,
        offset=one.work.record.offset if one.is_last else one.work.record.offset - 1,
    )
