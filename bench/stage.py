"""What every benchmark stands on: a broker and workers on their cores, what a worker notes, and tables of results."""

import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from sitehub.bench.watch import POLL_SECONDS
from sitehub.dev.kafka import EmbeddedKafka, free_port

HERE = Path(__file__).parent
WORKER_CORE, BROKER_CORE = 0, 1
START_SECONDS = 60


def pin(pid: int, cores: Iterable[int]) -> None:
    """Keep every thread of a process on `cores`: the kernel's call moves only one."""
    wanted = set(cores)
    while True:
        moved = 0
        for task in Path(f"/proc/{pid}/task").iterdir():
            try:
                if os.sched_getaffinity(int(task.name)) != wanted:
                    os.sched_setaffinity(int(task.name), wanted)
                    moved += 1
            except ProcessLookupError:  # a thread that has ended
                continue
        if not moved:
            return


@contextmanager
def broker(folder: Path) -> Iterator[EmbeddedKafka]:
    """A Kafka of its own, on the second core: the first is for the worker. SIGTERM ends all as Ctrl-C does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    kafka = EmbeddedKafka(folder / "kafka", free_port())
    kafka.start()
    try:
        pin(process_of(kafka).pid, [BROKER_CORE])
        yield kafka
    finally:
        kafka.stop()


def process_of(kafka: EmbeddedKafka) -> psutil.Process:
    """The broker's process; raises RuntimeError if it does not run."""
    if kafka.pid is None:
        raise RuntimeError("the broker does not run")
    return psutil.Process(kafka.pid)


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker of the benchmark's job, and what it has noted."""

    process: subprocess.Popen[bytes]
    journal: Path

    @property
    def ps(self) -> psutil.Process:
        """For CPU and memory."""
        return psutil.Process(self.process.pid)

    def notes(self, what: str) -> list[float]:
        """When, in seconds since 1970, it noted `what`: `assigned`, `recovering`, `running`."""
        return [float(words[0]) for words in self._lines() if words[1] == what]

    def await_running(self, partitions: int) -> None:
        """Return once the loops of exactly `partitions` run; raises TimeoutError and RuntimeError."""
        deadline = time.monotonic() + START_SECONDS
        while self.running() != partitions:
            if self.process.poll() is not None:
                raise RuntimeError("the worker has ended: see its log")
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.running()} of {partitions} partitions run")
            time.sleep(POLL_SECONDS)

    def partitions(self) -> set[int]:
        """Which partitions it runs now."""
        states: dict[int, str] = {}
        for _, state, *partition in self._lines():
            if partition:
                states[int(partition[0].rpartition("-")[2])] = state
        return {number for number, state in states.items() if state == "running"}

    def _lines(self) -> list[list[str]]:
        text = self.journal.read_text() if self.journal.exists() else ""
        return [line.split() for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def running(self) -> int:
        """How many partitions it runs now."""
        return len(self.partitions())

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def terminate(self) -> None:
        """End it in order; after half a minute as a crash does."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()


def start_worker(  # noqa: PLR0917 -- where, what and how
    bootstrap: str, source: str, name: str, data: Path, options: Sequence[str] = (), core: int = WORKER_CORE
) -> Worker:
    """A worker of the job on one core; its log and its notes are beside its data."""
    journal = data.with_suffix(".journal")
    journal.unlink(missing_ok=True)
    line = ["taskset", "-c", str(core), sys.executable, "-m", "sitehub.bench.job", bootstrap, source, name, str(data)]
    with data.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen(
            [*line, "--journal", str(journal), *options], stdout=log, stderr=subprocess.STDOUT, cwd=data.parent
        )
    return Worker(process, journal)


@contextmanager
def worker(  # noqa: PLR0917 -- as start_worker
    bootstrap: str, source: str, name: str, data: Path, options: Sequence[str] = (), core: int = WORKER_CORE
) -> Iterator[Worker]:
    """As `start_worker`; killed at the end."""
    started = start_worker(bootstrap, source, name, data, options, core)
    try:
        yield started
    finally:
        started.kill()


def median(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of each column that was measured; what is no fraction is the same in all rows."""
    return {
        head: statistics.median(row[head] for row in rows) if isinstance(value, float) else value
        for head, value in rows[0].items()
    }


def table(rows: Sequence[dict[str, object]]) -> str:
    """Rows as Markdown; the columns are the first row's, numbers are rounded."""
    heads = list(rows[0])
    lines = [heads, ["---"] * len(heads), *([_cell(row.get(head, "")) for head in heads] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
