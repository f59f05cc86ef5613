"""A batch of many rows to a sink that takes all of it: rows a second beside a bare loop of the same calls, and memory.

The worker's part is on the first core; PostgreSQL and the sink share the second. The bare loop has all bodies in memory
before it begins: what it reaches is the sink's and the client's limit.
"""

import argparse
import asyncio
import contextlib
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from prometheus_client import CollectorRegistry

from sitehub.agents.batch_run import BatchOperation, BatchRun
from sitehub.agents.hub_channel import HubChannel
from sitehub.agents.sites import RulesInForce
from sitehub.batch_wiring import batch_operations, batch_source, run_maker
from sitehub.bench.stage import BROKER_CORE, WORKER_CORE, pin, table
from sitehub.bench.workload import write_result
from sitehub.clients.target import Target
from sitehub.dev.kafka import free_port
from sitehub.dev.postgres import EmbeddedPostgres
from sitehub.settings import Settings, load_settings
from sitehub.settings.loader import packaged_configuration
from sitehub.stores.postgres.address import connect
from sitehub.stores.postgres.batch_ledger import Advance, BatchLedger
from sitehub.stores.postgres.schema import Schema, prepare
from sitehub.stores.postgres.sql import statement
from sitehub.telemetry.metrics import Metrics
from sitehub.wiring import sync_rules, target_gate, target_settings

SAMPLES = 10
POLL_SECONDS = 0.05
MIB = 1 << 20
FILL = """
INSERT INTO public.customer_sites (site_id, site_name, address, status, attributes, contract_info, version, created_at,
    updated_at, last_event_id, last_event_timestamp)
SELECT 'site-' || lpad(number::text, 7, '0'), 'Garage ' || number, '{"street": "1 Main St", "city": "Denver"}',
    'active', jsonb_build_object('name', 'Garage ' || number, 'capacity', number), '{"contract_type": "lease"}', 1,
    now(), '2026-11-24T00:00:00Z'::timestamptz + number * interval '1 millisecond', 'e' || number, now()
FROM generate_series(1, $1::int) AS number
"""


@dataclass
class Seen:
    """Rows that are done, and the process's memory each time that another tenth is."""

    rows: int
    done: int = 0
    mib: list[float] = field(default_factory=list)

    def note(self, advance: Advance) -> None:
        """Rows were delivered."""
        self.done += advance.rows
        while self.done >= self.rows * (len(self.mib) + 1) // SAMPLES and len(self.mib) < SAMPLES:
            self.mib.append(round(psutil.Process().memory_info().rss / MIB, 1))


@contextmanager
def servers(folder: Path, answer_ms: float) -> Iterator[tuple[EmbeddedPostgres, int]]:
    """A database and a sink."""
    postgres, port = EmbeddedPostgres(folder / "postgres", free_port()), free_port()
    postgres.start()
    sink = subprocess.Popen([sys.executable, "-m", "sitehub.bench.peers.batch_sink", str(port), str(answer_ms)])
    try:
        pin(postgres.pid or 0, [BROKER_CORE])
        pin(sink.pid, [BROKER_CORE])
        _await_port(port)
        yield postgres, port
    finally:
        sink.terminate()
        sink.wait()
        postgres.stop()


def _await_port(port: int) -> None:
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(POLL_SECONDS)


def settings_of(postgres: EmbeddedPostgres, sink: int, folder: Path) -> Settings:
    """The guide's batch, with the servers here."""
    at = {"host": "127.0.0.1", "port": postgres.port, "username": "postgres", "password": "", "ssl_mode": "disable"}
    overlay = {
        "database_config": {"primary": at, "read_replica": at},
        "kafka_config": {"security_protocol": "PLAINTEXT"},
        "billing_integration": {"api_endpoint": f"http://127.0.0.1:{sink}", "authentication": {"api_key": "key"}},
    }
    path = folder / "overlay.json"
    path.write_text(json.dumps(overlay))
    return load_settings([packaged_configuration(), path], {})


async def batch(settings: Settings, operation: BatchOperation, rows: int) -> tuple[float, Seen]:
    """Seconds of a run over all rows."""
    source, block = batch_source(settings), target_settings(settings, operation.target)
    if isinstance(source, str) or isinstance(block, str):
        raise TypeError(f"{source}, {block}")
    seen, metrics = Seen(rows), Metrics(CollectorRegistry())
    channel = HubChannel({}, "none", "bench")
    gate = target_gate(settings, operation.target, channel, metrics, share=lambda: 1.0, changed=lambda _news: None)
    connection = await connect(source.servers[-1])
    ledger = BatchLedger(connection, "bench")
    await connection.execute("TRUNCATE integration.batch_runs, integration.watermarks")
    await ledger.state(operation.name)
    await connection.fetchval(statement("request_run"), operation.name, "operator", "bench", None)
    lease, run = await ledger.take(operation.name), await ledger.next_run(operation.name)
    if lease is None or run is None:
        raise RuntimeError("somebody else is at it")
    async with Target(block) as target:
        make = run_maker(
            settings,
            source,
            targets={operation.target: target},
            gates={operation.target: gate},
            rules=RulesInForce(sync_rules(settings)),
            metrics=metrics,
        )
        began = time.monotonic()
        work: BatchRun = make(operation, run, lease, ledger, seen.note)
        await work.finish()
        seconds = time.monotonic() - began
    await connection.close()
    return seconds, seen


async def bare(port: int, operation: BatchOperation, rows: int) -> float:
    """Seconds of the same calls by aiohttp, from memory, as many at once."""
    record = {"customer_id": "site-0000001", "customer_name": "Garage 1", "billing_address": {"line1": "1 Main St"}}
    body = json.dumps({"operation": operation.name, "watermark": "", "records": [record] * operation.batch_size})
    left = iter(range(-(-rows // operation.batch_size)))
    began = time.monotonic()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:

        async def call() -> None:
            for _ in left:
                async with client.post(operation.path, data=body) as answer:
                    answer.raise_for_status()
                    await answer.read()

        await asyncio.gather(*(call() for _ in range(operation.parallel_workers)))
    return time.monotonic() - began


async def run(rows: int, rounds: int, answer_ms: float) -> dict[str, Any]:
    """Both in turn."""
    with tempfile.TemporaryDirectory() as name, servers(Path(name), answer_ms) as (postgres, port):
        pin(psutil.Process().pid, [WORKER_CORE])
        owner = await connect(postgres.dsn)
        await prepare(owner, Schema("postgres", "postgres"))
        await owner.execute(FILL, rows)
        await owner.execute("ANALYZE public.customer_sites")
        await owner.close()
        settings = settings_of(postgres, port, Path(name))
        operation = batch_operations(settings)[0]
        found: dict[str, list[float]] = {"batch sync": [], "bare loop": []}
        memory: list[list[float]] = []
        for _ in range(rounds):
            found["bare loop"].append(rows / await bare(port, operation, rows))
            seconds, seen = await batch(settings, operation, rows)
            found["batch sync"].append(rows / seconds)
            memory.append(seen.mib)
    return {
        "rows": rows,
        "answer_ms": answer_ms,
        "rows_per_second": {what: statistics.median(speeds) for what, speeds in found.items()},
        "rss_mib_by_tenth": memory,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--answer-ms", type=float, default=20, help="of the sink; 0: it answers at once")
    options = parser.parse_args()
    result = asyncio.run(run(options.rows, options.rounds, options.answer_ms))
    print(table([{"": name, "rows/s": round(speed)} for name, speed in result["rows_per_second"].items()]))
    for tenths in result["rss_mib_by_tenth"]:
        print("MiB after each tenth of the rows:", *tenths)
    write_result(f"batch_sync_{options.answer_ms:g}_ms", result)


if __name__ == "__main__":
    main()
