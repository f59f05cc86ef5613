"""What benchmarks of the whole hub stand on: its workers, a sink for their calls, and commands."""

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import orjson
import psutil
from confluent_kafka import Producer

from sitehub.bench.stage import HERE, WORKER_CORE
from sitehub.bench.workload import PARTITIONS, create_topics
from sitehub.codecs.commands import command_headers, encode_command
from sitehub.dev.kafka import free_port
from sitehub.rules.commands import Command

CONFIG = HERE.parent / "config"
POLL_SECONDS = 0.02
PRODUCER = {"linger.ms": 20, "queue.buffering.max.messages": 500_000}


@contextmanager
def sink(folder: Path) -> Iterator[str]:
    """A target that takes everything, compiled with the Go on the PATH; its address."""
    if shutil.which("go") is None:
        raise SystemExit("this benchmark compiles its sink: install Go")
    subprocess.run(["go", "build", "-o", str(folder / "sink"), str(HERE / "peers" / "http_sink.go")], check=True)
    port = free_port()
    process = subprocess.Popen(["taskset", "-c", "1", str(folder / "sink"), str(port)])
    try:
        await_answer(f"http://127.0.0.1:{port}/_count")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def await_answer(url: str) -> None:
    """Return once something answers 2xx."""
    while True:
        with suppress(OSError):
            get(url)
            return
        time.sleep(POLL_SECONDS)


def get(url: str) -> bytes:
    """Body of the answer."""
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 -- loopback
        body: bytes = response.read()
    return body


def count(base: str) -> int:
    """Calls that the sink has taken."""
    return int(get(f"{base}/_count"))


def event_id(number: int) -> str:
    """Of the event that a command stands for; they sort as their numbers do."""
    return f"event-{number:08d}"


def command(number: int, site: int) -> Command:
    """A full-document PUT."""
    event = event_id(number)
    body = {
        "customer_name": f"Garage {number}",
        "billing_address": {"street": "1 Main Street", "city": "Denver", "state": "CO", "postal_code": "80202"},
    }
    return Command(
        f"{event}:update_billing_customer", "billing", "update_billing_customer", f"site-{site:06d}", "PUT",
        f"/customers/site-{site:06d}", body, event, "2026-11-24T01:00:00Z", "bench", "events", site % PARTITIONS,
        number,
    )  # fmt: skip


def produce(bootstrap: str, commands: int, sites: int, start: int = 0) -> None:
    """Fill `billing-commands`: about so many sites in turn; commands and sites are numbered from `start`."""
    producer = Producer({"bootstrap.servers": bootstrap, **PRODUCER})
    _send(producer, commands, sites, start)
    producer.flush()


def produce_at_once(bootstrap: str, commands: int) -> None:
    """A command about each of as many sites, in one transaction: its readers get all of them when it is over."""
    producer = Producer({"bootstrap.servers": bootstrap, **PRODUCER, "transactional.id": "bench-commands"})
    producer.init_transactions()
    producer.begin_transaction()
    _send(producer, commands, commands, 0)
    producer.commit_transaction()


def _send(producer: Producer, commands: int, sites: int, start: int) -> None:
    for place in range(commands):
        one = command(start + place, start + place % sites)
        producer.produce(
            "billing-commands",
            encode_command(one),
            key=one.site_id.encode(),
            headers=list(command_headers(one)),
            partition=one.source_partition,
        )
        producer.poll(0)


def produce_bodies(bootstrap: str, topic: str, commands: int) -> None:
    """The same for a peer: the document is the value, the path and the key are headers."""
    create_topics(bootstrap, topic)
    producer = Producer({"bootstrap.servers": bootstrap, **PRODUCER})
    for number in range(commands):
        one = command(number, number)
        headers = [("path", one.path.encode()), ("command_id", one.command_id.encode())]
        producer.produce(
            topic, orjson.dumps(one.body), key=one.site_id.encode(), headers=headers, partition=one.source_partition
        )
        producer.poll(0)
    producer.flush()


def environment(folder: Path, bootstrap: str, endpoint: str, name: str) -> dict[str, str]:
    """Of a worker whose billing is at `endpoint`."""
    overlay = {
        "kafka_config": {
            "bootstrap_servers": [bootstrap],
            "security_protocol": "PLAINTEXT",
            "topics": {topic: {"replication_factor": 1} for topic in ("customer-sites-events", "territory-events")},
        },
        "billing_integration": {
            "api_endpoint": endpoint,
            "authentication": {"type": "none"},
            "circuit_breaker": {"recovery_timeout": 1000},
        },
        "authentication": {"type": "none"},
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(overlay))
    return {**os.environ, "SITEHUB_CONFIG": f"{CONFIG}:{path}", "SITEHUB_DATA": str(folder / name)}


@contextmanager
def worker(folder: Path, settings: dict[str, str], cores: Iterable[int] = (WORKER_CORE,)) -> Iterator[psutil.Process]:
    """A worker of the hub, by default on one core."""
    port = free_port()
    line = [
        "taskset",
        "-c",
        ",".join(map(str, cores)),
        sys.executable,
        "-m",
        "sitehub.cli",
        "worker",
        "--web-port",
        str(port),
    ]
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(line, env=settings, stdout=log, stderr=subprocess.STDOUT)
    try:
        await_answer(f"http://127.0.0.1:{port}/ready")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()
