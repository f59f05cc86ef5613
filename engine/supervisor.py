"""The loops of a worker's partitions: how each is started, run again after a failure, and given up."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sitehub.engine.changelog import Stores, restore
from sitehub.engine.failures import Remedy, remedy
from sitehub.engine.observer import Observer, RecoveryProgress, State
from sitehub.engine.partition import Partition, TopicPartition
from sitehub.engine.source import Source
from sitehub.engine.store import Store
from sitehub.engine.tables import Tables

log = logging.getLogger(__name__)

DRAIN_SECONDS = 5.0
"""A rebalance or a stop waits this long for what was begun, then leaves it to the next owner's fence."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class Supervisor:
    """Keeps each assigned partition running until it is given up."""

    app_id: str
    client: Mapping[str, Any]
    session_timeout_seconds: float
    observer: Observer
    tables: Tables
    sources: dict[str, Source] = field(default_factory=dict)
    partitions: dict[TopicPartition, Partition] = field(default_factory=dict)
    troubles: dict[TopicPartition, str] = field(default_factory=dict)
    recovered: set[TopicPartition] = field(default_factory=set)
    recovery: RecoveryProgress = field(default_factory=RecoveryProgress)
    tasks: dict[TopicPartition, asyncio.Task[None]] = field(default_factory=dict)
    _starting: asyncio.Task[dict[TopicPartition, Partition]] | None = None

    def interrupt(self) -> None:
        """End a restore that is under way: what it is for may go to another worker."""
        if self._starting is not None:
            self._starting.cancel()

    async def start_all(self, tps: set[TopicPartition]) -> bool:
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

    def launch(self, tps: Iterable[TopicPartition]) -> None:
        """Run the loops of `tps`."""
        for tp in tps:
            self.tasks[tp] = asyncio.create_task(self._run(tp), name=f"{tp.topic}-{tp.partition}")

    def source(self, tp: TopicPartition) -> Source:
        """Of a partition."""
        return self.sources[tp.topic]

    def _store(self, tp: TopicPartition) -> Store:
        return self.tables.stores[self.source(tp).table, tp.partition]

    async def _start(self, tps: Iterable[TopicPartition]) -> dict[TopicPartition, Partition]:
        """New producers, which fence; stores up to the end of their changelogs; where each source goes on."""
        started = {
            tp: Partition(
                self.source(tp),
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
            if self._store(tp).is_corrupted:  # look-ups wait until it is rebuilt
                self.recovered.discard(tp)
        try:
            await asyncio.gather(*(partition.fence() for partition in started.values()))
            stores = {(self.source(tp).changelog, tp.partition): self._store(tp) for tp in started}
            await self._restore(stores)
            for tp, lost in zip(
                started, await asyncio.gather(*(partition.begin() for partition in started.values())), strict=True
            ):
                if lost:
                    log.error("records_lost %s-%d: %d left the log before they were read", *tp, lost)
        except BaseException:
            await asyncio.gather(*(partition.stop() for partition in started.values()))
            raise
        self.recovered.update(started)
        return started

    async def _restore(self, stores: Stores) -> None:
        """Tell meanwhile how far it has come; several may be under way."""
        restoring = object()

        def progress(rows: int, remaining: int) -> None:
            self.recovery.add(restoring, rows, remaining)
            self.observer.recovered(rows, self.recovery.remaining)

        try:
            await restore(self.client, stores, progress)
        finally:
            self.recovery.end(restoring)

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

    async def give_up(self, tps: Iterable[TopicPartition]) -> None:
        """End the loops of `tps` together."""
        await asyncio.gather(*(self._give_up_one(tp) for tp in list(tps)))

    async def _give_up_one(self, tp: TopicPartition) -> None:
        """Let the loop finish what it has begun, within a bound; what is left open the next owner's fence settles."""
        task, partition = self.tasks.pop(tp), self.partitions.get(tp)
        if partition is not None:
            partition.drain()
            await asyncio.wait([task], timeout=DRAIN_SECONDS)
        if not task.done():
            log.warning("partition_cancelled %s-%d", *tp)
            task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self.troubles.pop(tp, None)
        self.recovered.discard(tp)
        self.observer.state(tp, None)
        if (left := self.partitions.pop(tp, None)) is not None:
            await left.stop()
