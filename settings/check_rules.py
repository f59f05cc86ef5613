"""What real-time rules and mappings name must be there."""

from collections.abc import Iterator
from typing import Any

from sitehub.rules.conditions import CONDITIONS
from sitehub.rules.mapping import ALIASES
from sitehub.rules.templates import PLACEHOLDER
from sitehub.rules.transformations import CONTRACT_FIELDS
from sitehub.settings.blocks import MAPPING_SUFFIX, SUFFIX, mappings, targets
from sitehub.settings.integration import DEFAULT_TARGET
from sitehub.settings.look import Fault, Place
from sitehub.settings.mistakes import nearest
from sitehub.settings.secrets import is_secret_place
from sitehub.settings.transformations import transformations

SHIPPED_TRIGGERS = frozenset({"contract_updated", "site_deleted"})
"""Event types whose schemas the hub carries, beside the configured ones."""
SITE_FIELDS = frozenset(
    {"site_id", "contract_info", "name", "address", "territory_id", "location_coordinates", *ALIASES}
)
RATE_FIELDS = frozenset({"rate", "rates", "terms"})
"""Usual fields of a contract beside those that `contract_mapping` knows."""
SITE_BLOCKS = ("site_data", "new_values", "contract_info")
"""Properties of an event schema that hold fields of a site."""


def rule_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """Unknown triggers, conditions, targets and placeholders; rules whose calls could not be told apart."""
    known_targets = targets(document)
    triggers = SHIPPED_TRIGGERS | {str(place.path[-1]) for place in Place((), document) / "event_schemas"}
    first: dict[tuple[str, str, str], Place] = {}
    for rule in Place((), document) / "realtime_sync_rules":
        yield from (rule / "trigger").unknown(set(triggers), "trigger")
        yield from (rule / "condition").unknown(set(CONDITIONS), "condition")
        target = (rule / "target").text(DEFAULT_TARGET)
        if target is not None:
            yield from target_fault(rule / "target", target, known_targets)
            known = known_placeholders(document, target)
            for key in ("endpoint", "data_template"):
                yield from _placeholder_faults(rule / key, known)
        call = ((rule / "trigger").text(), (rule / "action").text(), target)
        if all(call):
            same = first.setdefault(call, rule)  # type: ignore[arg-type] # all are texts
            if same is not rule:
                found = f"the trigger, action and target of rule {same.path[-1]} again"
                yield (rule / "action").fault(found, "another action: calls of one action share an idempotency key")


def part_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """Unknown placeholders in headers and parameters, and any in one that holds a secret: commands are kept."""
    for target in targets(document):
        block, known = Place((), document) / f"{target}{SUFFIX}", known_placeholders(document, target)
        for text in (*(block / "headers"), *(block / "query")):
            if is_secret_place(text.path) and PLACEHOLDER.search(text.text() or ""):
                yield text.fault("a placeholder in a secret", "a secret as it is: what is rendered is kept in topics")
            else:
                yield from _placeholder_faults(text, known)


def target_fault(place: Place, target: str, known: set[str]) -> Iterator[Fault]:
    """A mistake if the target has no block."""
    if target not in known:
        blocks = ", ".join(f"{name}{SUFFIX}" for name in sorted(known)) or "none is there"
        found = f"the target {target!r}, and no block {target}{SUFFIX}"
        yield place.fault(found, f"a target that has a block: {blocks}", nearest(target, known))


def mapping_faults(document: dict[str, Any]) -> Iterator[Fault]:
    """Unknown transformations, and mappings for targets that are not there."""
    known_targets = targets(document)
    for target in mappings(document):
        mapping = Place((), document) / f"{target}{MAPPING_SUFFIX}"
        yield from target_fault(mapping, target, known_targets)
        for entry in mapping:
            yield from (entry / "transformation").unknown(set(transformations()), "transformation")


def known_placeholders(document: dict[str, Any], target: str) -> set[str]:
    """Names that a template for `target` may use.

    Fields of a site and its contract that the hub knows, those that event schemas or forecasting pipelines name, and
    both sides of the target's mapping: a mapping entry is how a field becomes known that nothing else names.
    """
    names = known_fields(document)
    for entry in Place((), document) / f"{target}{MAPPING_SUFFIX}":
        names |= {name for key in ("source_field", "target_field") if (name := (entry / key).text())}
    return names


def known_fields(document: dict[str, Any]) -> set[str]:
    """Fields of a site and its contract that the hub knows, or that event schemas or forecasting pipelines name."""
    root = Place((), document)
    names = {*SITE_FIELDS, *CONTRACT_FIELDS, *RATE_FIELDS}
    for schema in root / "event_schemas":
        names |= set(_site_properties(schema / "schema"))
    for pipeline in root / "forecasting_data_pipeline":
        names |= {name for field in pipeline / "source_fields" if (name := field.text())}
    return names


def _site_properties(schema: Place) -> Iterator[str]:
    for name in SITE_BLOCKS:
        block = schema / "properties" / name
        for field in block / "properties":
            yield str(field.path[-1])
        if block.value is not None:
            yield from _site_properties(block)


def _placeholder_faults(template: Place, known: set[str]) -> Iterator[Fault]:
    text = template.text()
    if text is None:
        for inner in template:
            yield from _placeholder_faults(inner, known)
        return
    for name in PLACEHOLDER.findall(text):
        if name not in known:
            allowed = f"one of {', '.join(sorted(known))}, or a field that an event schema or a mapping names"
            yield template.fault(f"the unknown placeholder {{{{{name}}}}}", allowed, nearest(name, known))
    rest = PLACEHOLDER.sub("", text)
    if "{{" in rest or "}}" in rest:
        yield template.fault(f"half a placeholder in {text!r}", "{{name}}")
