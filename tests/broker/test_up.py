"""`sitehub up`: everything on one machine, as a newcomer runs it."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from sitehub.tests.broker.hub import eventually


@contextmanager
def running(folder: Path, ports: list[int]) -> Iterator[subprocess.Popen[str]]:
    options = ["--port", str(ports[0]), "--kafka-port", str(ports[2]), "--targets-port", str(ports[3])]
    options += ["--database-port", str(ports[4])]
    process = subprocess.Popen(
        [sys.executable, "-m", "sitehub.cli", "up", "--json", "--rate", "100", *options],
        env={**os.environ, "SITEHUB_DATA": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def figures(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        found = json.loads(line)
        if "events_applied" in found:
            yield found


def status(folder: Path) -> subprocess.CompletedProcess[str]:
    return asked(folder, "status", "--json")


def asked(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A command that is told nothing but the folder."""
    return subprocess.run(
        [sys.executable, "-m", "sitehub.cli", *command],
        env={**os.environ, "SITEHUB_DATA": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def check_status(folder: Path) -> None:
    """Both workers, what they did, and the rows that came of it."""

    def well() -> bool:
        asked = status(folder)
        found = json.loads(asked.stdout)
        assert len(found["workers"]) == 2
        return asked.returncode == 0 and found["database"]["rows"]["sites"] > 0

    eventually(well, 30, "status finds all well and sites in PostgreSQL")
    found = json.loads(status(folder).stdout)
    assert found["events_applied"] >= found["database"]["rows"]["sites"]
    assert found["calls_delivered"] > 100
    assert (found["replica"], found["database"]["last_batch_run"]) == ("none", None)


def check_commands(folder: Path) -> None:
    """Each finds the hub by itself."""
    for command in (
        ("verify", "--json"),
        ("dead-letters", "list", "--json"),
        ("target", "check", "billing", "--json"),
        ("audit", "list", "--limit", "5", "--json"),
        ("audit", "verify", "--json"),
        ("mapping", "list", "--json"),
        ("database", "status", "--json"),
    ):
        found = asked(folder, *command)
        assert (found.returncode, found.stderr) == (0, ""), (command, found.stderr)
        assert json.loads(found.stdout), command


def five_ports_in_a_row() -> list[int]:
    """Below those that the kernel hands out to clients, which would come and go under us."""
    while True:
        first = random.randrange(20_000, 30_000, 5)
        ports = list(range(first, first + 5))
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for port in ports:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return ports


def test_up_applies_and_delivers_stops_cleanly_and_continues(tmp_path: Path) -> None:
    ports = five_ports_in_a_row()

    with running(tmp_path, ports) as process:
        first = next(found for found in figures(process) if found["calls_delivered"] > 100)
        assert set(first["workers"].values()) == {"ready"}
        check_status(tmp_path)
        check_commands(tmp_path)
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    down = status(tmp_path)
    assert (down.returncode, {one["status"] for one in json.loads(down.stdout)["workers"].values()}) == (1, {"down"})
    feed = tmp_path / "feed.json"
    position = int(feed.read_text())
    assert position > 100

    with running(tmp_path, ports) as process:
        next(found for found in figures(process) if int(feed.read_text() or 0) > position + 50)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0


def test_a_port_in_use_is_told_in_one_line(tmp_path: Path) -> None:
    ports = five_ports_in_a_row()
    with running(tmp_path, ports) as process:
        next(found for found in figures(process) if set(found["workers"].values()) == {"ready"})

        second = subprocess.run(
            [sys.executable, "-m", "sitehub.cli", "up", "--port", str(ports[0])],
            env={**os.environ, "SITEHUB_DATA": str(tmp_path / "second")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

        assert second.returncode == 1
        assert second.stderr.splitlines() == [
            f"Error: port {ports[0]} is in use: stop the program that has it, or choose another with --port"
        ]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
