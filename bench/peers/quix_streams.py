"""Peer: Quix Streams with its RocksDB state, at least once (its default)."""

import sys
import time
from typing import Any

from quixstreams import Application, State


def main(bootstrap: str, source: str, name: str, data: str) -> None:
    """Run until killed."""
    app = Application(
        broker_address=bootstrap, consumer_group=name, auto_offset_reset="earliest", state_dir=data, loglevel="ERROR"
    )
    events = app.topic(source, value_deserializer="json", key_deserializer="str")
    out = app.topic(f"out-{name}", value_serializer="json", key_serializer="str")

    def update(event: dict[str, Any], state: State) -> dict[str, Any]:
        site = {**(state.get("site") or {}), **event["new_values"], "last": event["event_id"]}
        state.set("site", site)
        window = f"count-{int(time.time()) // 60}"
        state.set(window, (state.get(window) or 0) + 1)
        return {"customer_id": event["site_id"], "customer_name": site["name"], "billing_address": site["address"]}

    frame = app.dataframe(events).apply(update, stateful=True).to_topic(out)
    app.run(frame)


if __name__ == "__main__":
    main(*sys.argv[1:5])
