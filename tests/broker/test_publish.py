"""Publishing to the real Kafka."""

import asyncio
import json
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from click.testing import CliRunner

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.dev.publish import PublishError, publish
from sitehub.dev.publish_command import publish_command

MEBIBYTE = 1 << 20


async def create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 3, 1)])
    finally:
        await admin.close()


async def read(bootstrap: str, topic: str, count: int) -> list[tuple[bytes | None, bytes]]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        async with asyncio.timeout(20):
            return [(record.key, record.value) for record in [await consumer.getone() for _ in range(count)]]
    finally:
        await consumer.stop()


async def test_lines_arrive_as_they_are_and_in_order(kafka: EmbeddedKafka, names: Names) -> None:
    topic = names.topic("events")
    await create(kafka.bootstrap, topic)
    lines = [json.dumps({"site_id": f"s{number % 7}", "n": number}).encode() for number in range(3000)]
    lines += [b"no json", b'{"site_id": 5}', b"\xff\xfe"]
    read_bytes: list[int] = []
    with_ends = [*(line + b"\n" for line in lines), b"\n"]
    report = await publish(with_ends, topic, {"bootstrap_servers": kafka.bootstrap}, read_bytes.append)
    assert (report.sent, report.failed) == (3003, 0)
    assert sum(read_bytes) == sum(map(len, with_ends))
    records = await read(kafka.bootstrap, topic, 3003)
    assert sorted(value for _, value in records) == sorted(lines)
    for site in range(7):
        key = f"s{site}".encode()
        assert [value for k, value in records if k == key] == [
            line for line in lines[:3000] if json.loads(line)["site_id"] == key.decode()
        ]


async def test_a_line_that_kafka_refuses_is_told_by_its_number_and_the_others_arrive(
    kafka: EmbeddedKafka,
    names: Names,
) -> None:
    topic = names.topic("events")
    await create(kafka.bootstrap, topic)
    lines = [b"one", b"x" * (3 * MEBIBYTE), b"three", b"x" * (5 * MEBIBYTE), b"five"]
    report = await publish(lines, topic, {"bootstrap_servers": kafka.bootstrap})
    assert (report.sent, report.failed) == (3, 2)
    assert [failure.line for failure in sorted(report.failures, key=lambda failure: failure.line)] == [2, 4]
    assert sorted(value for _, value in await read(kafka.bootstrap, topic, 3)) == [b"five", b"one", b"three"]


async def test_a_missing_topic_says_what_to_do(kafka: EmbeddedKafka, names: Names) -> None:
    with pytest.raises(PublishError, match=r"there is no topic .*--topic"):
        await publish([b"{}"], names.topic("nowhere"), {"bootstrap_servers": kafka.bootstrap})


def test_the_command_reports_as_json(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> None:
    topic = names.topic("events")
    asyncio.run(create(kafka.bootstrap, topic))
    file = tmp_path / "events.ndjson"
    file.write_bytes(b'{"site_id": "a"}\n' * 100)
    command = publish_command(lambda: {"bootstrap_servers": kafka.bootstrap})
    result = CliRunner().invoke(command, [str(file), "--topic", topic, "--json"])
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert (report["sent"], report["failed"], report["topic"], report["failures"]) == (100, 0, topic, [])
    assert report["events_per_second"] > 0
