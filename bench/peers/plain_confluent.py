"""Peer: a loop over confluent-kafka, a dict as state, no transactions: what the clients alone can do."""

import sys
import time
from typing import Any

import orjson
from confluent_kafka import Consumer, Producer

BATCH = 5000


def main(bootstrap: str, source: str, name: str) -> None:
    """Run until killed."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"{name}-{time.time()}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 1_000_000})
    consumer.subscribe([source])
    state: dict[bytes, dict[str, Any]] = {}
    counts: dict[tuple[bytes, int], int] = {}
    while True:
        messages = consumer.consume(BATCH, 0.5)
        for message in messages:
            key, event = message.key(), orjson.loads(message.value())
            site = {**state.get(key, {}), **event["new_values"], "last": event["event_id"]}
            state[key] = site
            window = key[-2:], message.timestamp()[1] // 60_000
            counts[window] = counts.get(window, 0) + 1
            command = {
                "customer_id": event["site_id"],
                "customer_name": site["name"],
                "billing_address": site["address"],
            }
            producer.produce(f"out-{name}", orjson.dumps(command), key=key)
            producer.produce(f"cl-{name}", orjson.dumps(site), key=key)
        producer.flush()
        if messages:
            consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main(*sys.argv[1:4])
