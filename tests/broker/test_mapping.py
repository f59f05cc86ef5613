"""A mapping that an operator changes while two workers run: both take it, and all of it is recorded."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitehub.codecs.audit import decode_audit
from sitehub.codecs.commands import decode_command
from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.hub import Hub, eventually, get
from sitehub.tests.broker.site_events import created, publish_rounds
from sitehub.tests.postgres.conftest import SECRETS, Database

SITES = 12
WORKERS = ("worker-1", "worker-2")


@pytest.fixture
def hub(kafka: EmbeddedKafka, postgres: Database, names: Names, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path, overlay=dict(postgres.overlay), secrets=SECRETS)
    hub.start_targets()
    yield hub
    hub.stop()


def config_ids(hub: Hub) -> set[str]:
    return {get(f"{hub.url(name)}/health")[1]["mapping"]["config_id"] for name in WORKERS}


def test_a_change_is_refused_or_taken_by_both_workers_named_by_each_command_and_known_to_verify(hub: Hub) -> None:
    for name in WORKERS:
        hub.start_worker(name)
    hub.await_ready(*WORKERS)
    (before,) = config_ids(hub)
    hub.publish([created(site) for site in range(SITES)])
    publish_rounds(hub, SITES, 1, 1)
    eventually(lambda: len(hub.read("billing-commands")) == 2 * SITES, 30, "the first commands")

    refused = hub.run("mapping", "set", "billing", "adress", "billing_address")
    assert refused.returncode == 1
    assert b"not changed:\nbilling: adress -> billing_address: the unknown field 'adress'; did you mean 'address'?" in (
        refused.stderr
    )
    needed = hub.run("mapping", "disable", "billing", "billing_configuration")
    assert (needed.returncode, b"{{billing_configuration}}" in needed.stderr) == (1, True)
    assert hub.run("mapping", "set", "crm", "address", "a").returncode == 2
    assert config_ids(hub) == {before}

    changed = hub.run("mapping", "set", "billing", "address", "billing_address", "--json")
    assert changed.returncode == 0, changed.stderr
    after = json.loads(changed.stdout)["config_id"]
    eventually(lambda: config_ids(hub) == {after}, 30, "both workers took it")
    publish_rounds(hub, SITES, 2, 2)
    eventually(lambda: len(hub.read("billing-commands")) == 3 * SITES, 30, "the last commands")

    by_round: dict[str, set[tuple[str, str]]] = {}
    for message in hub.read("billing-commands"):
        command = decode_command(message.value() or b"")
        (street,) = set(command.body["billing_address"]) - {"line2"}
        by_round.setdefault(command.event_id.split(":")[1], set()).add((command.config_id, street))
    assert by_round == {"0": {(before, "line1")}, "1": {(before, "line1")}, "2": {(after, "street")}}
    report = json.loads(hub.run("verify", "--json").stdout)
    assert (report["differences"], set(report["configurations"])) == ([], {before, after})

    records = [decode_audit(message.value() or b"") for message in hub.read("audit-log")]
    (by_operator,) = [one for one in records if one.action == "mapping.set"]
    assert by_operator.actor.startswith("operator:")
    assert by_operator.entity_id == "billing.billing_address"
    assert [one["from"][0]["transformation"] for one in (by_operator.before, by_operator.after)] == [
        "address_formatting",
        "direct_mapping",
    ]
    by_workers = {one.actor for one in records if one.action == "mapping.in_force" and one.entity_id == after}
    assert len(by_workers) == 2

    listed = json.loads(hub.run("mapping", "list", "--json").stdout)
    assert (listed["config_id"], len(listed["rows"]), listed["mistakes"]) == (after, 4, [])
