"""One case of `bench/clients.py`: aiokafka, one event loop; a task a partition fetches, builds and commits in turn.

Arguments: bootstrap, source, name, partitions, records a transaction, transactions, style (batches or single), offsets
(with or without). Prints one line of JSON.
"""

import asyncio
import json
import sys
import time
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

WARM_UP = 3
"""Transactions of each producer before the clock starts."""


def build(producer: Any, records: list[Any]) -> Any:
    """A whole record batch."""
    batch, now = producer.create_batch(), int(time.time() * 1000)
    for record in records:
        if batch.append(key=record.key, value=record.value, timestamp=now) is None:
            raise ValueError("the batch is too small for the transaction")
    batch.close()
    return batch


class Partition:
    """A consumer and a transactional producer."""

    def __init__(self, arguments: list[str], number: int) -> None:
        bootstrap, source, self._name, _, size, _, self._style, offsets = arguments
        self._size, self._offsets = int(size), offsets == "with"
        self._at = TopicPartition(source, number)
        self._out = f"out-{self._name}", f"cl-{self._name}"
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            enable_auto_commit=False,
            max_partition_fetch_bytes=2 << 20,
        )
        self._producer = AIOKafkaProducer(
            bootstrap_servers=bootstrap,
            transactional_id=f"{self._name}-{number}",
            retry_backoff_ms=10,
            max_batch_size=1_900_000,
            linger_ms=0,
        )
        self.milliseconds: list[float] = []

    async def start(self) -> None:
        """Connect and fence."""
        await self._consumer.start()
        self._consumer.assign([self._at])
        self._consumer.seek(self._at, 0)
        await self._producer.start()

    async def run(self, transactions: int) -> None:
        """Fetch a batch, write it to two topics, commit; note how long each commit with its sends took."""
        for _ in range(transactions):
            records: list[Any] = []
            while len(records) < self._size:
                found = await self._consumer.getmany(timeout_ms=500, max_records=self._size - len(records))
                records += found.get(self._at, [])
            began = time.perf_counter()
            await self._transact(records)
            self.milliseconds.append((time.perf_counter() - began) * 1000)

    async def _transact(self, records: list[Any]) -> None:
        producer, number = self._producer, self._at.partition
        await producer.begin_transaction()
        for topic in self._out:
            if self._style == "batches":
                await producer.send_batch(build(producer, records), topic, partition=number)
            else:
                for record in records:
                    await producer.send(topic, record.value, key=record.key, partition=number)
        if self._offsets:
            await producer.send_offsets_to_transaction({self._at: records[-1].offset + 1}, self._name)
        await producer.commit_transaction()

    async def stop(self) -> None:
        """Let go of the connections."""
        await asyncio.gather(self._consumer.stop(), self._producer.stop())


async def main(arguments: list[str]) -> None:
    """Warm up, measure, print."""
    partitions = [Partition(arguments, number) for number in range(int(arguments[3]))]
    await asyncio.gather(*(one.start() for one in partitions))
    await asyncio.gather(*(one.run(WARM_UP) for one in partitions))
    for one in partitions:
        one.milliseconds.clear()
    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one.run(int(arguments[5])) for one in partitions))
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    every = [each for one in partitions for each in one.milliseconds]
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "milliseconds": every}))
    await asyncio.gather(*(one.stop() for one in partitions))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
