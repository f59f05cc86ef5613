"""All partitions of a worker: who is assigned, recovered and running."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka.errors import KafkaError, ProducerFenced

from sitehub.engine.partition import Partition, TopicPartition
from sitehub.engine.producer import TransactionalProducer
from sitehub.engine.restore import restore
from sitehub.engine.source import Source
from sitehub.engine.store import Store

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
"""A rebalance or a stop waits this long for what was begun, then leaves it to the next owner's fence."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class Recovery:
    """How far the restore under way has come."""

    rows: int = 0
    remaining: int = 0


@dataclass(slots=True)
class Observer:
    """What the engine tells about itself; by default nobody listens."""

    recovered: Callable[[int, int], None] = lambda _rows, _remaining: None
    troubled: Callable[[TopicPartition, BaseException], None] = lambda _tp, _error: None


@dataclass(slots=True)
class Engine:
    """Runs a loop for each assigned source partition, exactly once whatever fails.

    A partition whose loop raises is given up and recovered in place, with a growing pause. If it was fenced, another
    worker may own it: it is left alone until the session time-out has had its say.
    """

    app_id: str
    client: Mapping[str, Any]
    directory: Path
    session_timeout_seconds: float
    seek: Callable[[TopicPartition, int], Any]
    observer: Observer = field(default_factory=Observer)
    sources: dict[str, Source] = field(default_factory=dict)
    partitions: dict[TopicPartition, Partition] = field(default_factory=dict)
    troubles: dict[TopicPartition, str] = field(default_factory=dict)
    recovery: Recovery = field(default_factory=Recovery)
    ready: bool = False
    _stores: dict[tuple[str, int], Store] = field(default_factory=dict)
    _tasks: dict[TopicPartition, asyncio.Task[None]] = field(default_factory=dict)
    _epoch: int = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, source: Source) -> None:
        """Handle `source` from the next assignment on."""
        self.sources[source.topic] = source

    def full(self) -> set[TopicPartition]:
        """Partitions that should not be fetched from now."""
        return {tp for tp, partition in self.partitions.items() if partition.is_full}

    def lookup(self, table: str, key: bytes) -> bytes | None:
        """Value of the row in any partition of `table` that this worker owns; raises LookupError while recovering."""
        if not self.ready:
            raise LookupError("recovering")
        for (name, _), store in self._stores.items():
            if name == table and (value := store.get([key])[0]) is not None:
                return value
        return None

    async def assign(self, assigned: Iterable[TopicPartition]) -> bool:
        """Fence, restore and start the source partitions among `assigned`; False if a rebalance came in between."""
        async with self._lock:
            epoch = self._epoch
            tps = [TopicPartition(*tp) for tp in assigned if tp[0] in self.sources]
            self.recovery = Recovery()
            self.partitions.update(await self._start(tps))
            if epoch != self._epoch:
                return False
            for tp in tps:
                self._tasks[tp] = asyncio.create_task(self._run(tp), name=f"{tp.topic}-{tp.partition}")
            self.ready = True
            return True

    async def revoke(self) -> None:
        """Finish open transactions, within a bound, and give everything up."""
        self._epoch += 1
        self.ready = False
        async with self._lock:
            await asyncio.gather(*(self._give_up(tp) for tp in list(self._tasks)))
            for partition in self.partitions.values():  # assigned, but a rebalance came before they were started
                await _quietly(partition.stop())
            self.partitions.clear()
            for store in self._stores.values():
                store.close()
            self._stores.clear()
            self.troubles.clear()

    async def _start(self, tps: list[TopicPartition]) -> dict[TopicPartition, Partition]:
        """New producers, which fence; stores up to the end of their changelogs; where each source goes on."""
        epoch = self._epoch
        started = {tp: self._new_partition(tp) for tp in tps}
        try:
            await asyncio.gather(*(partition.fence() for partition in started.values()))
            await restore(
                self.client,
                {
                    (self.sources[tp.topic].changelog, tp.partition): self._store(self.sources[tp.topic], tp.partition)
                    for tp in tps
                },
                cancelled=lambda: epoch != self._epoch,
                progress=self._progress,
            )
        except BaseException:
            await asyncio.gather(*(partition.stop() for partition in started.values()), return_exceptions=True)
            raise
        for tp, partition in started.items():
            partition.next_offset = self._store(partition.source, tp.partition).source_offset
        return started

    def _new_partition(self, tp: TopicPartition) -> Partition:
        producer = TransactionalProducer(self.client, f"{self.app_id}-{tp.topic}-{tp.partition}")
        source = self.sources[tp.topic]
        return Partition(source, tp.partition, self._store(source, tp.partition), producer)

    def _store(self, source: Source, number: int) -> Store:
        name = (source.table, number)
        if name not in self._stores:
            self._stores[name] = Store(self.directory / f"{source.table}-{number}")
        return self._stores[name]

    def _progress(self, rows: int, remaining: int) -> None:
        self.recovery.rows += rows
        self.recovery.remaining = remaining
        self.observer.recovered(rows, remaining)

    async def _run(self, tp: TopicPartition) -> None:
        """Run the partition's loop until it is drained; after a failure recover it and run again."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                partition = self.partitions.get(tp) or await self._recover(tp)
                pause = FIRST_PAUSE_SECONDS
                return await partition.run()
            except Exception as error:
                log.exception("partition_failed %s-%d", tp.topic, tp.partition)
                self.troubles[tp] = repr(error)
                self.observer.troubled(tp, error)
                if failed := self.partitions.pop(tp, None):
                    await _quietly(failed.stop())
                await asyncio.sleep(self.session_timeout_seconds if _is_fenced(error) else pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _recover(self, tp: TopicPartition) -> Partition:
        partition = (await self._start([tp]))[tp]
        await self.seek(tp, partition.next_offset)
        self.partitions[tp] = partition
        self.troubles.pop(tp, None)
        return partition

    async def _give_up(self, tp: TopicPartition) -> None:
        """Let the loop finish what it has begun, within a bound; what is left open the next owner's fence settles."""
        task, partition = self._tasks.pop(tp), self.partitions.get(tp)
        if partition is not None:
            partition.drain()
            await asyncio.wait([task], timeout=DRAIN_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if (left := self.partitions.pop(tp, None)) is not None:
            await _quietly(left.stop())


def _is_fenced(error: BaseException) -> bool:
    """Whether the producer was shut out; after that aiokafka raises AssertionError on whatever is asked of it."""
    if isinstance(error, BaseExceptionGroup):
        return any(_is_fenced(one) for one in error.exceptions)
    return isinstance(error, ProducerFenced | AssertionError)


async def _quietly(stopping: Any) -> None:
    try:
        await stopping
    except (KafkaError, AssertionError, RuntimeError):
        log.debug("a producer did not stop cleanly", exc_info=True)
