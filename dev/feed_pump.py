"""Send a feed to Kafka at an even pace, and remember how far it came."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from sitehub.dev.feed import Feed, Record

TICK_SECONDS = 0.05


def live_feed(seed: int, sites: int) -> Feed:
    """Return a feed whose events happen when they are sent."""
    return Feed(seed, sites, now=lambda _number: datetime.now(UTC))


@dataclass(slots=True)
class FeedPump:
    """Sends `feed` to `topic` from where `position_file` says that an earlier run stopped.

    After a crash the last moments are sent once more, with the same event ids.
    """

    feed: Feed
    topic: str
    events_per_second: float
    position_file: Path
    sent: int = field(default=0, init=False)

    async def run(self, client: Mapping[str, Any]) -> None:
        """Send until cancelled; `client` holds the keyword arguments of an aiokafka client."""
        first = self.position()
        records = self.feed.records(first)
        producer = AIOKafkaProducer(**client, acks="all")
        await producer.start()
        started = time.monotonic()
        try:
            while True:
                due = int((time.monotonic() - started) * self.events_per_second) - self.sent
                await self._send(producer, islice(records, max(due, 0)))
                self.position_file.write_text(f"{first + self.sent}\n")
                await asyncio.sleep(TICK_SECONDS)
        finally:
            await producer.stop()

    def position(self) -> int:
        """Return the number of the first record that is still to be sent."""
        if not self.position_file.exists():
            self.position_file.parent.mkdir(parents=True, exist_ok=True)
            return 0
        return int(self.position_file.read_text() or 0)

    async def _send(self, producer: AIOKafkaProducer, records: Iterator[Record]) -> None:
        sending = [await producer.send(self.topic, r.value, key=r.key, headers=r.headers) for r in records]
        await asyncio.gather(*sending)
        self.sent += len(sending)
