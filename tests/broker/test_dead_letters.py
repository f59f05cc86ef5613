"""`sitehub dead-letters` on what the hub itself buried."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.hub import Hub, eventually

EVENT: dict[str, Any] = {
    "event_type": "site_created",
    "event_id": "e1",
    "event_timestamp": "2026-11-24T01:00:00Z",
    "site_id": "s1",
    "site_data": {"name": "Garage", "address": {"street": "1 Main St"}, "territory_id": "t1"},
}


@pytest.fixture
def hub(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    hub.start_targets()
    yield hub
    hub.stop()


def test_letters_are_listed_filtered_and_shown(hub: Hub) -> None:
    hub.start_worker("worker")
    hub.await_ready("worker")
    unknown = {**EVENT, "event_type": "site_deleted", "event_id": "e2", "site_id": "ghost"}
    hub.publish(
        [
            (b"s1", json.dumps(EVENT).encode()),
            (b"s1", b"{"),
            (b"s2", b"\xff\xfe"),
            (b"ghost", json.dumps(unknown).encode()),
        ]
    )
    eventually(lambda: len(hub.read("customer-sites-events.dead-letter")) == 3, 30, "three dead letters")

    listed = json.loads(hub.run("dead-letters", "list", "--json").stdout)
    assert sorted(one["reason"] for one in listed) == ["not_json", "not_utf8", "unknown_site"]
    filtered = hub.run("dead-letters", "list", "--reason", "unknown_site", "--site", "ghost", "--json")
    (ghost,) = json.loads(filtered.stdout)
    assert (ghost["stage"], ghost["key"], ghost["topic"]) == ("validate", "ghost", hub.topic("customer-sites-events"))
    shown = json.loads(hub.run("dead-letters", "show", ghost["name"], "--json").stdout)
    assert json.loads(shown["value"]) == unknown
    raw = next(one for one in listed if one["reason"] == "not_utf8")
    assert json.loads(hub.run("dead-letters", "show", raw["name"], "--json").stdout)["value_base64"] == "//4="


def test_what_is_not_there_is_told_in_one_line(hub: Hub) -> None:
    topic = hub.topic("customer-sites-events.dead-letter")

    for arguments in (("show", f"{topic}/0/99"), ("show", "nonsense"), ("list", "--topic", "nonsense")):
        ended = hub.run("dead-letters", *arguments)
        assert (ended.returncode, ended.stderr.count(b"\n")) == (1, 1), ended.stderr
