"""The feed on its way into the real Kafka."""

import asyncio
import contextlib
from itertools import islice
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from sitehub.dev.feed import Feed
from sitehub.dev.feed_pump import FeedPump
from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names


async def run_until(pump: FeedPump, bootstrap: str, sent: int) -> None:
    task = asyncio.create_task(pump.run({"bootstrap_servers": bootstrap}))
    async with asyncio.timeout(20):
        while pump.sent < sent:
            await asyncio.sleep(0.01)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def read_all(bootstrap: str, topic: str) -> list[Any]:
    partition = TopicPartition(topic, 0)
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        async with asyncio.timeout(20):
            return [await consumer.getone() for _ in range(end)]
    finally:
        await consumer.stop()


async def test_a_second_run_continues_the_stream(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> None:
    topic = names.topic("events")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    feed = Feed(sites=50)
    for _ in range(2):
        await run_until(FeedPump(feed, topic, 500, tmp_path / "data/feed.position"), kafka.bootstrap, 100)
    sent = {(record.key, record.value) for record in await read_all(kafka.bootstrap, topic)}
    position = int((tmp_path / "data/feed.position").read_text())
    assert position >= 200
    assert {(record.key, record.value) for record in islice(feed.records(), position)} <= sent
