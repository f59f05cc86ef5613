"""Sends events at an even rate until SIGTERM, some each millisecond; an event's id says when it was sent.

Prints a line of JSON each second: how many were sent, how late the worst tick was, and how long the broker took to say
that it has an event (p50), so that a slow generator or broker shows as such.
"""

import json
import random
import statistics
import sys
import time
from typing import Any

from confluent_kafka import Producer

from sitehub.bench.workload import SOURCE, event

TICK_SECONDS = 0.001
HUB_SITES = 2_000
POOL = 20_000
"""Events that are made beforehand: making one costs more than sending it."""
PREFIX = b"sent-"
CONFIRM_EVERY = 50
"""Ticks between two events whose confirmation is timed."""


def pool() -> list[tuple[bytes, bytes, bytes]]:
    """Key, and value before and behind the event's id."""
    made, rng = [], random.Random(11)
    for number in range(POOL):
        key, value = event(number, rng)
        before, behind = value.split(json.loads(value)["event_id"].encode())
        made.append((key, before + PREFIX, behind))
    return made


def hub_pool() -> list[tuple[bytes, bytes, bytes]]:
    """The same of updates that the hub's own rules make a call of."""
    made = []
    for number in range(POOL):
        key, value = renamed(number % HUB_SITES, number, "?")
        before, behind = value.split(b"?")
        made.append((key, before + PREFIX, behind))
    return made


def created(site: int) -> tuple[bytes, bytes]:
    """Key and value of the event that creates a site."""
    data = {"name": f"Garage {site}", "address": {"street": "1 Main Street"}, "territory_id": "t1"}
    return _hub_event("site_created", site, f"created-{site}", site_data=data)


def renamed(site: int, number: int, event_id: str) -> tuple[bytes, bytes]:
    """Key and value of an update."""
    new = {"name": f"Garage {number}"}
    return _hub_event("site_updated", site, event_id, changed_fields=["name"], new_values=new)


def _hub_event(kind: str, site: int, event_id: str, **payload: Any) -> tuple[bytes, bytes]:
    site_id = f"site-{site:06d}"
    head = {"event_type": kind, "event_id": event_id, "event_timestamp": "2026-11-24T01:00:00Z", "site_id": site_id}
    return site_id.encode(), json.dumps({**head, **payload}).encode()


def main(bootstrap: str, rate: float, *, is_for_hub: bool) -> None:
    """Send until killed."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 0, "queue.buffering.max.messages": 500_000})
    events, confirmed = hub_pool() if is_for_hub else pool(), list[float]()
    began = reported = time.perf_counter()
    number = tick = 0
    late = 0.0

    def confirm(since: float) -> Any:
        return lambda _error, _message: confirmed.append((time.perf_counter() - since) * 1000)

    while True:
        now = time.perf_counter()
        due = int((now - began) * rate)
        if due > number:
            late = max(late, now - began - (number + 1) / rate)
        for number in range(number, due):  # noqa: B020 -- goes on where it was
            key, before, behind = events[number % POOL]
            call = confirm(now) if tick % CONFIRM_EVERY == 0 else None
            producer.produce(SOURCE, b"%b%d%b" % (before, time.time_ns(), behind), key=key, on_delivery=call)
            call = None
        number = due
        tick += 1
        producer.poll(0)
        if now - reported >= 1:
            said = {"sent": number, "late_ms": late * 1000, "confirmed_ms": statistics.median(confirmed or [0.0])}
            print(json.dumps(said), flush=True)
            reported, late = now, 0.0
            confirmed.clear()
        time.sleep(max(0.0, now + TICK_SECONDS - time.perf_counter()))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), is_for_hub="hub" in sys.argv[3:])
