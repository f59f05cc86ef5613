"""Bring stores up to the end of their changelogs, or keep them there: committed records only."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

import aiokafka
from aiokafka import AIOKafkaConsumer

from sitehub.engine.records import lean_consumer
from sitehub.engine.store import START, Position, Store

log = logging.getLogger(__name__)

FETCH_BYTES = 4 << 20
POLL_MS = 100
TOMBSTONE_SECONDS = 86_400.0
"""What a deleted row leaves in a compacted log stays at least so long: Kafka's default of `delete.retention.ms`."""
TRUSTED_SECONDS = TOMBSTONE_SECONDS / 2
"""A store that is behind and older is rebuilt: it might keep rows whose deletion has been compacted away."""

Stores = Mapping[tuple[str, int], Store]
"""By changelog topic and partition."""
Progress = Callable[[int, int], None]
"""Called with rows applied since the last call, and offsets that remain."""


async def restore(client: Mapping[str, Any], stores: Stores, progress: Progress) -> None:
    """Apply each changelog partition, from what its store holds to the last stable offset.

    Ends when every partition's position has passed the offset that was the end at the start: markers and aborted
    records take offsets too, so records are no measure.
    """
    if stores:
        async with _Reader(client, stores) as reader:
            await reader.catch_up(progress)


async def follow(client: Mapping[str, Any], stores: Stores) -> None:
    """Keep standby stores at the end of their changelogs until cancelled."""
    async with _Reader(client, stores) as reader:
        while True:
            await reader.apply()


class _Reader:
    def __init__(self, client: Mapping[str, Any], stores: Stores) -> None:
        self._consumer: AIOKafkaConsumer = lean_consumer(dict(client), FETCH_BYTES)
        self._unproven: set[aiokafka.TopicPartition] = set()
        self._old: set[aiokafka.TopicPartition] = set()
        self._stores = {aiokafka.TopicPartition(*name): store for name, store in stores.items()}

    async def __aenter__(self) -> Self:
        try:
            await self._begin()
        except BaseException:  # cancelled too: nobody else would close the connections
            await self._consumer.stop()
            raise
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self._consumer.stop()

    async def _begin(self) -> None:
        """Seek each partition to where its store stands."""
        await self._consumer.start()
        tps = list(self._stores)
        self._consumer.assign(tps)
        self._ends = await self._consumer.end_offsets(tps)  # of a read_committed consumer: the last stable offsets
        self._beginnings = await self._consumer.beginning_offsets(tps)
        oldest_ms = (time.time() - TRUSTED_SECONDS) * 1000
        for tp, store in self._stores.items():
            store.mend()
            position = START if store.is_corrupted else store.position
            if self._beginnings[tp] < position.offset <= self._ends[tp]:
                self._consumer.seek(tp, position.offset - 1)  # a record before: it tells whether this is the same log
                self._unproven.add(tp)
                if position.timestamp < oldest_ms:
                    self._old.add(tp)
            else:
                self._rebuild(tp)

    async def apply(self) -> int:
        """Apply what the next fetch brings; the number of rows."""
        fetched = await self._consumer.getmany(timeout_ms=POLL_MS)
        applied = 0
        for tp, records in fetched.items():
            fresh = self._prove(tp, records) if tp in self._unproven else records
            if fresh and tp in self._old and fresh[0].offset < self._ends[tp]:
                self._rebuild(tp)
            elif fresh:
                last = fresh[-1]
                rows = [(record.key, record.value) for record in fresh]
                self._stores[tp].write(rows, Position(last.offset + 1, last.timestamp))
                applied += len(fresh)
        for tp, store in self._stores.items():
            end, asked_ms = self._consumer.last_stable_offset(tp), self._consumer.last_poll_timestamp(tp)
            if end is not None and asked_ms and await self._consumer.position(tp) >= end:
                store.current_at = asked_ms / 1000
        return applied

    def _prove(self, tp: aiokafka.TopicPartition, records: list[Any]) -> list[Any]:
        """What is new in `records`: without the one that the store stands behind; nothing if the log is another."""
        self._unproven.discard(tp)
        position, first = self._stores[tp].position, records[0]
        # Compaction may have taken the record: then nothing proves that the log is the same.
        if first.offset < position.offset and first.timestamp == position.timestamp:
            return records[1:]
        self._rebuild(tp)
        return []

    def _rebuild(self, tp: aiokafka.TopicPartition) -> None:
        """The store may be no prefix of the log: ahead of it, behind what it keeps, from another one, old."""
        self._old.discard(tp)
        if self._stores[tp].is_corrupted or self._stores[tp].position != START:
            log.warning("store_rebuilt %s-%d", tp.topic, tp.partition)
            self._stores[tp].reset()
        self._consumer.seek(tp, self._beginnings[tp])

    async def catch_up(self, progress: Progress) -> None:
        """Apply until all that was there at the start is applied."""
        remaining = 1
        while remaining:
            positions = {tp: await self._consumer.position(tp) for tp in self._stores}
            remaining = sum(max(0, self._ends[tp] - position) for tp, position in positions.items())
            applied = await self.apply() if remaining else 0
            progress(applied, remaining)
