from typing import Any

import pytest

from sitehub.rules.events import Event
from sitehub.rules.fold import Applied, fold
from sitehub.rules.mapping import Mapping, MappingEntry
from sitehub.rules.site import Site
from sitehub.rules.sync import Decision, Origin, SyncRule, SyncRules

NOW = "2026-11-24T02:00:00.000Z"
ORIGIN = Origin("events", 0, 7)
MAPPING = Mapping(
    [
        MappingEntry("site_id", "customer_id", "direct_mapping"),
        MappingEntry("site_name", "customer_name", "direct_mapping"),
        MappingEntry("address", "billing_address", "address_formatting"),
        MappingEntry("contract_info", "billing_configuration", "contract_mapping"),
    ]
)
RULES = SyncRules(
    [
        SyncRule(
            "site_created",
            "create",
            "/customers",
            "POST",
            {
                "customer_id": "{{site_id}}",
                "customer_name": "{{site_name}}",
                "billing_address": "{{address}}",
                "territory_code": "{{territory_id}}",
            },
        ),
        SyncRule(
            "site_updated",
            "update",
            "/customers/{{site_id}}",
            "PUT",
            {"customer_name": "{{site_name}}", "billing_address": "{{address}}"},
            "billing_relevant_fields_changed",
        ),
        SyncRule(
            "contract_updated",
            "configure",
            "/customers/{{site_id}}/billing-config",
            "PUT",
            {
                "contract_type": "{{contract_type}}",
                "billing_frequency": "{{billing_cycle}}",
                "configuration": "{{billing_configuration}}",
            },
        ),
    ],
    {"billing": MAPPING},
    "c0ffee",
)
ADDRESS = {"street": " 1 Main St ", "city": "Denver", "state": "co", "zip": "802020001"}


def event(kind: str, number: int, site_id: str = "a/b", **payload: Any) -> Event:
    return Event(kind, "1.0", f"e{number}", "2026-11-24T01:00:00Z", site_id, payload)


def step(site: Site | None, change: Event) -> tuple[Site, Decision]:
    applied = fold(site, change, NOW, 7)
    assert isinstance(applied, Applied)
    decision = RULES.decide(applied.site, change, applied.changed, NOW, ORIGIN)
    applied.site.waiting = decision.waiting
    return applied.site, decision


def updated(number: int, **values: Any) -> Event:
    return event("site_updated", number, changed_fields=list(values), new_values=values)


def created(**site_data: Any) -> Event:
    return event("site_created", 1, site_data={"name": "Garage", "address": ADDRESS, **site_data})


def test_a_creation_is_told_with_mapped_fields() -> None:
    _, decision = step(None, created(territory_id="t1"))

    (command,) = decision.commands
    assert (command.command_id, command.method, command.path) == ("e1:create", "POST", "/customers")
    assert command.body == {
        "customer_id": "a/b",
        "customer_name": "Garage",
        "billing_address": {"line1": "1 Main St", "city": "Denver", "state": "CO", "postal_code": "80202-0001"},
        "territory_code": "t1",
    }


def test_a_path_is_percent_encoded() -> None:
    site, _ = step(None, created(territory_id="t1"))

    _, decision = step(site, updated(2, name="New"))

    assert [command.path for command in decision.commands] == ["/customers/a%2Fb"]


def test_an_update_that_changes_nothing_or_nothing_relevant_calls_nobody() -> None:
    site, _ = step(None, created(territory_id="t1"))

    assert step(site, updated(2, name="Garage"))[1].commands == []
    assert step(site, updated(3, capacity=10))[1].commands == []


def test_contract_fields_are_found_and_mapped() -> None:
    site, _ = step(None, created(territory_id="t1"))

    contract = {"contract_type": "lease", "billing_cycle": "monthly", "rate": 2}
    _, decision = step(site, event("contract_updated", 2, contract_info=contract))

    (command,) = decision.commands
    assert command.body == {
        "contract_type": "lease",
        "billing_frequency": "monthly",
        "configuration": {
            "contract_type": "lease",
            "billing_frequency": "monthly",
            "currency": "USD",
            "terms": {"rate": 2},
        },
    }


def test_a_create_waits_for_its_territory_and_carries_the_newest_state() -> None:
    site, first = step(None, created())
    assert [(w.action, w.missing, w.since) for w in first.waiting] == [("create", ["territory_id"], NOW)]
    assert first.commands == []

    site, second = step(site, updated(2, name="Newer"))
    assert (second.commands, [w.action for w in second.waiting]) == ([], ["create", "update"])

    site, third = step(site, updated(3, territory_id="t9"))
    assert [command.command_id for command in third.commands] == ["e1:create", "e3:update"]
    assert (third.commands[0].body["customer_name"], third.commands[0].body["territory_code"]) == ("Newer", "t9")
    assert third.waiting == []


def test_an_update_waits_behind_the_create_and_follows_it() -> None:
    site, _ = step(None, created())
    contract = {"contract_type": "lease", "billing_cycle": "monthly"}
    site, waiting = step(site, event("contract_updated", 2, contract_info=contract))
    assert [(w.action, w.missing) for w in waiting.waiting] == [("create", ["territory_id"]), ("configure", [])]

    _, decision = step(site, updated(3, territory_id="t9"))

    assert [command.command_id for command in decision.commands] == ["e1:create", "e2:configure", "e3:update"]


def test_deciding_twice_gives_the_same() -> None:
    assert step(None, created(territory_id="t1")) == step(None, created(territory_id="t1"))


def test_a_command_carries_where_it_comes_from() -> None:
    _, decision = step(None, created(territory_id="t1"))

    (command,) = decision.commands
    assert (command.target, command.action, command.site_id, command.event_id) == ("billing", "create", "a/b", "e1")
    assert (command.event_timestamp, command.config_id) == ("2026-11-24T01:00:00Z", "c0ffee")
    assert (command.source_topic, command.source_partition, command.source_offset) == ("events", 0, 7)


@pytest.mark.parametrize(
    ("values", "called"),
    [
        ({"name": "New"}, True),
        ({"address": {"street": "2 Side St"}}, True),
        ({"territory_id": "t2"}, True),
        ({"contract_info": {"rate": 9}}, True),
        ({"capacity": 5}, False),
        ({"name": "Garage", "address": ADDRESS, "territory_id": "t1"}, False),
        ({}, False),
    ],
)
def test_a_change_of_what_feeds_the_target_is_told_and_no_other(values: dict[str, Any], called: bool) -> None:  # noqa: FBT001
    site, _ = step(None, created(territory_id="t1"))

    assert len(step(site, updated(2, **values))[1].commands) == called


def test_rules_of_one_trigger_are_carried_out_in_their_order() -> None:
    rules = SyncRules([SyncRule("site_created", action, f"/{action}", "POST", {}) for action in "cab"], {}, "c0ffee")
    applied = fold(None, created(), NOW, 7)
    assert isinstance(applied, Applied)

    decision = rules.decide(applied.site, created(), applied.changed, NOW, ORIGIN)

    assert [command.action for command in decision.commands] == ["c", "a", "b"]
    assert rules.targets == {"billing"}


def test_each_target_is_fed_by_its_own_mapping_and_templates() -> None:
    mapping = Mapping([MappingEntry("capacity", "spaces", "direct_mapping")])
    condition = "billing_relevant_fields_changed"
    rules = SyncRules(
        [
            SyncRule("site_updated", "update", "/c", "PUT", {"name": "{{name}}"}, condition),
            SyncRule("site_updated", "resize", "/g", "PUT", {"spaces": "{{spaces}}"}, condition, "gis"),
        ],
        {"gis": mapping},
        "c0ffee",
    )
    created_site = fold(None, created(capacity=1), NOW, 7)
    assert isinstance(created_site, Applied)

    def told(change: Event) -> list[str]:
        applied = fold(created_site.site, change, NOW, 8)
        assert isinstance(applied, Applied)
        return [one.target for one in rules.decide(applied.site, change, applied.changed, NOW, ORIGIN).commands]

    assert told(updated(2, capacity=2)) == ["gis"]
    assert told(updated(2, name="New")) == ["billing"]


def test_a_site_that_no_rule_speaks_of_calls_nobody() -> None:
    site, _ = step(None, created(territory_id="t1"))

    assert step(site, event("site_deleted", 2))[1] == Decision()


def test_headers_and_parameters_are_rendered_as_texts_and_waited_for() -> None:
    headers, query = {"X-Site": "site {{site_id}}", "X-Address": "{{address}}"}, {"region": "{{territory_id}}"}
    rule = SyncRule("site_created", "create", "/customers", "POST", {}, headers=headers, query=query)
    rules = SyncRules([rule], {}, "c0ffee")

    def decided(**site_data: Any) -> Decision:
        change = event("site_created", 1, site_data=site_data)
        applied = fold(None, change, NOW, 7)
        assert isinstance(applied, Applied)
        return rules.decide(applied.site, change, applied.changed, NOW, ORIGIN)

    (command,) = decided(territory_id="a&b", address={"street": "1"}).commands
    assert command.headers == {"X-Site": "site a/b", "X-Address": '{"street":"1"}'}
    assert command.query == {"region": "a&b"}
    (waiting,) = decided().waiting
    assert waiting.missing == ["address", "territory_id"]


def test_what_only_a_header_shows_is_relevant_for_the_target() -> None:
    condition = "billing_relevant_fields_changed"
    rule = SyncRule("site_updated", "tell", "/x", "PUT", {}, condition, headers={"X-Name": "{{site_name}}"})
    site, _ = step(None, created(territory_id="t1"))
    change = updated(2, name="New")
    applied = fold(site, change, NOW, 7)
    assert isinstance(applied, Applied)

    decision = SyncRules([rule], {}, "c0ffee").decide(applied.site, change, applied.changed, NOW, ORIGIN)

    assert [command.headers for command in decision.commands] == [{"X-Name": "New"}]
