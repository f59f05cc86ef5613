"""`make chaos`: chaos for as long as one says; exit code 1 at the first violation."""

import argparse
import asyncio
import json
import random
import shutil
import tempfile
import traceback
from dataclasses import asdict
from pathlib import Path

from sitehub.dev.kafka import EmbeddedKafka, free_port
from sitehub.dev.names import Names
from sitehub.dev.postgres import DATABASE, EmbeddedPostgres
from sitehub.stores.postgres.address import connect
from sitehub.stores.postgres.schema import Schema, prepare
from sitehub.tests.broker.chaos.run import run
from sitehub.tests.broker.hub import Hub
from sitehub.tests.postgres.conftest import ROLES, Database


async def prepare_database(server: EmbeddedPostgres) -> None:
    """The schema, as its owner has it."""
    connection = await connect(server.dsn)
    await prepare(connection, Schema(*ROLES))
    await connection.close()


def main() -> int:
    """Run, and print the report as JSON."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300, help="how long events come; default %(default)s")
    parser.add_argument("--seed", type=int, help="repeats a run's order of faults; default: a new one")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.randrange(1_000_000)
    print(f"seed {seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="sitehub-chaos-"))
    kafka = EmbeddedKafka(folder / "kafka", free_port())
    kafka.start()
    server = EmbeddedPostgres(folder / "postgres", free_port(), roles=ROLES)
    server.start()
    asyncio.run(prepare_database(server))
    hub = Hub(kafka.bootstrap, Names().topic(""), folder)
    try:
        report = run(
            hub, kafka, Database(server, DATABASE), seed, options.seconds, lambda text: print(text, flush=True)
        )
    except AssertionError:
        traceback.print_exc()
        print(f"VIOLATED with seed {seed}; logs and tables are in {folder}")
        return 1
    finally:
        hub.stop()
        for one in (kafka, server):
            one.resume()
            one.stop()
    shutil.rmtree(folder)
    print(json.dumps(asdict(report)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
