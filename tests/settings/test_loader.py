import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from sitehub.settings import ConfigurationError, Mistake, Settings, load_settings
from sitehub.settings.effective import effective_document
from sitehub.settings.environment import packaged_configuration

Load = Callable[..., Settings]
Mistakes = Callable[..., list[Mistake]]
Overlay = Callable[[Any], Path]

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, inner in entries for place in places(inner, (*path, key)))]


def replaced(value: Any, path: tuple[str | int, ...], by: Any) -> Any:
    if not path:
        return by
    if isinstance(value, dict):
        return {key: replaced(inner, path[1:], by) if key == path[0] else inner for key, inner in value.items()}
    return [replaced(inner, path[1:], by) if place == path[0] else inner for place, inner in enumerate(value)]


def outcome(file: Path) -> tuple[dict[str, Any], list[Mistake]]:
    """The effective configuration, or all mistakes; any other error is raised."""
    try:
        return effective_document(load_settings([file], {}).configuration), []
    except ConfigurationError as error:
        return {}, error.mistakes


GUIDE = {
    key: block
    for file in packaged_configuration().glob("*.json")
    for key, block in json.loads(file.read_text()).items()
}
PLACES = places(GUIDE)[1:]


def test_without_anything_named_the_packaged_guide_is_loaded() -> None:
    settings = load_settings(environ={})

    assert (settings.app_id, settings.data) == ("sitehub", Path(".sitehub"))
    assert settings.configuration.integrations.keys() == {"billing", "forecasting", "gis"}
    assert settings.configuration.integrations["billing"].retry_policy.backoff_multiplier == 2


def test_files_in_sitehub_config_override_each_other_in_their_order(overlay: Overlay) -> None:
    one, two = overlay({"api_name": "one", "version": "one"}), overlay({"api_name": "two"})

    configuration = load_settings(environ={"SITEHUB_CONFIG": f"{packaged_configuration()}:{one}:{two}"}).configuration

    assert (configuration.api_name, configuration.version) == ("two", "one")


def test_config_is_the_packaged_guide_where_nothing_has_that_name(
    overlay: Overlay, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert (
        load_settings(environ={"SITEHUB_CONFIG": f"config:{overlay({'api_name': 'mine'})}"}).configuration.api_name
        == "mine"
    )


def test_paths_go_before_the_environment(overlay: Overlay) -> None:
    environ = {"SITEHUB_CONFIG": "/nowhere", "SITEHUB_APP_ID": "a", "SITEHUB_DATA": "/d"}

    settings = load_settings([packaged_configuration()], environ)

    assert (settings.app_id, settings.data) == ("a", Path("/d"))


def test_an_overlay_changes_one_value_of_a_block_and_replaces_lists(load: Load) -> None:
    overlay = {
        "kafka_config": {
            "bootstrap_servers": ["localhost:9092"],
            "topics": {"customer-sites-events": {"partitions": 2}},
        },
        "billing_integration": {"retry_policy": {"initial_delay": 50}},
    }

    configuration = load(overlay).configuration

    topic = configuration.kafka_config.topics["customer-sites-events"]
    assert (topic.partitions, topic.replication_factor) == (2, 3)
    assert configuration.kafka_config.bootstrap_servers == ["localhost:9092"]
    assert configuration.integrations["billing"].retry_policy.max_retries == 3
    assert configuration.integrations["billing"].retry_policy.initial_delay == 50


def test_any_block_named_integration_is_a_target_with_rules_and_mapping(load: Load) -> None:
    overlay = {
        "crm_integration": {
            "api_endpoint": "https://crm.example.com/v2",
            "authentication": {"type": "basic", "username": "hub", "password": "[encrypted_password]"},
            "max_in_flight": 8,
            "rate_limit": {"calls_per_second": 2.5, "burst": 10},
            "headers": {"X-Tenant": "t"},
            "query": {"api-version": "3"},
            "on_null": "send",
            "on_rejected": "park_site",
            "give_up_after": 3600,
            "retry_on": [404],
            "reject_on": [500],
            "success_on": [208],
            "renew_on": [403],
            "masked_fields": ["iban"],
        },
        "crm_data_mapping": {
            "who": {"source_field": "manager", "target_field": "contact", "transformation": "direct_mapping"}
        },
        "realtime_sync_rules": [
            {
                "trigger": "site_deleted",
                "action": "forget",
                "endpoint": "/contacts/{{site_id}}/{{manager}}",
                "method": "DELETE",
                "target": "crm",
            }
        ],
    }

    settings = load(overlay)

    crm = settings.configuration.integrations["crm"]
    assert (crm.max_in_flight, crm.on_rejected, crm.timeout) == (8, "park_site", 30_000)
    assert effective_document(settings.configuration)["crm_integration"]["rate_limit"] == {
        "calls_per_second": 2.5,
        "burst": 10,
    }
    assert effective_document(settings.configuration)["crm_data_mapping"] == overlay["crm_data_mapping"]


@pytest.mark.parametrize(
    ("written", "success_on", "renew_on"),
    [
        ({}, [409], [401]),
        ({"retry_on": [409]}, [], [401]),
        ({"reject_on": [409]}, [], [401]),
        ({"renew_on": [409]}, [], [409]),
        ({"success_on": [401, 409]}, [401, 409], []),
        ({"reject_on": [401]}, [409], [401]),
        ({"retry_on": [401], "renew_on": [401]}, [409], [401]),
    ],
)
def test_a_default_gives_way_to_the_list_that_has_its_status(
    load: Load, overlay: Overlay, written: dict[str, list[int]], success_on: list[int], renew_on: list[int]
) -> None:
    settings = load({"billing_integration": written})
    billing = settings.configuration.integrations["billing"]
    again = load_settings([overlay(effective_document(settings.configuration))], {})

    assert (billing.success_on, billing.renew_on) == (success_on, renew_on)
    assert again.config_id == settings.config_id


def test_our_own_blocks_are_known(load: Load) -> None:
    configuration = load(
        {
            "schema_registry": {"folder": "schemas"},
            "notification_channels": {"pagerduty": {"api_endpoint": "http://127.0.0.1:1"}},
            "authentication": {"type": "none"},
        }
    ).configuration

    assert configuration.schema_registry is not None
    assert configuration.schema_registry.folder == "schemas"
    assert configuration.notification_channels.pagerduty is not None
    assert configuration.notification_channels.pagerduty.api_endpoint == "http://127.0.0.1:1"


def test_a_block_that_is_null_is_off(load: Load) -> None:
    configuration = load(
        {"gis_integration": None, "database_config": None, "notification_channels": {"slack": None}}
    ).configuration

    assert "gis" not in configuration.integrations
    assert configuration.database_config is None
    assert configuration.notification_channels.slack is None


def test_while_a_file_can_not_be_read_what_it_may_define_is_not_called_missing(overlay: Overlay) -> None:
    good = {"realtime_sync_rules": GUIDE["realtime_sync_rules"], "base_path": 7}

    with pytest.raises(ConfigurationError) as caught:
        load_settings([overlay("{"), overlay(good)], {})

    assert [mistake.path for mistake in caught.value.mistakes] == ["line 1, column 2", "base_path"]


def test_an_application_id_that_kafka_refuses_is_a_mistake(mistakes: Mistakes) -> None:
    (mistake,) = mistakes(SITEHUB_APP_ID="my hub")

    assert (mistake.file, mistake.found) == ("$SITEHUB_APP_ID", "'my hub'")


def test_the_id_of_a_configuration_is_that_of_its_effect(load: Load) -> None:
    same = load({"billing_integration": {"max_in_flight": 64, "authentication": {"api_key": "another secret"}}})
    other = load({"billing_integration": {"max_in_flight": 65}})

    assert load().config_id == same.config_id != other.config_id
    assert len(other.config_id) == 16


@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from(PLACES), value=JSON)
def test_whatever_stands_anywhere_gives_settings_or_mistakes(
    tmp_path: Path, place: tuple[str | int, ...], value: Any
) -> None:
    file = tmp_path / "any.json"
    file.write_text(json.dumps(replaced(GUIDE, place, value)), encoding="utf-8")

    effective, mistakes = outcome(file)

    assert mistakes or json.dumps(effective)
    assert all(mistake.file and mistake.found and mistake.allowed for mistake in mistakes)
