"""Liveness, readiness and metrics over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from sitehub.telemetry.metrics import Metrics
from sitehub.web.health import HealthView
from sitehub.web.server import web_application
from sitehub.web.sites import SiteView

BASE = "/api/v1/customer-sites"
Client = TestClient[Any, Any]


class Worker:
    """What the views are told."""

    def __init__(self) -> None:
        self.metrics = Metrics(CollectorRegistry())
        self.readiness: dict[str, Any] = {"ready": False, "remaining_records": 7}
        self.health: dict[str, Any] = {"status": "ok", "troubles": {}}


@pytest.fixture
def worker() -> Worker:
    return Worker()


@pytest.fixture
async def client(worker: Worker) -> AsyncIterator[Client]:
    view = HealthView(lambda: worker.health, lambda: worker.readiness, worker.metrics.registry)
    async with aiohttp.ClientSession() as session:
        sites = SiteView(
            lambda _id: None, lambda _id: None, owned=lambda: [0], partitions=1, peers=lambda _id: [], client=session
        )
        async with TestClient(TestServer(web_application(f"{BASE}/", sites, view))) as client:
            yield client


@pytest.mark.parametrize("prefix", ["", BASE])
async def test_a_worker_is_ready_once_its_tables_are_recovered(client: Client, worker: Worker, prefix: str) -> None:
    before = await client.get(f"{prefix}/ready")
    assert (before.status, await before.json()) == (503, {"ready": False, "remaining_records": 7})
    assert int(before.headers["Retry-After"]) > 0

    worker.readiness = {"ready": True, "remaining_records": 0}

    after = await client.get(f"{prefix}/ready")
    assert (after.status, (await after.json())["ready"], "Retry-After" in after.headers) == (200, True, False)


@pytest.mark.parametrize("prefix", ["", BASE])
async def test_a_worker_with_troubles_lives_and_tells_them(client: Client, worker: Worker, prefix: str) -> None:
    worker.health = {"status": "degraded", "troubles": {"events-3": "ConnectionError()"}}

    found = await client.get(f"{prefix}/health")

    assert (found.status, await found.json()) == (200, worker.health)


@pytest.mark.parametrize("prefix", ["", BASE])
async def test_metrics_are_in_the_text_format_of_prometheus(client: Client, worker: Worker, prefix: str) -> None:
    worker.metrics.events_applied.inc(3)
    worker.metrics.dead_letters.labels("events", "decode", "not_json").inc()

    found = await client.get(f"{prefix}/metrics")
    text = await found.text()

    assert found.content_type == "text/plain"
    assert "sitehub_events_applied_total 3.0" in text
    assert 'sitehub_dead_letters_total{reason="not_json",stage="decode",topic="events"} 1.0' in text
