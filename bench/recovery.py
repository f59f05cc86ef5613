"""Rows a second from a changelog into an empty folder, and how long a restart on the same disk takes."""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from pathlib import Path

from aiokafka import AIOKafkaProducer

from sitehub.bench.throughput import broker
from sitehub.bench.workload import PARTITIONS, create_topics, write_result
from sitehub.engine.changelog import restore
from sitehub.engine.store import Store

CHANGELOG = "changelog"
VALUE_BYTES = 400
TRANSACTION_ROWS = 20_000
BATCH_ROWS = 2_000


async def fill(bootstrap: str, rows: int) -> None:
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
            await producer.send_batch(batch, CHANGELOG, partition=start // BATCH_ROWS % PARTITIONS)
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


def main() -> None:
    """Median of the rounds; every row is counted."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rates, restarts = [], []
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka:
        create_topics(kafka.bootstrap, CHANGELOG)
        asyncio.run(fill(kafka.bootstrap, options.rows))
        for round_ in range(options.rounds):
            folder = Path(name) / str(round_)
            applied, seconds = asyncio.run(once(kafka.bootstrap, folder))
            if applied != options.rows:
                raise AssertionError(f"{applied} rows of {options.rows}")
            again, restart = asyncio.run(once(kafka.bootstrap, folder))
            rates.append(applied / seconds)
            restarts.append(restart)
            print(
                f"{applied / seconds:,.0f} rows/s; restart on the same disk {restart:.2f} s, {again} rows", flush=True
            )
    result = {"rows": options.rows, "rows_per_second": rates, "restart_seconds": restarts}
    print(f"median {statistics.median(rates):,.0f} rows/s, restart {statistics.median(restarts):.2f} s")
    print(json.dumps({"written": str(write_result("recovery", result))}))


if __name__ == "__main__":
    main()
