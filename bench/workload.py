"""The workload of the benchmarks: 450-byte JSON site events, and a watch over how fast an output topic fills."""

import json
import random
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import psutil
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 6
SITES = 20_000
SOURCE = "customer-sites-events"
POLL_SECONDS = 0.05


def create_topics(bootstrap: str, *names: str) -> None:
    """Make topics with one replica, compacted if they are changelogs."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for created in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]).values():
        created.result(30)


def event(number: int, rng: random.Random) -> tuple[bytes, bytes]:
    """Key and value of one event."""
    site_id = f"site-{rng.randrange(SITES):06d}"
    value = {
        "event_type": rng.choice(["site_created", "site_updated", "contract_updated"]),
        "event_id": str(uuid.UUID(int=rng.getrandbits(128))),
        "event_timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1_764_000_000 + number // 100)),
        "site_id": site_id,
        "changed_fields": ["name", "address"],
        "old_values": {"name": f"Old Garage {number}"},
        "new_values": {
            "name": f"Garage {number}",
            "address": {"street": f"{number} Main Street", "city": "Denver", "state": "CO", "postal_code": "80202"},
            "territory_id": f"terr-{number % 300:03d}",
        },
    }
    return site_id.encode(), json.dumps(value).encode()


def produce(bootstrap: str, count: int, seed: int = 7) -> None:
    """Fill the source topic."""
    rng = random.Random(seed)
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 500_000})
    for number in range(count):
        key, value = event(number, rng)
        while True:
            try:
                producer.produce(SOURCE, value, key=key)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush()


@dataclass(frozen=True, slots=True)
class Run:
    """Rate and CPU between the tenth and the last of the outputs, so that start-up and warm-up are left out."""

    events_per_second: float
    cpu_seconds_per_100k: float
    rss_mb: float


class Watch:
    """How many records a topic holds, markers included."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "watch"})
        self._tps = [TopicPartition(topic, number) for number in range(PARTITIONS)]

    def count(self) -> int:
        """Sum of the end offsets."""
        try:
            return sum(self._consumer.get_watermark_offsets(tp, timeout=10)[1] for tp in self._tps)
        except KafkaException:  # the topic is so new that not all of it has a leader
            return 0

    def measure(self, process: psutil.Process, records: int, seconds: float) -> Run:
        """Wait until `records` are there; raises TimeoutError."""
        deadline, tenth = time.monotonic() + seconds, None
        while True:
            count, now = self.count(), time.monotonic()
            if tenth is None and count >= records / 10:
                tenth = now, count, cpu_seconds(process)
            if tenth is not None and count >= records:
                took, made = now - tenth[0], count - tenth[1]
                cpu = (cpu_seconds(process) - tenth[2]) / made * 100_000
                return Run(made / took, cpu, process.memory_info().rss / 1e6)
            if now > deadline:
                raise TimeoutError(f"{count} of {records} records after {seconds} s")
            time.sleep(POLL_SECONDS)


def cpu_seconds(process: psutil.Process) -> float:
    """User and system time of a process and its children."""
    family = [process, *process.children(recursive=True)]
    return sum(times.user + times.system for times in (one.cpu_times() for one in family))


def write_result(name: str, result: object) -> Path:
    """Keep a result as JSON beside the benchmarks."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    return path
