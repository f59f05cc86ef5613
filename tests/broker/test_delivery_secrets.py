"""Targets that quote what callers prove themselves with: none of it is kept or shown anywhere."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from confluent_kafka import Consumer, TopicPartition

from sitehub.codecs.results import Result, decode_result
from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.dev.target_tokens import PREFIX
from sitehub.settings.secrets import MASK
from sitehub.tests.broker.hub import CONFIG, Hub, eventually, get, header
from sitehub.tests.broker.site_events import created, renamed

SECRET = 'key/of+the "test"'  # noqa: S105 -- the test's own
FORMS = {SECRET, quote(SECRET, safe=""), quote_plus(SECRET), json.dumps(SECRET)[1:-1], PREFIX}
"""What nobody may find: the key as it is and as it is written in addresses and JSON, and what tokens begin with."""
SITES = 12
BLOCK = {
    "retry_policy": {"max_retries": 2, "initial_delay": 20},
    "circuit_breaker": {"failure_threshold": 20, "recovery_timeout": 300},
}
RULES = [
    *json.loads((CONFIG / "billing.json").read_text())["realtime_sync_rules"],
    {
        "trigger": "site_updated",
        "action": "tell_ledger",
        "endpoint": "/customers/{{site_id}}/billing-config",
        "method": "PUT",
        "data_template": {"name": "{{site_name}}"},
        "target": "ledger",
    },
]
QUOTES: dict[str, Any] = {"mode": "fail", "quotes": True}
SOME: list[dict[str, Any]] = [
    {**QUOTES, "paths": ["/site-1"], "status": 404},
    {**QUOTES, "paths": ["/site-2"], "status": 500},
    {**QUOTES, "paths": ["/site-3"], "status": 401},
]
"""Sites that are refused, parked, and parked because neither key nor token helps; all others are well."""


@pytest.fixture
def hub(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    endpoint = f"http://127.0.0.1:{hub.targets_port}"
    login = {"type": "oauth2", "client_id": "hub", "client_secret": "[encrypted_client_secret]"}
    hub.overlay = {
        "billing_integration": {**BLOCK, "api_endpoint": endpoint},
        "ledger_integration": {
            **BLOCK,
            "api_endpoint": endpoint,
            "authentication": {**login, "token_endpoint": f"{endpoint}/oauth/token"},
        },
        "realtime_sync_rules": RULES,
    }
    hub.secrets = {
        "SITEHUB_SECRET_BILLING_INTEGRATION__AUTHENTICATION__API_KEY": SECRET,
        "SITEHUB_SECRET_LEDGER_INTEGRATION__AUTHENTICATION__CLIENT_SECRET": SECRET,
    }
    hub.start_targets()
    hub.start_worker("worker")
    hub.await_ready("worker")
    yield hub
    hub.stop()


def test_what_targets_quote_of_a_login_is_nowhere_to_be_found(hub: Hub) -> None:
    hub.publish([created(site) for site in range(SITES)])
    eventually(lambda: ended(hub, "delivered") == SITES, 60, "all created")
    hub.control(*SOME)
    hub.publish([renamed(site, 1) for site in range(SITES)])
    eventually(lambda: kinds(hub) >= {("billing", "failed"), ("ledger", "failed")}, 30, "attempts fail")
    hub.publish([renamed(site, 2) for site in range(SITES)])  # some are taken: the target works for others
    wanted = {(target, status) for target in ("billing", "ledger") for status in ("failed", "parked", "rejected")}
    eventually(lambda: kinds(hub) >= wanted, 60, f"answers with quotes are kept of {wanted}")
    hub.control({**QUOTES, "status": 503})
    hub.publish([renamed(site, 3) for site in range(SITES)])
    eventually(lambda: {*breakers(hub).values()} == {"HTTP 503"}, 60, "both breakers are open")

    assert get(f"http://127.0.0.1:{hub.targets_port}/_stats")[1]["behaved"]["quoted"] > 0
    assert any(MASK in header(one, "dead-letter.error") for one in hub.read("billing-commands.dead-letter"))
    shown = [b"".join(page(hub, path) for path in ("/metrics", "/health", "/api/v1/customer-sites/sites/site-1"))]
    assert hub.terminate("worker") == 0
    shown += [hub.log("worker"), *records(hub)]
    assert b"command_id" in b"".join(shown)
    for form in FORMS:
        found = [text for text in shown if form.encode() in text]
        assert not found, (form, found[:3])


def told(hub: Hub) -> list[Result]:
    return [decode_result(one.value() or b"") for one in hub.read("sync-results")]


def ended(hub: Hub, status: str) -> int:
    return sum(one.status == status for one in told(hub))


def kinds(hub: Hub) -> set[tuple[str, str]]:
    """Targets and what became of commands of theirs, of all whose answer is kept with a mask in it."""
    return {(one.target, one.status) for one in told(hub) if MASK in (one.answer or "")}


def breakers(hub: Hub) -> dict[str, str]:
    """Why they are open, by target."""
    found = get(f"{hub.url('worker')}/health")[1]["breakers"]
    return {name: found[name]["reason"] for name in ("billing", "ledger")}


def page(hub: Hub, path: str) -> bytes:
    with urllib.request.urlopen(f"{hub.url('worker')}{path}", timeout=5) as response:  # noqa: S310 -- loopback
        text: bytes = response.read()
    return text


def records(hub: Hub) -> Iterator[bytes]:
    """Every record of every topic of the hub, committed or not: key, headers and value."""
    consumer = Consumer(
        {
            "bootstrap.servers": hub.bootstrap,
            "group.id": f"{hub.prefix}everything",
            "enable.auto.commit": False,
            "isolation.level": "read_uncommitted",
            "enable.partition.eof": True,
        }
    )
    topics = consumer.list_topics(timeout=10).topics
    places = [
        TopicPartition(name, number, 0)
        for name, topic in topics.items()
        if name.startswith(hub.prefix)
        for number in topic.partitions
    ]
    assert {"sync-results", "audit-log", "billing-commands.dead-letter", "app-deliveries-ledger-changelog"} <= {
        place.topic.removeprefix(hub.prefix) for place in places
    }
    consumer.assign(places)
    left = len(places)
    while left:
        for message in consumer.consume(5000, 0.5):
            if message.error() is not None:
                left -= 1
                continue
            headers = [part for name, value in message.headers() or [] for part in (name.encode(), value or b"")]
            yield b"\n".join([message.key() or b"", *headers, message.value() or b""])
    consumer.close()
