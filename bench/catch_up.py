"""The end of an outage: updates have queued up behind an open breaker, and the target works again.

One call a site must be made of them, in the time of as many plain commands. Those are measured in the same round, with
the same worker, before the outage. The ramp of the pace is no part of them: what it alone needs is told beside it.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from sitehub.bench.hub_stage import (
    POLL_SECONDS,
    count,
    environment,
    event_id,
    get,
    produce,
    produce_at_once,
    sink,
    worker,
)
from sitehub.bench.stage import broker, table
from sitehub.bench.workload import write_result
from sitehub.rules.pace import RAMP_DOUBLES_SECONDS, RAMP_PACE, RAMP_SECONDS

PATIENCE_SECONDS = 300
SETTLE_SECONDS = 3
"""In which a call too many would come."""


@dataclass(frozen=True, slots=True)
class Load:
    """What queues up, and how long it has for that."""

    updates: int
    sites: int
    queue_seconds: float


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What the sink tells of the documents that it awaits; times are in seconds since 1970."""

    paths: int
    first: float
    """The first call of any kind was taken."""
    last: float
    """The last document came."""


def await_arrivals(base: str, sites: int) -> Arrivals:
    """Return once a document of each site has come; raises TimeoutError."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (arrivals := Arrivals(**json.loads(get(f"{base}/_arrived")))).paths < sites:
        if time.monotonic() > deadline:
            raise TimeoutError(f"documents of {arrivals.paths} of {sites} sites came")
        time.sleep(POLL_SECONDS)
    return arrivals


def ramp_seconds(calls: int) -> float:
    """What so many calls take if nothing but the ramp after an outage holds them up.

    The integral of the pace, RAMP_PACE x 2^(t / RAMP_DOUBLES_SECONDS), solved for t.
    """
    growth = math.log(2) / RAMP_DOUBLES_SECONDS
    return min(RAMP_SECONDS, math.log1p(calls * growth / RAMP_PACE) / growth)


def plain_seconds(bootstrap: str, base: str, calls: int) -> float:
    """From the first to the last of so many calls, each about another site, while the target works."""
    get(f"{base}/_await?from={event_id(0)}")
    produce_at_once(bootstrap, calls)
    arrivals = await_arrivals(base, calls)
    return arrivals.last - arrivals.first


def catch_up(bootstrap: str, base: str, process: psutil.Process, load: Load) -> dict[str, float]:
    """The target fails while updates queue up, then it works until it has the newest document of each site.

    The clock begins with the first call that it takes, which is when the breaker closes but for a few probes.
    """
    get(f"{base}/_down")
    produce(bootstrap, load.updates, load.sites, start=load.sites)  # the plain commands have the numbers below
    time.sleep(load.queue_seconds)
    rss_mb, taken = process.memory_info().rss / 1e6, count(base)
    get(f"{base}/_await?from={event_id(load.updates)}")  # the last update of each site, and none before it
    up = time.time()
    get(f"{base}/_up")
    arrivals = await_arrivals(base, load.sites)
    time.sleep(SETTLE_SECONDS)
    return {
        "seconds": arrivals.last - arrivals.first,
        "seconds_until_probed": arrivals.first - up,
        "ramp_seconds": ramp_seconds(load.sites),
        "calls": count(base) - taken,
        "sites": load.sites,
        "rss_mb": max(rss_mb, process.memory_info().rss / 1e6),
    }


def measure(load: Load) -> dict[str, float]:
    """One round, on a broker of its own."""
    with (
        tempfile.TemporaryDirectory() as name,
        broker(Path(name)) as kafka,
        sink(Path(name)) as base,
        worker(Path(name), environment(Path(name), kafka.bootstrap, base, "hub")) as process,
    ):
        plain = plain_seconds(kafka.bootstrap, base, load.sites)
        found = catch_up(kafka.bootstrap, base, process, load)
    return {
        "times_plain": found["seconds"] / plain,
        "times_ramp": found["seconds"] / found["ramp_seconds"],
        "plain_seconds": plain,
        **found,
    }


def main() -> None:
    """Rounds, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=200_000, help="that queue up; as many as the sites or more")
    parser.add_argument("--sites", type=int, default=20_000, help="that they are about, in turn")
    parser.add_argument("--queue-seconds", type=float, default=20, help="in which the worker reads and coalesces them")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    load = Load(options.updates, options.sites, options.queue_seconds)
    rounds: list[dict[str, float]] = []
    for _ in range(options.rounds):
        rounds.append(measure(load))
        print(rounds[-1], flush=True)
    print(table([{head: statistics.median(row[head] for row in rounds) for head in rounds[0]}]))
    print(json.dumps({"written": str(write_result("catch_up", {"rounds": rounds}))}))


if __name__ == "__main__":
    main()
