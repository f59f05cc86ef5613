"""A watch over how fast an output topic fills, and what it costs."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import psutil
from confluent_kafka import Consumer, KafkaException, TopicPartition

from sitehub.bench.workload import PARTITIONS

POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """Rate and CPU between the tenth and the last of the outputs, so that start-up and warm-up are left out."""

    events_per_second: float
    cpu_seconds_per_100k: float
    rss_mb: float


class Watch:
    """How many records a topic holds, markers included."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "watch", "log_level": 0})
        self._tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]

    def count(self) -> int:
        """Sum of the end offsets."""
        try:
            return sum(self._consumer.get_watermark_offsets(tp, timeout=10)[1] for tp in self._tps)
        except KafkaException:  # the topic is so new that not all of it has a leader
            return 0

    def measure(
        self,
        processes: Sequence[psutil.Process],
        records: int,
        seconds: float,
        *,
        first: int = 0,
        until: float = 1.0,
    ) -> Run:
        """Wait until there are `records` behind the `first`; raises TimeoutError. RSS is that of all processes.

        What a worker has folded but not committed at the tenth is work done before it: with `until` below one, that
        share of the outputs is where the measurement ends, with as much under way as at its beginning.
        """
        began = self._mark(processes, first)
        deadline = began.at + seconds
        tenth: Mark | None = None
        last: Mark | None = None
        while True:
            now = self._mark(processes, first)
            if tenth is None and records / 10 <= now.count < records:
                tenth = now
            if last is None and now.count >= records * until:
                last = now
            if last is not None and now.count >= records:
                since = tenth or began  # a run too small to have a tenth is taken whole
                made = max(1, last.count - since.count)
                rss_mb = sum(process.memory_info().rss for process in processes) / 1e6
                return Run(made / (last.at - since.at), (last.cpu - since.cpu) / made * 100_000, rss_mb)
            if now.at > deadline:
                raise TimeoutError(f"{now.count} of {records} records after {seconds} s")
            time.sleep(POLL_SECONDS)

    def _mark(self, processes: Sequence[psutil.Process], first: int) -> "Mark":
        return Mark(time.monotonic(), self.count() - first, sum(map(cpu_seconds, processes)))


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of a run: outputs until then, and CPU seconds."""

    at: float
    count: int
    cpu: float


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and its children."""
    family = [process, *process.children(recursive=True)]
    return sum(times.user + times.system for times in (one.cpu_times() for one in family))
