"""Restart on the same disk, and takeover after kill -9 with a standby.

Restart: from the start of the process, and from when its group had settled, until all partitions run; after SIGTERM and
after kill -9. Takeover: the longest gap between two committed commands of a partition whose worker was killed.
"""

import argparse
import itertools
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from sitehub.bench.job import SESSION_SECONDS
from sitehub.bench.reader import Reader, Seen, generator
from sitehub.bench.stage import Worker, broker, start_worker, table, worker
from sitehub.bench.watch import Watch
from sitehub.bench.workload import PARTITIONS, SOURCE, create_topics, produce, write_result

SETTLE_SECONDS = 5.0
"""Load before a kill, and after the last partition has gone on."""
Row = dict[str, object]


def restart(bootstrap: str, folder: Path, how: str) -> Row:
    """End a worker that has handled the whole source, start it on the same disk, wait for it."""
    with worker(bootstrap, SOURCE, "r", folder / "r") as first:
        first.await_running(PARTITIONS)
        source, commands = Watch(bootstrap, SOURCE), Watch(bootstrap, "out-r")
        while commands.count() < source.count():
            time.sleep(0.2)
        time.sleep(1)  # the last transaction reaches the disk
        getattr(first, how)()
    began = time.time()
    with worker(bootstrap, SOURCE, "r", folder / "r") as again:
        again.await_running(PARTITIONS)
        ready = max(again.notes("running"))
        settled = max(at for at in again.notes("assigned") if at < ready)
        recovering = min(again.notes("recovering"))
    return {
        "after": how,
        "process to ready s": ready - began,
        "settled group to ready s": ready - settled,
        "process to group s": settled - began,
        "recovery alone s": ready - recovering,
    }


def takeover(bootstrap: str, folder: Path, pair: list[Worker], reader: Reader) -> Row:
    """Kill the first of two workers under load; the longest gap of its partitions. It comes back at the end."""
    victim, heir = pair
    time.sleep(SETTLE_SECONDS)
    owned = victim.partitions()
    reader.take()
    time.sleep(SETTLE_SECONDS / 5)
    killed = time.time()
    victim.kill()
    while heir.running() < PARTITIONS:
        time.sleep(0.1)
    took = max(heir.notes("running")) - killed
    time.sleep(SETTLE_SECONDS)
    seen = reader.take()
    gap = longest_gap(one for one in seen if one.partition in owned)
    kept = longest_gap(one for one in seen if one.partition not in owned)
    pair[:] = [heir, start_worker(bootstrap, SOURCE, "t", folder / victim.journal.stem, ["--standbys", "1"])]
    await_shared(pair)
    return {
        "partitions": len(owned),
        "gap s": gap,
        "beyond session s": gap - SESSION_SECONDS,
        "kill to running s": took,
        "gap of the others s": kept,
    }


def longest_gap(seen: Iterable[Seen]) -> float:
    """Seconds between two commands of one partition, at the most."""
    times: dict[int, list[float]] = defaultdict(list)
    for one in seen:
        times[one.partition].append(one.visible)
    gaps = (later - former for of in times.values() for former, later in itertools.pairwise(of))
    return max(gaps, default=float("nan"))


def await_shared(pair: list[Worker]) -> None:
    """Return once each of two workers runs half of the partitions."""
    for one in pair:
        one.await_running(PARTITIONS // 2)


def takeovers(bootstrap: str, folder: Path, rounds: int, rate: float) -> list[Row]:
    """Rounds under one load, one after the other."""
    create_topics(bootstrap, "out-t", "cl-t")
    pair = [start_worker(bootstrap, SOURCE, "t", folder / name, ["--standbys", "1"]) for name in ("t-1", "t-2")]
    try:
        await_shared(pair)
        reader = Reader(bootstrap, "out-t")
        reader.start()
        rows = []
        with generator(bootstrap, rate, folder):
            for _ in range(rounds):
                rows.append(takeover(bootstrap, folder, pair, reader))
                print(rows[-1], flush=True)
    finally:
        for one in pair:
            one.kill()
    return rows


def median(rows: list[Row]) -> Row:
    """Of each column that has numbers."""
    return {
        head: value if isinstance(value, str) else statistics.median(float(str(row[head])) for row in rows)
        for head, value in rows[0].items()
    }


def main() -> None:
    """Restarts, then takeovers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000, help="handled before the restarts")
    parser.add_argument("--rate", type=float, default=500, help="events a second during takeovers")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    restarts: dict[str, list[Row]] = {"terminate": [], "kill": []}
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka:
        create_topics(kafka.bootstrap, SOURCE, "out-r", "cl-r")
        produce(kafka.bootstrap, options.events)
        for _ in range(options.rounds):
            for how, rows in restarts.items():
                rows.append(restart(kafka.bootstrap, Path(name), how))
                print(rows[-1], flush=True)
        takes = takeovers(kafka.bootstrap, Path(name), options.rounds, options.rate)
    print(table([median(rows) for rows in restarts.values()]))
    print(table([median(takes)]))
    result = {"restarts": restarts, "takeovers": takes, "session_seconds": SESSION_SECONDS}
    print(json.dumps({"written": str(write_result("takeover", result))}))


if __name__ == "__main__":
    main()
