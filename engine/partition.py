"""One source partition: its queue, its transactions, and the loop that joins them."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple

from sitehub.engine.batch import Message, Outcome, PartitionBatch, Record
from sitehub.engine.producer import TransactionalProducer
from sitehub.engine.source import Source
from sitehub.engine.store import OFFSET_KEY, Store


class TopicPartition(NamedTuple):
    """Name of a partition."""

    topic: str
    partition: int


class Draining(Exception):  # noqa: N818 -- a request, not an error
    """The partition is about to be given up: finish what was begun, take nothing more."""


class Partition:
    """Takes what was fetched in batches, and commits what was made of them, one transaction at a time.

    After an exception in `commit` the outcome is unknown and the object is of no more use: the engine makes a new one,
    which fences this one's producer and goes on from what the changelog says.
    """

    def __init__(self, source: Source, number: int, store: Store, producer: TransactionalProducer) -> None:
        self.source = source
        self.number = number
        self.next_offset = 0
        self.pending_bytes = 0
        self._store = store
        self._producer = producer
        self._fetched: deque[tuple[Sequence[Record], int]] = deque()
        self._arrived = asyncio.Event()
        self._committing = asyncio.Lock()
        self._draining = False
        self._changelog = source.changelog

    @property
    def tp(self) -> TopicPartition:
        """The source partition."""
        return TopicPartition(self.source.topic, self.number)

    @property
    def is_full(self) -> bool:
        """Whether more is waiting than the limit allows, so that fetching should pause."""
        return self.pending_bytes >= self.source.max_pending_bytes

    def offer(self, records: Sequence[Any]) -> None:
        """Queue what a fetch brought, in offset order."""
        size = sum([len(record.value or b"") + len(record.key or b"") for record in records])
        self._fetched.append((records, size))
        self.pending_bytes += size
        self._arrived.set()

    async def take(self) -> PartitionBatch:
        """Wait for records; whole fetches, at least one, as many as fit: large under backlog, small when idle.

        Raises `Draining` once the partition is about to be given up.
        """
        while not self._fetched and not self._draining:
            self._arrived.clear()
            await self._arrived.wait()
        if self._draining:
            raise Draining
        taken: list[Record] = []
        while self._fetched and (not taken or len(taken) + len(self._fetched[0][0]) <= self.source.max_batch_records):
            records, size = self._fetched.popleft()
            self.pending_bytes -= size
            taken += records
        return PartitionBatch(self.source.topic, self.number, taken)

    def get(self, keys: list[bytes]) -> list[bytes | None]:
        """Committed rows of `keys`, in their order."""
        return self._store.get(keys)

    async def commit(self, outcome: Outcome, next_offset: int) -> None:
        """All of `outcome` and the source's offset, or none of it; the disk only after Kafka said yes."""
        rows = [*outcome.rows, (OFFSET_KEY, b"%d" % next_offset)]
        changelog: list[Message] = [(key, value, []) for key, value in rows]
        async with self._committing:
            end = await self._producer.transact(
                {**outcome.sends, self._changelog: changelog}, self.number, last=self._changelog
            )
            self._store.write(rows, end)
            self.next_offset = next_offset
        outcome.committed()

    async def run(self) -> None:
        """Handle batches until the partition is drained."""
        with contextlib.suppress(Draining):
            await self.source.run(self)

    def drain(self) -> None:
        """Ask the loop to finish what it has begun: `take` gives nothing more."""
        self._draining = True
        self._arrived.set()

    async def fence(self) -> None:
        """Shut out any older owner of this partition and settle its transaction."""
        await self._producer.start()

    async def stop(self) -> None:
        """Let go of the producer; an open transaction is left for the next fence."""
        await self._producer.stop()
