"""Each setting of a target reaches the part that obeys it."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from prometheus_client import CollectorRegistry

from sitehub.agents.gate import TargetGate
from sitehub.agents.hub_channel import HubChannel
from sitehub.agents.target_delivery import Delivery
from sitehub.clients.answer import Answer, Unavailable
from sitehub.clients.target import Target, TargetSettings
from sitehub.rules.breaker import Doubt, State
from sitehub.rules.commands import Command
from sitehub.rules.retry import RetryPolicy, StatusRules
from sitehub.settings import Settings, load_settings
from sitehub.settings.environment import packaged_configuration
from sitehub.telemetry.metrics import Metrics
from sitehub.tests.agents.delivery_fakes import OpenGate
from sitehub.tests.clients.test_credentials import VARIABLE
from sitehub.tests.clients.test_target import COMMAND
from sitehub.wiring import delivery_of, retry_policy, target_gate, target_settings

RULE = {"trigger": "site_updated", "endpoint": "/x/{{site_id}}", "method": "PUT", "data_template": {"n": 1}}


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def loaded(tmp_path: Path, block: dict[str, Any], **blocks: Any) -> Settings:
    overlay = tmp_path / "overlay.json"
    overlay.write_bytes(orjson.dumps({"billing_integration": block, **blocks}))
    environ = {f"{VARIABLE}AUTHENTICATION__API_KEY": "key-of-the-test"}
    return load_settings([packaged_configuration(), overlay], environ)


@pytest.mark.parametrize(
    ("written", "wired"),
    [
        ({"api_endpoint": "http://h:1/v9"}, {"api_endpoint": "http://h:1/v9"}),
        ({"timeout": 1_234}, {"timeout_seconds": 1.234}),
        ({"max_in_flight": 7}, {"max_in_flight": 7}),
        ({"masked_fields": ["iban"]}, {"masked_fields": frozenset({"iban"})}),
        ({"success_on": [208]}, {"statuses": StatusRules(success_on=frozenset({208}))}),
        ({"retry_on": [404]}, {"statuses": StatusRules(retry_on=frozenset({404}))}),
        ({"reject_on": [503]}, {"statuses": StatusRules(reject_on=frozenset({503}))}),
        ({"renew_on": [403]}, {"statuses": StatusRules(renew_on=frozenset({403}))}),
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_setting_of_calls_is_the_targets(tmp_path: Path, written: dict[str, Any], wired: dict[str, Any]) -> None:
    found = target_settings(loaded(tmp_path, written), "billing")
    default = target_settings(loaded(tmp_path, {}), "billing")

    assert isinstance(found, TargetSettings)
    assert isinstance(default, TargetSettings)
    for name, value in wired.items():
        assert getattr(found, name) == value != getattr(default, name)
    changed = {name: getattr(default, name) for name in (*wired, "credentials")}
    assert replace(found, **changed) == default


def test_a_targets_certificates_are_its_own(tmp_path: Path) -> None:
    tls = {"ca_file": "ca.pem", "cert_file": "cert.pem", "key_file": "key.pem"}
    found = target_settings(loaded(tmp_path, {"tls": tls}), "billing")

    assert isinstance(found, TargetSettings)
    assert (found.tls.ca_file, found.tls.cert_file, found.tls.key_file) == ("ca.pem", "cert.pem", "key.pem")
    assert not found.tls.believes_system


def test_a_retry_policy_is_obeyed(tmp_path: Path) -> None:
    written = {"max_retries": 9, "backoff_multiplier": 1.5, "initial_delay": 20}
    block = loaded(tmp_path, {"retry_policy": written}).configuration.integrations["billing"]

    assert retry_policy(block) == RetryPolicy(max_retries=9, backoff_multiplier=1.5, initial_delay_ms=20)


class Silent:
    """A target that does not answer."""

    async def call(self, command: Command, **options: Any) -> Answer:  # noqa: ARG002 -- as Target
        return await asyncio.Future[Answer]()


def delivery(tmp_path: Path, metrics: Metrics, block: dict[str, Any], **blocks: Any) -> Delivery:
    settings = loaded(tmp_path, block, **blocks)
    return delivery_of(settings, "billing", cast("Target", Silent()), OpenGate(), metrics, lease_seconds=1.0)


@pytest.mark.parametrize(
    ("written", "wired"),
    [
        ({"on_rejected": "park_site"}, {"parks_rejected": True}),
        ({"on_null": "dead_letter"}, {"on_null": "dead_letter"}),
        ({"give_up_after": 60}, {"give_up_after_seconds": 60}),
        ({"retry_policy": {"max_retries": 8}}, {"retry": RetryPolicy(8, 2, 1000)}),
    ],
    ids=lambda one: next(iter(one)),
)
def test_a_setting_of_delivery_is_obeyed(
    tmp_path: Path, metrics: Metrics, written: dict[str, Any], wired: dict[str, Any]
) -> None:
    found, default = delivery(tmp_path, metrics, written), delivery(tmp_path, metrics, {})

    for name, value in wired.items():
        assert getattr(found, name) == value != getattr(default, name)


def test_only_puts_to_this_target_that_may_be_coalesced_are(tmp_path: Path, metrics: Metrics) -> None:
    rules = [
        {**RULE, "action": "whole"},
        {**RULE, "action": "each", "coalesce": False},
        {**RULE, "action": "created", "method": "POST"},
        {**RULE, "action": "elsewhere", "target": "forecasting"},
    ]

    assert delivery(tmp_path, metrics, {}, realtime_sync_rules=rules).coalesced == {"whole"}


class Due:
    """A site that has a call to make."""

    owner = None
    doubt = Doubt.NONE

    def begin(self) -> tuple[Command, bool]:
        return COMMAND, False

    def may_send(self) -> bool:
        return True

    def withheld(self) -> None: ...

    def ended(self, answer: Answer, seconds: float) -> None: ...

    def broke(self, bug: Exception) -> None: ...


async def test_so_many_calls_are_in_flight_as_the_target_may_have(tmp_path: Path, metrics: Metrics) -> None:
    dispatcher = delivery(tmp_path, metrics, {"max_in_flight": 3}).dispatcher
    for _ in range(5):
        dispatcher.offer(Due())

    assert dispatcher.in_flight == 3
    await dispatcher.drop(None, 0.0)


class Deaf:
    """A channel to no other worker."""

    worker = "w"

    def say(self, kind: str, content: dict[str, Any]) -> None: ...


def gate_of(tmp_path: Path, metrics: Metrics, **block: Any) -> TargetGate:
    channel, settings = cast("HubChannel", Deaf()), loaded(tmp_path, block)
    return target_gate(settings, "billing", channel, metrics, share=lambda: 1.0, changed=lambda _news: None)


def test_a_breaker_opens_and_probes_as_it_is_configured(tmp_path: Path, metrics: Metrics) -> None:
    breaker = {"failure_threshold": 2, "recovery_timeout": 5_000, "half_open_max_calls": 1}
    gate = gate_of(tmp_path, metrics, circuit_breaker=breaker)
    states = []
    for _ in range(2):
        gate.leave(gate.enter(100.0), Unavailable("HTTP 500", 500), 100.0)
        states.append(gate.breaker.state)
    assert states == [State.CLOSED, State.OPEN]

    assert gate.wait_seconds(104.9) > 0
    assert gate.wait_seconds(105.1) == 0
    gate.enter(105.1)
    assert gate.wait_seconds(105.1) > 0


def test_a_rate_limit_has_its_burst_and_its_pace(tmp_path: Path, metrics: Metrics) -> None:
    gate = gate_of(tmp_path, metrics, rate_limit={"calls_per_second": 10, "burst": 3})
    gate.wait_seconds(0.0)
    begun = 0
    while gate.wait_seconds(100.0) == 0 and begun < 10:
        gate.enter(100.0)
        begun += 1

    assert begun == 3
    assert gate.wait_seconds(100.0) == pytest.approx(0.1)
