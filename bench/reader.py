"""Watches commands become visible, and starts the generator of the events that they come from."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil
from confluent_kafka import Consumer, TopicPartition

from sitehub.bench.generator import PREFIX
from sitehub.bench.workload import PARTITIONS

NANOSECONDS = 1e-9


class Seen(NamedTuple):
    """A command: its partition, and when, in seconds since 1970, its event was sent and it was visible."""

    partition: int
    sent: float
    visible: float


class Reader(threading.Thread):
    """A read_committed reader; one poll a record, for a batch call waits for the batch to fill."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        super().__init__(daemon=True)
        self._seen: list[Seen] = []
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "latency",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.min.bytes": 1,  # the broker answers as soon as a transaction is through
                "fetch.wait.max.ms": 500,
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])

    def run(self) -> None:
        """Read for ever."""
        while True:
            message = self._consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue
            now, value = time.time(), message.value()
            at = value.find(PREFIX) + len(PREFIX)
            if at >= len(PREFIX):
                sent = int(value[at : value.index(b":", at)]) * NANOSECONDS
                self._seen.append(Seen(message.partition(), sent, now))

    def take(self) -> list[Seen]:
        """What became visible since the last call, in that order."""
        seen, self._seen = self._seen, []
        return seen

    def milliseconds(self) -> list[float]:
        """From event to visible command, of each since the last call, sorted."""
        return sorted((one.visible - one.sent) * 1000 for one in self.take())


@contextmanager
def generator(bootstrap: str, rate: float, folder: Path, kind: str = "bench") -> Iterator[tuple[psutil.Process, Path]]:
    """Events at `rate`, and where it reports; of kind `hub` for the hub's own rules."""
    report = folder / f"generator-{rate:.0f}.log"
    with report.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "sitehub.bench.generator", bootstrap, str(rate), kind], stdout=out
        )
    try:
        yield psutil.Process(process.pid), report
    finally:
        process.kill()
        process.wait()
