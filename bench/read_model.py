"""States of sites from their changelog into PostgreSQL, by the worker's own service, its offsets beside the rows.

Two rounds a run: every site once (inserts), then any of them (updates). The service is on the first core; the broker
and PostgreSQL share the second.
"""

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from sitehub.agents.read_model import ReadModel
from sitehub.bench.stage import BROKER_CORE, WORKER_CORE, broker, median, pin, table
from sitehub.bench.workload import SITES, create_topics, send, write_result
from sitehub.codecs.rows import encode_site
from sitehub.dev.kafka import free_port
from sitehub.dev.postgres import EmbeddedPostgres
from sitehub.rules.site import Site
from sitehub.rules.times import rfc3339
from sitehub.stores.postgres.address import Address, connect
from sitehub.stores.postgres.pool import Pool, Pools
from sitehub.stores.postgres.schema import Schema, prepare
from sitehub.stores.postgres.site_rows import SiteRows
from sitehub.telemetry.metrics import Metrics

POLL_SECONDS = 0.02
NOW = 1_764_000_000.0
SCHEMA = Schema("postgres", "postgres")


@contextmanager
def database(folder: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of its own, as it is by default, beside the broker."""
    postgres = EmbeddedPostgres(folder / "postgres", free_port())
    postgres.start()
    try:
        pin(postgres.pid or 0, [BROKER_CORE])  # those that it starts from now on, too
        yield postgres
    finally:
        postgres.stop()


def states(count: int, first: int, seed: int) -> Iterator[tuple[bytes, bytes]]:
    """Key and row of every site in turn if `first` is 0, else of any."""
    rng = random.Random(seed)
    for number in range(first, first + count):
        site = number if number < SITES else rng.randrange(SITES)
        site_id = f"site-{site:06d}"
        address = {"street": f"{number} Main Street", "city": "Denver", "state": "CO", "postal_code": "80202"}
        row = Site(
            site_id=site_id,
            version=1 + number // SITES,
            attributes={"name": f"Garage {number}", "address": address, "territory_id": f"terr-{number % 300:03d}"},
            contract_info={"contract_type": "management_fee", "billing_cycle": f"cycle-{number % 3}", "rate": 12.5},
            created_at=rfc3339(NOW),
            updated_at=rfc3339(NOW + number / 1000),
            last_event_id=f"event-{number}",
            last_event_timestamp=rfc3339(NOW + number / 1000),
            event_ids="",
            offset=number,
        )
        yield site_id.encode(), encode_site(row)


async def measure(bootstrap: str, postgres: EmbeddedPostgres, topic: str, records: int) -> dict[str, Any]:
    """Start the service, and wait until it has written `records` since."""
    address = Address("127.0.0.1", postgres.port, "customer_sites", "postgres", "", "disable", 10.0)
    metrics = Metrics(CollectorRegistry())

    async def prepare_schema(connection: Any) -> list[str]:
        return (await prepare(connection, SCHEMA)).applied

    pools = Pools(Pool(address, 1, 2, 60.0), None)
    service = ReadModel(
        client={"bootstrap_servers": bootstrap},
        consumer=topic,
        sinks={topic: SiteRows()},
        pools=pools,
        prepare=prepare_schema,
        metrics=metrics,
    )
    written = metrics.read_model_rows.labels(topic)
    await service.start()
    cpu = began = 0.0
    seen = 0
    while (count := int(written._value.get())) < records:  # noqa: SLF001 -- a registry's sample costs more
        if count and not seen:
            began, cpu, seen = time.perf_counter(), time.process_time(), count
        await asyncio.sleep(POLL_SECONDS)
    seconds, used = time.perf_counter() - began, time.process_time() - cpu
    await service.stop()
    await pools.close()
    return {"rows/s": (records - seen) / seconds, "CPU s/100k rows": used / (records - seen) * 1e5}


async def count_rows(postgres: EmbeddedPostgres) -> int:
    """Sites that there are."""
    connection = await connect(postgres.dsn)
    found: int = await connection.fetchval("SELECT count(*) FROM customer_sites")
    await connection.close()
    return found


def main() -> None:
    """Rounds; the rows are counted after each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    runs: dict[str, list[dict[str, Any]]] = {"inserts": [], "updates": []}
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka:
        os.sched_setaffinity(0, {WORKER_CORE})
        for round_ in range(options.rounds):
            topic = f"sites-{round_}"
            create_topics(kafka.bootstrap, topic)
            with database(Path(name) / topic) as postgres:
                for kind, count, first in (("inserts", SITES, 0), ("updates", options.updates, SITES)):
                    send(kafka.bootstrap, states(count, first, round_), topic)
                    row = asyncio.run(measure(kafka.bootstrap, postgres, topic, count))
                    runs[kind].append(row)
                    print(kind, row, flush=True)
                if asyncio.run(count_rows(postgres)) != SITES:
                    raise AssertionError("rows are missing")
    print(table([{"what": kind, **median(rows)} for kind, rows in runs.items()]))
    print(json.dumps({"written": str(write_result("read_model", runs))}))


if __name__ == "__main__":
    main()
