"""Batches of site events, folded over a dictionary in place of the table."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from sitehub.agents.sites import RulesInForce, SiteHandler
from sitehub.codecs.audit import decode_audit
from sitehub.codecs.commands import decode_command
from sitehub.codecs.dead_letters import read_dead_letter
from sitehub.codecs.events import EventDecoder
from sitehub.codecs.revisions import CURRENT_KEY, REVISION_PREFIX, decode_revision, revision_offset
from sitehub.codecs.rows import decode_site
from sitehub.codecs.schemas import shipped_schemas
from sitehub.engine.batch import Headers, Message, PartitionBatch
from sitehub.rules.audit import AuditRecord, Masks
from sitehub.rules.event_ids import unpack
from sitehub.rules.mapping import Mapping, MappingEntry
from sitehub.rules.sync import SyncRule, SyncRules
from sitehub.rules.transformations import TRANSFORMATIONS
from sitehub.telemetry.metrics import Metrics
from sitehub.tests.agents.histories import event, histories
from sitehub.tests.agents.site_model import Expected, Sent

CONFIG = Path(__file__).parents[2] / "config"
BILLING = json.loads((CONFIG / "billing.json").read_bytes())
SCHEMAS = {**shipped_schemas(), **json.loads((CONFIG / "kafka.json").read_bytes())["event_schemas"]}
DECODER = EventDecoder({kind: {block["version"]: block["schema"]} for kind, block in SCHEMAS.items()}, "site_id")
MAPPING = Mapping(MappingEntry(**entry) for entry in BILLING["billing_data_mapping"].values())
RULES = SyncRules([SyncRule(**rule) for rule in BILLING["realtime_sync_rules"]], {"billing": MAPPING}, "c0ffee")
NOW, NOW_SECONDS = "2026-11-24T02:00:00.000Z", 1_795_485_600.0
DEAD = "events.dead-letter"


@dataclass(frozen=True, slots=True)
class Read:
    """A record as a consumer reads it."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = field(default_factory=list)
    timestamp: int = 0


class Run:
    """A handler, its table without the rows that tell which rules decided, and what it sent by topic."""

    def __init__(self, rules: SyncRules = RULES, masks: Masks = Masks()) -> None:  # noqa: B008 -- it is never changed
        self.metrics = Metrics(CollectorRegistry())
        self.table: dict[bytes, bytes | None] = {}
        self.own: dict[bytes, bytes] = {}
        self.rules = RulesInForce(rules)
        self.sends: dict[str, list[Message]] = defaultdict(list)
        self.handler = SiteHandler(
            DECODER, self.rules, self.metrics, lambda: NOW_SECONDS, {"billing": "commands"}, DEAD, "audit-log", masks
        )

    def batch(self, records: Sequence[Read]) -> None:
        batch = PartitionBatch("events", 4, records)
        outcome = self.handler(batch, lambda keys: [self.own.get(key) or self.table.get(key) for key in keys])
        self.table.update({key: row for key, row in outcome.rows if not key.startswith(b"\0")})
        self.own.update({key: row for key, row in outcome.rows if key.startswith(b"\0") and row is not None})
        for topic, messages in outcome.sends.items():
            self.sends[topic] += messages
        outcome.committed()

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"sitehub_{name}", labels) or 0

    def dead(self) -> list[tuple[int, str]]:
        return [(letter.offset, letter.reason) for letter in (read_dead_letter(one[2]) for one in self.sends[DEAD])]

    def audits(self) -> list[AuditRecord]:
        return [decode_audit(value or b"") for _, value, _ in self.sends["audit-log"]]

    def calls(self) -> list[tuple[Any, ...]]:
        commands = [decode_command(value or b"") for _, value, _ in self.sends["commands"]]
        return [(c.command_id, c.site_id, c.method, c.path, c.body, c.event_timestamp) for c in commands]


def read(sent: Sent) -> Read:
    return Read(sent.offset, sent.key, sent.value, [("trace", b"x")])


def run(history: Sequence[Sent], cuts: Sequence[int] = ()) -> Run:
    """Handle the history, cut into batches before the records with these numbers."""
    done, records = Run(), [read(sent) for sent in history]
    places = sorted({0, len(records), *(cut % len(records) for cut in cuts)})
    for start, end in pairwise(places):
        done.batch(records[start:end])
    return done


def good(offset: int, site_id: str, **payload: Any) -> Read:
    return read(event(offset, f"e{offset}", site_id, "2026-11-24T01:00:00Z", payload))


def created(offset: int, site_id: str, **data: Any) -> Read:
    return good(offset, site_id, event_type="site_created", site_data=data)


def renamed(offset: int, site_id: str, name: Any) -> Read:
    return good(
        offset, site_id, event_type="site_updated", changed_fields=["name"], new_values={"name": name, "address": {}}
    )


@given(history=histories())
def test_state_calls_and_dead_letters_are_those_of_the_model(history: list[Sent]) -> None:
    expected = Expected()
    for sent in history:
        expected.take(sent)

    done = run(history)

    assert done.calls() == expected.calls
    assert done.dead() == expected.dead
    assert done.table.keys() == {site_id.encode() for site_id in expected.sites}
    for site_id, model in expected.sites.items():
        site = decode_site(done.table[site_id.encode()] or b"")
        assert (site.attributes, site.contract_info) == (model.attributes, model.contract)
        assert (site.version, unpack(site.event_ids), site.offset) == (model.version, model.event_ids, model.offset)
        assert (site.last_event_id, site.last_event_timestamp) == (model.event_ids[-1], model.last)
        assert site.deleted_at == (NOW if model.deleted else None)
        assert [(one.action, one.event_id, one.missing) for one in site.waiting] == [
            (one.action, one.event_id, one.missing) for one in model.waiting
        ]
    assert done.count("events_applied_total") == expected.applied
    assert done.count("events_duplicate_total") == expected.duplicates
    assert done.count("events_out_of_order_total") == expected.out_of_order
    assert done.count("commands_total", target="billing") == len(expected.calls)
    assert done.count("rules_waiting", target="billing") == sum(len(one.waiting) for one in expected.sites.values())
    assert len(history) == expected.applied + expected.duplicates + len(expected.dead)


@given(history=histories(), cuts=st.lists(st.integers(0, 40)))
def test_any_split_into_batches_gives_the_same_rows_commands_and_dead_letters(
    history: list[Sent], cuts: list[int]
) -> None:
    whole, split = run(history), run(history, cuts)

    assert split.table == whole.table
    assert split.sends == whole.sends


@given(history=histories())
def test_a_batch_that_is_handed_in_again_gives_the_same(history: list[Sent]) -> None:
    handler, batch = Run().handler, PartitionBatch("events", 4, [read(sent) for sent in history])

    first, second = (handler(batch, lambda keys: [None for _ in keys]) for _ in range(2))

    assert (first.rows, first.sends) == (second.rows, second.sends)


@given(history=histories())
def test_rejected_and_repeated_events_change_no_row(history: list[Sent]) -> None:
    done, expected = Run(), Expected()
    for sent in history:
        before, applied = dict(done.table), expected.applied
        expected.take(sent)

        done.batch([read(sent)])

        is_changed = done.table != before
        assert is_changed == (expected.applied > applied)


@given(history=histories(), data=st.data())
def test_what_was_applied_may_come_again_at_any_time(history: list[Sent], data: st.DataObject) -> None:
    """As far back as event ids are remembered: no history here is longer."""
    done = run(history)
    table, calls = dict(done.table), done.calls()
    seen = {(key, event_id) for key, row in table.items() for event_id in unpack(decode_site(row or b"").event_ids)}
    applied = [one for one in history if one.fault is None and (one.key, json.loads(one.value)["event_id"]) in seen]

    again = data.draw(st.permutations(applied))
    done.batch(
        [Read(1_000 + number, one.key, one.value) for number, one in enumerate(again)] or [Read(1_000, None, b"")]
    )

    assert (done.table, done.calls()) == (table, calls)


OTHER_MAPPING = Mapping([MappingEntry("territory_id", "customer_name", "direct_mapping"), *MAPPING.entries[2:]])
OTHER = SyncRules(
    [SyncRule(**{**rule, "data_template": {"n": "{{customer_name}}"}}) for rule in BILLING["realtime_sync_rules"]],
    {"billing": OTHER_MAPPING},
    "facade",
)


@given(history=histories(), cuts=st.lists(st.integers(0, 40), min_size=1), changes=st.lists(st.booleans(), min_size=1))
def test_every_event_can_be_decided_again_by_the_rules_that_are_recorded(
    history: list[Sent], cuts: list[int], changes: list[bool]
) -> None:
    done, records = Run(), [read(sent) for sent in history]
    places = sorted({0, len(records), *(cut % len(records) for cut in cuts)})
    for number, (start, end) in enumerate(pairwise(places)):
        done.rules.current = OTHER if changes[number % len(changes)] else RULES
        done.batch(records[start:end])

    recorded = {
        revision_offset(key): decode_revision(row, TRANSFORMATIONS)
        for key, row in done.own.items()
        if key.startswith(REVISION_PREFIX)
    }
    again = Run()
    for record in records:
        again.rules.current = recorded[max(offset for offset in recorded if offset <= record.offset)]
        again.batch([record])

    assert again.table == done.table
    assert again.sends == done.sends


def test_rules_are_recorded_once_for_all_batches_that_they_decide() -> None:
    done = Run()

    done.batch([created(1, "s1")])
    done.batch([created(2, "s2")])
    done.rules.current = OTHER
    done.batch([created(5, "s5")])
    done.batch([created(6, "s6")])

    offsets = [revision_offset(key) for key in done.own if key.startswith(REVISION_PREFIX)]
    assert (offsets, done.own[CURRENT_KEY]) == ([1, 5], b"facade")


def test_a_command_carries_the_id_of_the_configuration_whose_mapping_made_it() -> None:
    done = Run()
    site = {"name": "A", "address": {"street": "2 Side St"}, "territory_id": "t1"}

    done.batch([created(1, "s1", **site)])
    done.rules.current = OTHER
    done.batch([created(2, "s2", **site)])

    commands = [decode_command(value or b"") for _, value, _ in done.sends["commands"]]
    assert [(one.config_id, one.body.get("n")) for one in commands] == [("c0ffee", None), ("facade", "t1")]


@given(history=histories(), cuts=st.lists(st.integers(0, 40)))
def test_each_applied_event_has_one_audit_record_and_together_they_tell_the_whole_state(
    history: list[Sent], cuts: list[int]
) -> None:
    done = run(history, cuts)

    audits = done.audits()
    assert len(audits) == done.count("events_applied_total")
    places = [int(one.source.removeprefix("events/4/")) for one in audits]
    assert places == sorted(set(places))
    told: dict[str, dict[str, Any]] = {}
    for one in audits:
        told[one.entity_id] = replayed(told.get(one.entity_id, {}), one)
    for key, row in done.table.items():
        site = decode_site(row or b"")
        known = told[key.decode()]
        assert (known["version"], known.get("deleted_at")) == (site.version, site.deleted_at)
        assert (known.get("attributes", {}), known.get("contract_info", {})) == (site.attributes, site.contract_info)


def replayed(state: dict[str, Any], one: AuditRecord) -> dict[str, Any]:
    """The state after what the record tells: it must have met the state that it says was before."""
    after: dict[str, Any] = {**state, "version": one.after["version"], "deleted_at": one.after.get("deleted_at")}
    assert one.before.get("version") == state.get("version")
    assert one.before.get("deleted_at") == state.get("deleted_at")
    for block in ("attributes", "contract_info"):
        old, new = one.before.get(block, {}), one.after.get(block, {})
        known = state.get(block, {})
        assert {name: known[name] for name in old} == old
        kept = {name: value for name, value in known.items() if name not in old.keys() | new.keys()}
        after[block] = {**kept, **new}
    return after


def test_an_audit_record_says_who_did_what_to_which_site_and_under_which_configuration() -> None:
    done = Run()
    create = created(3, "a/b", name="A", contract_info={"rate": 1})
    done.batch([Read(3, create.key, create.value, [("source_system", b"crm")]), renamed(5, "a/b", "B")])

    first, second = done.audits()
    assert [key for key, _, _ in done.sends["audit-log"]] == [b"a/b", b"a/b"]
    assert first == AuditRecord(
        "event:crm",
        NOW,
        "site_created",
        "site",
        "a/b",
        "a/b",
        {},
        {"version": 1, "attributes": {"name": "A"}, "contract_info": {"rate": 1}},
        "e3",
        "events/4/3",
        "c0ffee",
    )
    assert (second.actor, second.action, second.source) == ("event:events", "site_updated", "events/4/5")
    assert (second.before, second.after) == (
        {"version": 1, "attributes": {"name": "A"}},
        {"version": 2, "attributes": {"name": "B"}},
    )


def test_what_is_masked_is_in_no_audit_record() -> None:
    done = Run(masks=Masks(["phone", "contract_info.rate"]))
    done.batch([created(3, "s", name="A", contact=[{"phone": "555-0001"}], contract_info={"rate": "12.50"})])
    done.batch(
        [good(4, "s", event_type="contract_updated", contract_info={"rate": "13.75", "cycle": "weekly"})],
    )

    text = b"".join(value or b"" for _, value, _ in done.sends["audit-log"])
    assert not any(secret in text for secret in (b"555-0001", b"12.50", b"13.75"))
    assert done.audits()[1].after["contract_info"] == {"rate": "***", "cycle": "weekly"}


def test_a_dead_letter_is_the_record_untouched_with_headers_behind_its_own() -> None:
    done = Run()
    headers = [("trace", b"\xff\x00"), ("event_type", b"nonsense"), ("trace", b"2")]

    done.batch([Read(17, b"\x00key", b'{"a": 1}', headers), Read(19, None, None)])

    (key, value, sent), (no_key, no_value, _) = done.sends[DEAD]
    assert (key, value, sent[:3]) == (b"\x00key", b'{"a": 1}', headers)
    assert (no_key, no_value) == (None, None)
    letter = read_dead_letter(sent)
    assert (letter.stage, letter.reason) == ("decode", "unknown_event_type")
    assert (letter.topic, letter.partition, letter.offset, letter.time) == ("events", 4, 17, NOW)
    assert "nonsense" in letter.error
    assert done.count("dead_letters_total", topic="events", stage="decode", reason="unknown_event_type") == 1


def test_a_command_goes_out_with_the_key_of_its_site_and_what_readers_count_by() -> None:
    done = Run()

    done.batch([created(3, "a/b", name="A", address={"street": "2 Side St"}, territory_id="t1")])

    ((key, value, headers),) = done.sends["commands"]
    command = decode_command(value or b"")
    assert key == b"a/b"
    assert dict(headers)["command_id"] == command.command_id.encode() == b"e3:create_billing_customer"
    assert (command.source_topic, command.source_partition, command.source_offset) == ("events", 4, 3)
    assert decode_site(done.table[b"a/b"] or b"").commands == {"billing": "e3:create_billing_customer"}


class Buggy:
    """A value that a broken transformation chokes on."""

    @staticmethod
    def finder(_placeholder: str, _key: str | None) -> Any:
        def find(site: Any) -> Any:
            if site.attributes.get("name") == "poison":
                raise ZeroDivisionError("division by zero")
            return site.attributes.get("name")

        return find

    feeding = frozenset({"name"})
    entries = ()


@pytest.fixture
def buggy() -> Run:
    rule = SyncRule("site_updated", "update", "/c", "PUT", {"name": "{{name}}"})
    mapping: Any = Buggy
    return Run(SyncRules([rule], {"billing": mapping}, "c0ffee"))


def test_a_rule_that_raises_costs_the_record_it_met_alone(buggy: Run) -> None:
    buggy.batch(
        [
            created(1, "s1", name="A"),
            renamed(2, "s1", "B"),
            renamed(3, "s1", "poison"),
            created(4, "s2", name="C"),
            renamed(5, "s1", "D"),
            renamed(6, "s2", "E"),
        ]
    )

    assert buggy.dead() == [(3, "rule_failed")]
    letter = read_dead_letter(buggy.sends[DEAD][0][2])
    assert (letter.stage, letter.error) == ("rule", "ZeroDivisionError: division by zero")
    assert [call[0] for call in buggy.calls()] == ["e2:update", "e5:update", "e6:update"]
    site = decode_site(buggy.table[b"s1"] or b"")
    assert (site.attributes["name"], site.version, unpack(site.event_ids)) == ("D", 3, ["e1", "e2", "e5"])


def test_an_event_that_failed_in_a_rule_can_be_sent_again(buggy: Run) -> None:
    """It is no duplicate: nothing of it was applied."""
    buggy.batch([created(1, "s1", name="A"), renamed(2, "s1", "poison")])
    poison = buggy.sends[DEAD][0][1]
    buggy.handler = Run().handler

    buggy.batch([Read(9, b"s1", poison)])

    assert decode_site(buggy.table[b"s1"] or b"").attributes["name"] == "poison"


def filled(offset: int, name: str, letter: str = "x") -> Read:
    """An update that adds a field of 900,000 bytes."""
    values = {name: letter * 900_000}
    return good(offset, "s1", event_type="site_updated", changed_fields=[name], new_values=values)


def test_an_event_that_would_make_its_site_too_large_for_a_record_is_refused() -> None:
    done = Run()

    done.batch([created(1, "s1"), filled(2, "a"), filled(3, "b"), filled(4, "c"), filled(5, "a", "y")])
    done.batch([filled(6, "d"), good(7, "s1", event_type="site_updated", changed_fields=["b"], new_values={"b": None})])
    done.batch([filled(8, "d")])

    assert done.dead() == [(4, "site_too_large"), (6, "site_too_large")]
    site = decode_site(done.table[b"s1"] or b"")
    assert (sorted(site.attributes), site.version, site.attributes["a"][0]) == (["a", "d"], 6, "y")


def test_many_small_events_that_make_a_site_too_large_are_counted_together() -> None:
    done = Run()
    values = {f"f{number}": "x" * 50_000 for number in range(45)}

    done.batch([created(1, "s1")])
    done.batch(
        [
            good(2 + number, "s1", event_type="site_updated", changed_fields=[name], new_values={name: value})
            for number, (name, value) in enumerate(values.items())
        ]
    )

    assert done.dead() == [(offset, "site_too_large") for offset in range(43, 47)]


def test_a_site_at_its_largest_can_be_deleted() -> None:
    done = Run()
    done.batch([created(1, "s1"), filled(2, "a"), filled(3, "b")])
    rest = (2 << 20) - len(done.table[b"s1"] or b"") - 100
    done.batch([good(4, "s1", event_type="site_updated", changed_fields=["c"], new_values={"c": "x" * rest})])
    assert done.dead() == []

    done.batch([renamed(5, "s1", "A" * 200), good(6, "s1", event_type="site_deleted")])

    assert done.dead() == [(5, "site_too_large")]
    assert decode_site(done.table[b"s1"] or b"").deleted_at == NOW


def test_a_command_that_would_be_too_large_for_a_record_is_refused_with_its_event() -> None:
    rule = SyncRule("site_updated", "update", "/c", "PUT", dict.fromkeys("abc", "{{large}}"))
    done = Run(SyncRules([rule], {}, "c0ffee"))

    done.batch([created(1, "s1"), filled(2, "large"), renamed(3, "s1", "B")])

    assert done.dead() == [(2, "site_too_large")]
    assert done.count("rules_waiting", target="billing") == 1


def test_rows_are_read_once_for_all_keys_of_a_batch() -> None:
    asked: list[list[bytes]] = []
    batch = PartitionBatch("events", 4, [created(1, "s1"), renamed(2, "s1", "B"), created(3, "s2"), Read(4, None, b"")])

    def rows(keys: list[bytes]) -> list[bytes | None]:
        asked.append(sorted(keys))
        return [None for _ in keys]

    Run().handler(batch, rows)

    assert asked == [[CURRENT_KEY, b"s1", b"s2"]]


def test_what_stopped_waiting_by_deletion_is_counted_no_more() -> None:
    done = Run()
    done.batch([created(1, "s1"), created(2, "s2")])
    assert done.count("rules_waiting", target="billing") == 2

    done.batch([good(3, "s1", event_type="site_deleted")])

    assert done.count("rules_waiting", target="billing") == 1


def test_nothing_is_counted_before_the_transaction_is_through() -> None:
    done = Run()
    outcome = done.handler(
        PartitionBatch("events", 4, [created(1, "s1"), Read(2, b"s1", b"{")]), lambda keys: [None for _ in keys]
    )
    assert (done.count("events_applied_total"), done.count("rules_waiting", target="billing")) == (0, 0)

    outcome.committed()

    assert (done.count("events_applied_total"), done.count("rules_waiting", target="billing")) == (1, 1)
