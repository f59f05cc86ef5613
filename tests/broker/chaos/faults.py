"""Faults, each with its end: what it breaks is whole again when it returns."""

import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.postgres import EmbeddedPostgres
from sitehub.tests.broker.hub import Hub

FROZEN_SECONDS = 12.0
"""Longer than a worker's session: its partitions are another's when it wakes up."""
STARTING_SECONDS = 4.0
"""In which a worker starts, joins its group and takes up its partitions."""
READY_SECONDS = 90.0


class Faults:
    """Injects what it is told to into a hub and its broker."""

    def __init__(self, hub: Hub, kafka: EmbeddedKafka, postgres: EmbeddedPostgres, rng: random.Random) -> None:
        self.hub = hub
        self.kafka = kafka
        self.postgres = postgres
        self.rng = rng
        self.injected: Counter[str] = Counter()
        self.kinds: dict[str, Callable[[], None]] = {
            "kill": self._kill,
            "freeze": self._freeze,
            "freeze_starting": self._freeze_starting,
            "terminate": self._terminate,
            "new_worker": self._new_worker,
            "tables_deleted": self._tables_deleted,
            "tables_truncated": self._tables_truncated,
            "broker_stopped": self._broker_stopped,
            "broker_killed": self._broker_killed,
            "broker_frozen": self._broker_frozen,
            "postgres_killed": self._postgres_killed,
            "postgres_frozen": self._postgres_frozen,
            "target_fails": self._target_fails,
        }

    def inject(self, kind: str) -> None:
        """Break something and mend it."""
        self.kinds[kind]()
        self.injected[kind] += 1

    def workers(self) -> list[str]:
        """Names of those that run."""
        return [name for name in self.hub.processes if name.startswith("worker")]

    def _pick(self) -> str:
        return self.rng.choice(self.workers())

    def _pause(self, longest_seconds: float) -> None:
        time.sleep(self.rng.random() * longest_seconds)

    def _kill(self) -> None:
        name = self._pick()
        self.hub.kill(name)
        self._pause(2)
        self.hub.start_worker(name)
        self.hub.await_ready(name, seconds=READY_SECONDS)

    def _freeze(self) -> None:
        process = self.hub.processes[self._pick()]
        process.send_signal(signal.SIGSTOP)
        time.sleep(FROZEN_SECONDS)
        process.send_signal(signal.SIGCONT)
        self._pause(2)

    def _freeze_starting(self) -> None:
        """Anywhere between its first request and its first calls."""
        name = self._pick()
        self.hub.kill(name)
        self.hub.start_worker(name)
        self._pause(STARTING_SECONDS)
        process = self.hub.processes[name]
        process.send_signal(signal.SIGSTOP)
        time.sleep(FROZEN_SECONDS)
        process.send_signal(signal.SIGCONT)
        self.hub.await_ready(name, seconds=READY_SECONDS)

    def _terminate(self) -> None:
        name = self._pick()
        assert self.hub.terminate(name) == 0
        self._pause(1)
        self.hub.start_worker(name)
        self.hub.await_ready(name, seconds=READY_SECONDS)

    def _new_worker(self) -> None:
        name = f"worker-{100 + self.injected['new_worker']}"
        self.hub.start_worker(name)
        self.hub.await_ready(name, seconds=READY_SECONDS)
        self._pause(2)
        self.hub.kill(name)

    def _tables_deleted(self) -> None:
        name = self._pick()
        self.hub.kill(name)
        for table in self._tables(name):
            shutil.rmtree(table)
        self.hub.start_worker(name)
        self.hub.await_ready(name, seconds=READY_SECONDS)

    def _tables_truncated(self) -> None:
        name = self._pick()
        self.hub.kill(name)
        for table in self._tables(name):
            files = [path for path in table.iterdir() if path.is_file() and path.stat().st_size > 0]
            victim = self.rng.choice(sorted(files))
            with victim.open("r+b") as file:
                file.truncate(victim.stat().st_size // 2)
        self.hub.start_worker(name)
        self.hub.await_ready(name, seconds=READY_SECONDS)

    def _tables(self, name: str) -> list[Path]:
        return sorted(path for path in (self.hub.folder / name / "tables").glob("*-*") if path.is_dir())

    def _broker_stopped(self) -> None:
        self.kafka.stop()
        self._pause(2)
        self.kafka.start()

    def _broker_killed(self) -> None:
        self.kafka.kill()
        self._pause(2)
        self.kafka.start()

    def _broker_frozen(self) -> None:
        self.kafka.pause()
        time.sleep(4)
        self.kafka.resume()

    def _postgres_killed(self) -> None:
        self.postgres.kill()
        self._pause(4)
        self.postgres.start()

    def _postgres_frozen(self) -> None:
        self.postgres.pause()
        self._pause(6)
        self.postgres.resume()

    def _target_fails(self) -> None:
        self.hub.control(mode="fail", fault=self.rng.choice(["status", "close", "half"]), fail_rate=0.7, applied=True)
        time.sleep(2)
        self.hub.control(mode="ok")
