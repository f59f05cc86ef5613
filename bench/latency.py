"""Event sent -> command visible to a read_committed reader, at an even rate; after the first fifth of the run."""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition

from sitehub.bench.throughput import HERE, broker
from sitehub.bench.workload import PARTITIONS, SOURCE, cpu_seconds, create_topics, event, write_result

QUANTILES = (0.5, 0.9, 0.99, 1.0)


class Reader(threading.Thread):
    """Notes when each command becomes visible; one poll a record, for a batch call waits for the batch to fill."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        super().__init__(daemon=True)
        self.seen: dict[str, float] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "latency",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 5,
            }
        )
        self._consumer.assign([TopicPartition(topic, number, 0) for number in range(PARTITIONS)])

    def run(self) -> None:
        """Read for ever."""
        while True:
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                self.seen[json.loads(message.value() or b"{}")["command_id"].partition(":")[0]] = time.time()


def measure(bootstrap: str, rate: float, seconds: float, reader: Reader) -> list[float]:
    """Latencies in milliseconds, sorted."""
    import random

    rng, sent = random.Random(int(time.time())), dict[str, float]()
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0})
    began = time.time()
    number = 0
    while time.time() - began < seconds:
        key, value = event(number, rng)
        sent[json.loads(value)["event_id"]] = time.time()
        producer.produce(SOURCE, value, key=key)
        producer.poll(0)
        number += 1
        time.sleep(max(0.0, began + number / rate - time.time()))
    producer.flush()
    deadline = time.time() + 30
    while not sent.keys() <= reader.seen.keys() and time.time() < deadline:
        time.sleep(0.05)
    lost = sent.keys() - reader.seen.keys()
    if lost:
        raise AssertionError(f"{len(lost)} commands never came")
    return sorted((reader.seen[name] - at) * 1000 for name, at in list(sent.items())[number // 5 :])


def main() -> None:
    """A worker on one core, the broker unpinned."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=float, nargs="*", default=[200.0, 2000.0])
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka:
        create_topics(kafka.bootstrap, SOURCE, "out-l", "cl-l")
        line = ["taskset", "-c", "0", sys.executable, str(HERE / "job.py"), kafka.bootstrap, SOURCE, "l", name + "/l"]
        worker = subprocess.Popen(line)
        reader = Reader(kafka.bootstrap, "out-l")
        reader.start()
        measure(
            kafka.bootstrap, options.rates[0], options.seconds, reader
        )  # warms the broker, the worker and the reader up
        for rate in options.rates:
            for _ in range(options.rounds):
                before = cpu_seconds(psutil.Process(worker.pid))
                found = measure(kafka.bootstrap, rate, options.seconds, reader)
                cpu = (cpu_seconds(psutil.Process(worker.pid)) - before) / options.seconds
                row = {f"p{q * 100:g}_ms": round(found[int(q * len(found)) - 1], 1) for q in QUANTILES}
                results.append({"events_per_second": rate, **row, "worker_cores": round(cpu, 2)})
                print(results[-1], flush=True)
        worker.kill()
        worker.wait()
    print(json.dumps({"written": str(write_result("latency", results))}))


if __name__ == "__main__":
    main()
