"""Site events in, exact state, billing calls out: against a model that knows only the guarantees."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.hub import PARTITIONS, Hub, eventually, header
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
    expected = tamper(hub)
    tampered = hub.run("verify", "--json")

    found = {brief(one) for one in json.loads(tampered.stdout)["differences"]}
    assert (tampered.returncode, found) == (1, expected)

    cut(hub, "customer-sites-events", dict.fromkeys(range(PARTITIONS), 1))
    shortened = hub.run("verify", "--json")
    report = json.loads(shortened.stdout)
    assert (shortened.returncode, report["differences"], report["cut_partitions"]) == (1, [], list(range(PARTITIONS)))


def brief(difference: dict[str, str]) -> tuple[str, str, str, str]:
    """Kind, key, and what was expected and found, with a site's row told as one."""
    told = [difference["expected"], difference["found"]]
    expected, found = ("a row" if one.startswith("{") else one for one in told)
    return difference["kind"], difference["key"], expected, found


def tamper(hub: Hub) -> set[tuple[str, str, str, str]]:
    """Do to what a hub made all that can be done to it; what is to be found of that."""
    rows = {m.key(): m for m in hub.read_app("sites-changelog")}
    forged, lost = rows[b"site-00007"], rows[b"site-00008"]
    value = forged.value() or b""
    hub.write_app("sites-changelog", b"site-00007", value.replace(b"Garage", b"Forged"), forged.partition())
    hub.write_app("sites-changelog", b"site-00008", None, lost.partition())
    hub.write_app("sites-changelog", b"never-was", value, forged.partition())
    found = {
        ("site", "site-00007", "a row", "a row"),
        ("site", "site-00008", "a row", "nothing"),
        ("site", "never-was", "nothing", "a row"),
    }
    of = {"command": ("billing-commands", "command_id"), "dead_letter": ("customer-sites-events.dead-letter", "")}
    for kind, (topic, name) in of.items():
        records = hub.read(topic)
        dropped, *_, doubled = records
        producer = Producer({"bootstrap.servers": hub.bootstrap})
        producer.produce(
            hub.topic(topic), doubled.value(), doubled.key(), doubled.partition(), headers=doubled.headers()
        )
        assert producer.flush(30) == 0
        cut(hub, topic, {dropped.partition(): dropped.offset() + 1})
        found |= {
            (kind, header(dropped, name or "dead-letter.offset"), "1 x", "0 x"),
            (kind, header(doubled, name or "dead-letter.offset"), "1 x", "2 x"),
        }
    return found


def cut(hub: Hub, topic: str, firsts: dict[int, int]) -> None:
    """Let partitions of a topic begin later."""
    admin = AdminClient({"bootstrap.servers": hub.bootstrap})
    wanted = [TopicPartition(hub.topic(topic), number, first) for number, first in firsts.items()]
    for done in admin.delete_records(wanted).values():
        done.result(30)
