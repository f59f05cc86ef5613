"""A create that arrived before its worker died is a conflict when it is made again: then it is delivered."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.hub import Hub, eventually, header
from sitehub.tests.broker.site_events import created

SITES = 12
SLOW_SECONDS = 3.0


class Strict(ThreadingHTTPServer):
    """Takes each customer once, answers slowly while `is_slow`, and knows nothing of idempotency keys."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.keys: list[str] = []
        self.statuses: list[int] = []
        self.is_slow = True


class Answering(BaseHTTPRequestHandler):
    """One connection of it."""

    protocol_version = "HTTP/1.1"
    server: Strict

    def do_POST(self) -> None:
        """Called by http.server."""
        self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers["Idempotency-Key"]
        status = 409 if key in self.server.keys else 201
        self.server.keys.append(key)
        if self.server.is_slow:
            time.sleep(SLOW_SECONDS)
        self.server.statuses.append(status)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Called by http.server."""


@pytest.fixture
def target() -> Iterator[Strict]:
    with Strict() as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_a_create_that_arrived_before_its_worker_died_is_delivered_though_it_is_a_conflict_now(
    kafka: EmbeddedKafka, names: Names, tmp_path: Path, target: Strict
) -> None:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    hub.overlay["billing_integration"] = {
        "api_endpoint": f"http://127.0.0.1:{target.server_port}",
        "authentication": {"type": "none"},
    }
    try:
        hub.start_worker("worker")
        hub.await_ready("worker")
        hub.publish([created(site) for site in range(SITES)])
        eventually(lambda: len(target.keys) == SITES, 30, "every create has arrived")
        hub.kill("worker")
        target.is_slow = False
        hub.start_worker("worker")
        eventually(lambda: len(target.keys) == 2 * SITES, 60, "each is made again")
        eventually(lambda: len(hub.read("sync-results")) >= SITES, 30, "each has ended")
        told = [(header(one, "status"), header(one, "http_status")) for one in hub.read("sync-results")]
    finally:
        hub.stop()
    assert told == [("delivered", "409")] * SITES
    assert hub.read("billing-commands.dead-letter") == []
