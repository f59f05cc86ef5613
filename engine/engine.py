"""All partitions of a worker: which are assigned, recovered, running, or followed as a standby."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sitehub.engine.changelog import follow, restore
from sitehub.engine.failures import Remedy, remedy
from sitehub.engine.partition import Partition, TopicPartition
from sitehub.engine.source import Handover, Source
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
    began: float = 0.0

    def add(self, rows: int, remaining: int) -> None:
        """Note what was applied, and how many changelog offsets remain."""
        self.began = self.began or time.monotonic()
        self.rows += rows
        self.remaining = remaining

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None before anything was applied."""
        if not self.remaining:
            return 0.0
        return self.remaining * (time.monotonic() - self.began) / self.rows if self.rows else None


@dataclass(slots=True)
class Observer:
    """What the engine tells about itself; by default nobody listens."""

    recovered: Callable[[int, int], None] = lambda _rows, _remaining: None
    troubled: Callable[[TopicPartition, BaseException], None] = lambda _tp, _error: None


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
    _assigned: bool = False
    _recovered: set[TopicPartition] = field(default_factory=set)
    _starting: asyncio.Task[dict[TopicPartition, Partition]] | None = None
    _stores: dict[tuple[str, int], Store] = field(default_factory=dict)
    _standbys: set[tuple[str, int]] = field(default_factory=set)
    _tasks: dict[TopicPartition, asyncio.Task[None]] = field(default_factory=dict)
    _following: asyncio.Task[None] | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def add(self, source: Source) -> None:
        """Handle `source` from the next assignment on."""
        self.sources[source.topic] = source

    @property
    def ready(self) -> bool:
        """Whether every assigned partition has been recovered."""
        return self._assigned and self._tasks.keys() <= self._recovered

    @property
    def standbys(self) -> list[tuple[str, int]]:
        """Table partitions that this worker follows."""
        return sorted(self._standbys)

    def lookup(self, table: str, key: bytes) -> bytes | None:
        """Value of the row in any partition of `table` that this worker owns; raises LookupError while recovering."""
        if not self.ready:
            raise LookupError("recovering")
        for (name, number), store in self._stores.items():
            if name == table and (name, number) not in self._standbys:
                value = store.get([key])[0]
                if value is not None:
                    return value
        return None

    def lookup_stale(self, table: str, key: bytes) -> tuple[bytes, float] | None:
        """The row in a partition that is followed or recovered here, and when (since 1970) it was known to be current.

        It may have been superseded since; it never is a state that never was.
        """
        owned = {(self._source(tp).table, tp.partition) for tp in self._recovered if tp in self.partitions}
        for (name, number), store in self._stores.items():
            if name == table and (name, number) not in owned and store.current_at:
                value = store.get([key])[0]
                if value is not None:
                    return value, store.current_at
        return None

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
            await self._stop_following()
            await self._give_up(tp for tp in list(self._tasks) if tp not in wanted or tp not in running)
            self._keep_stores(wanted, standbys)
            self.recovery = Recovery()
            coming = wanted - self.partitions.keys()
            if not await self._start_all(coming):
                return False
            for tp in coming:
                self._tasks[tp] = asyncio.create_task(self._run(tp), name=f"{tp.topic}-{tp.partition}")
            self._following = asyncio.create_task(self._follow()) if self._standbys else None
            self._assigned = True
            return True

    async def stop(self) -> None:
        """Finish what was begun, within a bound, and let go of everything."""
        self._interrupt()
        self._assigned = False
        async with self._lock:
            await self._stop_following()
            await self._give_up(list(self._tasks))
            self._keep_stores(set(), ())

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

    def _keep_stores(self, wanted: set[TopicPartition], standbys: Iterable[TopicPartition]) -> None:
        """Open the stores of both kinds, close all others."""
        tables = {source.changelog: source.table for source in self.sources.values()}
        actives = {(self._source(tp).table, tp.partition) for tp in wanted}
        self._standbys = {(tables[topic], number) for topic, number in standbys if topic in tables} - actives
        for name in self._stores.keys() - actives - self._standbys:
            self._stores.pop(name).close()
        for table, number in (actives | self._standbys) - self._stores.keys():
            self._stores[table, number] = Store(self.directory / f"{table}-{number}")

    def _store(self, tp: TopicPartition) -> Store:
        return self._stores[self._source(tp).table, tp.partition]

    async def _start(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, Partition]:
        """New producers, which fence; stores up to the end of their changelogs; where each source goes on."""
        started = {
            tp: Partition(self._source(tp), tp.partition, self._store(tp), self.client, self.app_id) for tp in tps
        }
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
        if (left := self.partitions.pop(tp, None)) is not None:
            await left.stop()

    async def _follow(self) -> None:
        """Keep the standbys' stores up to date, whatever fails."""
        changelogs = {source.table: source.changelog for source in self.sources.values()}
        stores = {(changelogs[table], number): self._stores[table, number] for table, number in self._standbys}
        while True:
            try:
                await follow(self.client, stores)
            except Exception:
                log.exception("standby_failed")
                await asyncio.sleep(FIRST_PAUSE_SECONDS)

    async def _stop_following(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None
