"""Which targets must be told what, given what an event changed."""

from collections.abc import Iterable
from collections.abc import Mapping as Dictionary
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

import msgspec

from sitehub.rules.commands import Command
from sitehub.rules.conditions import CONDITIONS, Condition
from sitehub.rules.events import Event
from sitehub.rules.mapping import Mapping, changed_names
from sitehub.rules.site import Site, Waiting
from sitehub.rules.templates import Renderer, compile_body, compile_path, compile_texts, placeholders

CREATING = "site_created"
"""While a rule with this trigger waits, the site's other rules for its target wait with it."""


@dataclass(frozen=True, slots=True)
class SyncRule:
    """A rule as it is configured."""

    trigger: str
    action: str
    endpoint: str
    method: str
    data_template: Any
    condition: str | None = None
    target: str = "billing"
    headers: Dictionary[str, str] = field(default_factory=dict)
    """Templates of the target's headers and parameters: those that have placeholders."""
    query: Dictionary[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Decision:
    """Commands in the order they must be carried out, and what waits now."""

    commands: list[Command] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: SyncRule
    path: Renderer
    body: Renderer
    headers: Renderer
    query: Renderer
    condition: Condition | None
    feeding: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the event stood in its topic."""

    topic: str
    partition: int
    offset: int


class SyncRules:
    """All rules, compiled. Deterministic: the same site, event and changes give the same commands with the same ids.

    One entry waits for an action: a newer event of the same action takes its place, with the newest state.
    """

    def __init__(self, rules: Iterable[SyncRule], mappings: Dictionary[str, Mapping], config_id: str) -> None:
        self.rules = tuple(rules)
        self.mappings = dict(mappings)
        self.config_id = config_id
        self._by_trigger: dict[str, list[_Compiled]] = {}
        self._by_action: dict[tuple[str, str], _Compiled] = {}
        for rule in self.rules:
            mapping = mappings.get(rule.target, Mapping())
            compiled = _Compiled(
                rule,
                compile_path(rule.endpoint, mapping),
                compile_body(rule.data_template, mapping),
                compile_texts(rule.headers, mapping),
                compile_texts(rule.query, mapping),
                CONDITIONS[rule.condition] if rule.condition else None,
                _feeding(rule.target, self.rules, mapping),
            )
            self._by_trigger.setdefault(rule.trigger, []).append(compiled)
            self._by_action[rule.action, rule.target] = compiled

    @property
    def targets(self) -> set[str]:
        """Targets that some rule names."""
        return {target for _, target in self._by_action}

    def decide(self, site: Site, event: Event, changed: AbstractSet[str], now: str, origin: Origin) -> Decision:
        """What waits is decided again first, then the rules that the event triggers, in their order."""
        triggered = [
            compiled
            for compiled in self._by_trigger.get(event.type, ())
            if compiled.condition is None or compiled.condition(changed, compiled.feeding)
        ]
        if not triggered and not site.waiting:
            return Decision()
        deciding = _Deciding(site, origin, self.config_id)
        since = {(waiting.action, waiting.target): waiting.since for waiting in site.waiting}
        fresh = {(compiled.rule.action, compiled.rule.target) for compiled in triggered}
        for waiting in site.waiting:
            name = waiting.action, waiting.target
            if name in self._by_action and name not in fresh:  # else it is out of the configuration, or comes anew
                deciding.apply(self._by_action[name], waiting)
        for compiled in triggered:
            action, target = compiled.rule.action, compiled.rule.target
            first = since.get((action, target), now)
            deciding.apply(compiled, Waiting(action, target, [], first, event.event_id, event.event_timestamp))
        return deciding.decision


@dataclass(slots=True)
class _Deciding:
    site: Site
    origin: Origin
    config_id: str
    decision: Decision = field(default_factory=Decision)
    blocked: set[str] = field(default_factory=set)

    def apply(self, compiled: _Compiled, intent: Waiting) -> None:
        """Make the command that `intent` stands for, or let it wait: for names, or behind the target's create."""
        rule, missing = compiled.rule, list[str]()
        document = {
            part: render(self.site, missing)
            for part, render in (
                ("path", compiled.path),
                ("body", compiled.body),
                ("headers", compiled.headers),
                ("query", compiled.query),
            )
        }
        if not missing and rule.target not in self.blocked:
            self.decision.commands.append(self._command(rule, intent, document))
            return
        if rule.trigger == CREATING:
            self.blocked.add(rule.target)
        self.decision.waiting.append(msgspec.structs.replace(intent, missing=list(dict.fromkeys(missing))))

    def _command(self, rule: SyncRule, intent: Waiting, rendered: Dictionary[str, Any]) -> Command:
        return Command(
            command_id=f"{intent.event_id}:{rule.action}",
            target=rule.target,
            action=rule.action,
            site_id=self.site.site_id,
            method=rule.method,
            event_id=intent.event_id,
            event_timestamp=intent.event_timestamp,
            config_id=self.config_id,
            source_topic=self.origin.topic,
            source_partition=self.origin.partition,
            source_offset=self.origin.offset,
            **rendered,
        )


def _feeding(target: str, rules: Iterable[SyncRule], mapping: Mapping) -> AbstractSet[str]:
    """Names of the changes that a target's documents can show."""
    names = set(mapping.feeding)
    for rule in rules:
        if rule.target == target:
            for name in placeholders([rule.endpoint, rule.data_template, dict(rule.headers), dict(rule.query)]):
                names |= changed_names(name)
    return frozenset(names)
