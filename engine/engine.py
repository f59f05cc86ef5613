"""All partitions of a worker: which are assigned, recovered, running, or followed as a standby."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sitehub.engine.changelog import restore
from sitehub.engine.failures import Remedy, remedy
from sitehub.engine.observer import Observer, Recovery, State
from sitehub.engine.partition import Partition, TopicPartition
from sitehub.engine.source import Handover, Source
from sitehub.engine.store import Store
from sitehub.engine.tables import Tables

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
"""A rebalance or a stop waits this long for what was begun, then leaves it to the next owner's fence."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class Engine:
    """Runs a loop for each assigned source partition, exactly once whatever fails.

    A worker that still believes to own a partition can't harm it: the new owner's producer has fenced the old one's.
    """

    app_id: str
    client: Mapping[str, Any]
    directory: Path
    session_timeout_seconds: float
    observer: Observer = field(default_factory=Observer)
    sources: dict[str, Source] = field(default_factory=dict)
    partitions: dict[TopicPartition, Partition] = field(default_factory=dict)
    troubles: dict[TopicPartition, str] = field(default_factory=dict)
    recovery: Recovery = field(default_factory=Recovery)
    tables: Tables = field(init=False)
    _assigned: bool = False
    _recovered: set[TopicPartition] = field(default_factory=set)
    _starting: asyncio.Task[dict[TopicPartition, Partition]] | None = None
    _tasks: dict[TopicPartition, asyncio.Task[None]] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Nothing is opened before the first assignment."""
        self.tables = Tables(self.directory)

    def add(self, source: Source) -> None:
        """Handle `source` from the next assignment on."""
        self.sources[source.topic] = source
        self.tables.changelogs[source.table] = source.changelog

    @property
    def ready(self) -> bool:
        """Whether every assigned partition has been recovered."""
        return self._assigned and self._tasks.keys() <= self._recovered

    def lookup(self, table: str, key: bytes) -> bytes | None:
        """Value of the row in any partition of `table` that this worker owns; raises LookupError while recovering."""
        if not self.ready:
            raise LookupError("recovering")
        return self.tables.find(table, key)

    def lookup_stale(self, table: str, key: bytes) -> tuple[bytes, float] | None:
        """The row in a partition that is followed or recovered here, and when (since 1970) it was known to be current.

        It may have been superseded since; it never is a state that never was.
        """
        recovered = {(self._source(tp).table, tp.partition) for tp in self._recovered}
        return self.tables.find_stale(table, key, recovered)

    async def prepare(self) -> None:
        """A rebalance begins: drain what has effects outside Kafka. All else runs on."""
        self._interrupt()
        async with self._lock:
            await self._give_up(tp for tp in list(self._tasks) if self._source(tp).handover is Handover.DRAIN)

    async def assign(
        self, actives: Iterable[TopicPartition], standbys: Iterable[TopicPartition], *, fresh: bool
    ) -> bool:
        """Run the sources among `actives` and follow the changelogs among `standbys`; what stays is left running.

        With `fresh` nothing that ran before is trusted: the group has gone on without this worker. False if another
        rebalance came in between.
        """
        async with self._lock:
            wanted = {TopicPartition(*tp) for tp in actives if tp[0] in self.sources}
            running = {tp for tp in self.partitions if not fresh and tp not in self.troubles}
            await self.tables.stop_following()
            await self._give_up(tp for tp in list(self._tasks) if tp not in wanted or tp not in running)
            self.tables.keep({(self._source(tp).table, tp.partition) for tp in wanted}, self._followed(standbys))
            self.recovery = Recovery()
            coming = wanted - self.partitions.keys()
            if not await self._start_all(coming):
                return False
            for tp in coming:
                self._tasks[tp] = asyncio.create_task(self._run(tp), name=f"{tp.topic}-{tp.partition}")
            self.tables.follow(self.client)
            self._assigned = True
            return True

    async def mark(self) -> None:
        """Mark the last commits of all partitions again: see `unmarked`. What fails is recovered by its loop."""
        await asyncio.gather(*(partition.mark() for partition in self.partitions.values()), return_exceptions=True)

    async def stop(self) -> None:
        """Finish what was begun, within a bound, and let go of everything."""
        self._interrupt()
        self._assigned = False
        async with self._lock:
            await self.tables.stop_following()
            await self._give_up(list(self._tasks))
            self.tables.keep(set(), set())

    def _interrupt(self) -> None:
        """End a restore that is under way: what it is for may go to another worker."""
        if self._starting is not None:
            self._starting.cancel()

    async def _start_all(self, tps: set[TopicPartition]) -> bool:
        """Start `tps` together; what can't be started now is left to its own recovery. False if interrupted."""
        self._starting = asyncio.create_task(self._start(tps))
        try:
            self.partitions.update(await self._starting)
        except asyncio.CancelledError:
            if not self._starting.cancelled():
                raise  # it is this task that is to end
            return False
        except Exception:
            log.exception("start_failed")
        finally:
            self._starting = None
        return True

    def _source(self, tp: TopicPartition) -> Source:
        return self.sources[tp.topic]

    def _followed(self, standbys: Iterable[TopicPartition]) -> set[tuple[str, int]]:
        tables = {source.changelog: source.table for source in self.sources.values()}
        return {(tables[topic], number) for topic, number in standbys if topic in tables}

    def _store(self, tp: TopicPartition) -> Store:
        return self.tables.stores[self._source(tp).table, tp.partition]

    async def _start(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, Partition]:
        """New producers, which fence; stores up to the end of their changelogs; where each source goes on."""
        started = {
            tp: Partition(
                self._source(tp),
                tp.partition,
                self._store(tp),
                self.client,
                self.app_id,
                committed=self.observer.committed,
            )
            for tp in tps
        }
        for tp in started:
            self.observer.state(tp, State.RECOVERING)
        try:
            await asyncio.gather(*(partition.fence() for partition in started.values()))
            stores = {(self._source(tp).changelog, tp.partition): self._store(tp) for tp in started}
            await restore(self.client, stores, self._progress)
            for tp, lost in zip(
                started, await asyncio.gather(*(partition.begin() for partition in started.values())), strict=True
            ):
                if lost:
                    log.error("records_lost %s-%d: %d left the log before they were read", *tp, lost)
        except BaseException:
            await asyncio.gather(*(partition.stop() for partition in started.values()))
            raise
        self._recovered.update(started)
        self.recovery.end()
        return started

    def _progress(self, rows: int, remaining: int) -> None:
        self.recovery.add(rows, remaining)
        self.observer.recovered(rows, remaining)

    async def _run(self, tp: TopicPartition) -> None:
        """Run the partition's loop until it is drained; after a failure recover it and run again."""
        pause, now = FIRST_PAUSE_SECONDS, asyncio.get_running_loop().time
        while True:
            began = now()
            try:
                partition = self.partitions.get(tp) or await self._recover(tp)
                self.observer.state(tp, State.RUNNING)
                return await partition.run()
            except Exception as error:
                failed = self.partitions.pop(tp, None)
                if failed is not None:
                    await failed.stop()
                    if failed.is_draining:  # the new owner was quicker
                        log.info("partition_handed_over %s-%d: %r", *tp, error)
                        return None
                log.exception("partition_failed %s-%d", *tp)
                self.troubles[tp] = repr(error)
                self.observer.state(tp, State.TROUBLED)
                self.observer.troubled(tp, error)
                if now() - began > LONGEST_PAUSE_SECONDS:
                    pause = FIRST_PAUSE_SECONDS
                await asyncio.sleep(self._pause(remedy(error), pause))
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _pause(self, remedy: Remedy, growing_seconds: float) -> float:
        match remedy:
            case Remedy.RECOVER:
                return growing_seconds
            case Remedy.GIVE_UP:
                return self.session_timeout_seconds
            case Remedy.STOP:
                return LONGEST_PAUSE_SECONDS

    async def _recover(self, tp: TopicPartition) -> Partition:
        partition = (await self._start([tp]))[tp]
        self.partitions[tp] = partition
        self.troubles.pop(tp, None)
        return partition

    async def _give_up(self, tps: Iterable[TopicPartition]) -> None:
        await asyncio.gather(*(self._give_up_one(tp) for tp in list(tps)))

    async def _give_up_one(self, tp: TopicPartition) -> None:
        """Let the loop finish what it has begun, within a bound; what is left open the next owner's fence settles."""
        task, partition = self._tasks.pop(tp), self.partitions.get(tp)
        if partition is not None:
            partition.drain()
            await asyncio.wait([task], timeout=DRAIN_SECONDS)
        if not task.done():
            log.warning("partition_cancelled %s-%d", *tp)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.troubles.pop(tp, None)
        self._recovered.discard(tp)
        self.observer.state(tp, None)
        if (left := self.partitions.pop(tp, None)) is not None:
            await left.stop()
