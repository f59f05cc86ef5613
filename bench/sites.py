"""How memory, disk and speed of a worker change with the number of sites; RocksDB options by measurement.

Each run first makes every site (one event each), then measures events about sites at random. `--rocksdb` may be given
several times: each is a variant, run in turn with the others; `{}` is what the engine has.
"""

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from typing import Any

from sitehub.bench.stage import broker, median, table, worker
from sitehub.bench.watch import Watch
from sitehub.bench.workload import PARTITIONS, SOURCE, create_topics, event, send, site_event, write_result

MEGABYTE = 1e6
SETTLE_SECONDS = 1.0
SECONDS_PER_EVENT = 1 / 2_000
"""Slower than this a run is given up."""
Row = dict[str, Any]


def disk_mb(folder: Path) -> float:
    """What the stores take, right now: compactions may be under way."""
    return sum(path.stat().st_size for path in folder.glob("sites-*/*") if path.is_file()) / MEGABYTE


def run(bootstrap: str, data: Path, sites: int, updates: int, rocksdb: str) -> Row:
    """Fill the tables, then update them; the source holds both, one after the other in each partition."""
    name = data.name
    create_topics(bootstrap, f"out-{name}", f"cl-{name}")
    watch = Watch(bootstrap, f"out-{name}")
    with worker(bootstrap, SOURCE, name, data, ["--rocksdb", rocksdb]) as running:
        running.await_running(PARTITIONS)
        filled = watch.measure([running.ps], sites, 60 + sites * SECONDS_PER_EVENT)
        first = watch.count()
        left = sites + updates - first
        updated = watch.measure([running.ps], left, 60 + updates * SECONDS_PER_EVENT, first=first, until=0.9)
        time.sleep(SETTLE_SECONDS)
        before_stop = disk_mb(data)
        rss_mb = running.ps.memory_info().rss / MEGABYTE
        running.terminate()  # flushes the memtables
    return {
        "sites": sites,
        "options": rocksdb,
        "first events/s": filled.events_per_second,
        "updates/s": updated.events_per_second,
        "CPU s/100k updates": updated.cpu_seconds_per_100k,
        "RSS MB": rss_mb,
        "disk MB running": before_stop,
        "disk MB stopped": disk_mb(data),
    }


def fill(bootstrap: str, sites: int, updates: int) -> None:
    """Every site once, then any of them."""
    create_topics(bootstrap, SOURCE)
    rng = random.Random(7)
    send(bootstrap, (site_event(number, number, rng) for number in range(sites)))
    send(bootstrap, (event(sites + number, rng, sites) for number in range(updates)))


def main() -> None:
    """All sizes and variants in turn, medians of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, nargs="*", default=[20_000, 200_000, 1_000_000])
    parser.add_argument("--updates", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rocksdb", action="append", help="JSON, see rocksdb_options.py; may be repeated")
    options = parser.parse_args()
    variants = options.rocksdb or ["{}"]
    runs: dict[tuple[int, str], list[Row]] = {}
    for sites in options.sites:
        with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka:
            fill(kafka.bootstrap, sites, options.updates)
            for round_ in range(options.rounds):
                for number, variant in enumerate(variants):
                    data = Path(name) / f"v{number}r{round_}"
                    row = run(kafka.bootstrap, data, sites, options.updates, variant)
                    runs.setdefault((sites, variant), []).append(row)
                    print(row, flush=True)
    print(table([median(rows) for rows in runs.values()]))
    print(json.dumps({"written": str(write_result("sites", [row for rows in runs.values() for row in rows]))}))


if __name__ == "__main__":
    main()
