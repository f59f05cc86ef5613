"""The embedded broker as its users meet it: by command line, and as a part of a process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from sitehub.dev.kafka import EmbeddedKafka, EmbeddedKafkaError
from sitehub.dev.names import Names

RUN = [sys.executable, "-c", "from sitehub.dev.broker_command import broker; broker()", "run"]
MEBIBYTE = 1 << 20


def broker_run(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen([*RUN, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_end(pid: int, seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not psutil.pid_exists(pid)


async def write(bootstrap: str, topic: str, values: list[bytes]) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=4 * MEBIBYTE)
    await producer.start()
    try:
        for value in values:
            await producer.send_and_wait(topic, value)
    finally:
        await producer.stop()


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return [(await consumer.getone()).value for _ in range(count)]
    finally:
        await consumer.stop()


async def create(bootstrap: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def test_records_are_there_after_a_stop_and_after_a_kill(kafka: EmbeddedKafka, names: Names) -> None:
    topic = names.topic("events")
    await create(kafka.bootstrap, topic)
    await write(kafka.bootstrap, topic, [b"first"])
    kafka.stop()
    assert kafka.pid is None
    kafka.start()
    await write(kafka.bootstrap, topic, [b"second"])
    kafka.kill()
    kafka.start()
    assert await read(kafka.bootstrap, topic, 2) == [b"first", b"second"]


async def test_a_record_a_little_over_one_mebibyte_is_taken(kafka: EmbeddedKafka, names: Names) -> None:
    topic = names.topic("large")
    await create(kafka.bootstrap, topic)
    large = os.urandom(MEBIBYTE + 1000)
    await write(kafka.bootstrap, topic, [large])
    assert await read(kafka.bootstrap, topic, 1) == [large]


async def test_memory_stays_under_400_mb_after_work(kafka: EmbeddedKafka, names: Names) -> None:
    topic = names.topic("work")
    await create(kafka.bootstrap, topic)
    await write(kafka.bootstrap, topic, [os.urandom(900_000) for _ in range(200)])
    await read(kafka.bootstrap, topic, 200)
    assert kafka.pid is not None
    assert psutil.Process(kafka.pid).memory_info().rss < 400_000_000


def test_the_command_prints_a_ready_line_and_sigterm_stops_all_of_it(tmp_path: Path) -> None:
    port = free_port()
    with broker_run("--port", str(port), "--data", str(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"ready 127.0.0.1:{port}\n"
        (java,) = psutil.Process(process.pid).children()
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not java.is_running()


def test_the_broker_ends_with_a_killed_command(tmp_path: Path) -> None:
    with broker_run("--port", str(free_port()), "--data", str(tmp_path)) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (java,) = psutil.Process(process.pid).children()
        process.kill()
        process.wait()
    assert await_end(java.pid)


def test_a_port_in_use_is_one_line_that_says_what_to_do(kafka: EmbeddedKafka, tmp_path: Path) -> None:
    with broker_run("--port", str(kafka.port), "--data", str(tmp_path)) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (1, "")
    assert errors.splitlines() == [
        f"Error: port {kafka.port} is in use: stop the program that has it, or choose another with --port",
    ]


def test_a_folder_in_use_is_refused(kafka: EmbeddedKafka) -> None:
    with pytest.raises(EmbeddedKafkaError, match=r"another Kafka uses .*--data"):
        EmbeddedKafka(kafka.data_dir, free_port()).start()
