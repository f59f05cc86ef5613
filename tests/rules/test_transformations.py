from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.rules.transformations import address_formatting, contract_mapping, direct_mapping

SPELLINGS = {
    "line1": "line1 line_1 street street1 street_address address1 address_line1 address_line_1",
    "line2": "line2 line_2 street2 address2 address_line2 address_line_2 suite unit",
    "city": "city town locality",
    "state": "state province region state_code",
    "postal_code": "postal_code postalCode postcode zip zip_code zipcode zipCode",
    "country": "country country_code countryCode",
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(" ".join(SPELLINGS.values()).split()), inner),
    max_leaves=10,
)


@pytest.mark.parametrize(
    ("spelling", "name"), [(spelling, name) for name, many in SPELLINGS.items() for spelling in many.split()]
)
def test_each_spelling_is_known(spelling: str, name: str) -> None:
    assert address_formatting({spelling: "AB"}) == {name: "AB"}


def test_a_whole_address() -> None:
    address = {
        "street": " 1 Main St ",
        "suite": "\t2a",
        "city": "Denver ",
        "state": " co",
        "zip": " 802020001 ",
        "country": "us",
        "note": "rear entry",
    }

    assert address_formatting(address) == {
        "line1": "1 Main St",
        "line2": "2a",
        "city": "Denver",
        "state": "CO",
        "postal_code": "80202-0001",
        "country": "US",
    }


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("802020001", "80202-0001"),
        ("80202-0001", "80202-0001"),
        ("80202 0001", "80202-0001"),
        (802020001, "80202-0001"),
        ("80202", "80202"),
        (80202, "80202"),
        ("K1A 0B1", "K1A 0B1"),
        ("8020200011", "8020200011"),
        ("80202--0001", "80202--0001"),
    ],
)
def test_a_zip_plus_4_has_its_hyphen_and_other_codes_stay(given: Any, written: str) -> None:
    assert address_formatting({"zip": given}) == {"postal_code": written}


def test_only_state_and_country_are_upper_case() -> None:
    address = {"line1": "a", "line2": "b", "city": "c", "state": "d", "postal_code": "e", "country": "f"}

    assert list(address_formatting(address).values()) == ["a", "b", "c", "D", "e", "F"]


@pytest.mark.parametrize("nothing", [None, "", "  ", [], {"x": 1}, ["1 Main St"], True])
def test_what_is_no_line_is_left_out_and_the_next_spelling_taken(nothing: Any) -> None:
    assert address_formatting({"line1": nothing}) == {}
    assert address_formatting({"line1": nothing, "street": "1 Main St"}) == {"line1": "1 Main St"}


@pytest.mark.parametrize("value", ["1 Main St, Denver", 5, ["1 Main St"], True])
def test_an_address_that_is_no_object_stays_as_it_is(value: Any) -> None:
    assert address_formatting(value) == value


@given(address=json_values)
def test_formatting_a_formatted_address_changes_nothing(address: Any) -> None:
    once = address_formatting(address)

    assert isinstance(once, dict) == isinstance(address, dict)
    assert address_formatting(once) == once


def test_a_whole_contract() -> None:
    contract = {
        "contract_type": "lease",
        "billing_cycle": "monthly",
        "start_date": "2026-01-01",
        "end_date": "2027-01-01",
        "currency": "EUR",
        "rates": {"hour": 3},
        "notice_days": 30,
    }

    assert contract_mapping(contract) == {
        "contract_type": "lease",
        "billing_frequency": "monthly",
        "start_date": "2026-01-01",
        "end_date": "2027-01-01",
        "currency": "EUR",
        "terms": {"rates": {"hour": 3}, "notice_days": 30},
    }


@pytest.mark.parametrize("contract", [{}, {"currency": None}])
def test_without_a_currency_it_is_dollars(contract: dict[str, Any]) -> None:
    assert contract_mapping(contract) == {"currency": "USD", "terms": {}}


@pytest.mark.parametrize("value", ["lease", 5, [1]])
def test_a_contract_that_is_no_object_stays_as_it_is(value: Any) -> None:
    assert contract_mapping(value) == value


@given(value=json_values)
def test_direct_mapping_gives_the_value_itself(value: Any) -> None:
    assert direct_mapping(value) is value


def test_the_source_is_left_as_it_was() -> None:
    address, contract = {"zip": "802020001"}, {"rate": 1}
    address_formatting(address)
    contract_mapping(contract)

    assert (address, contract) == ({"zip": "802020001"}, {"rate": 1})
