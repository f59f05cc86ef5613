"""Several counting workers under load, and the check that every count appears exactly once and in order."""

import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from sitehub.engine.engine import Engine
from sitehub.tests.broker.counting import PARTITIONS, counting_source
from sitehub.tests.broker.hub import eventually, free_port, get

KEYS = 200


@dataclass
class Crew:
    """Counting workers by name; each keeps its tables under `folder`."""

    bootstrap: str
    prefix: str
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    sent: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)
    _load: threading.Thread | None = None

    def create_topics(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        names = [f"{self.prefix}{name}" for name in ("in", "out", "changelog")]

        def created() -> bool:
            made = admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
            return all(future.exception(30) is None for future in made.values())

        eventually(created, 30, "a broker that has just started takes topics")

    def engine(self) -> Engine:
        """A counting worker's engine for this process, without a group."""
        engine = Engine(
            app_id=f"{self.prefix}counting",
            client={"bootstrap_servers": self.bootstrap},
            directory=self.folder / "tables",
            session_timeout_seconds=1.0,
        )
        engine.add(counting_source(self.prefix))
        return engine

    def recreate(self, name: str) -> None:
        """Delete a topic and make it anew: the same name, another log."""
        admin, topic = AdminClient({"bootstrap.servers": self.bootstrap}), f"{self.prefix}{name}"
        admin.delete_topics([topic])[topic].result(30)
        eventually(lambda: topic not in admin.list_topics(timeout=10).topics, 30, "topic deleted")
        admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result(30)

    def fill(self, name: str, records: int) -> None:
        """Records of other keys in every partition of a topic."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 5})
        for number in range(records * PARTITIONS):
            producer.produce(f"{self.prefix}{name}", b"1", key=b"other-%d" % number, partition=number % PARTITIONS)
            producer.poll(0)
        assert producer.flush(30) == 0

    def start(self, name: str, defects: str = "") -> None:
        """Start a worker; `defects` are those of `defects.py`, by commas."""
        port = self.ports.setdefault(name, free_port())
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "sitehub.tests.broker.counting",
                    self.bootstrap,
                    self.prefix,
                    str(self.folder / name),
                    str(port),
                    defects,
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
            )

    def status(self, name: str) -> dict[str, Any]:
        with suppress(URLError, ConnectionError, TimeoutError):
            found: dict[str, Any] = get(f"http://127.0.0.1:{self.ports[name]}/status")[1]
            return found
        return {"ready": False, "active": [], "troubles": {}}

    def rejoin(self, name: str) -> None:
        """Make the worker's member join its group again."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[name]}/rejoin", method="POST")
        urllib.request.urlopen(request, timeout=5).close()  # noqa: S310 -- loopback

    def holds(self, name: str) -> dict[str, int]:
        """What a leak would make grow."""
        status = self.status(name)
        return {what: status[what] for what in ("files", "threads", "tasks")}

    def await_settled(self, *names: str, seconds: float = 40) -> None:
        """All partitions are owned once, by workers that are ready."""

        def settled() -> bool:
            states = [self.status(name) for name in names]
            owned = sorted(number for state in states for number in state["active"])
            return all(state["ready"] for state in states) and owned == list(range(PARTITIONS))

        eventually(settled, seconds, f"{names} settled: {[self.status(name) for name in names]}")

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()

    def terminate(self, name: str) -> int:
        process = self.processes.pop(name)
        process.terminate()
        return process.wait(20)

    def freeze(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        self.processes[name].send_signal(signal.SIGCONT)

    def delete_tables(self, name: str) -> None:
        for table in (self.folder / name).glob("counts-*"):
            shutil.rmtree(table)

    def corrupt_tables(self, name: str) -> None:
        for current in (self.folder / name).glob("counts-*/CURRENT"):
            current.write_bytes(b"rubbish")

    def rot_tables(self, name: str) -> None:
        """Overwrite a part of each file of rows, as a bad disk does."""
        files = list((self.folder / name).glob("counts-*/*.sst"))
        assert files
        for path in files:
            with path.open("r+b") as file:
                file.seek(path.stat().st_size // 4)
                file.write(b"rot" * 20)

    def load(self, per_second: int = 500) -> None:
        """Send keys in turn until `finish`."""
        self._load = threading.Thread(target=self._send, args=(per_second,), daemon=True)
        self._load.start()

    def _send(self, per_second: int) -> None:
        producer = Producer(
            {"bootstrap.servers": self.bootstrap, "linger.ms": 5, "enable.idempotence": True, "message.timeout.ms": 0}
        )
        began = time.monotonic()
        while not self._stop.is_set():
            due = int((time.monotonic() - began) * per_second)
            while self.sent < due:
                producer.produce(f"{self.prefix}in", b"x", key=b"key-%d" % (self.sent % KEYS))
                self.sent += 1
            producer.poll(0.01)
        assert producer.flush(60) == 0

    def finish(self, seconds: float = 60) -> None:
        """Stop the load, wait until every record is counted, and check the counts."""
        self._stop.set()
        assert self._load is not None
        self._load.join()
        eventually(lambda: sum(map(len, self.counts().values())) >= self.sent, seconds, "all records counted")
        for key, counts in self.counts().items():
            assert counts == list(range(1, len(counts) + 1)), f"{key!r}: {counts}"
        assert sum(map(len, self.counts().values())) == self.sent

    def counts(self) -> dict[bytes, list[int]]:
        """What a read_committed reader sees, by key."""
        found: dict[bytes, list[int]] = defaultdict(list)
        for key, value in self._records():
            found[key].append(int(value))
        return found

    def _records(self) -> Iterator[tuple[bytes, bytes]]:
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap,
                "group.id": f"{self.prefix}check",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        consumer.assign([TopicPartition(f"{self.prefix}out", number, 0) for number in range(PARTITIONS)])
        ended: set[int | None] = set()
        deadline = time.monotonic() + 30
        while len(ended) < PARTITIONS and time.monotonic() < deadline:
            for message in consumer.consume(5000, 0.2):
                key, value = message.key(), message.value()
                if message.error() is not None:
                    ended.add(message.partition())
                elif isinstance(key, bytes) and isinstance(value, bytes):
                    yield key, value
        consumer.close()

    def stop(self) -> None:
        self._stop.set()
        for name in list(self.processes):
            self.kill(name)
