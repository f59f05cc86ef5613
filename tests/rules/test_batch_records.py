"""Rows of the read model as a target's documents."""

from typing import Any

from sitehub.rules.batch_records import record_of
from sitehub.rules.mapping import Mapping, MappingEntry

GUIDE = Mapping(
    [
        MappingEntry("site_id", "customer_id", "direct_mapping"),
        MappingEntry("site_name", "customer_name", "direct_mapping"),
        MappingEntry("address", "billing_address", "address_formatting"),
        MappingEntry("contract_info", "billing_configuration", "contract_mapping"),
        MappingEntry("facility_type", "kind", "direct_mapping"),
    ]
)
SITE: dict[str, Any] = {
    "site_id": "s1",
    "site_name": "A",
    "address": {"street": " 1 Main St "},
    "attributes": {"name": "A", "facility_type": "garage"},
    "contract_info": {"contract_type": "lease"},
    "updated_at": "2026-11-24T02:00:00+00:00",
    "deleted_at": None,
}


def test_a_site_is_told_as_the_real_time_rules_tell_it() -> None:
    assert record_of(SITE, GUIDE) == {
        "customer_id": "s1",
        "customer_name": "A",
        "billing_address": {"line1": "1 Main St"},
        "billing_configuration": {"contract_type": "lease", "currency": "USD", "terms": {}},
        "kind": "garage",
    }


def test_what_a_row_does_not_have_is_left_out() -> None:
    contract = {"site_id": "s1", "contract_info": {"rate": 3}, "updated_at": "2026-11-24T02:00:00+00:00"}

    assert record_of(contract, GUIDE) == {
        "customer_id": "s1",
        "billing_configuration": {"currency": "USD", "terms": {"rate": 3}},
    }


def test_a_deleted_site_is_told_to_be_deleted() -> None:
    record = record_of({**SITE, "deleted_at": "2026-11-24T02:00:00+00:00"}, GUIDE)

    assert (record["customer_id"], record["deleted_at"]) == ("s1", "2026-11-24T02:00:00+00:00")


def test_without_a_mapping_the_columns_are_told_as_they_are() -> None:
    assert record_of(SITE, None) == record_of(SITE, Mapping()) == SITE
