"""Read dead letters from their topics: committed ones, to the end as it is now."""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

import aiokafka
import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient

from sitehub.codecs.dead_letters import DeadLetter, read_dead_letter

POLL_MS = 500


class StoredLetter(msgspec.Struct, frozen=True):
    """A dead letter and where it lies; `key` and `value` as the original record had them."""

    topic: str
    partition: int
    offset: int
    letter: DeadLetter
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    @property
    def name(self) -> str:
        """What `show` takes."""
        return f"{self.topic}/{self.partition}/{self.offset}"


async def read_letters(client: Mapping[str, Any], topics: Iterable[str]) -> AsyncIterator[StoredLetter]:
    """Yield every letter of those `topics` that exist, each partition in its order. Raises KafkaError."""
    tps = await _partitions(client, topics)
    if not tps:
        return
    async with _Consumer(client) as consumer:
        consumer.assign(tps)
        ends = await consumer.end_offsets(tps)
        while open_ := [tp for tp in tps if await consumer.position(tp) < ends[tp]]:
            for tp, records in (await consumer.getmany(*open_, timeout_ms=POLL_MS)).items():
                for record in records:
                    yield _stored(tp, record)


async def read_letter(client: Mapping[str, Any], topic: str, partition: int, offset: int) -> StoredLetter | None:
    """The letter at one place, None if there is none. Raises KafkaError."""
    tp = aiokafka.TopicPartition(topic, partition)
    if tp not in await _partitions(client, [topic]):
        return None
    async with _Consumer(client) as consumer:
        consumer.assign([tp])
        first, end = (await consumer.beginning_offsets([tp]))[tp], (await consumer.end_offsets([tp]))[tp]
        if not first <= offset < end:
            return None
        consumer.seek(tp, offset)
        while await consumer.position(tp) < end:
            for record in (await consumer.getmany(tp, timeout_ms=POLL_MS, max_records=1)).get(tp, []):
                return _stored(tp, record) if record.offset == offset else None
    return None


async def _partitions(client: Mapping[str, Any], topics: Iterable[str]) -> list[aiokafka.TopicPartition]:
    """Of those `topics` that exist."""
    admin = AIOKafkaAdminClient(**client)
    await admin.start()
    try:
        existing = sorted(set(await admin.list_topics()) & set(topics))
        described = await admin.describe_topics(existing) if existing else []
    finally:
        await admin.close()
    return [
        aiokafka.TopicPartition(topic["topic"], partition["partition"])
        for topic in described
        for partition in topic["partitions"]
    ]


class _Consumer:
    def __init__(self, client: Mapping[str, Any]) -> None:
        self._consumer = AIOKafkaConsumer(
            **client, isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest"
        )

    async def __aenter__(self) -> AIOKafkaConsumer:
        await self._consumer.start()
        return self._consumer

    async def __aexit__(self, *_error: object) -> None:
        await self._consumer.stop()


def _stored(tp: aiokafka.TopicPartition, record: Any) -> StoredLetter:
    headers = list(record.headers)
    return StoredLetter(
        tp.topic, tp.partition, record.offset, read_dead_letter(headers), record.key, record.value, headers
    )
