"""Site events in, exact state, billing calls out: against a model that knows only the guarantees."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.hub import Hub, eventually, get, header
from sitehub.tests.broker.outcomes import outcomes
from sitehub.tests.broker.workload import Workload, make


@pytest.fixture
def hub(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    hub.start_targets()
    yield hub
    hub.stop()


def check(hub: Hub, work: Workload, worker: str) -> None:
    expected = {call.command_id: call for calls in work.calls.values() for call in calls}
    commands = [header(message, "command_id") for message in hub.read("billing-commands")]
    assert Counter(commands) == Counter(expected.keys())
    found = outcomes(hub)
    found.check()
    assert found.ended() == expected.keys()
    check_calls(hub, work)
    dead = Counter(header(message, "dead-letter.reason") for message in hub.read("customer-sites-events.dead-letter"))
    assert dead == Counter(work.dead)
    assert hub.read("billing-commands.dead-letter") == []
    for site_id, site in work.sites.items():
        status, found = get(f"{hub.url(worker)}/api/v1/customer-sites/sites/{quote(site_id)}")
        assert status == 200, (site_id, found)
        assert (found["attributes"], found["contract_info"], found["version"]) == (
            site.attributes,
            site.contract_info,
            site.version,
        )
        assert found["sync"]["billing"]["state"] == "in_sync"


def check_calls(hub: Hub, work: Workload) -> None:
    """First arrivals in log order for each site; a repeated call carries the same key, never after a later one.

    What was superseded was never called; each document's newest version was.
    """
    found = outcomes(hub)
    superseded = found.ended("superseded")
    seen: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for call in hub.calls():
        site_id, _, _ = call["site_id"].partition("/")
        seen[site_id].append(call)
    for site_id, calls in work.calls.items():
        keys: list[str] = []
        for call in seen[site_id]:
            key = call["idempotency_key"]
            assert key not in keys[:-1], f"{site_id}: {key} again after a later call"
            if key not in keys:
                keys.append(key)
        assert keys == [call.command_id for call in calls if call.command_id not in superseded]
        newest = {(call.method, call.path): call.command_id for call in calls}
        assert not superseded & set(newest.values())
        by_key = {call.command_id: call for call in calls}
        for call in seen[site_id]:
            model = by_key[call["idempotency_key"]]
            assert (call["method"], call["path"]) == (model.method, model.path)
            assert model.body.items() <= call["body"].items()


def await_all_delivered(hub: Hub, work: Workload, seconds: float = 120) -> None:
    count = sum(len(calls) for calls in work.calls.values())
    eventually(lambda: len(outcomes(hub).ended()) >= count, seconds, f"{count} commands ended")


def test_two_workers_apply_every_event_once_and_deliver_every_call_in_order(hub: Hub) -> None:
    work = make(seed=1, events=20_000, sites=2_000)
    hub.start_worker("worker-1")
    hub.start_worker("worker-2")
    hub.await_ready("worker-1", "worker-2")

    hub.publish([(sent.key, sent.value) for sent in work.sent])
    await_all_delivered(hub, work)

    check(hub, work, "worker-1")
    assert [hub.terminate(name) for name in ("worker-1", "worker-2")] == [0, 0]
    calls = len(hub.calls())

    hub.start_worker("worker-1")
    hub.await_ready("worker-1")
    check(hub, work, "worker-1")
    assert len(hub.calls()) == calls


def test_a_killed_worker_loses_and_doubles_nothing(hub: Hub) -> None:
    work = make(seed=2, events=20_000, sites=2_000)
    hub.start_worker("worker-1")
    hub.start_worker("worker-2")
    hub.await_ready("worker-1", "worker-2")
    half = len(work.sent) // 2
    hub.publish([(sent.key, sent.value) for sent in work.sent[:half]])
    eventually(lambda: len(hub.calls()) > 500, 60, "calls come")

    hub.kill("worker-2")
    hub.publish([(sent.key, sent.value) for sent in work.sent[half:]])
    hub.start_worker("worker-3")
    hub.await_ready("worker-1", "worker-3")
    await_all_delivered(hub, work)

    check(hub, work, "worker-3")


def test_verify_finds_nothing_in_a_good_hub_and_what_was_tampered_with(hub: Hub) -> None:
    work = make(seed=3, events=3_000, sites=300)
    hub.start_worker("worker-1")
    hub.await_ready("worker-1")
    hub.publish([(sent.key, sent.value) for sent in work.sent])
    await_all_delivered(hub, work)

    clean = hub.run("verify", "--json")
    report = json.loads(clean.stdout)
    assert (clean.returncode, report["differences"], report["events"]) == (0, [], len(work.sent))
    assert report["commands"] == sum(len(calls) for calls in work.calls.values())

    assert hub.terminate("worker-1") == 0
    row = next(m for m in hub.read_app("sites-changelog") if m.key() == b"site-00007")
    hub.write_app("sites-changelog", b"site-00007", row.value().replace(b"Garage", b"Forged"), row.partition())
    tampered = hub.run("verify", "--json")

    differences = json.loads(tampered.stdout)["differences"]
    assert (tampered.returncode, [(one["kind"], one["key"]) for one in differences]) == (1, [("site", "site-00007")])
