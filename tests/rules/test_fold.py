from typing import Any

from sitehub.rules.events import Event
from sitehub.rules.failure import Failure
from sitehub.rules.fold import REMEMBERED_EVENTS, Applied, Duplicate, fold
from sitehub.rules.site import Site

NOW = "2026-11-24T02:00:00.000Z"


def event(kind: str, number: int = 1, **payload: Any) -> Event:
    timestamp = f"2026-11-24T01:00:{number % 60:02d}Z"
    return Event(kind, "1.0", f"e{number}", timestamp, "s1", {"event_id": f"e{number}", **payload})


def created(number: int = 1, **site_data: Any) -> Event:
    return event("site_created", number, site_data={"name": "Garage", **site_data})


def renamed(number: int, name: str | None) -> Event:
    return event("site_updated", number, changed_fields=["name"], new_values={"name": name})


def applied(site: Site | None, change: Event) -> Applied:
    result = fold(site, change, NOW, 7)
    assert isinstance(result, Applied)
    return result


def existing(**site_data: Any) -> Site:
    return applied(None, created(**site_data)).site


def reason(site: Site | None, change: Event) -> str:
    result = fold(site, change, NOW, 7)
    assert isinstance(result, Failure)
    return result.reason


def test_a_creation_splits_the_contract_from_the_attributes() -> None:
    result = applied(None, created(contract_info={"rate": 3}))

    assert (result.site.attributes, result.site.contract_info) == ({"name": "Garage"}, {"rate": 3})
    assert result.changed == {"name", "contract_info", "contract_info.rate"}
    assert (result.site.version, result.site.created_at, result.site.offset) == (1, NOW, 7)


def test_an_update_changes_what_it_names_and_says_so() -> None:
    result = applied(existing(), renamed(2, "New"))

    assert (result.site.attributes["name"], set(result.changed), result.site.version) == ("New", {"name"}, 2)


def test_an_update_to_the_same_value_changes_nothing_but_the_version() -> None:
    result = applied(existing(), renamed(2, "Garage"))

    assert (result.changed, result.site.version) == (frozenset(), 2)


def test_null_removes_a_field() -> None:
    assert applied(existing(), renamed(2, None)).site.attributes == {}


def test_a_changed_field_without_new_value_is_refused() -> None:
    change = event("site_updated", 2, changed_fields=["name", "address"], new_values={"name": "x"})

    assert reason(existing(), change) == "new_value_missing"


def test_changes_of_an_unknown_or_deleted_site_are_refused() -> None:
    deleted = applied(existing(), event("site_deleted", 2)).site

    for change in (renamed(3, "x"), event("contract_updated", 3, contract_info={}), event("site_deleted", 3)):
        assert (reason(None, change), reason(deleted, change)) == ("unknown_site", "unknown_site")


def test_the_contract_is_merged_key_by_key() -> None:
    site = existing(contract_info={"rate": 3, "billing_cycle": "monthly"})

    result = applied(site, event("contract_updated", 2, contract_info={"rate": 4, "billing_cycle": None}))

    assert result.site.contract_info == {"rate": 4}
    assert result.changed == {"contract_info", "contract_info.rate", "contract_info.billing_cycle"}


def test_a_second_creation_with_the_same_content_is_a_duplicate_with_other_content_refused() -> None:
    site = existing()

    assert isinstance(fold(site, created(2), NOW, 8), Duplicate)
    assert reason(site, created(2, name="Other")) == "site_exists"


def test_a_deleted_site_can_start_a_new_life() -> None:
    deleted = applied(existing(), event("site_deleted", 2)).site

    site = applied(deleted, created(3, name="Again")).site

    assert (site.deleted_at, site.attributes, site.version) == (None, {"name": "Again"}, 3)


def test_a_seen_event_is_a_duplicate_as_long_as_it_is_remembered() -> None:
    site = existing()
    for number in range(2, REMEMBERED_EVENTS + 1):
        site = applied(site, renamed(number, f"n{number}")).site
    assert isinstance(fold(site, renamed(2, "n2"), NOW, 9), Duplicate)
    assert len(site.event_ids) == REMEMBERED_EVENTS

    site = applied(site, renamed(1000, "n1000")).site

    assert len(site.event_ids) == REMEMBERED_EVENTS
    assert "e1" not in site.event_ids


def test_an_older_event_is_applied_and_told() -> None:
    site = applied(existing(), renamed(30, "new")).site

    result = applied(site, renamed(20, "old"))

    assert (result.site.attributes["name"], result.out_of_order) == ("old", True)


def test_the_state_that_went_in_is_left_as_it_was() -> None:
    site = existing(contract_info={"rate": 3})
    applied(site, renamed(2, "New"))
    applied(site, event("contract_updated", 3, contract_info={"rate": 9}))

    assert (site.attributes, site.contract_info, site.version) == ({"name": "Garage"}, {"rate": 3}, 1)
