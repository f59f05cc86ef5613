import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sitehub.settings import Mistake, Settings
from sitehub.settings.effective import effective_document
from sitehub.settings.secrets import variable

Load = Callable[..., Settings]
Mistakes = Callable[..., list[Mistake]]

API_KEY = "SITEHUB_SECRET_BILLING_INTEGRATION__AUTHENTICATION__API_KEY"
PATH = "billing_integration.authentication.api_key"


def test_a_placeholder_stands_for_the_variable_named_after_its_path(load: Load) -> None:
    settings = load(**{API_KEY: "s3cret"})

    assert settings.secret(PATH) == settings.secret("billing_integration", "authentication", "api_key") == "s3cret"
    assert PATH not in settings.missing_secrets


def test_a_secret_may_stand_in_a_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")

    assert load(**{f"{API_KEY}_FILE": str(tmp_path / "key")}).secret(PATH) == "s3cret"


def test_a_variable_wins_over_a_file_and_over_what_is_written(load: Load, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("of the file")
    written = {"billing_integration": {"authentication": {"api_key": "written"}}}

    assert load(written).secret(PATH) == "written"
    assert load(written, **{f"{API_KEY}_FILE": str(tmp_path / "key")}).secret(PATH) == "of the file"
    assert (
        load(written, **{f"{API_KEY}_FILE": "/nowhere", API_KEY: "of the variable"}).secret(PATH) == "of the variable"
    )


def test_a_missing_secret_stops_nothing_and_is_named(load: Load) -> None:
    settings = load(**{API_KEY: ""})

    assert settings.secret(PATH) is None
    assert set(settings.missing_secrets) == {
        PATH,
        "database_config.primary.password",
        "database_config.read_replica.password",
        "forecasting_integration.authentication.client_secret",
        "gis_integration.authentication.token",
        "kafka_config.sasl_password",
        "notification_channels.email.password",
        "notification_channels.pagerduty.integration_key",
        "notification_channels.slack.webhook_url",
        "oauth_config.client_secret",
    }


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"billing_integration": {"authentication": {"type": "none"}}}, PATH),
        ({"kafka_config": {"security_protocol": "PLAINTEXT"}}, "kafka_config.sasl_password"),
        ({"authentication": {"type": "api_key"}}, "oauth_config.client_secret"),
        ({"database_config": None}, "database_config.primary.password"),
    ],
)
def test_a_secret_that_nothing_needs_is_not_missing(load: Load, document: dict[str, Any], path: str) -> None:
    assert path in load().missing_secrets
    assert path not in load(document).missing_secrets


def test_a_file_that_can_not_be_read_is_a_mistake(mistakes: Mistakes) -> None:
    (mistake,) = mistakes(**{f"{API_KEY}_FILE": "/nowhere/key"})

    assert (mistake.file, mistake.path) == (f"${API_KEY}_FILE", PATH)
    assert "No such file" in mistake.found


def test_secrets_in_lists_and_headers_have_variables_that_a_shell_can_set(load: Load) -> None:
    key = {
        "key_id": "k",
        "scopes": [],
        "rate_limit": 1,
        "expires_at": "2030-01-01T00:00:00Z",
        "key_hash": "[encrypted_hash]",
    }
    overlay = {"api_keys": [key], "billing_integration": {"headers": {"X-Tenant-Token": "[encrypted_token]"}}}
    environ = {
        "SITEHUB_SECRET_API_KEYS__0__KEY_HASH": "abc",
        "SITEHUB_SECRET_BILLING_INTEGRATION__HEADERS__X_TENANT_TOKEN": "def",
    }
    settings = load(overlay, **environ)

    assert settings.secret("api_keys.0.key_hash") == "abc"
    assert settings.secret("billing_integration", "headers", "X-Tenant-Token") == "def"
    assert variable(("a_integration", "headers", "X-Y")) == "SITEHUB_SECRET_A_INTEGRATION__HEADERS__X_Y"


def test_the_effective_configuration_masks_every_secret_written_or_not(load: Load) -> None:
    settings = load(
        {
            "billing_integration": {
                "authentication": {"api_key": "hush-1", "password": "hush-2"},
                "headers": {"Authorization": "hush-3", "X-Trace": "seen"},
                "query": {"apikey": "hush-4", "format": "json"},
            },
            "notification_channels": {"slack": {"webhook_url": "https://hooks.slack.com/services/hush-5"}},
        },
        **{API_KEY: "hush-6", "SITEHUB_SECRET_KAFKA_CONFIG__SASL_PASSWORD": "hush-7"},
    )

    effective = json.dumps(effective_document(settings.configuration))

    assert "hush" not in effective + repr(settings)
    assert "[encrypted_" not in effective
    assert '"X-Trace": "seen"' in effective
    assert '"format": "json"' in effective


def test_a_template_may_have_a_key_called_token(load: Load) -> None:
    rule = {
        "trigger": "site_updated",
        "action": "tell",
        "endpoint": "/x",
        "method": "PUT",
        "data_template": {"token": "{{site_id}}", "secret": 5},
    }
    settings = load({"realtime_sync_rules": [rule]}, SITEHUB_SECRET_REALTIME_SYNC_RULES__0__DATA_TEMPLATE__TOKEN="x")  # noqa: S106

    (effective,) = effective_document(settings.configuration)["realtime_sync_rules"]
    assert effective["data_template"] == {"token": "{{site_id}}", "secret": 5}
    assert settings.secrets == {}


def test_a_placeholder_may_stand_for_any_text(load: Load) -> None:
    overlay = {"kafka_config": {"sasl_username": "[encrypted_user]"}}
    environ = {"SITEHUB_SECRET_KAFKA_CONFIG__SASL_USERNAME": "hub"}

    assert "kafka_config.sasl_username" in load(overlay).missing_secrets
    assert load(overlay, **environ).secret("kafka_config.sasl_username") == "hub"
    assert effective_document(load(overlay).configuration)["kafka_config"]["sasl_username"] == "***"


OAUTH2 = {
    "type": "oauth2",
    "client_id": "[encrypted_id]",
    "client_secret": "[encrypted_secret]",
    "token_endpoint": "https://login.example.com/token?tenant=hush-1",
    "scope": "[encrypted_scope]",
    "token_parameters": {
        "resource_key": "hush-2",
        "client_assertion": "hush-3",
        "resource": "seen",
        "x": "[encrypted_x]",
    },
}


def test_a_token_endpoints_query_and_its_sensitive_parameters_are_masked(load: Load) -> None:
    settings = load({"billing_integration": {"authentication": OAUTH2}})

    effective = effective_document(settings.configuration)["billing_integration"]["authentication"]

    assert "hush" not in json.dumps(effective)
    assert effective["token_endpoint"] == "https://login.example.com/token?***"  # noqa: S105 -- an address
    assert effective["token_parameters"]["resource"] == "seen"
    again = load({"billing_integration": {"authentication": effective}})
    assert again.config_id == settings.config_id
    assert "billing_integration.authentication.token_endpoint" in again.missing_secrets


def test_placeholders_of_a_login_are_missing_only_if_its_type_uses_them(load: Load) -> None:
    path = "billing_integration.authentication."

    def missing(kind: str) -> set[str]:
        settings = load({"billing_integration": {"authentication": {**OAUTH2, "type": kind}}})
        return {one.removeprefix(path) for one in settings.missing_secrets if one.startswith(path)}

    assert missing("oauth2") == {"client_id", "client_secret", "scope", "token_parameters.x"}
    assert missing("api_key") == {"api_key"}
