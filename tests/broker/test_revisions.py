"""The log is decided again by the rules that decided it, although others are in force now."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.hub import Hub, eventually
from sitehub.tests.broker.site_events import created, publish_rounds

SITES = 12


@pytest.fixture
def hub(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    yield hub
    hub.stop()


def test_verify_finds_nothing_although_a_change_of_mapping_changed_which_rules_fire(hub: Hub) -> None:
    """At first the site's name feeds no document of the target, so that an update of it is none of its business."""
    rule = {
        "trigger": "site_updated",
        "condition": "billing_relevant_fields_changed",
        "action": "update",
        "endpoint": "/customers/{{site_id}}",
        "method": "PUT",
        "data_template": {"region": "{{region}}"},
        "target": "crm",
    }
    entry = {"source_field": "territory_id", "target_field": "region", "transformation": "direct_mapping"}
    crm = {"api_endpoint": f"http://127.0.0.1:{hub.targets_port}", "authentication": {"type": "none"}}
    hub.overlay = {"realtime_sync_rules": [rule], "crm_integration": crm, "crm_data_mapping": {"region": entry}}
    hub.start_worker("worker-1")
    hub.await_ready("worker-1")
    hub.publish([created(site) for site in range(SITES)])
    publish_rounds(hub, SITES, 1, 2)
    eventually(lambda: hub.metric("worker-1", "events_applied_total") == 3 * SITES, 30, "the events are applied")
    assert hub.terminate("worker-1") == 0

    hub.overlay["crm_data_mapping"] = {"region": {**entry, "source_field": "name"}}
    hub.start_worker("worker-1")
    hub.await_ready("worker-1")
    publish_rounds(hub, SITES, 3, 4)
    eventually(lambda: len(hub.read("crm-commands")) == 2 * SITES, 30, "commands of the last rounds alone")

    verified = hub.run("verify", "--json")

    report = json.loads(verified.stdout)
    assert (report["differences"], report["commands"], len(report["configurations"])) == ([], 2 * SITES, 2)
