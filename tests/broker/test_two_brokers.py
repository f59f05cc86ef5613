"""A cluster of two brokers, one of which dies: coordinators and leaders move, markers of transactions are left out."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin import NewTopic as PlacedTopic
from aiokafka.errors import ProducerFenced
from confluent_kafka.admin import AdminClient, NewTopic

from sitehub.dev.kafka import EmbeddedKafka, free_port
from sitehub.dev.names import Names
from sitehub.engine.failures import Remedy, remedy
from sitehub.engine.partition import Partition, TopicPartition
from sitehub.engine.producer import TransactionalProducer
from sitehub.engine.source import Source
from sitehub.engine.store import Store
from sitehub.engine.unmarked import UndecidedRecordsError, Verdict, last_verdict
from sitehub.tests.broker.counting import PARTITIONS
from sitehub.tests.broker.crew import Crew
from sitehub.tests.broker.hub import eventually
from sitehub.tests.broker.reading import committed
from sitehub.tests.broker.second_broker import NODE, SecondBroker

REPLICATED: dict[str, object] = {
    "transaction.state.log.replication.factor": 2,
    "transaction.state.log.num.partitions": 10,
}
SOON: dict[str, object] = {"transaction.abort.timed.out.transaction.cleanup.interval.ms": 200}


def cluster(folder: Path, extra: dict[str, object]) -> tuple[EmbeddedKafka, SecondBroker]:
    first = EmbeddedKafka(folder / "first", free_port(), extra)
    first.start()
    second = SecondBroker(folder / "second", free_port(), first=first)
    second.start()
    return first, second


@pytest.fixture(scope="module")
def replicated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedKafka, SecondBroker]]:
    """Transactions' state has a copy on both."""
    first, second = cluster(tmp_path_factory.mktemp("replicated"), REPLICATED)
    yield first, second
    second.stop()
    first.stop()


@pytest.fixture(scope="module")
def lone_coordinator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedKafka, SecondBroker]]:
    """Transactions' state is on the first broker alone."""
    folder = tmp_path_factory.mktemp("lone")
    first = EmbeddedKafka(folder / "first", free_port(), SOON)
    first.start()
    with ThreadPoolExecutor() as pool:
        pool.submit(lambda: asyncio.run(transact_once(first.bootstrap))).result()
    second = SecondBroker(folder / "second", free_port(), first=first)
    second.start()
    yield first, second
    second.stop()
    first.stop()


async def transact_once(bootstrap: str) -> None:
    await a_topic(bootstrap, "warm-up", 1)
    producer = TransactionalProducer({"bootstrap_servers": bootstrap}, "warm-up")
    await producer.start()
    await producer.transact({"warm-up": [(b"k", b"v", [])]}, 0, "warm-up")
    await producer.stop()


async def a_topic(bootstrap: str, name: str, node: int) -> None:
    """With its only partition on `node`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    made = await admin.create_topics([PlacedTopic(name, -1, -1, {0: [node]})])
    await admin.close()
    assert [error for _topic, error, *_ in made.topic_errors] == [0]


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_coordinators_and_leaders_move_to_the_other_broker(
    replicated: tuple[EmbeddedKafka, SecondBroker], names: Names, tmp_path: Path, how: str
) -> None:
    first, second = replicated
    second.start()
    crew = Crew(f"{first.bootstrap},{second.bootstrap}", names.topic(""), tmp_path)
    admin = AdminClient({"bootstrap.servers": first.bootstrap})
    topics = [f"{crew.prefix}{name}" for name in ("in", "out", "changelog")]
    for made in admin.create_topics([NewTopic(topic, PARTITIONS, 2) for topic in topics]).values():
        made.result(30)

    def led_by_both() -> bool:
        found = [admin.list_topics(topic).topics[topic].partitions.values() for topic in topics]
        return {part.leader for parts in found for part in parts} == {1, NODE}

    await asyncio.to_thread(eventually, led_by_both, 30, "both brokers lead partitions")
    engine = crew.engine()
    assert await engine.assign([TopicPartition(topics[0], number) for number in range(PARTITIONS)], [], fresh=True)
    crew.load(200)
    await asyncio.sleep(2)

    await asyncio.to_thread(getattr(second, how))

    await asyncio.to_thread(crew.finish)
    await asyncio.to_thread(eventually, lambda: engine.ready and not engine.troubles, 60, "the engine is well")
    await engine.stop()
    second.start()


async def leave_out_markers(
    brokers: tuple[EmbeddedKafka, SecondBroker], names: Names, verdict: Verdict
) -> tuple[TransactionalProducer, dict[str, str], str]:
    """A transaction that ends while the only replica of its topic is away: complete, and undecided in the log."""
    first, second = brokers
    client, topic = {"bootstrap_servers": first.bootstrap}, names.topic("t")
    await a_topic(first.bootstrap, topic, NODE)
    producer = TransactionalProducer(client, transactional_id(names, topic))
    await producer.start()
    await producer.transact({topic: [(b"k", b"before", [])]}, 0, topic)
    inner = producer._producer
    await inner.begin_transaction()
    await (await inner.send(topic, b"undecided", partition=0))
    admin = AdminClient({"bootstrap.servers": first.bootstrap})
    second.kill()
    await asyncio.to_thread(
        eventually, lambda: admin.list_topics(topic).topics[topic].partitions[0].leader == -1, 30, "it has no leader"
    )
    await (inner.commit_transaction() if verdict is Verdict.COMMITTED else inner.abort_transaction())
    second.start()
    return producer, client, topic


@pytest.mark.parametrize("verdict", list(Verdict), ids=str)
async def test_the_next_owner_gives_unmarked_records_their_own_verdict(
    lone_coordinator: tuple[EmbeddedKafka, SecondBroker], names: Names, verdict: Verdict
) -> None:
    former, client, topic = await leave_out_markers(lone_coordinator, names, verdict)
    assert await last_verdict(client, transactional_id(names, topic)) is verdict
    assert await committed(client, topic) == [b"before"]  # what comes after is hidden: this is the broker's bug

    partition, asked = owner(client, names, topic), time.monotonic()
    await partition.fence()
    assert asked <= partition.proven_at <= time.monotonic()
    await partition.stop()
    await former.stop()

    decided = [b"before", b"undecided"] if verdict is Verdict.COMMITTED else [b"before"]
    assert await committed(client, topic) == decided
    after = TransactionalProducer(client, transactional_id(names, topic))
    await after.start()
    await after.transact({topic: [(b"k", b"after", [])]}, 0, topic)
    await after.stop()
    assert await committed(client, topic) == [*decided, b"after"]


async def test_the_verdict_of_a_transaction_that_is_just_ending_is_waited_for(
    lone_coordinator: tuple[EmbeddedKafka, SecondBroker], names: Names
) -> None:
    first, second = lone_coordinator
    client, topic = {"bootstrap_servers": first.bootstrap}, names.topic("t")
    await a_topic(first.bootstrap, topic, NODE)
    producer = TransactionalProducer(client, transactional_id(names, topic))
    await producer.start()
    await producer.transact({topic: [(b"k", b"before", [])]}, 0, topic)
    inner = producer._producer
    await inner.begin_transaction()
    await (await inner.send(topic, b"ending", partition=0))
    second.pause()  # it takes no marker, and is not known to be away yet
    try:
        await inner.commit_transaction()
        # Several: a client may ask the one that sleeps where the coordinator is.
        asked = [asyncio.create_task(last_verdict(client, transactional_id(names, topic))) for _ in range(8)]
        done, _ = await asyncio.wait(asked, timeout=1)
        assert not done
    finally:
        second.resume()
    assert set(await asyncio.gather(*asked)) == {Verdict.COMMITTED}
    await producer.stop()


async def test_records_that_nobody_can_decide_stop_the_partition(
    lone_coordinator: tuple[EmbeddedKafka, SecondBroker], names: Names
) -> None:
    former, client, topic = await leave_out_markers(lone_coordinator, names, Verdict.COMMITTED)
    crashed = TransactionalProducer(client, transactional_id(names, topic))  # fences and gets no further
    await crashed.start()

    partition = owner(client, names, topic)
    with pytest.raises(UndecidedRecordsError, match=f"{topic}-0 .* offset") as caught:
        await partition.fence()
    assert remedy(caught.value) is Remedy.STOP
    await asyncio.gather(partition.stop(), crashed.stop(), former.stop())


@pytest.mark.parametrize("verdict", list(Verdict), ids=str)
async def test_after_an_outage_the_last_end_is_marked_again_as_what_it_was(
    lone_coordinator: tuple[EmbeddedKafka, SecondBroker], names: Names, verdict: Verdict
) -> None:
    former, client, topic = await leave_out_markers(lone_coordinator, names, verdict)
    partition = owner(client, names, topic)
    await partition._producer.stop()
    # As if it were this one that has committed, or that gave a former owner's verdict, and is idle now.
    partition._producer, partition._verdict = former, verdict

    await partition.mark()

    await former.transact({topic: [(b"k", b"after", [])]}, 0, topic)
    decided = [b"before", b"undecided"] if verdict is Verdict.COMMITTED else [b"before"]
    assert await committed(client, topic) == [*decided, b"after"]
    await partition.stop()


async def test_an_owner_that_is_fenced_while_it_marks_gives_up(
    lone_coordinator: tuple[EmbeddedKafka, SecondBroker], names: Names
) -> None:
    client, topic = {"bootstrap_servers": lone_coordinator[0].bootstrap}, names.topic("t")
    await a_topic(client["bootstrap_servers"], topic, 1)
    former = TransactionalProducer(client, transactional_id(names, topic))
    await former.start()
    await former.transact({topic: [(b"k", b"v", [])]}, 0, topic)
    partition, quicker = owner(client, names, topic), TransactionalProducer(client, transactional_id(names, topic))
    end_empty = partition._producer.end_empty

    async def end_and_be_fenced(*arguments: Any) -> None:
        await end_empty(*arguments)
        await quicker.start()

    partition._producer.end_empty = end_and_be_fenced  # type: ignore[method-assign, assignment]
    async with asyncio.timeout(20):
        with pytest.raises(ProducerFenced) as caught:
            await partition.fence()

    assert remedy(caught.value) is Remedy.GIVE_UP
    await asyncio.gather(partition.stop(), quicker.stop(), former.stop())


def transactional_id(names: Names, topic: str) -> str:
    return f"{names.app_id}-{topic}-0"


def owner(client: dict[str, str], names: Names, topic: str) -> Partition:
    async def never(_partition: Partition) -> None: ...

    return Partition(Source(topic, "t", topic, never), 0, cast("Store", None), client, names.app_id)
