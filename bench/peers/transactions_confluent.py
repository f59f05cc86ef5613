"""One case of `bench/clients.py`: confluent-kafka, a thread a partition, since its transactions block.

Arguments as of `transactions_aiokafka.py`; style is produce or produce_batch. Prints one line of JSON.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

WARM_UP = 3
"""Transactions of each producer before the clock starts."""


class Partition:
    """A consumer and a transactional producer."""

    def __init__(self, arguments: list[str], number: int) -> None:
        bootstrap, source, self._name, _, size, _, self._style, offsets = arguments
        self._size, self._offsets, self._source, self._number = int(size), offsets == "with", source, number
        self._out = f"out-{self._name}", f"cl-{self._name}"
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": self._name,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(source, number, 0)])
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "transactional.id": f"{self._name}-{number}",
                "linger.ms": 5,  # its default: a commit flushes at once, whatever lingers
                "retry.backoff.ms": 10,  # 100 by default, which a transaction would wait for its predecessor's end
                "queue.buffering.max.messages": 100_000,
                "log_level": 0,
            }
        )
        self.milliseconds: list[float] = []

    def start(self) -> None:
        """Fence."""
        self._producer.init_transactions(30)

    def run(self, transactions: int) -> None:
        """Fetch a batch, write it to two topics, commit; note how long each commit with its sends took."""
        for _ in range(transactions):
            messages: list[Any] = []
            while len(messages) < self._size:
                messages += self._consumer.consume(self._size - len(messages), 0.5)
            records = [(message.key(), message.value()) for message in messages]
            began = time.perf_counter()
            self._transact(records, messages[-1].offset() + 1)
            self.milliseconds.append((time.perf_counter() - began) * 1000)

    def _transact(self, records: list[tuple[bytes, bytes]], next_offset: int) -> None:
        producer = self._producer
        producer.begin_transaction()
        for topic in self._out:
            if self._style == "produce_batch":
                rows = [{"key": key, "value": value} for key, value in records]
                if producer.produce_batch(topic, rows, partition=self._number) != len(rows):
                    raise BufferError("the queue is too small for the transaction")
            else:
                for key, value in records:
                    producer.produce(topic, value, key, self._number)
        if self._offsets:
            offsets = [TopicPartition(self._source, self._number, next_offset)]
            producer.send_offsets_to_transaction(offsets, self._consumer.consumer_group_metadata())
        producer.commit_transaction()


def main(arguments: list[str]) -> None:
    """Warm up, measure, print."""
    partitions = [Partition(arguments, number) for number in range(int(arguments[3]))]
    with ThreadPoolExecutor(len(partitions)) as threads:
        list(threads.map(Partition.start, partitions))
        list(threads.map(lambda one: one.run(WARM_UP), partitions))
        for one in partitions:
            one.milliseconds.clear()
        began, cpu = time.perf_counter(), time.process_time()
        list(threads.map(lambda one: one.run(int(arguments[5])), partitions))
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    every = [each for one in partitions for each in one.milliseconds]
    print(json.dumps({"seconds": seconds, "cpu_seconds": cpu, "milliseconds": every}))


if __name__ == "__main__":
    main(sys.argv[1:])
