"""How long events take to their calls, while they come at a steady pace."""

import json
import time
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from confluent_kafka import Producer

from sitehub.tests.broker.hub import Hub

FACTOR = 3
FLOOR_SECONDS = 0.5
"""Noise of a busy machine stays below both together; a call that waits for another's time-out does not."""


@dataclass(frozen=True)
class Latencies:
    """In seconds, of the events of one round."""

    seconds: list[float]

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def p90(self) -> float:
        return quantiles(self.seconds, n=10)[-1]

    def check_against(self, before: "Latencies") -> None:
        """They are what they were `before`, but for noise."""
        told = f"median {before.median:.3f} and then {self.median:.3f} s, p90 {before.p90:.3f} and then {self.p90:.3f}"
        assert self.median < FACTOR * before.median + FLOOR_SECONDS, told
        assert self.p90 < FACTOR * before.p90 + FLOOR_SECONDS, told


def publish_steadily(hub: Hub, records: list[tuple[bytes, bytes]], per_second: float) -> dict[str, float]:
    """When each event was published, in seconds since 1970, by its id."""
    producer = Producer({"bootstrap.servers": hub.bootstrap, "linger.ms": 0, "partitioner": "murmur2_random"})
    published: dict[str, float] = {}
    producer.list_topics(hub.topic("customer-sites-events"), 10)  # connected before the first one is due
    began = time.monotonic()
    for number, (key, value) in enumerate(records):
        while (left := began + number / per_second - time.monotonic()) > 0:
            producer.poll(left)
        published[json.loads(value)["event_id"]] = time.time()
        producer.produce(hub.topic("customer-sites-events"), value, key=key)
    assert producer.flush(30) == 0
    return published


def latencies(published: dict[str, float], calls: list[dict[str, Any]]) -> Latencies:
    """From each event to the first call that tells of it."""
    first: dict[str, float] = {}
    for call in calls:
        first.setdefault(call["correlation_id"], call["started"])
    return Latencies([first[event_id] - at for event_id, at in published.items()])
