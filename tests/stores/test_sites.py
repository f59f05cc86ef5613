"""A site as others see it: from its row and from each target's row of deliveries."""

from typing import Any

import orjson
import pytest

from sitehub.codecs.rows import encode_delivery, encode_site
from sitehub.rules.delivery import DeliveryRow
from sitehub.rules.site import Site, Waiting
from sitehub.stores.sites import SiteTables

NOW = "2026-11-24T02:00:00.000Z"
CREATE = Waiting("create", "billing", ["territory_id"], NOW, "e1", "t")


def site(*waiting: Waiting, last: str | None = None, deleted_at: str | None = None) -> Site:
    commands = {} if last is None else {"billing": last}
    return Site(
        "a/b", 3, {"name": "Zürich"}, {"rate": 1}, NOW, NOW, "e3", "t", " :e3 ", 9, deleted_at, [*waiting], commands
    )


def delivery(command_id: str, state: str, **fields: Any) -> DeliveryRow:
    defaults = {"action": "create", "attempts": 1, "http_status": 201, "error": None, "at": NOW, "offset": 5}
    return DeliveryRow(state=state, command_id=command_id, **{**defaults, **fields})


def found(row: Site, *deliveries: tuple[str, DeliveryRow]) -> tuple[dict[str, Any], str | None]:
    rows = {("sites", b"a/b"): encode_site(row)}
    rows |= {(f"deliveries-{target}", b"a/b"): encode_delivery(one) for target, one in deliveries}
    tables = SiteTables(
        lambda table, key: rows.get((table, key)),
        lambda _table, _key: None,
        {"billing": "deliveries-billing", "gis": "deliveries-gis"},
    )
    answer = tables.find("a/b")
    assert answer is not None
    return orjson.loads(answer[0]), answer[1]


def state(row: Site, *deliveries: DeliveryRow) -> str:
    text: str = found(row, *(("billing", one) for one in deliveries))[0]["sync"]["billing"]["state"]
    return text


def test_the_document_has_the_names_that_others_rely_on() -> None:
    document, deleted_at = found(site(CREATE), ("gis", delivery("e1:place", "in_sync")))

    assert deleted_at is None
    assert document == {
        "site_id": "a/b",
        "version": 3,
        "attributes": {"name": "Zürich"},
        "contract_info": {"rate": 1},
        "created_at": NOW,
        "updated_at": NOW,
        "deleted_at": None,
        "last_event_id": "e3",
        "waiting": [{"action": "create", "target": "billing", "missing": ["territory_id"], "since": NOW}],
        "sync": {
            "billing": {
                "state": "waiting",
                "command_id": None,
                "action": None,
                "attempts": 0,
                "http_status": None,
                "error": None,
                "at": None,
            },
            "gis": {
                "state": "in_sync",
                "command_id": "e1:place",
                "action": "create",
                "attempts": 1,
                "http_status": 201,
                "error": None,
                "at": NOW,
            },
        },
    }


def test_a_site_that_is_not_here_is_none() -> None:
    assert SiteTables(lambda _table, _key: None, lambda _table, _key: None, {}).find("s1") is None


def test_a_deleted_site_says_since_when() -> None:
    document, deleted_at = found(site(deleted_at=NOW))

    assert (document["deleted_at"], deleted_at) == (NOW, NOW)


def test_while_tables_recover_the_error_comes_through() -> None:
    def recovering(_table: str, _key: bytes) -> bytes | None:
        raise LookupError("recovering")

    with pytest.raises(LookupError):
        SiteTables(recovering, lambda _table, _key: None, {}).find("s1")


def test_a_target_that_was_told_nothing_was_never_sent_anything() -> None:
    assert state(site()) == "never_sent"


def test_a_command_that_was_made_and_not_yet_tried_is_pending() -> None:
    assert state(site(last="e1:create")) == "pending"
    assert state(site(last="e2:update"), delivery("e1:create", "in_sync")) == "pending"
    assert state(site(last="e2:update"), delivery("e1:create", "rejected")) == "pending"


def test_a_command_that_was_tried_without_success_is_pending_with_its_error() -> None:
    row = delivery("e1:create", "pending", attempts=2, http_status=503, error="HTTP 503")

    sync = found(site(last="e1:create"), ("billing", row))[0]["sync"]["billing"]

    assert (sync["state"], sync["attempts"], sync["http_status"], sync["error"]) == ("pending", 2, 503, "HTTP 503")


@pytest.mark.parametrize("ended", ["in_sync", "rejected", "parked"])
def test_the_last_command_says_the_state_once_it_was_tried(ended: str) -> None:
    assert state(site(last="e1:create"), delivery("e1:create", ended)) == ended


def test_commands_behind_a_parked_one_are_parked_with_it() -> None:
    assert state(site(last="e2:update"), delivery("e1:create", "parked")) == "parked"


def test_a_target_is_not_in_sync_while_a_rule_for_it_waits() -> None:
    assert state(site(CREATE)) == "waiting"
    assert state(site(CREATE, last="e1:create"), delivery("e1:create", "in_sync")) == "waiting"
    assert state(site(CREATE, last="e1:create"), delivery("e1:create", "rejected")) == "rejected"
    assert state(site(CREATE, last="e1:create")) == "pending"


def test_what_waits_for_another_target_does_not_matter() -> None:
    other = Waiting("place", "gis", ["x"], NOW, "e1", "t")

    assert state(site(other, last="e1:create"), delivery("e1:create", "in_sync")) == "in_sync"


def test_a_standbys_document_tells_the_age_of_its_oldest_part() -> None:
    rows = {
        "sites": (encode_site(site()), 100.0),
        "deliveries-billing": (encode_delivery(delivery("e1:create", "in_sync")), 90.0),
    }
    deliveries = {"billing": "deliveries-billing", "gis": "deliveries-gis"}
    tables = SiteTables(lambda _table, _key: None, lambda table, _key: rows.get(table), deliveries)

    found = tables.find_stale("a/b", now=102.5)

    assert found is not None
    assert (orjson.loads(found[0])["stale_by_seconds"], found[1], found[2]) == (12.5, None, 12.5)
    assert orjson.loads(found[0])["sync"]["billing"]["state"] == "in_sync"
