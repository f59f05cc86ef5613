"""Which client reads and writes a partition: the transactional part of the job with aiokafka and with confluent-kafka.

Six producers, each with a partition of the source: fetch, write every record to two topics, commit; in transactions of
few and of many records, with the source's offset in the transaction and without (the engine has it in the changelog).
The time of a transaction is from its begin to the end of its commit. One process on one core. The measurement behind
docs/decisions/0007-aiokafka.md.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from sitehub.bench.stage import HERE, WORKER_CORE, broker, median, table
from sitehub.bench.workload import PARTITIONS, SOURCE, create_topics, produce, write_result

PEERS = HERE / "peers"
CASE_SECONDS = 300


class Style(NamedTuple):
    """How a client sends."""

    name: str
    script: str
    argument: str


STYLES = (
    Style("aiokafka, record batches", "transactions_aiokafka.py", "batches"),
    Style("aiokafka, single sends", "transactions_aiokafka.py", "single"),
    Style("confluent-kafka, produce", "transactions_confluent.py", "produce"),
    Style("confluent-kafka, produce_batch", "transactions_confluent.py", "produce_batch"),
)
Row = dict[str, Any]


def run(bootstrap: str, style: Style, name: str, size: int, transactions: int, offsets: str) -> Row:  # noqa: PLR0917
    """One case in a process of its own."""
    create_topics(bootstrap, f"out-{name}", f"cl-{name}")
    arguments = [bootstrap, SOURCE, name, str(PARTITIONS), str(size), str(transactions), style.argument, offsets]
    line = ["taskset", "-c", str(WORKER_CORE), sys.executable, str(PEERS / style.script), *arguments]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=CASE_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{style.name}: {done.stderr[-2000:]}")
    found = json.loads(done.stdout)
    took = sorted(found["milliseconds"])
    return {
        "client": style.name,
        "records": size,
        "offsets": offsets,
        "transactions/s": len(took) / found["seconds"],
        "records/s": len(took) * size / found["seconds"],
        "p50 ms": statistics.median(took),
        "p99 ms": took[int(0.99 * len(took))],
        "CPU s/100k records": found["cpu_seconds"] / (len(took) * size) * 100_000,
    }


def main() -> None:
    """Every case in turn, as often as there are rounds; medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=600_000, help="in the source")
    parser.add_argument("--small", type=int, default=20, help="records of a small transaction")
    parser.add_argument("--large", type=int, default=2_000, help="records of a large transaction")
    parser.add_argument("--transactions", type=int, default=300, help="small ones of each producer")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    # Keys fall unevenly on partitions, and producers warm up: not all of the source is counted on.
    many = max(1, int(options.events / PARTITIONS * 0.9 / options.large) - 5)
    runs: dict[tuple[str, int, str], list[Row]] = {}
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka:
        create_topics(kafka.bootstrap, SOURCE)
        produce(kafka.bootstrap, options.events)
        for number, style in enumerate(STYLES):  # else the first case would pay for the cold broker
            run(kafka.bootstrap, style, f"warm-up-{number}", options.small, options.transactions, "with")
            print(f"warmed up with {style.name}", flush=True)
        for round_ in range(options.rounds):
            sizes = ((options.small, options.transactions), (options.large, many))
            for number, (style, (size, count), offsets) in enumerate(product(STYLES, sizes, ("without", "with"))):
                row = run(kafka.bootstrap, style, f"c{number}r{round_}", size, count, offsets)
                runs.setdefault((style.name, size, offsets), []).append(row)
                print(row, flush=True)
    print(table([median(rows) for rows in runs.values()]))
    print(json.dumps({"written": str(write_result("clients", [row for rows in runs.values() for row in rows]))}))


if __name__ == "__main__":
    main()
