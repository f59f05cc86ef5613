"""`sitehub up`: everything on one machine, as a newcomer runs it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from sitehub.tests.broker.hub import free_port


@contextmanager
def running(folder: Path, ports: list[int]) -> Iterator[subprocess.Popen[str]]:
    options = ["--port", str(ports[0]), "--kafka-port", str(ports[2]), "--targets-port", str(ports[3])]
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


def two_ports_in_a_row() -> list[int]:
    while True:
        port = free_port()
        if not any(connection.laddr[1] == port + 1 for connection in psutil.net_connections("tcp") if connection.laddr):
            return [port, port + 1]


def test_up_applies_and_delivers_stops_cleanly_and_continues(tmp_path: Path) -> None:
    ports = [*two_ports_in_a_row(), free_port(), free_port()]

    with running(tmp_path, ports) as process:
        first = next(found for found in figures(process) if found["calls_delivered"] > 100)
        assert set(first["workers"].values()) == {"ready"}
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
        assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    position = int((tmp_path / "feed.json").read_text())

    with running(tmp_path, ports) as process:
        next(found for found in figures(process) if found["calls_delivered"] > 10)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert int((tmp_path / "feed.json").read_text()) > position > 100


def test_a_port_in_use_is_told_in_one_line(tmp_path: Path) -> None:
    ports = [*two_ports_in_a_row(), free_port(), free_port()]
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
