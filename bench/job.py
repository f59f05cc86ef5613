"""The measured job on the engine: validate an event, fold it, count it in a window, make a command; exactly once."""

import gc
import sys
from pathlib import Path
from typing import Any

import faust
import jsonschema_rs
import msgspec

from sitehub.engine.app import EngineApp
from sitehub.engine.batch import Message, Outcome, PartitionBatch, ReadRows, Row
from sitehub.engine.observer import Observer
from sitehub.engine.source import Source, fold

PARTITIONS = 6
WINDOW_MS = 60_000
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


def main(bootstrap: str, source: str, name: str, data: str) -> None:
    """Run a worker until SIGTERM."""
    app = EngineApp(
        name,
        client={"bootstrap_servers": bootstrap},
        directory=Path(data),
        observer=Observer(),
        broker_session_timeout=10.0,
        broker_heartbeat_interval=1.0,
        topic_partitions=PARTITIONS,
    )
    out = f"out-{name}"
    app.add_source(
        Source(source, "sites", f"cl-{name}", fold(lambda batch, read: decide(batch, read, out))), PARTITIONS
    )
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)
    faust.Worker(app, loglevel="warning", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:5])
