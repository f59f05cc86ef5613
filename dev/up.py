"""Everything on one machine: Kafka, stand-in targets, workers and a feed; stops all of it together."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from sitehub.dev.bound import bound
from sitehub.dev.kafka import EmbeddedKafka

HOST = "127.0.0.1"
STOP_SECONDS = 15.0
START_SECONDS = 30.0
POLL_SECONDS = 0.1
API_KEY = "SITEHUB_SECRET_BILLING_INTEGRATION__AUTHENTICATION__API_KEY"


class UpError(Exception):
    """Something could not be started. One line that says what to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What `sitehub up` starts."""

    data: Path
    workers: int
    web_port: int
    kafka_port: int
    targets_port: int
    configuration: str
    """As in SITEHUB_CONFIG: files or folders separated by colons; the local overlay is put behind them."""

    @property
    def urls(self) -> list[str]:
        """Base address of each worker's HTTP view."""
        return [f"http://{HOST}:{self.web_port + number}" for number in range(self.workers)]

    def check_ports(self) -> None:
        """Raise UpError for a port that another program has."""
        wanted = {
            "--port": [self.web_port + number for number in range(self.workers)],
            "--kafka-port": [self.kafka_port],
            "--targets-port": [self.targets_port],
        }
        for option, ports in wanted.items():
            for port in ports:
                if _in_use(port):
                    raise UpError(
                        f"port {port} is in use: stop the program that has it, or choose another with {option}"
                    )


@dataclass(slots=True)
class Hub:
    """The running processes; use it as a context manager."""

    plan: Plan
    kafka: EmbeddedKafka = field(init=False)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Start Kafka, then the targets and the workers; raises UpError or what Kafka's start raises."""
        plan = self.plan
        plan.check_ports()
        (plan.data / "log").mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self.kafka = EmbeddedKafka(plan.data / "kafka", plan.kafka_port)
            stack.callback(self.kafka.stop)
            self.kafka.start()
            stack.callback(self._stop_processes)
            environment = self._environment()
            targets = ["targets", "run", "--port", str(plan.targets_port), "--data", str(plan.data / "targets")]
            self._spawn("targets", targets, environment)
            for number in range(plan.workers):
                own = {**environment, "SITEHUB_DATA": str(plan.data / f"worker-{number + 1}")}
                self._spawn(f"worker-{number + 1}", ["worker", "--web-port", str(plan.web_port + number)], own)
            (plan.data / "hub.json").write_text(json.dumps({"url": plan.urls[0], "bootstrap": self.kafka.bootstrap}))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop the workers in order, then the targets, then Kafka."""
        self._stack.close()

    def ended(self) -> Iterator[tuple[str, int]]:
        """Processes that ended by themselves, with their exit status."""
        for name, process in self.processes.items():
            if (status := process.poll()) is not None:
                yield name, status

    def _environment(self) -> Mapping[str, str]:
        overlay = self.plan.data / "local.json"
        overlay.write_text(json.dumps(local_overlay(self.kafka.bootstrap, self.plan.targets_port), indent=2))
        configuration = f"{self.plan.configuration}:{overlay}" if self.plan.configuration else str(overlay)
        return {**os.environ, "SITEHUB_CONFIG": configuration, API_KEY: os.environ.get(API_KEY, "development")}

    def _spawn(self, name: str, arguments: list[str], environment: Mapping[str, str]) -> None:
        with (self.plan.data / "log" / f"{name}.log").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                bound([sys.executable, "-m", "sitehub.cli", *arguments]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
            )

    def _stop_processes(self) -> None:
        for name in sorted(self.processes, reverse=True):  # workers before targets: their last calls may end
            process = self.processes[name]
            process.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for process in self.processes.values():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def local_overlay(bootstrap: str, targets_port: int) -> dict[str, Any]:
    """What differs from the guide on one machine: addresses, one copy of each topic, no login on loopback."""
    topics = {name: {"replication_factor": 1} for name in ("customer-sites-events", "territory-events")}
    return {
        "kafka_config": {"bootstrap_servers": [bootstrap], "security_protocol": "PLAINTEXT", "topics": topics},
        "billing_integration": {"api_endpoint": f"http://{HOST}:{targets_port}"},
        "authentication": {"type": "none"},
    }


def _in_use(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False
