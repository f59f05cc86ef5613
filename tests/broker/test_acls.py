"""The rights that docs/operations.md names are enough, and what one that is missing looks like."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from sitehub.dev.kafka import EmbeddedKafka, free_port
from sitehub.dev.names import Names
from sitehub.dev.server_process import HOST
from sitehub.tests.broker.hub import Hub, eventually, get
from sitehub.tests.broker.read_model import sites_of
from sitehub.tests.broker.site_events import all_ended, check_calls, created
from sitehub.tests.postgres.conftest import SECRETS, Database

USER, PASSWORD = "hub", "correct horse"
OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
ROW = re.compile(r"\| (topic|group|transactional_id) \| `([^`]+)` \| (prefixed|literal) \| ([A-Za-z, ]+) \|")
SITES = 20


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A broker on which nobody may do anything, but those who come without a name, as the tests do."""
    port = free_port()
    login = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
    extra: dict[str, object] = {
        "listeners": f"SASL_PLAINTEXT://{HOST}:{port}",
        "advertised.listeners": f"SASL_PLAINTEXT://{HOST}:{port}",
        "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": login,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    broker = EmbeddedKafka(tmp_path_factory.mktemp("strict"), free_port(), extra)
    broker.start()
    broker.extra = {**extra, "login port": port}
    yield broker
    broker.stop()


def documented(prefix: str, app_id: str) -> list[AclBinding]:
    """The table of the documentation."""
    return [
        AclBinding(
            ResourceType[kind.upper()],
            name.replace("<prefix>", prefix).replace("<app id>", app_id),
            ResourcePatternType[pattern.upper()],
            f"User:{USER}",
            "*",
            AclOperation[operation.upper()],
            AclPermissionType.ALLOW,
        )
        for kind, name, pattern, operations in ROW.findall(OPERATIONS.read_text())
        for operation in operations.split(", ")
    ]


def test_the_documented_rights_are_enough_and_a_missing_one_is_told(
    strict: EmbeddedKafka, postgres: Database, names: Names, tmp_path: Path
) -> None:
    hub = Hub(strict.bootstrap, names.topic(""), tmp_path)
    admin = AdminClient({"bootstrap.servers": strict.bootstrap})
    bindings = documented(hub.prefix, f"{hub.prefix}app")
    assert len(bindings) == 14
    for made in admin.create_acls(bindings).values():
        made.result(30)
    topics = {topic: {"replication_factor": 1} for topic in ("customer-sites-events", "territory-events")}
    hub.overlay = {
        **postgres.overlay,
        "kafka_config": {
            "bootstrap_servers": [f"{HOST}:{strict.extra['login port']}"],
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "PLAIN",
            "sasl_username": USER,
            "topic_prefix": hub.prefix,
            "topics": topics,
        },
    }
    hub.secrets = {**SECRETS, "SITEHUB_SECRET_KAFKA_CONFIG__SASL_PASSWORD": PASSWORD}
    hub.start_targets()
    try:
        hub.start_worker("worker")
        hub.await_ready("worker")
        hub.publish([created(site) for site in range(SITES)])
        eventually(lambda: all_ended(hub, SITES), 60, "all delivered")
        check_calls(hub, SITES)
        eventually(lambda: len(sites_of(postgres)) == SITES, 30, "all sites in PostgreSQL")
        assert hub.terminate("worker") == 0

        writes = AclBindingFilter(
            ResourceType.TRANSACTIONAL_ID,
            f"{hub.prefix}app-",
            ResourcePatternType.PREFIXED,
            f"User:{USER}",
            "*",
            AclOperation.WRITE,
            AclPermissionType.ALLOW,
        )
        for gone in admin.delete_acls([writes]).values():
            assert len(gone.result(30)) == 1
        hub.start_worker("worker")
        eventually(lambda: "TransactionalIdAuthorizationFailed" in told(hub), 60, "the missing right is told")
    finally:
        hub.stop()


def told(hub: Hub) -> str:
    """What the worker says of its troubles."""
    try:
        found: dict[str, Any] = get(f"{hub.url('worker')}/health")[1]
    except OSError:
        return ""
    return str(found["troubles"])
