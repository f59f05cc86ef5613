"""Look-ups in running workers: whoever is asked, whatever the id, while workers come and go."""

import json
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.hub import Hub, eventually, get

IDS = ["s1", "a/b", "a%2Fb", "Zürich 東京", "..", "?x=1", *(f"site-{number}" for number in range(30))]


@pytest.fixture
def hub(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    hub.start_targets()
    hub.start_worker("worker-1")
    hub.start_worker("worker-2")
    hub.await_ready("worker-1", "worker-2")
    yield hub
    hub.stop()


def event(site_id: str, kind: str, number: int, **payload: Any) -> tuple[bytes, bytes]:
    head = {"event_type": kind, "event_id": f"{site_id}:{number}", "event_timestamp": "2026-11-24T01:00:00Z"}
    return site_id.encode(), json.dumps({**head, "site_id": site_id, **payload}).encode()


def created(site_id: str) -> tuple[bytes, bytes]:
    data = {"name": site_id, "address": {"street": "1 Main St"}, "territory_id": "t1"}
    return event(site_id, "site_created", 0, site_data=data)


def path_of(site_id: str) -> str:
    segment = quote(site_id, safe="") if site_id != ".." else "%2E%2E"
    return f"/api/v1/customer-sites/sites/{segment}"


def ask(hub: Hub, worker: str, site_id: str) -> tuple[int, Any, Any]:
    """Status, document and headers."""
    try:
        with urllib.request.urlopen(hub.url(worker) + path_of(site_id), timeout=10) as response:  # noqa: S310 -- loopback
            return response.status, json.loads(response.read()), response.headers
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read()), error.headers


@contextmanager
def asking(hub: Hub, worker: str) -> Iterator[set[int]]:
    """Every site asked for again and again meanwhile; the statuses that came."""
    statuses, ended = set[int](), threading.Event()

    def ask_on() -> None:
        while not ended.is_set():
            for site_id in IDS:
                status, _, headers = ask(hub, worker, site_id)
                statuses.add(status)
                assert status != 503 or int(headers["Retry-After"]) > 0

    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        thread.join()


def test_each_worker_answers_for_every_site_and_never_denies_one_while_workers_come_and_go(hub: Hub) -> None:
    hub.publish([created(site_id) for site_id in IDS])
    eventually(lambda: all(ask(hub, "worker-1", site_id)[0] == 200 for site_id in IDS), 30, "sites are there")

    for site_id in IDS:
        answers = [ask(hub, worker, site_id) for worker in ("worker-1", "worker-2")]
        assert [(status, site["site_id"], site["version"]) for status, site, _ in answers] == [(200, site_id, 1)] * 2
        assert answers[0][1]["attributes"] == answers[1][1]["attributes"]

    hub.publish([event("a/b", "site_deleted", 1)])
    eventually(lambda: ask(hub, "worker-2", "a/b")[0] == 410, 30, "it is gone")
    status, problem, headers = ask(hub, "worker-1", "a/b")
    assert (status, headers["Content-Type"]) == (410, "application/problem+json")
    assert (problem["status"], problem["site_id"], problem["deleted_at"][:4].isdigit()) == (410, "a/b", True)
    for worker in ("worker-1", "worker-2"):
        status, problem, headers = ask(hub, worker, "nobody")
        assert (status, problem["status"], headers["Content-Type"]) == (404, 404, "application/problem+json")

    with asking(hub, "worker-1") as statuses:
        hub.kill("worker-2")
        hub.start_worker("worker-3")
        hub.await_ready("worker-1", "worker-3")
        eventually(lambda: all(ask(hub, "worker-3", one)[0] in (200, 410) for one in IDS), 60, "all there again")
        assert hub.terminate("worker-3") == 0
        eventually(lambda: all(ask(hub, "worker-1", one)[0] in (200, 410) for one in IDS), 60, "all there again")

    assert {200, 410} <= statuses <= {200, 410, 503}


def test_a_site_whose_owner_died_is_answered_by_its_standby_with_its_age_until_somebody_owns_it(hub: Hub) -> None:
    hub.publish([created(site_id) for site_id in IDS])
    eventually(lambda: all(ask(hub, "worker-1", site_id)[0] == 200 for site_id in IDS), 30, "sites are there")
    follows = get(f"{hub.url('worker-1')}/health")[1]["standbys"]
    assert follows, "the worker that stays follows what the other one owns"

    hub.processes["worker-2"].send_signal(signal.SIGSTOP)  # dead to the group, and to whoever asks it
    eventually(lambda: any("stale_by_seconds" in ask(hub, "worker-1", one)[1] for one in IDS), 30, "a standby answers")
    found = {site_id: ask(hub, "worker-1", site_id) for site_id in IDS}
    assert {status for status, _, _ in found.values()} == {200}
    assert all(site["version"] == 1 for _, site, _ in found.values())
    ages = [site["stale_by_seconds"] for _, site, _ in found.values() if "stale_by_seconds" in site]
    assert all(0 <= age < 60 for age in ages)
    hub.kill("worker-2")
    hub.await_ready("worker-1")

    eventually(
        lambda: all(
            status == 200 and "stale_by_seconds" not in site
            for status, site, _ in (ask(hub, "worker-1", one) for one in IDS)
        ),
        60,
        "worker-1 owns them all",
    )
