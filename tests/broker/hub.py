"""The product's own processes, run for a test on the shared broker, and what the broker and the target saw of them."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError

from confluent_kafka import Consumer, Message, Producer, TopicPartition

CONFIG = Path(__file__).parents[2] / "config"
KEY = "key-of-the-test"
PARTITIONS = 6


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(what: Callable[[], bool], seconds: float, why: str) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds} s: {why}"
        time.sleep(0.1)


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 -- loopback
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


@dataclass
class Hub:
    """Workers and a stand-in billing system; everything under `folder`."""

    bootstrap: str
    prefix: str
    folder: Path
    targets_port: int = field(default_factory=free_port)
    overlay: dict[str, Any] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)

    def topic(self, name: str) -> str:
        return self.prefix + name

    def environment(self, name: str) -> dict[str, str]:
        path = self.folder / "overlay.json"
        topics = {topic: {"replication_factor": 1} for topic in ("customer-sites-events", "territory-events")}
        overlay = {
            "kafka_config": {
                "bootstrap_servers": [self.bootstrap],
                "security_protocol": "PLAINTEXT",
                "topic_prefix": self.prefix,
                "topics": topics,
            },
            "billing_integration": {
                "api_endpoint": f"http://127.0.0.1:{self.targets_port}",
                "retry_policy": {"initial_delay": 50},
                "circuit_breaker": {"recovery_timeout": 500},
            },
            "authentication": {"type": "none"},
            **self.overlay,
        }
        path.write_text(json.dumps(overlay))
        return {
            **os.environ,
            "SITEHUB_CONFIG": f"{CONFIG}:{path}",
            "SITEHUB_APP_ID": f"{self.prefix}app",
            "SITEHUB_DATA": str(self.folder / name),
            "SITEHUB_SECRET_BILLING_INTEGRATION__AUTHENTICATION__API_KEY": KEY,
            **self.secrets,
        }

    def spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "sitehub.cli", *arguments],
                env=self.environment(name),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )
        self.processes[name] = process
        return process

    def start_targets(self, name: str = "targets", port: int | None = None) -> None:
        """The billing system, or another one of that name at `port`."""
        port = port or self.targets_port
        self.spawn(name, "targets", "run", "--port", str(port), "--data", str(self.folder / f"{name}-data"))
        eventually(lambda: self._answers(f"http://127.0.0.1:{port}/health"), 20, f"{name} answer")

    def start_worker(self, name: str) -> None:
        port = self.ports[name] = self.ports.get(name) or free_port()
        self.spawn(name, "worker", "--web-port", str(port))

    def await_ready(self, *names: str, seconds: float = 60) -> None:
        for name in names:
            eventually(lambda n=name: self._answers(f"{self.url(n)}/ready"), seconds, f"{name} ready")  # type: ignore[misc]

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def metric(self, name: str, metric: str, **labels: str) -> float:
        """A sample of a worker, named without `sitehub_`; 0 if it has none."""
        inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        start = f"sitehub_{metric}{{{inside}}} " if labels else f"sitehub_{metric} "
        with urllib.request.urlopen(f"{self.url(name)}/metrics", timeout=5) as response:  # noqa: S310 -- loopback
            lines = response.read().decode().splitlines()
        return next((float(line.removeprefix(start)) for line in lines if line.startswith(start)), 0.0)

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.kill()
        process.wait()

    def log(self, name: str) -> bytes:
        """What a process has written."""
        return (self.folder / f"{name}.log").read_bytes()

    def terminate(self, name: str) -> int:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(15)

    def stop(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def calls(self) -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.targets_port}/_calls", timeout=30) as response:
            calls: list[dict[str, Any]] = json.loads(response.read())
        return calls

    def control(self, *modes: dict[str, Any], port: int | None = None, **mode: Any) -> None:
        """One mode of the target, or several."""
        told = json.dumps(modes or mode).encode()
        address = f"http://127.0.0.1:{port or self.targets_port}/_control"
        request = urllib.request.Request(address, told, method="POST")
        request.add_header("Content-Type", "application/json")
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310

    def _answers(self, url: str) -> bool:
        with suppress(URLError, ConnectionError, TimeoutError):
            return get(url)[0] == 200
        return False

    def read(self, topic: str) -> list[Message]:
        """Every committed record of a topic, each partition in its order."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.prefix}reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        consumer.assign([TopicPartition(self.topic(topic), number, 0) for number in range(PARTITIONS)])
        messages: list[Message] = []
        ended: set[int | None] = set()
        deadline = time.monotonic() + 60
        while len(ended) < PARTITIONS and time.monotonic() < deadline:
            for message in consumer.consume(5000, 0.5):
                if message.error() is None:
                    messages.append(message)
                else:
                    ended.add(message.partition())
        consumer.close()
        return messages

    def read_app(self, name: str) -> list[Message]:
        """Of a topic that is named after the application."""
        return self.read(f"app-{name}")

    def write_app(self, name: str, key: bytes, value: bytes | None, partition: int) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap})
        producer.produce(self.topic(f"app-{name}"), value, key=key, partition=partition)
        assert producer.flush(30) == 0

    def run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        """A command of the product, to its end."""
        command = [sys.executable, "-m", "sitehub.cli", *arguments]
        return subprocess.run(command, env=self.environment("command"), capture_output=True, check=False, timeout=120)

    def publish(self, records: list[tuple[bytes, bytes]]) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5, "partitioner": "murmur2_random"})
        for key, value in records:
            producer.produce(self.topic("customer-sites-events"), value, key=key)
            producer.poll(0)
        assert producer.flush(30) == 0


def header(message: Message, name: str) -> str:
    values: list[str] = [value.decode() for key, value in message.headers() or [] if key == name]
    return values[0]
