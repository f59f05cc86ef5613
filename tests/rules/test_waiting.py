"""Rules whose template needs a name that the site does not have yet."""

from typing import Any

import pytest

from sitehub.rules.events import Event
from sitehub.rules.fold import Applied, fold
from sitehub.rules.site import Site
from sitehub.rules.sync import Decision, Origin, SyncRule, SyncRules

ORIGIN = Origin("events", 3, 7)
CREATE = SyncRule("site_created", "create", "/c", "POST", {"name": "{{name}}", "territory": "{{territory_id}}"})
UPDATE = SyncRule("site_updated", "update", "/c/{{site_id}}", "PUT", {"name": "{{name}}", "address": "{{address}}"})
CONFIGURE = SyncRule("contract_updated", "configure", "/c/{{site_id}}/config", "PUT", {"rate": "{{rate}}"})
OTHER_CREATE = SyncRule("site_created", "place", "/places", "POST", {"name": "{{name}}"}, target="gis")
OTHER_UPDATE = SyncRule("site_updated", "move", "/places/{{site_id}}", "PUT", {"name": "{{name}}"}, target="gis")


def event(kind: str, number: int, **payload: Any) -> Event:
    return Event(kind, "1.0", f"e{number}", f"2026-11-24T01:00:{number:02d}Z", "s1", payload)


def created(number: int = 1, **site_data: Any) -> Event:
    return event("site_created", number, site_data=site_data)


def updated(number: int, **values: Any) -> Event:
    return event("site_updated", number, changed_fields=list(values), new_values=values)


def contract(number: int, **fields: Any) -> Event:
    return event("contract_updated", number, contract_info=fields)


def now(number: int) -> str:
    return f"2026-11-24T02:00:{number:02d}.000Z"


class History:
    """One site's events under some rules; each step gives what was decided."""

    def __init__(self, *rules: SyncRule) -> None:
        self.rules = SyncRules(rules, {}, "c0ffee")
        self.site: Site | None = None

    def step(self, change: Event) -> Decision:
        at = now(int(change.event_id[1:]))
        applied = fold(self.site, change, at, 7)
        assert isinstance(applied, Applied)
        decision = self.rules.decide(applied.site, change, applied.changed, at, ORIGIN)
        self.site = applied.site
        self.site.waiting = decision.waiting
        return decision

    def waiting(self) -> dict[str, list[str]]:
        assert self.site is not None
        return {one.action: one.missing for one in self.site.waiting}


def ids(decision: Decision) -> list[str]:
    return [command.command_id for command in decision.commands]


def test_what_waits_says_for_which_names_and_since_when() -> None:
    history = History(CREATE)

    (waiting,) = history.step(created()).waiting

    assert (waiting.action, waiting.target, waiting.missing) == ("create", "billing", ["name", "territory_id"])
    assert (waiting.since, waiting.event_id, waiting.event_timestamp) == (now(1), "e1", "2026-11-24T01:00:01Z")


def test_it_is_decided_again_at_any_event_and_keeps_its_own_event_and_time() -> None:
    history = History(CREATE)
    history.step(created())

    (waiting,) = history.step(updated(2, name="Garage")).waiting

    assert waiting.missing == ["territory_id"]
    assert (waiting.since, waiting.event_id) == (now(1), "e1")
    assert ids(history.step(contract(3, rate=1))) == []
    (command,) = history.step(updated(4, territory_id="t1")).commands
    assert (command.command_id, command.event_timestamp) == ("e1:create", "2026-11-24T01:00:01Z")
    assert history.waiting() == {}


def test_a_name_may_get_lost_again_while_a_rule_waits() -> None:
    history = History(CREATE)
    history.step(created(name="Garage"))

    history.step(updated(2, name=None))

    assert history.waiting() == {"create": ["name", "territory_id"]}


def test_a_name_that_is_used_twice_is_told_once() -> None:
    rule = SyncRule("site_created", "create", "/c/{{x}}", "POST", {"a": "{{x}}", "b": "<{{x}}{{y}}>"})
    history = History(rule)
    history.step(created())

    assert history.waiting() == {"create": ["x", "y"]}


def test_a_name_that_only_the_path_lacks_is_waited_for() -> None:
    history = History(SyncRule("site_created", "create", "/t/{{territory_id}}", "POST", {"name": "{{name}}"}))
    assert ids(history.step(created(name="Garage"))) == []

    (command,) = history.step(updated(2, territory_id="t/1")).commands

    assert command.path == "/t/t%2F1"


def test_while_a_create_waits_the_sites_other_rules_for_its_target_wait_behind_it_in_order() -> None:
    history = History(CREATE, UPDATE, CONFIGURE)
    history.step(created(name="Garage"))

    assert ids(history.step(updated(2, address="a"))) == []
    assert ids(history.step(contract(3, rate=1))) == []

    assert history.waiting() == {"create": ["territory_id"], "update": [], "configure": []}
    decision = history.step(updated(4, territory_id="t1", name="Newest"))
    assert ids(decision) == ["e1:create", "e3:configure", "e4:update"]
    assert [command.body for command in decision.commands] == [
        {"name": "Newest", "territory": "t1"},
        {"rate": 1},
        {"name": "Newest", "address": "a"},
    ]


def test_a_newer_event_of_a_waiting_action_takes_its_place_and_its_time_of_waiting() -> None:
    history = History(CREATE, UPDATE)
    history.step(created(name="Garage", address="a"))
    history.step(updated(2, name="One"))

    waiting = history.step(updated(3, name="Two")).waiting

    assert [(one.action, one.event_id, one.since) for one in waiting] == [
        ("create", "e1", now(1)),
        ("update", "e3", now(2)),
    ]


def test_other_targets_do_not_wait_behind_a_create() -> None:
    history = History(CREATE, OTHER_CREATE, UPDATE, OTHER_UPDATE)

    assert ids(history.step(created(name="Garage", address="a"))) == ["e1:place"]
    assert ids(history.step(updated(2, name="New"))) == ["e2:move"]
    assert history.waiting() == {"create": ["territory_id"], "update": []}


def test_the_same_action_of_another_target_is_another_rule() -> None:
    other = SyncRule("site_created", "create", "/places", "POST", {"name": "{{name}}"}, target="gis")
    history = History(CREATE, other)

    decision = history.step(created(name="Garage"))

    assert [(command.target, command.command_id) for command in decision.commands] == [("gis", "e1:create")]
    assert [one.target for one in decision.waiting] == ["billing"]


def test_an_update_that_lacks_a_name_holds_up_nothing_else() -> None:
    history = History(CREATE, UPDATE, CONFIGURE)
    history.step(created(name="Garage", territory_id="t1"))
    history.step(updated(2, name="New"))
    assert history.waiting() == {"update": ["address"]}

    assert ids(history.step(contract(3, rate=1))) == ["e3:configure"]

    assert history.waiting() == {"update": ["address"]}


def test_what_waits_goes_before_what_the_event_triggers() -> None:
    history = History(CREATE, UPDATE, CONFIGURE)
    history.step(created(name="Garage", territory_id="t1"))
    history.step(contract(2, other=1))
    assert history.waiting() == {"configure": ["rate"]}

    decision = history.step(updated(3, address="a", contract_info={"rate": 5}))

    assert ids(decision) == ["e2:configure", "e3:update"]


def test_what_a_new_configuration_does_not_know_waits_no_more() -> None:
    history = History(CREATE, UPDATE)
    history.step(created(name="Garage"))
    history.step(updated(2, name="New"))
    history.rules = SyncRules([CREATE], {}, "c0de")

    history.step(updated(3, name="Newer"))

    assert history.waiting() == {"create": ["territory_id"]}


def test_what_waits_is_rendered_by_the_configuration_that_decides_again() -> None:
    history = History(CREATE)
    history.step(created(name="Garage"))
    history.rules = SyncRules([SyncRule("site_created", "create", "/new", "POST", {"n": "{{name}}"})], {}, "c0de")

    (command,) = history.step(updated(2, x=1)).commands

    assert (command.path, command.body, command.config_id) == ("/new", {"n": "Garage"}, "c0de")


def test_a_deleted_site_waits_for_nothing() -> None:
    history = History(CREATE, UPDATE)
    history.step(created(name="Garage"))

    assert history.step(event("site_deleted", 2)) == Decision()
    assert history.waiting() == {}


def test_a_new_life_waits_anew() -> None:
    history = History(CREATE)
    history.step(created(name="Garage"))
    history.step(event("site_deleted", 2))

    (waiting,) = history.step(created(3, name="Again")).waiting

    assert (waiting.event_id, waiting.since) == ("e3", now(3))


@pytest.mark.parametrize("change", [updated(2, name="Garage"), event("site_inspected", 2), contract(2)])
def test_an_event_that_changes_nothing_decides_again_too(change: Event) -> None:
    history = History(CREATE)
    history.step(created(name="Garage"))
    assert history.site is not None
    history.site.attributes["territory_id"] = "t1"

    assert ids(history.step(change)) == ["e1:create"]
