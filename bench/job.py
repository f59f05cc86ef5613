"""The measured job on the engine: validate an event, fold it, count it in a window, make a command; exactly once."""

import argparse
import asyncio
import gc
from pathlib import Path
from typing import Any

import faust
import jsonschema_rs
import msgspec

from sitehub.bench import rocksdb_options, sampler
from sitehub.bench.journal import observer
from sitehub.engine import store
from sitehub.engine.app import EngineApp
from sitehub.engine.batch import Message, Outcome, PartitionBatch, ReadRows, Row
from sitehub.engine.partition import Partition
from sitehub.engine.source import Loop, Source, fold

PARTITIONS = 6
WINDOW_MS = 60_000
SESSION_SECONDS = 10.0
GATE_SECONDS = 0.02
SCHEMA = {
    "type": "object",
    "required": ["event_id", "event_timestamp", "site_id", "changed_fields"],
    "properties": {
        "event_id": {"type": "string"},
        "event_timestamp": {"type": "string", "format": "date-time"},
        "site_id": {"type": "string"},
        "changed_fields": {"type": "array"},
        "old_values": {"type": "object"},
        "new_values": {"type": "object"},
    },
}
is_valid = jsonschema_rs.validator_for(SCHEMA, validate_formats=True).is_valid
loads, dumps = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode


def decide(batch: PartitionBatch, read: ReadRows, commands_topic: str) -> Outcome:
    """One pass: an event's objects die before the next is decoded."""
    keys = list({record.key or b"" for record in batch.records})
    stored = dict(zip(keys, read([b"s" + key for key in keys]), strict=True))
    sites: dict[bytes, dict[str, Any]] = {}
    windows: dict[tuple[bytes, int], int] = {}
    commands: list[Message] = []
    for record in batch.records:
        key = record.key or b""
        event = loads(record.value or b"")
        if not is_valid(event):
            raise ValueError("the workload has no malformed events")
        site = sites.get(key)
        if site is None:
            site = sites[key] = loads(stored[key] or b'{"version":0}')
        site.update(event["new_values"])
        site["last"] = event_id = event["event_id"]
        site["version"] += 1
        window = (key[-2:], record.timestamp // WINDOW_MS)
        windows[window] = windows.get(window, 0) + 1
        command = {
            "command_id": event_id + ":update",
            "customer_id": event["site_id"],
            "customer_name": site["name"],
            "billing_address": site["address"],
        }
        commands.append((key, dumps(command), []))
    rows: list[Row] = [(b"s" + key, dumps(site)) for key, site in sites.items()]
    window_keys = [b"w%b:%d" % window for window in windows]
    counted = zip(window_keys, read(window_keys), windows.values(), strict=True)
    rows += [(key, b"%d" % (int(old or 0) + new)) for key, old, new in counted]
    return Outcome(rows, {commands_topic: commands})


def gated(loop: Loop, gate: Path) -> Loop:
    """A loop that takes nothing before the file `gate` is there: so that several workers begin together."""

    async def run(partition: Partition) -> None:
        while not gate.exists() and not partition.is_draining:  # noqa: ASYNC110, ASYNC240 -- another process opens it
            await asyncio.sleep(GATE_SECONDS)
        await loop(partition)

    return run


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("bootstrap", "source", "name"):
        parser.add_argument(name)
    parser.add_argument("data", type=Path)
    parser.add_argument("--journal", type=Path, help="where to note what happened when")
    parser.add_argument("--profile", type=Path, help="where to leave a sampling profile at the end")
    parser.add_argument("--gate", type=Path, help="take nothing before this file is there")
    parser.add_argument("--batch-records", type=int, default=8_000, help="at most in a transaction")
    parser.add_argument("--standbys", type=int, default=0)
    parser.add_argument("--rocksdb", default="{}", help="options as JSON: see rocksdb_options.py")
    return parser.parse_args()


def main() -> None:
    """Run a worker until SIGTERM."""
    options = arguments()
    store.database_options = rocksdb_options.maker(options.rocksdb)
    if options.profile:
        sampler.install(options.profile)
    app = EngineApp(
        options.name,
        client={"bootstrap_servers": options.bootstrap},
        directory=options.data,
        observer=observer(options.journal),
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=1.0,
        topic_partitions=PARTITIONS,
        table_standby_replicas=options.standbys,
        consumer_group_instance_id=options.data.name,
        canonical_url=f"http://{options.data.name}.localhost",
    )
    loop = fold(lambda batch, read: decide(batch, read, f"out-{options.name}"))
    if options.gate:
        loop = gated(loop, options.gate)
    sends = frozenset({f"out-{options.name}"})
    source = Source(
        options.source,
        "sites",
        f"cl-{options.name}",
        loop,
        sends,
        max_batch_records=options.batch_records,
        fetch_bytes=options.batch_records * 512,
    )
    app.add_source(source, PARTITIONS)
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    faust.Worker(app, loglevel="warning", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
