"""Peer: Faust as its documentation shows it, at least once: one table, one tumbling table, one send an event."""

import sys
from datetime import timedelta
from typing import Any

import faust


def main(bootstrap: str, source: str, name: str, data: str) -> None:
    """Run until killed."""
    app = faust.App(
        name,
        broker=f"kafka://{bootstrap}",
        store="memory://",
        topic_partitions=6,
        topic_replication_factor=1,
        datadir=data,
        web_enabled=False,
        value_serializer="json",
        consumer_auto_offset_reset="earliest",
    )
    events = app.topic(source, value_serializer="json", key_type=str, key_serializer="raw", partitions=6)
    out = app.topic(f"out-{name}", value_serializer="json", key_serializer="raw", partitions=6)
    sites = app.Table("sites", default=None, partitions=6)
    counts = app.Table("counts", default=int, partitions=6).tumbling(timedelta(seconds=60), expires=timedelta(hours=1))

    @app.agent(events)  # type: ignore[untyped-decorator]
    async def handle(stream: Any) -> None:
        async for key, event in stream.items():
            site = {**(sites.get(key) or {}), **event["new_values"], "last": event["event_id"]}
            sites[key] = site
            counts[key[-2:]] += 1
            command = {"customer_id": key, "customer_name": site["name"], "billing_address": site["address"]}
            await out.send(key=key.encode() if isinstance(key, str) else key, value=command)

    faust.Worker(app, loglevel="warning").execute_from_commandline()


if __name__ == "__main__":
    main(*sys.argv[1:5])
