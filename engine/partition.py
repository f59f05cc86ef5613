"""One source partition: where it is read, its transactions, and the loop that joins them."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import aiokafka
from aiokafka.errors import OffsetOutOfRangeError, ProducerFenced

from sitehub.engine.batch import Message, Outcome, PartitionBatch
from sitehub.engine.producer import TransactionalProducer
from sitehub.engine.records import lean_consumer
from sitehub.engine.source import Source
from sitehub.engine.store import OFFSET_KEY, Store
from sitehub.engine.unmarked import Verdict, last_verdict, refuse_undecided

POLL_MS = 100
"""A wait for records looks up this often whether the partition is to be given up."""


class TopicPartition(NamedTuple):
    """Name of a partition."""

    topic: str
    partition: int


class Draining(Exception):  # noqa: N818 -- a request, not an error
    """The partition is about to be given up: finish what was begun, take nothing more."""


class Partition:
    """Takes batches and commits what was made of them, one transaction at a time.

    The consumer fetches the next records while a batch is folded and committed. After an exception in `commit` the
    outcome is unknown and the object is of no more use: the engine makes a new one, which fences this one's producer
    and goes on from what the changelog says.
    """

    def __init__(
        self,
        source: Source,
        number: int,
        store: Store,
        client: Mapping[str, Any],
        app_id: str,
        *,
        committed: Callable[[TopicPartition, float], None] = lambda _tp, _seconds: None,
    ) -> None:
        """`committed` is told each transaction's time in seconds."""
        self.source = source
        self.number = number
        self.next_offset = 0
        self.first_unread = 0
        """Offset behind the last record that a former owner can have read."""
        self.proven_at = float("-inf")
        """When, by `time.monotonic`, what last proved that the partition is ours began: the fence, or a commit."""
        self._store = store
        self._client = client
        self._id = f"{app_id}-{source.topic}-{number}"
        self._producer = TransactionalProducer(client, self._id)
        self._consumer = lean_consumer(dict(client), source.fetch_bytes)
        self._at = aiokafka.TopicPartition(source.topic, number)
        self._committing = asyncio.Lock()
        self._failure: BaseException | None = None
        self._verdict: Verdict | None = None  # of the last transaction that ended, by whichever owner
        self._draining = False
        self._committed = committed

    @property
    def tp(self) -> TopicPartition:
        """The source partition."""
        return TopicPartition(self.source.topic, self.number)

    async def fence(self) -> None:
        """Shut out any older owner of this partition and settle its transactions, an unmarked one too."""
        verdict = await last_verdict(self._client, self._id)
        began = time.monotonic()
        await self._producer.start()
        self.proven_at = began
        if verdict is None:
            await refuse_undecided(self._client, self.source.changelog, self.number)
        else:
            await self._mark(verdict)

    async def mark(self) -> None:
        """Give the last marker to all partitions again, after an outage in which it may have been left out."""
        async with self._committing:
            if self._verdict is None:
                return
            try:
                await self._mark(self._verdict)
            except BaseException as error:
                self._failure = error
                raise

    async def _mark(self, verdict: Verdict) -> None:
        self._verdict = verdict
        await self._producer.end_empty([*self.source.sends, self.source.changelog], self.number, verdict)
        # An end is answered before its markers are there; this waits for them.
        if await last_verdict(self._client, self._id) is None:
            raise ProducerFenced(f"{self._id} was fenced right after it ended a transaction")

    async def begin(self) -> int:
        """Start to read where the restored store says; the number of records that left the log before they were read.

        Zero but for a source whose retention is shorter than the hub was behind, or that was deleted and made anew.
        """
        await self._consumer.start()
        self._consumer.assign([self._at])
        self.next_offset = self._store.source_offset
        first = (await self._consumer.beginning_offsets([self._at]))[self._at]
        end = self.first_unread = (await self._consumer.end_offsets([self._at]))[self._at]
        lost = first - self.next_offset if self.next_offset <= end else 0
        if not first <= self.next_offset <= end:
            self.next_offset = first
        self._consumer.seek(self._at, self.next_offset)
        return max(0, lost) if self._store.position.offset else 0

    async def take(self) -> PartitionBatch:
        """Wait for records: as many as one fetch brought, up to the limit; few when idle, many under backlog.

        Raises Draining once the partition is about to be given up, and what a commit raised.
        """
        while not self._draining:
            if self._failure is not None:
                raise self._failure
            try:
                fetched = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=self.source.max_batch_records)
            except OffsetOutOfRangeError as error:
                raise LookupError(f"the log of {self.source.topic}-{self.number} was cut while it was read") from error
            if records := fetched.get(self._at):
                return PartitionBatch(self.source.topic, self.number, records)
        raise Draining

    def get(self, keys: list[bytes]) -> list[bytes | None]:
        """Committed rows of `keys`, in their order."""
        return self._store.get(keys)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Committed rows whose keys begin with `prefix`, in the order of their bytes."""
        return self._store.scan(prefix)

    async def commit(self, outcome: Outcome, next_offset: int) -> None:
        """All of `outcome` and the source's offset, or none of it; the disk only after Kafka said yes."""
        rows = [*outcome.rows, (OFFSET_KEY, b"%d" % next_offset)]
        changelog: list[Message] = [(key, value, []) for key, value in rows]
        topic = self.source.changelog
        if unknown := outcome.sends.keys() - self.source.sends:
            raise ValueError(f"{self.source.topic} sends to {sorted(unknown)}, which its source does not name")
        async with self._committing:
            began = time.monotonic()
            try:
                end = await self._producer.transact({**outcome.sends, topic: changelog}, self.number, last=topic)
                self._store.update(rows, end)
            except BaseException as error:
                self._failure = error
                raise
            self._verdict = Verdict.COMMITTED
            self.next_offset = next_offset
            self.proven_at = began
        self._committed(self.tp, time.monotonic() - began)
        outcome.committed()

    async def run(self) -> None:
        """Handle batches until the partition is drained."""
        with contextlib.suppress(Draining):
            await self.source.run(self)

    @property
    def is_draining(self) -> bool:
        """Whether the partition is about to be given up: for loops that wait for something else than records."""
        return self._draining

    def drain(self) -> None:
        """Ask the loop to finish what it has begun: `take` gives nothing more."""
        self._draining = True

    async def stop(self) -> None:
        """Let go of the connections; an open transaction is left for the next fence."""
        await asyncio.gather(self._producer.stop(), self._consumer.stop(), return_exceptions=True)
