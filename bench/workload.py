"""The workload of the benchmarks: topics, 450-byte JSON site events, and where results go."""

import json
import os
import random
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from sitehub.bench.conditions import conditions

PARTITIONS = 6
SITES = 20_000
SOURCE = "customer-sites-events"


def create_topics(bootstrap: str, *names: str) -> None:
    """Make topics with one replica and the broker's defaults."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for created in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]).values():
        created.result(30)


def event(number: int, rng: random.Random, sites: int = SITES) -> tuple[bytes, bytes]:
    """Key and value of one event, about any of `sites`."""
    return site_event(number, rng.randrange(sites), rng)


def site_event(number: int, site: int, rng: random.Random) -> tuple[bytes, bytes]:
    """Key and value of one event about the site with that number."""
    site_id = f"site-{site:06d}"
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


def produce(bootstrap: str, count: int, sites: int = SITES, seed: int = 7) -> None:
    """Fill the source topic with events about any of `sites`."""
    rng = random.Random(seed)
    send(bootstrap, (event(number, rng, sites) for number in range(count)))


def send(bootstrap: str, events: Iterable[tuple[bytes, bytes]], topic: str = SOURCE) -> None:
    """Put keys and values into a topic, by default the source."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 500_000})
    for number, (key, value) in enumerate(events):
        while True:
            try:
                producer.produce(topic, value, key=key)
                break
            except BufferError:
                producer.poll(0.1)
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush()


def write_result(name: str, result: object) -> Path:
    """Keep a result and its conditions as JSON in BENCH_RESULTS, beside the benchmarks if that is not set."""
    path = Path(os.environ.get("BENCH_RESULTS") or Path(__file__).parent / "results") / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"conditions": conditions(), "result": result}, indent=2) + "\n")
    return path
