from typing import Any

import msgspec
import pytest

from sitehub.rules.event_ids import LIMIT, unpack
from sitehub.rules.events import Event
from sitehub.rules.failure import Failure
from sitehub.rules.fold import Applied, Duplicate, fold
from sitehub.rules.site import Site, Waiting

NOW = "2026-11-24T02:00:00.000Z"


def event(kind: str, number: int = 1, **payload: Any) -> Event:
    timestamp = f"2026-11-24T01:00:{number % 60:02d}Z"
    return Event(kind, "1.0", f"e{number}", timestamp, "s1", {"event_id": f"e{number}", **payload})


def created(number: int = 1, **site_data: Any) -> Event:
    return event("site_created", number, site_data={"name": "Garage", **site_data})


def updated(number: int, **values: Any) -> Event:
    return event("site_updated", number, changed_fields=list(values), new_values=values)


def renamed(number: int, name: str | None) -> Event:
    return updated(number, name=name)


def applied(site: Site | None, change: Event) -> Applied:
    result = fold(site, change, NOW, 7)
    assert isinstance(result, Applied)
    return result


def existing(**site_data: Any) -> Site:
    return applied(None, created(**site_data)).site


def reason(site: Site | None, change: Event) -> str:
    result = fold(site, change, NOW, 7)
    assert isinstance(result, Failure)
    assert (result.stage, bool(result.error)) == ("validate", True)
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
    for number in range(2, LIMIT + 1):
        site = applied(site, renamed(number, f"n{number}")).site
    assert isinstance(fold(site, renamed(2, "n2"), NOW, 9), Duplicate)
    assert len(unpack(site.event_ids)) == LIMIT

    site = applied(site, renamed(1000, "n1000")).site

    assert len(unpack(site.event_ids)) == LIMIT
    assert "e1" not in unpack(site.event_ids)


def test_an_older_event_is_applied_and_told() -> None:
    site = applied(existing(), renamed(30, "new")).site

    result = applied(site, renamed(20, "old"))

    assert (result.site.attributes["name"], result.out_of_order) == ("old", True)


def test_the_state_that_went_in_is_left_as_it_was() -> None:
    site = existing(contract_info={"rate": 3})
    applied(site, renamed(2, "New"))
    applied(site, event("contract_updated", 3, contract_info={"rate": 9}))

    assert (site.attributes, site.contract_info, site.version) == ({"name": "Garage"}, {"rate": 3}, 1)


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), ([1], [True]), ({"a": 1}, {"a": True}), (None, 0)])
def test_a_truth_value_is_not_a_number(old: Any, new: Any) -> None:
    for before, after in ((old, new), (new, old)):
        site = existing(flag=before, contract_info={"flag": before})

        result = applied(site, updated(2, flag=after, contract_info={"flag": after}))

        assert (site.attributes["flag"] is before, result.site.attributes.get("flag")) == (True, after)
        assert result.changed == {"flag", "contract_info", "contract_info.flag"}
        assert reason(site, created(3, flag=after, contract_info={"flag": before})) == "site_exists"


def test_an_integer_and_a_float_of_the_same_value_are_the_same() -> None:
    assert applied(existing(rate=1), updated(2, rate=1.0)).changed == frozenset()


def test_null_removes_nothing_that_is_not_there() -> None:
    result = applied(existing(), updated(2, address=None))

    assert (result.changed, result.site.attributes, result.site.version) == (frozenset(), {"name": "Garage"}, 2)


def test_a_field_that_is_named_twice_changes_once() -> None:
    change = event("site_updated", 2, changed_fields=["name", "name"], new_values={"name": None})

    assert applied(existing(), change).site.attributes == {}


def test_a_value_that_no_changed_field_names_is_left_out() -> None:
    change = event("site_updated", 2, changed_fields=[], new_values={"name": "New"})

    assert applied(existing(), change).site.attributes == {"name": "Garage"}


@pytest.mark.parametrize("values", [{}, {"new_values": None}, {"new_values": {}}, {"new_values": {"other": 1}}])
def test_changed_fields_without_any_new_values_are_refused(values: dict[str, Any]) -> None:
    assert reason(existing(), event("site_updated", 2, changed_fields=["name"], **values)) == "new_value_missing"


@pytest.mark.parametrize("name", [1, None, ["name"], {"name": 1}])
def test_a_changed_field_that_is_no_text_is_refused(name: Any) -> None:
    change = event("site_updated", 2, changed_fields=[name], new_values={"name": "x", "1": 1, "None": 1})

    assert reason(existing(), change) == "new_value_missing"


def test_an_update_replaces_the_whole_contract_and_says_which_fields_differ() -> None:
    site = existing(contract_info={"rate": 3, "billing_cycle": "monthly", "currency": "EUR"})

    result = applied(site, updated(2, contract_info={"rate": 4, "currency": "EUR"}))

    assert result.site.contract_info == {"rate": 4, "currency": "EUR"}
    assert result.changed == {"contract_info", "contract_info.rate", "contract_info.billing_cycle"}


def test_an_update_to_null_empties_the_contract() -> None:
    result = applied(existing(contract_info={"rate": 3}), updated(2, contract_info=None))

    assert (result.site.contract_info, "contract_info" in result.changed) == ({}, True)


def test_a_contract_that_is_no_object_is_refused() -> None:
    assert reason(existing(), updated(2, contract_info="free")) == "schema_violation"
    assert reason(existing(), updated(2, contract_info=[])) == "schema_violation"
    assert reason(None, created(1, contract_info="free")) == "schema_violation"


def test_the_same_contract_again_changes_nothing_but_the_version() -> None:
    site = existing(contract_info={"rate": 3})

    result = applied(site, event("contract_updated", 2, contract_info={"rate": 3, "end_date": None}))

    assert (result.changed, result.site.contract_info, result.site.version) == (frozenset(), {"rate": 3}, 2)


def test_a_deletion_keeps_what_was_known_and_lets_nothing_wait() -> None:
    site = existing(contract_info={"rate": 3})
    site.waiting = [Waiting("create", "billing", ["territory_id"], NOW, "e1", "t")]

    deleted = applied(site, event("site_deleted", 2)).site

    assert (deleted.deleted_at, deleted.waiting, deleted.version) == (NOW, [], 2)
    assert (deleted.attributes, deleted.contract_info) == ({"name": "Garage"}, {"rate": 3})


def test_a_new_life_still_knows_the_events_of_the_former() -> None:
    deleted = applied(existing(), event("site_deleted", 2)).site

    assert isinstance(fold(deleted, created(1), NOW, 9), Duplicate)
    assert isinstance(fold(deleted, event("site_deleted", 2), NOW, 9), Duplicate)
    again = fold(deleted, created(3), "2026-11-25T00:00:00.000Z", 9)
    assert isinstance(again, Applied)
    assert (again.site.created_at, unpack(again.site.event_ids)) == ("2026-11-25T00:00:00.000Z", ["e1", "e2", "e3"])
    assert again.changed == {"name", "contract_info"}


def test_an_event_of_a_configured_type_counts_as_applied_and_changes_nothing() -> None:
    site = existing()

    result = applied(site, event("site_inspected", 2, inspector="Ann"))

    assert (result.changed, result.site.attributes, result.site.version) == (frozenset(), site.attributes, 2)
    assert reason(None, event("site_inspected", 2)) == "unknown_site"


def test_what_is_known_of_the_last_event_is_that_of_the_last_applied_one() -> None:
    site = fold(existing(), renamed(2, "New"), "2026-11-25T00:00:00.000Z", 11)

    assert isinstance(site, Applied)
    assert (site.site.last_event_id, site.site.last_event_timestamp) == ("e2", "2026-11-24T01:00:02Z")
    assert (site.site.created_at, site.site.updated_at, site.site.offset) == (NOW, "2026-11-25T00:00:00.000Z", 11)


def test_an_event_of_the_same_moment_is_not_out_of_order() -> None:
    site = existing()
    same = msgspec.structs.replace(renamed(2, "x"), event_timestamp="2026-11-24T02:00:01+01:00")

    assert not applied(site, same).out_of_order
    assert applied(site, msgspec.structs.replace(same, event_timestamp="2026-11-24T02:00:00+01:00")).out_of_order


def test_a_new_life_that_is_older_than_the_deletion_is_applied_and_told() -> None:
    deleted = applied(existing(), event("site_deleted", 30)).site

    result = applied(deleted, created(20))

    assert (result.out_of_order, result.site.deleted_at) == (True, None)
