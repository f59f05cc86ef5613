"""The service that writes PostgreSQL, with a sink that shows each record twice if it was written twice."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client import CollectorRegistry

from sitehub.agents import read_model
from sitehub.agents.read_model import ReadModel
from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.stores.postgres.address import Address, connect
from sitehub.stores.postgres.pool import Pool, Pools
from sitehub.telemetry.metrics import Metrics
from sitehub.tests.postgres.conftest import Database

PARTITIONS = 4
Place = tuple[int, int]


class Places:
    """Writes where each record was found, as often as it is told to."""

    def row(self, record: Any) -> Place:
        return record.partition, record.offset

    async def write(self, connection: Any, rows: Sequence[Place]) -> None:
        await connection.execute(
            "INSERT INTO places SELECT * FROM unnest($1::int[], $2::bigint[])", *zip(*rows, strict=True)
        )


@dataclass
class Bench:
    """A topic, a table of places, and services of one group."""

    kafka: EmbeddedKafka
    postgres: Database
    topic: str
    sent: int = 0
    running: list[tuple[ReadModel, Pools]] = field(default_factory=list)

    def send(self, count: int) -> None:
        producer = Producer({"bootstrap.servers": self.kafka.bootstrap, "linger.ms": 5})
        for number in range(self.sent, self.sent + count):
            producer.produce(self.topic, b"x", key=b"%d" % number)
        assert producer.flush(30) == 0
        self.sent += count

    async def start(self) -> ReadModel:
        server = self.postgres.server
        address = Address("127.0.0.1", server.port, self.postgres.name, "app_user", "", "disable", 2.0)
        pools = Pools(Pool(address, 1, 2, 60.0), None)
        service = ReadModel(
            client={"bootstrap_servers": self.kafka.bootstrap},
            consumer=f"{self.topic}-group",
            sinks={self.topic: Places()},
            pools=pools,
            prepare=nothing,
            metrics=Metrics(CollectorRegistry()),
        )
        await service.start()
        self.running.append((service, pools))
        return service

    async def stop(self) -> None:
        for service, pools in self.running:
            await service.stop()
            await pools.close()
        self.running.clear()

    async def places(self) -> Counter[Place]:
        connection = await connect(self.postgres.owner_dsn)
        found = Counter(tuple(row) for row in await connection.fetch("SELECT * FROM places"))
        await connection.close()
        return found

    async def until_written(self) -> None:
        async with asyncio.timeout(60):
            while (await self.places()).total() < self.sent:
                await asyncio.sleep(0.1)


async def nothing(_connection: Any) -> list[str]:
    return []


@pytest.fixture
async def bench(kafka: EmbeddedKafka, postgres: Database, names: Names, owner: Any) -> Any:
    await owner.execute("CREATE TABLE places (partition int, at bigint); GRANT ALL ON places TO app_user")
    topic = names.topic("records")
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
    for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
        made.result(30)
    bench = Bench(kafka, postgres, topic)
    yield bench
    postgres.server.resume()
    postgres.server.start()
    await bench.stop()


async def until(what: Any) -> None:
    async with asyncio.timeout(60):
        while not what():
            await asyncio.sleep(0.05)


async def test_members_that_come_and_go_write_each_record_once(bench: Bench) -> None:
    rng = random.Random(3)
    for _ in range(4):
        await bench.start()
        bench.send(3_000)
        await asyncio.sleep(rng.random())
        if len(bench.running) > 2:
            service, pools = bench.running.pop(0)
            await service.stop()
            await pools.close()
    await bench.until_written()

    assert set((await bench.places()).values()) == {1}
    assert (await bench.places()).total() == bench.sent


async def test_a_server_that_hangs_is_told_and_what_was_open_is_neither_lost_nor_doubled(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_model, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(read_model, "PROBE_SECONDS", 0.2)
    service = await bench.start()
    bench.send(2_000)
    await bench.until_written()

    for _ in range(2):
        bench.postgres.server.pause()
        bench.send(1_000)
        await until(lambda: service.trouble is not None)
        assert service.since is not None
        bench.postgres.server.resume()
        await until(lambda: service.trouble is None)
    await bench.until_written()

    assert set((await bench.places()).values()) == {1}


async def test_an_outage_is_told_although_nothing_is_to_be_written(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_model, "PROBE_SECONDS", 0.2)
    service = await bench.start()
    bench.send(10)
    await bench.until_written()

    bench.postgres.server.kill()
    await until(lambda: service.trouble is not None)
    bench.postgres.server.start()
    await until(lambda: service.trouble is None)


async def test_a_topic_whose_beginning_is_gone_is_read_from_what_is_left(bench: Bench) -> None:
    await bench.start()
    bench.send(100)
    await bench.until_written()
    await bench.stop()
    connection = await connect(bench.postgres.owner_dsn)
    await connection.execute("UPDATE integration.consumer_offsets SET next_offset = 1000000")
    await connection.close()

    bench.send(100)
    await bench.start()

    async with asyncio.timeout(60):
        while set((await bench.places()).values()) != {1, 2} or (await bench.places()).total() < 300:
            await asyncio.sleep(0.1)
