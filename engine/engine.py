"""All partitions of a worker: which are assigned, running, or followed as a standby."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sitehub.engine.observer import Observer, RecoveryProgress
from sitehub.engine.partition import Partition, TopicPartition
from sitehub.engine.source import Handover, Source
from sitehub.engine.supervisor import Supervisor
from sitehub.engine.tables import Tables


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
    tables: Tables = field(init=False)
    loops: Supervisor = field(init=False)
    _assigned: bool = False
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        """Nothing is opened before the first assignment."""
        self.tables = Tables(self.directory)
        self.loops = Supervisor(self.app_id, self.client, self.session_timeout_seconds, self.observer, self.tables)

    def add(self, source: Source) -> None:
        """Handle `source` from the next assignment on."""
        self.sources[source.topic] = source
        self.tables.changelogs[source.table] = source.changelog

    @property
    def sources(self) -> dict[str, Source]:
        """By topic."""
        return self.loops.sources

    @property
    def partitions(self) -> dict[TopicPartition, Partition]:
        """Those that run."""
        return self.loops.partitions

    @property
    def troubles(self) -> dict[TopicPartition, str]:
        """Partitions that failed and have not been recovered yet, and why."""
        return self.loops.troubles

    @property
    def recovery(self) -> RecoveryProgress:
        """The restore under way, or the last one."""
        return self.loops.recovery

    @property
    def ready(self) -> bool:
        """Whether every assigned partition has been recovered."""
        return self._assigned and self.loops.tasks.keys() <= self.loops.recovered

    def lookup(self, table: str, key: bytes) -> bytes | None:
        """Value of the row in any partition of `table` that this worker owns; raises LookupError while recovering."""
        if not self.ready:
            raise LookupError("recovering")
        return self.tables.find(table, key)

    def lookup_stale(self, table: str, key: bytes) -> tuple[bytes, float] | None:
        """The row in a partition that is followed or recovered here, and when (since 1970) it was known to be current.

        It may have been superseded since; it never is a state that never was.
        """
        recovered = {(self.loops.source(tp).table, tp.partition) for tp in self.loops.recovered}
        return self.tables.find_stale(table, key, recovered)

    async def prepare(self) -> None:
        """A rebalance begins: drain what has effects outside Kafka. All else runs on."""
        self.loops.interrupt()
        async with self._lock:
            await self.loops.give_up(
                tp for tp in list(self.loops.tasks) if self.loops.source(tp).handover is Handover.DRAIN
            )

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
            await self.loops.give_up(tp for tp in list(self.loops.tasks) if tp not in wanted or tp not in running)
            self.tables.keep({(self.loops.source(tp).table, tp.partition) for tp in wanted}, self._followed(standbys))
            self.loops.recovery = RecoveryProgress()
            coming = wanted - self.partitions.keys()
            if not await self.loops.start_all(coming):
                return False
            self.loops.launch(coming)
            self.tables.follow(self.client)
            self._assigned = True
            return True

    async def mark(self) -> None:
        """Mark the last commits of all partitions again: see `unmarked`. What fails is recovered by its loop."""
        await asyncio.gather(*(partition.mark() for partition in self.partitions.values()), return_exceptions=True)

    async def stop(self) -> None:
        """Finish what was begun, within a bound, and let go of everything."""
        self.loops.interrupt()
        self._assigned = False
        async with self._lock:
            await self.tables.stop_following()
            await self.loops.give_up(list(self.loops.tasks))
            self.tables.keep(set(), set())

    def _followed(self, standbys: Iterable[TopicPartition]) -> set[tuple[str, int]]:
        tables = {source.changelog: source.table for source in self.sources.values()}
        return {(tables[topic], number) for topic, number in standbys if topic in tables}
