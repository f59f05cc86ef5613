"""Events a CPU second of the handler of site events: decode, validate, fold, decide, audit, encode; no broker."""

import argparse
import gc
import json
import random
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry

from sitehub.bench.workload import write_result
from sitehub.cli.worker import GC_ALLOCATIONS
from sitehub.engine.batch import Headers, PartitionBatch
from sitehub.settings import load_settings
from sitehub.telemetry.metrics import Metrics
from sitehub.wiring import site_handler

BATCH_RECORDS = 2_000
UPDATES = 9
"""Of ten events about a site; the first one creates it."""


@dataclass(frozen=True, slots=True)
class Read:
    """A record as a consumer reads it."""

    offset: int
    key: bytes
    value: bytes
    timestamp: int = 0
    headers: Headers = field(default_factory=list)


def events(sites: int) -> list[Read]:
    """Each site is created, then changed again and again, in turn with all others."""
    rng = random.Random(7)
    return [
        _event(turn * sites + site, site, is_first=turn == 0, rng=rng)
        for turn in range(1 + UPDATES)
        for site in range(sites)
    ]


def _event(number: int, site: int, *, is_first: bool, rng: random.Random) -> Read:
    fields: dict[str, Any] = {
        "name": f"Garage {number}",
        "address": {"street": f"{number} Main Street", "city": "Denver", "state": "CO", "postal_code": "80202"},
        "territory_id": f"terr-{rng.randrange(300):03d}",
    }
    event: dict[str, Any] = {
        "event_type": "site_created" if is_first else "site_updated",
        "event_id": f"{rng.getrandbits(128):032x}",
        "event_timestamp": f"2026-11-24T02:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "site_id": f"site-{site:06d}",
    }
    if is_first:
        event |= {"site_data": {**fields, "contract_info": {"contract_id": f"c-{site}", "monthly_rate": site}}}
    else:
        event |= {"changed_fields": ["name", "address"], "old_values": {"name": "Old"}, "new_values": fields}
    return Read(number, event["site_id"].encode(), json.dumps(event).encode())


def measure(records: list[Read], size: int) -> dict[str, float]:
    """Events a CPU second over all of `records`, and the bytes that go to each kind of topic, an event."""
    handler = site_handler(load_settings(environ={}), Metrics(CollectorRegistry()))
    table: dict[bytes, bytes | None] = {}
    sent = 0
    began = time.process_time()
    for start in range(0, len(records), size):
        batch = PartitionBatch("events", 0, records[start : start + size])
        outcome = handler(batch, lambda keys: [*map(table.get, keys)])
        table.update(outcome.rows)
        sent += sum(len(value or b"") for messages in outcome.sends.values() for _, value, _ in messages)
    seconds = time.process_time() - began
    return {"events_per_cpu_second": len(records) / seconds, "sent_bytes_an_event": sent / len(records)}


def main() -> None:
    """Rounds in one process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    records = events(options.sites)
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 100)  # as a worker does
    rounds = [measure(records, BATCH_RECORDS) for _ in range(options.rounds)]
    median = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    print(json.dumps({**median, "rounds": [round(one["events_per_cpu_second"]) for one in rounds]}))
    write_result("handler", {"events": len(records), "median": median, "rounds": rounds})


if __name__ == "__main__":
    main()
