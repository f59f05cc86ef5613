"""Rows a second from a changelog into an empty folder, beside Kafka Streams' own restore of the same rows, on one core.

Also how long the restore takes that follows on the same disk. Both read the same number of rows of the same size, in
transactions, from six partitions; the time is from the first fetch to the last row, without the start of a process.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from aiokafka import AIOKafkaProducer

from sitehub.bench.java import KAFKA_STREAMS
from sitehub.bench.java import command as java_peer
from sitehub.bench.stage import WORKER_CORE, broker, table
from sitehub.bench.workload import PARTITIONS, create_topics, write_result
from sitehub.engine.changelog import restore
from sitehub.engine.store import Store

CHANGELOG = "changelog"
SOURCE = "restore-source"
VALUE_BYTES = 400
TRANSACTION_ROWS = 20_000
BATCH_ROWS = 2_000
FETCHES = ("default", "large")
"""How the peer fetches; see StreamsRestorePeer.java."""


async def fill(bootstrap: str, changelog: str, rows: int) -> None:
    """A changelog as the engine writes it: in transactions, in record batches."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id="bench", max_batch_size=1_000_000)
    await producer.start()
    value = b"v" * VALUE_BYTES
    for first in range(0, rows, TRANSACTION_ROWS):
        await producer.begin_transaction()
        for start in range(first, min(first + TRANSACTION_ROWS, rows), BATCH_ROWS):
            batch = producer.create_batch()
            for number in range(start, min(start + BATCH_ROWS, rows)):
                batch.append(key=b"site-%09d" % number, value=value, timestamp=int(time.time() * 1000))
            batch.close()
            await producer.send_batch(batch, changelog, partition=start // BATCH_ROWS % PARTITIONS)
        await producer.commit_transaction()
    await producer.stop()


async def once(bootstrap: str, folder: Path) -> tuple[int, float]:
    """Rows applied, and seconds, from opening the stores to closing them."""
    applied = 0

    def progress(rows: int, _remaining: int) -> None:
        nonlocal applied
        applied += rows

    began = time.perf_counter()
    stores = {(CHANGELOG, number): Store(folder / f"t-{number}") for number in range(PARTITIONS)}
    await restore({"bootstrap_servers": bootstrap}, stores, progress)
    took = time.perf_counter() - began
    for store in stores.values():
        store.close()
    return applied, took


def ours(bootstrap: str, folder: Path, rows: int) -> dict[str, object]:
    """One restore, and the one after it."""
    cpu = time.process_time()
    applied, seconds = asyncio.run(once(bootstrap, folder))
    cpu = time.process_time() - cpu
    if applied != rows:
        raise AssertionError(f"{applied} rows of {rows}")
    again, restart = asyncio.run(once(bootstrap, folder))
    return {"rows/s": applied / seconds, "CPU s/1M rows": cpu / rows * 1e6, "again s": restart, "again rows": again}


def streams(bootstrap: str, folder: Path, line: list[str], fetches: str, rows: int) -> dict[str, object]:
    """One restore of the peer; its CPU is that of the whole process."""
    folder.mkdir()
    arguments = [bootstrap, SOURCE, application(fetches), str(folder), str(PARTITIONS), fetches]
    before = os.times()
    done = subprocess.run(
        ["taskset", "-c", str(WORKER_CORE), *line, *arguments], capture_output=True, text=True, check=True, timeout=600
    )
    after = os.times()
    applied, seconds, whole = done.stdout.split()
    if int(applied) < rows:  # it counts the markers of transactions too
        raise AssertionError(f"{applied} rows of {rows}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"rows/s": rows / float(seconds), "CPU s/1M rows": cpu / rows * 1e6, "with start s": float(whole)}


def application(fetches: str) -> str:
    """Id of the peer: it names the changelog."""
    return f"restore-{fetches}"


def main() -> None:
    """Rounds of both in turn; every row is counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    runs: dict[str, list[dict[str, object]]] = {}
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka:
        line = java_peer(Path(name) / "classes", "StreamsRestorePeer", KAFKA_STREAMS)
        if line is None:
            print("no JDK on the PATH: Kafka Streams is left out")
        fetches = FETCHES if line else ()
        changelogs = [CHANGELOG, *(f"{application(of)}-sites-changelog" for of in fetches)]
        create_topics(kafka.bootstrap, SOURCE, *changelogs)
        for changelog in changelogs:
            asyncio.run(fill(kafka.bootstrap, changelog, options.rows))
        os.sched_setaffinity(0, {WORKER_CORE})
        for round_ in range(options.rounds):
            found = {"sitehub": ours(kafka.bootstrap, Path(name) / f"ours-{round_}", options.rows)}
            for of in fetches:
                data = Path(name) / f"{of}-{round_}"
                found[f"Kafka Streams, {of} fetches"] = streams(kafka.bootstrap, data, line or [], of, options.rows)
            for peer, row in found.items():
                runs.setdefault(peer, []).append(row)
                print(peer, row, flush=True)
    heads = ["rows/s", "CPU s/1M rows", "again s", "with start s"]
    medians = [{"peer": peer, **{head: median(rows, head) for head in heads}} for peer, rows in runs.items()]
    print(table(medians))
    print(json.dumps({"written": str(write_result("recovery", {"rows": options.rows, "runs": runs}))}))


def median(rows: list[dict[str, object]], head: str) -> object:
    """Of a column; empty if the peer has none."""
    return statistics.median(float(str(row[head])) for row in rows) if head in rows[0] else ""


if __name__ == "__main__":
    main()
