"""Everything on one machine: Kafka, PostgreSQL, stand-in targets, workers and a feed; stops all of it together."""

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
from sitehub.dev.local_hub import leave
from sitehub.dev.postgres import DATABASE, EmbeddedPostgres
from sitehub.dev.server_process import HOST

STOP_SECONDS = 15.0
START_SECONDS = 30.0
POLL_SECONDS = 0.1
SECRETS = (
    "SITEHUB_SECRET_BILLING_INTEGRATION__AUTHENTICATION__API_KEY",
    "SITEHUB_SECRET_DATABASE_CONFIG__PRIMARY__PASSWORD",
)
"""What the local servers ask for and do not check."""
UNCHECKED = "development"
DATABASE_ROLE = "app_user"
"""Of the workers; the schema is the server's owner's, as it should be where it counts."""


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
    database_port: int
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
            "--database-port": [self.database_port],
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
    postgres: EmbeddedPostgres = field(init=False)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """Start the servers, then the targets and the workers; raises UpError or what the servers' start raises."""
        plan = self.plan
        plan.check_ports()
        (plan.data / "log").mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            self.kafka = EmbeddedKafka(plan.data / "kafka", plan.kafka_port)
            stack.callback(self.kafka.stop)
            self.postgres = EmbeddedPostgres(plan.data / "postgres", plan.database_port, roles=[DATABASE_ROLE])
            stack.callback(self.postgres.stop)
            environment = self._environment()
            self.postgres.start()
            stack.callback(self._stop_processes)
            self._spawn("migrate", ["database", "migrate", "--dsn", self.postgres.dsn], environment)
            self.kafka.start()
            self._await_schema()
            targets = ["targets", "run", "--port", str(plan.targets_port), "--data", str(plan.data / "targets")]
            self._spawn("targets", targets, environment)
            for number in range(plan.workers):
                own = {**environment, "SITEHUB_DATA": str(plan.data / f"worker-{number + 1}")}
                self._spawn(f"worker-{number + 1}", ["worker", "--web-port", str(plan.web_port + number)], own)
            found = {
                "url": plan.urls[0],
                "urls": plan.urls,
                "bootstrap": self.kafka.bootstrap,
                "dsn": self.postgres.dsn_of(DATABASE, DATABASE_ROLE),
                "environment": {
                    "SITEHUB_CONFIG": environment["SITEHUB_CONFIG"],
                    **{name: UNCHECKED for name in SECRETS if name not in os.environ},
                },
            }
            leave(plan.data, found)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop the workers in order, then the targets, then the servers."""
        self._stack.close()

    def ended(self) -> Iterator[tuple[str, int]]:
        """Processes that ended by themselves, with their exit status."""
        for name, process in self.processes.items():
            if (status := process.poll()) is not None:
                yield name, status

    def _await_schema(self) -> None:
        if self.processes.pop("migrate").wait(START_SECONDS):
            log = self.plan.data / "log" / "migrate.log"
            raise UpError(f"the schema of the database could not be made: see {log}")

    def _environment(self) -> Mapping[str, str]:
        overlay = self.plan.data.absolute() / "local.json"
        overlay.write_text(json.dumps(local_overlay(self.plan), indent=2))
        configuration = f"{self.plan.configuration}:{overlay}" if self.plan.configuration else str(overlay)
        secrets = {name: os.environ.get(name, UNCHECKED) for name in SECRETS}
        return {**os.environ, "SITEHUB_CONFIG": configuration, **secrets}

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


def local_overlay(plan: Plan) -> dict[str, Any]:
    """What differs from the guide on one machine: addresses, one copy of each topic, no login on loopback."""
    bootstrap = f"{HOST}:{plan.kafka_port}"
    topics = {name: {"replication_factor": 1} for name in ("customer-sites-events", "territory-events")}
    return {
        "kafka_config": {"bootstrap_servers": [bootstrap], "security_protocol": "PLAINTEXT", "topics": topics},
        "billing_integration": {"api_endpoint": f"http://{HOST}:{plan.targets_port}"},
        "authentication": {"type": "none"},
        "database_config": {
            "primary": {
                "host": HOST,
                "port": plan.database_port,
                "database": DATABASE,
                "username": DATABASE_ROLE,
                "password": "[encrypted_password]",
                "ssl_mode": "disable",
                "connection_pool": {
                    "min_connections": 2,
                    "max_connections": 10,
                    "connection_timeout": 10_000,
                    "idle_timeout": 600_000,
                },
            },
            "read_replica": None,
        },
    }


def _in_use(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return True
    return False
