"""Site events in, exact state, billing calls out: against a model that knows only the guarantees."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.hub import Hub, eventually
from sitehub.tests.broker.judge import await_all_ended, check
from sitehub.tests.broker.workload import make


@pytest.fixture
def hub(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    hub.start_targets()
    yield hub
    hub.stop()


def test_two_workers_apply_every_event_once_and_deliver_every_call_in_order(hub: Hub) -> None:
    work = make(seed=1, events=20_000, sites=2_000)
    hub.start_worker("worker-1")
    hub.start_worker("worker-2")
    hub.await_ready("worker-1", "worker-2")

    hub.publish([(sent.key, sent.value) for sent in work.sent])
    await_all_ended(hub, work)

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
    await_all_ended(hub, work)

    check(hub, work, "worker-3")


def test_verify_finds_nothing_in_a_good_hub_and_what_was_tampered_with(hub: Hub) -> None:
    work = make(seed=3, events=3_000, sites=300)
    hub.start_worker("worker-1")
    hub.await_ready("worker-1")
    hub.publish([(sent.key, sent.value) for sent in work.sent])
    await_all_ended(hub, work)

    clean = hub.run("verify", "--json")
    report = json.loads(clean.stdout)
    assert (clean.returncode, report["differences"], report["events"]) == (0, [], len(work.sent))
    assert report["commands"] == sum(len(calls) for calls in work.calls.values())
    assert report["audits"] == len(work.sent) - report["dead_letters"] - work.duplicates

    assert hub.terminate("worker-1") == 0
    row = next(m for m in hub.read_app("sites-changelog") if m.key() == b"site-00007")
    hub.write_app("sites-changelog", b"site-00007", row.value().replace(b"Garage", b"Forged"), row.partition())
    tampered = hub.run("verify", "--json")

    differences = json.loads(tampered.stdout)["differences"]
    assert (tampered.returncode, [(one["kind"], one["key"]) for one in differences]) == (1, [("site", "site-00007")])
