"""Where a placeholder's value is found."""

from typing import Any

import pytest

from sitehub.rules.mapping import Mapping, MappingEntry, changed_names
from sitehub.rules.site import Site

NOW = "2026-11-24T02:00:00.000Z"
RAW = {"street": " 1 Main St "}
FORMATTED = {"line1": "1 Main St"}
GUIDE = Mapping(
    [
        MappingEntry("site_id", "customer_id", "direct_mapping"),
        MappingEntry("site_name", "customer_name", "direct_mapping"),
        MappingEntry("address", "billing_address", "address_formatting"),
        MappingEntry("contract_info", "billing_configuration", "contract_mapping"),
    ]
)


def site(attributes: dict[str, Any], contract: dict[str, Any] | None = None) -> Site:
    return Site("s1", 1, attributes, contract or {}, NOW, NOW, "e1", NOW, " :e1 ", 7)


def found(placeholder: str, key: str | None, at: Site, mapping: Mapping = GUIDE) -> Any:
    return mapping.finder(placeholder, key)(at)


def test_the_entry_from_the_placeholder_to_its_key_comes_first() -> None:
    assert found("address", "billing_address", site({"address": RAW})) == FORMATTED


@pytest.mark.parametrize("key", [None, "address", "other"])
def test_at_another_key_the_site_field_is_taken_as_it_is(key: str | None) -> None:
    assert found("address", key, site({"address": RAW, "billing_address": 1})) == RAW


def test_a_site_field_comes_before_a_mapped_target_field() -> None:
    assert found("billing_address", "x", site({"address": RAW, "billing_address": "own"})) == "own"


def test_a_mapped_target_field_is_transformed() -> None:
    assert found("billing_address", "x", site({"address": RAW}, {"billing_address": "contract's"})) == FORMATTED


def test_a_mapped_target_field_comes_before_a_field_of_the_contract() -> None:
    assert found("customer_name", None, site({"name": "Garage"}, {"customer_name": "contract's"})) == "Garage"
    assert found("customer_name", None, site({}, {"customer_name": "contract's"})) == "contract's"


def test_a_field_of_the_contract_comes_last() -> None:
    assert found("billing_cycle", "billing_frequency", site({}, {"billing_cycle": "monthly"})) == "monthly"
    assert found("billing_cycle", None, site({"billing_cycle": "own"}, {"billing_cycle": "monthly"})) == "own"


def test_what_the_entry_for_the_key_does_not_find_is_looked_for_in_the_other_places() -> None:
    mapping = Mapping([MappingEntry("a", "k", "direct_mapping"), MappingEntry("b", "a", "direct_mapping")])

    assert found("a", "k", site({"a": 1, "b": 2}), mapping) == 1
    assert found("a", "k", site({"b": 2}), mapping) == 2


def test_a_name_that_is_nowhere_is_none() -> None:
    assert found("territory_id", "territory_code", site({"name": "Garage"}, {"rate": 1})) is None


def test_null_counts_as_not_there() -> None:
    assert found("billing_cycle", None, site({"billing_cycle": None}, {"billing_cycle": "monthly"})) == "monthly"


@pytest.mark.parametrize("value", [0, False, "", [], {}])
def test_what_is_empty_counts_as_there(value: Any) -> None:
    assert found("x", None, site({"x": value}, {"x": "contract's"})) == value


def test_site_name_is_the_attribute_name() -> None:
    assert found("site_name", None, site({"name": "Garage"})) == "Garage"
    assert found("site_name", "customer_name", site({"name": "Garage"})) == "Garage"


def test_site_id_is_the_sites_own_whatever_its_attributes_say() -> None:
    assert found("site_id", "customer_id", site({"site_id": "forged"})) == "s1"
    assert found("site_id", None, site({"site_id": "forged"})) == "s1"


def test_the_contract_is_a_site_field_and_missing_while_it_is_empty() -> None:
    assert found("contract_info", None, site({}, {"rate": 1})) == {"rate": 1}
    assert found("contract_info", None, site({})) is None
    assert found("billing_configuration", None, site({})) is None


def test_a_mapping_may_feed_from_a_field_of_the_contract() -> None:
    mapping = Mapping([MappingEntry("rate", "price", "direct_mapping")])

    assert found("price", None, site({}, {"rate": 3}), mapping) == 3
    assert found("rate", "price", site({}, {"rate": 3}), mapping) == 3


def test_the_names_that_feed_are_those_that_a_change_is_told_by() -> None:
    assert GUIDE.feeding >= {"site_id", "name", "address", "contract_info"}
    assert "site_name" not in GUIDE.feeding
    assert changed_names("billing_cycle") == {"billing_cycle", "contract_info.billing_cycle"}
    assert GUIDE.target_fields == {"customer_id", "customer_name", "billing_address", "billing_configuration"}
