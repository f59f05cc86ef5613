"""Transactions whose answers are lost, that time out, that another worker or a restarted broker ends."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.engine.engine import Engine
from sitehub.engine.failures import Remedy, remedy
from sitehub.engine.partition import TopicPartition
from sitehub.engine.producer import STOP_SECONDS, TransactionalProducer
from sitehub.engine.supervisor import DRAIN_SECONDS
from sitehub.tests.broker.counting import PARTITIONS
from sitehub.tests.broker.crew import Crew
from sitehub.tests.broker.hub import eventually
from sitehub.tests.broker.proxy import Fault, KafkaProxy, Request
from sitehub.tests.broker.reading import committed
from sitehub.topics.create import create_missing
from sitehub.topics.declared import Topic

CUTS = 12


@pytest.fixture
def crew(proxy: KafkaProxy, names: Names, tmp_path: Path) -> Iterator[Crew]:
    """Topics, load and the check; all through the proxy."""
    crew = Crew(proxy.bootstrap, names.topic(""), tmp_path)
    crew.create_topics()
    yield crew
    crew.stop()


@pytest.fixture
async def engine(crew: Crew) -> AsyncIterator[Engine]:
    """The counting worker's engine in this process, without a group, under load."""
    engine = crew.engine()
    tps = [TopicPartition(f"{crew.prefix}in", number) for number in range(PARTITIONS)]
    assert await engine.assign(tps, [], fresh=True)
    crew.load(200)
    yield engine
    await engine.stop()


async def until(what: Callable[[], bool], why: str, seconds: float = 40) -> None:
    """As `eventually`, without holding the loop."""
    await asyncio.to_thread(eventually, what, seconds, why)


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER], ids=["before", "after"])
@pytest.mark.parametrize("request_", [Request.END_TXN, Request.PRODUCE, Request.ADD_PARTITIONS_TO_TXN])
async def test_lost_requests_and_answers_cost_nothing_but_time(
    crew: Crew, engine: Engine, proxy: KafkaProxy, request_: Request, fault: Fault
) -> None:
    numbers = itertools.count(1)

    def decide(request: Request) -> Fault:
        return fault if request is request_ and next(numbers) % 10 == 0 else Fault.PASS

    before = proxy.cuts
    proxy.decide = decide
    await until(lambda: proxy.cuts >= before + CUTS, "requests are cut")
    proxy.reset()

    await asyncio.to_thread(crew.finish)
    await until(lambda: engine.ready and not engine.troubles, "the engine is well")


@pytest.mark.parametrize("fault", [Fault.CUT_BEFORE, Fault.CUT_AFTER], ids=["before", "after"])
def test_a_worker_killed_while_it_does_not_know_whether_it_committed(
    crew: Crew, proxy: KafkaProxy, fault: Fault
) -> None:
    crew.start("one")
    crew.await_settled("one")
    crew.load()
    eventually(lambda: proxy.seen[Request.END_TXN] > 20, 30, "it commits")

    before = proxy.cuts
    proxy.decide = lambda request: fault if request is Request.END_TXN else Fault.PASS
    eventually(lambda: proxy.cuts >= before + PARTITIONS, 30, "no commit is answered")
    crew.kill("one")
    proxy.reset()
    crew.start("one")
    crew.await_settled("one")

    crew.finish()


@pytest.mark.parametrize("leave", [EmbeddedKafka.stop, EmbeddedKafka.kill], ids=["stopped", "killed"])
async def test_a_broker_that_restarts_in_mid_transaction(
    kafka: EmbeddedKafka, crew: Crew, engine: Engine, proxy: KafkaProxy, leave: Callable[[EmbeddedKafka], None]
) -> None:
    await until(lambda: proxy.seen[Request.END_TXN] > 20, "it commits")
    proxy.hold(Request.END_TXN)
    await until(lambda: len(engine.partitions) == PARTITIONS, "all run")
    await asyncio.sleep(0.5)  # every partition has records that no end of a transaction follows

    await asyncio.to_thread(leave, kafka)
    kafka.start()  # in this thread: a broker ends with the one that started it
    proxy.release()

    await asyncio.to_thread(crew.finish)
    await until(lambda: engine.ready and not engine.troubles, "the engine is well")


@pytest.mark.parametrize("held", [Request.END_TXN, Request.PRODUCE])
async def test_partitions_are_given_up_within_a_bound_while_a_broker_answers_nothing(
    crew: Crew, engine: Engine, proxy: KafkaProxy, held: Request
) -> None:
    await until(lambda: proxy.seen[Request.END_TXN] > 20, "it commits")
    proxy.hold(held)
    await asyncio.sleep(0.5)  # all partitions wait for an answer

    async with asyncio.timeout(3 * (DRAIN_SECONDS + STOP_SECONDS)):
        await engine.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}  # nothing that would go on to try

    proxy.release()
    tps = [TopicPartition(f"{crew.prefix}in", number) for number in range(PARTITIONS)]
    assert await engine.assign(tps, [], fresh=True)
    await asyncio.to_thread(crew.finish)


async def test_a_slow_broker_is_waited_for(crew: Crew, engine: Engine, proxy: KafkaProxy) -> None:
    before = proxy.seen[Request.END_TXN]
    proxy.delay_seconds = 0.3
    await until(lambda: proxy.seen[Request.END_TXN] > before + 10, "it commits")

    assert not engine.troubles
    proxy.reset()
    await asyncio.to_thread(crew.finish)


async def test_a_frozen_worker_that_wakes_up_is_fenced_and_writes_nothing(proxy: KafkaProxy, names: Names) -> None:
    topic, client = await a_topic(proxy, names)
    zombie = TransactionalProducer(client, names.app_id)
    await zombie.start()
    proxy.hold(Request.END_TXN)  # it has sent, and sleeps before the end of its transaction
    late = asyncio.create_task(zombie.transact({topic: [(b"k", b"zombie", [])]}, 0, topic))
    await until(lambda: proxy.seen[Request.PRODUCE] > 0, "it has sent")

    owner = TransactionalProducer(client, names.app_id)
    await owner.start()
    proxy.release()
    assert remedy(await failure(late)) is Remedy.GIVE_UP
    for _ in range(2):  # nor can it write later
        again = zombie.transact({topic: [(b"k", b"zombie", [])]}, 0, topic)
        assert remedy(await failure(again)) is Remedy.GIVE_UP

    await owner.transact({topic: [(b"k", b"owner", [])]}, 0, topic)
    await asyncio.gather(zombie.stop(), owner.stop())
    assert await committed(client, topic) == [b"owner"]


async def test_a_transaction_that_the_broker_timed_out_is_given_up(proxy: KafkaProxy, names: Names) -> None:
    topic, client = await a_topic(proxy, names)
    producer = TransactionalProducer(client, names.app_id, transaction_timeout_ms=500)
    await producer.start()
    proxy.hold(Request.END_TXN)
    slow = asyncio.create_task(producer.transact({topic: [(b"k", b"slow", [])]}, 0, topic))
    await until(lambda: proxy.seen[Request.PRODUCE] > 0, "it has sent")
    await asyncio.sleep(2)  # the broker aborts it meanwhile
    proxy.release()

    assert remedy(await failure(slow)) is Remedy.GIVE_UP
    await producer.stop()

    again = TransactionalProducer(client, names.app_id)
    await again.start()
    await again.transact({topic: [(b"k", b"again", [])]}, 0, topic)
    await again.stop()
    assert await committed(client, topic) == [b"again"]


async def test_a_transaction_of_which_a_part_is_refused_is_not_committed(kafka: EmbeddedKafka, names: Names) -> None:
    client, small, rest = {"bootstrap_servers": kafka.bootstrap}, names.topic("small"), names.topic("rest")
    await create_missing(client, [Topic(small, 1, 1, 60_000, max_message_bytes=1_000), Topic(rest, 1, 1, 60_000)])
    producer = TransactionalProducer(client, names.app_id)
    await producer.start()

    refused = producer.transact({small: [(b"k", b"v" * 5_000, [])], rest: [(b"k", b"half", [])]}, 0, rest)
    assert remedy(await failure(refused)) is Remedy.RECOVER
    await producer.stop()

    again = TransactionalProducer(client, names.app_id)
    await again.start()
    await again.transact({small: [(b"k", b"whole", [])], rest: [(b"k", b"whole", [])]}, 0, rest)
    await again.stop()
    assert [await committed(client, topic) for topic in (small, rest)] == [[b"whole"], [b"whole"]]


async def failure(work: Awaitable[object]) -> BaseException:
    """What `work` raises."""
    (error,) = await asyncio.gather(work, return_exceptions=True)
    assert isinstance(error, BaseException), error
    return error


async def a_topic(proxy: KafkaProxy, names: Names) -> tuple[str, dict[str, str]]:
    """A new topic of one partition, and how to reach it."""
    client, topic = {"bootstrap_servers": proxy.bootstrap}, names.topic("t")
    await create_missing(client, [Topic(topic, 1, 1, 60_000)])
    proxy.seen.clear()
    return topic, client
