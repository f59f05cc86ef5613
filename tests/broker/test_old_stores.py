"""A store that was away for long: what a compacted changelog no longer tells it must not stay in it."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.engine import producer as module
from sitehub.engine.changelog import TRUSTED_SECONDS, restore
from sitehub.engine.producer import TransactionalProducer
from sitehub.engine.store import Store
from sitehub.tests.broker.reading import committed
from sitehub.topics.create import create_missing
from sitehub.topics.declared import Topic

GHOST = (b"ghost", b"its deletion was compacted away")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = Store(tmp_path / "t-0")
    yield store
    store.close()


@pytest.fixture
async def producer(kafka: EmbeddedKafka, names: Names) -> AsyncIterator[TransactionalProducer]:
    producer = TransactionalProducer({"bootstrap_servers": kafka.bootstrap}, names.app_id)
    await create_missing({"bootstrap_servers": kafka.bootstrap}, [Topic(names.topic("t"), 1, 1, None)])
    await producer.start()
    yield producer
    await producer.stop()


async def commit(producer: TransactionalProducer, client: dict[str, str], topic: str, key: bytes, value: bytes) -> None:
    await producer.transact({topic: [(key, value, [])]}, 0, topic)
    while value not in await committed(client, topic):  # the marker comes after the answer
        await asyncio.sleep(0.01)


async def look(
    store: Store, producer: TransactionalProducer, names: Names, kafka: EmbeddedKafka, *, age_seconds: float, more: bool
) -> list[bytes | None]:
    """What is left of a row that the log does not have, and of two that it has, the second if there is `more`."""
    client, topic = {"bootstrap_servers": kafka.bootstrap}, names.topic("t")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "time", SimpleNamespace(time=lambda: time.time() - age_seconds))
        await commit(producer, client, topic, b"one", b"1")
    await restore(client, {(topic, 0): store}, lambda _rows, _remaining: None)
    store.write([GHOST], store.position)
    if more:
        await commit(producer, client, topic, b"two", b"2")
    await restore(client, {(topic, 0): store}, lambda _rows, _remaining: None)
    return store.get([GHOST[0], b"one", b"two"])


async def test_a_store_that_may_have_missed_a_deletion_is_rebuilt(
    store: Store, producer: TransactionalProducer, names: Names, kafka: EmbeddedKafka
) -> None:
    left = await look(store, producer, names, kafka, age_seconds=TRUSTED_SECONDS + 60, more=True)
    assert left == [None, b"1", b"2"]


async def test_an_old_store_that_nothing_came_after_is_whole(
    store: Store, producer: TransactionalProducer, names: Names, kafka: EmbeddedKafka
) -> None:
    left = await look(store, producer, names, kafka, age_seconds=TRUSTED_SECONDS + 60, more=False)
    assert left == [GHOST[1], b"1", None]


async def test_a_store_that_was_away_for_less_reads_the_tail(
    store: Store, producer: TransactionalProducer, names: Names, kafka: EmbeddedKafka
) -> None:
    left = await look(store, producer, names, kafka, age_seconds=TRUSTED_SECONDS - 60, more=True)
    assert left == [GHOST[1], b"1", b"2"]


async def test_a_store_whose_place_was_compacted_away_is_rebuilt_for_nothing_proves_it_is_of_this_log(
    store: Store, producer: TransactionalProducer, names: Names, kafka: EmbeddedKafka
) -> None:
    client, topic = {"bootstrap_servers": kafka.bootstrap}, names.topic("compacted")
    forgets = {"cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01"}
    admin = AIOKafkaAdminClient(**client)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1, topic_configs=forgets)])
    await admin.close()
    stands = await producer.transact({topic: [(b"one", b"before", [])]}, 0, topic)
    store.write([GHOST, (b"one", b"before")], stands)

    async with asyncio.timeout(60):
        while b"before" in await committed(client, topic):
            await producer.transact({topic: [(b"one", b"after", [])]}, 0, topic)
            await asyncio.sleep(0.2)
    await restore(client, {(topic, 0): store}, lambda _rows, _remaining: None)

    assert store.get([GHOST[0], b"one"]) == [None, b"after"]
