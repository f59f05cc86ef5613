"""A mapping that takes the place of the configuration's, if it fits."""

from pathlib import Path

import pytest

from sitehub.rules.mapping import MappingEntry
from sitehub.settings import Settings, load_settings
from sitehub.settings.mapping import with_mapping

CONFIG = Path(__file__).parents[2] / "config"
GUIDE = [
    MappingEntry("site_id", "customer_id", "direct_mapping"),
    MappingEntry("site_name", "customer_name", "direct_mapping"),
    MappingEntry("address", "billing_address", "address_formatting"),
    MappingEntry("contract_info", "billing_configuration", "contract_mapping"),
]


@pytest.fixture(scope="module")
def settings() -> Settings:
    return load_settings([CONFIG], {})


def reasons(settings: Settings, *entries: MappingEntry) -> list[str]:
    found = with_mapping(settings, {"billing": list(entries)})
    return [] if isinstance(found, Settings) else [mistake.reason for mistake in found]


def test_the_same_mapping_in_another_order_is_the_same_configuration(settings: Settings) -> None:
    found = with_mapping(settings, {"billing": GUIDE[::-1]})

    assert isinstance(found, Settings)
    assert found.config_id == settings.config_id


def test_another_transformation_is_another_configuration_and_back_again_the_first(settings: Settings) -> None:
    plain = [*GUIDE[:2], MappingEntry("address", "billing_address", "direct_mapping"), GUIDE[3]]

    found = with_mapping(settings, {"billing": plain})

    assert isinstance(found, Settings)
    assert found.config_id != settings.config_id
    block = found.configuration.data_mappings["billing"]["address_to_billing_address"]
    assert block.transformation == "direct_mapping"
    again = with_mapping(found, {"billing": GUIDE})
    assert isinstance(again, Settings)
    assert again.config_id == settings.config_id


def test_a_field_of_an_event_schema_may_be_mapped(settings: Settings) -> None:
    assert reasons(settings, *GUIDE, MappingEntry("territory_id", "region", "direct_mapping")) == []


def test_what_does_not_fit_is_told_with_the_name_that_was_meant(settings: Settings) -> None:
    entry = MappingEntry("adress", "billing_address", "address_formating")

    found = with_mapping(settings, {"billing": [*GUIDE, entry]})

    assert isinstance(found, list)
    assert [mistake.reason for mistake in found] == ["unknown_field", "unknown_transformation"]
    assert "did you mean 'address'?" in found[0].text
    assert "did you mean 'address_formatting'?" in found[1].text
    assert found[0].text.startswith("billing: adress -> billing_address")


def test_rows_of_a_target_that_has_left_the_configuration_stand_in_nobodys_way(settings: Settings) -> None:
    found = with_mapping(settings, {"billing": GUIDE, "left": [MappingEntry("no", "no", "no")]})

    assert isinstance(found, Settings)
    assert found.config_id == settings.config_id


def test_two_transformations_for_one_pair_of_fields_are_refused(settings: Settings) -> None:
    assert reasons(settings, *GUIDE, MappingEntry("address", "billing_address", "direct_mapping")) == ["twice"]


def test_what_a_template_needs_can_not_be_taken_away(settings: Settings) -> None:
    """The guide's third rule names `billing_configuration`, which only the mapping gives."""
    assert reasons(settings, *GUIDE[:3]) == ["rule"]
