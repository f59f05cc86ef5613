"""One source partition's transactional producer."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import ProducerClosed

from sitehub.engine.batch import Message
from sitehub.engine.store import Position
from sitehub.engine.unmarked import Verdict

RECORD_BATCH_BYTES = 1_000_000
"""Of one record batch: a broker takes 1,048,588 bytes unless told otherwise."""
STOP_SECONDS = 3.0
"""aiokafka waits for answers to what it has sent; nobody needs them any more."""
MAX_RECORD_BYTES = 4_000_000
"""Of one record, sent alone in its batch, if the broker takes it."""


class TransactionalProducer:
    """Writes whole record batches in one transaction at a time.

    `start` fences: the broker shuts out an older owner of the same id and settles its transaction before it answers.
    """

    def __init__(self, client: Mapping[str, Any], transactional_id: str, transaction_timeout_ms: int = 60_000) -> None:
        self._producer = AIOKafkaProducer(
            **client,
            transactional_id=transactional_id,
            transaction_timeout_ms=transaction_timeout_ms,
            retry_backoff_ms=10,  # 100 by default, which every transaction would wait for its predecessor's end
            max_batch_size=RECORD_BATCH_BYTES,
            max_request_size=MAX_RECORD_BYTES,
            compression_type=None,
        )

    async def start(self) -> None:
        """Fence older owners of this transactional id."""
        await self._producer.start()

    async def end_empty(self, topics: Iterable[str], partition: int, verdict: Verdict) -> None:
        """End a transaction without records, so that `partition` of each of `topics` gets a marker."""
        await self._producer.begin_transaction()
        for topic in topics:
            # aiokafka has no other way to enlist a partition than to send to it.
            self._producer._txn_manager.maybe_add_partition_to_txn(TopicPartition(topic, partition))  # noqa: SLF001
        if verdict is Verdict.COMMITTED:
            await self._producer.commit_transaction()
        else:
            await self._producer.abort_transaction()

    async def stop(self) -> None:
        """Let go of the connections; an open transaction is left for the next fence."""
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._producer.stop()
        except TimeoutError:
            await self._abandon()

    async def _abandon(self) -> None:
        """Aiokafka would go on to try what it has begun, for ever."""
        accumulator, sender = self._producer._message_accumulator, self._producer._sender.sender_task  # noqa: SLF001
        await self._producer.client.close()
        accumulator.fail_all(ProducerClosed())
        while sender is not None and not sender.done():  # once ends it, once more what it then waits for
            sender.cancel()
            await asyncio.sleep(0)

    async def transact(self, sends: Mapping[str, Sequence[Message]], partition: int, last: str) -> Position:
        """Send everything and commit: all of it becomes visible or none.

        Returns the position behind the last record of topic `last`. Raises what the client raises: then the outcome may
        be unknown.
        """
        await self._producer.begin_transaction()
        sent: list[tuple[str, asyncio.Future[Any], int]] = []
        now = int(time.time() * 1000)
        for topic, messages in sends.items():
            for batch, records in self._batches(messages, now):
                future = await self._producer.send_batch(batch, topic, partition=partition)
                future.add_done_callback(_seen)
                sent.append((topic, future, records))
        # aiokafka would commit the rest of a transaction of which a part was refused.
        await asyncio.wait([future for _, future, _ in sent])
        ends = {topic: future.result().offset + records for topic, future, records in sent}
        await self._producer.commit_transaction()
        return Position(ends[last], now)

    def _batches(self, messages: Sequence[Message], now: int) -> list[tuple[Any, int]]:
        """As few record batches as fit, and how many records each has."""
        batches: list[tuple[Any, int]] = []
        left = iter(messages)
        message = next(left, None)
        while message is not None:
            batch = self._producer.create_batch()
            # Straight to the builder in C: aiokafka's wrapper around each record costs as much again.
            append, count = batch._builder.append, 0  # noqa: SLF001
            while message is not None:
                key, value, headers = message
                if append(count, now, key, value, headers) is None:
                    break
                count += 1
                message = next(left, None)
            if not count and message is not None:
                raise ValueError(f"a record of {len(message[1] or b'')} bytes does not fit into an empty record batch")
            batch._relative_offset = count  # noqa: SLF001
            batch.close()  # so that it is sent without linger
            batches.append((batch, count))
        return batches


def _seen(future: "asyncio.Future[Any]") -> None:
    """A failed send fails its transaction, which tells of it."""
    if not future.cancelled():
        future.exception()
