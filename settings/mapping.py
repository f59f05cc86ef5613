"""The configuration with another mapping in place of its own, if that fits the rest of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sitehub.rules.mapping import MappingEntry
from sitehub.settings.blocks import MAPPING_SUFFIX, mappings, targets
from sitehub.settings.check_rules import known_fields, part_faults, rule_faults
from sitehub.settings.effective import config_id
from sitehub.settings.mistakes import dotted, nearest
from sitehub.settings.settings import Settings
from sitehub.settings.sync import MappingConfig
from sitehub.settings.transformations import transformations

Entries = Mapping[str, list[MappingEntry]]
"""The mapping of each target."""


@dataclass(frozen=True, slots=True)
class MappingMistake:
    """Why a mapping can't take effect. `reason` is stable, for metrics; `text` is for people."""

    reason: str
    text: str


def with_mapping(settings: Settings, entries: Entries) -> Settings | list[MappingMistake]:
    """The settings under which `entries` are the mapping of their targets, or all that is wrong with them.

    Targets that `entries` do not name keep the configuration's; those that the configuration does not have are passed
    over. The id is that of a configuration with the same
    mapping, so that it changes exactly if the effect does.
    """
    document = dict(settings.document)
    entries = {target: mapping for target, mapping in entries.items() if target in targets(document)}
    for target, mapping in entries.items():
        document[f"{target}{MAPPING_SUFFIX}"] = _block(document.get(f"{target}{MAPPING_SUFFIX}") or {}, mapping)
    if mistakes := [*_mistakes(settings.document, entries), *_rule_mistakes(document)]:
        return mistakes
    blocks = {
        target: {name: MappingConfig.model_validate(entry) for name, entry in block.items()}
        for target, block in mappings(document).items()
    }
    configuration = settings.configuration.model_copy(update={"data_mappings": blocks})
    return replace(settings, configuration=configuration, document=document, config_id=config_id(configuration))


def _block(configured: Mapping[str, Any], entries: list[MappingEntry]) -> dict[str, Any]:
    """The block as a file would have it: entries that the configuration has keep their names."""
    names = {_key(MappingEntry(**entry)): name for name, entry in configured.items()}
    named: dict[str, Any] = {}
    for entry in entries:
        name = names.get(_key(entry), f"{entry.source_field}_to_{entry.target_field}")
        while name in named:
            name += "_"
        named[name] = {
            "source_field": entry.source_field,
            "target_field": entry.target_field,
            "transformation": entry.transformation,
        }
    return dict(configured) if named == configured else named


def _key(entry: MappingEntry) -> tuple[str, str]:
    return entry.source_field, entry.target_field


def _mistakes(document: dict[str, Any], entries: Entries) -> Iterator[MappingMistake]:
    for target, mapping in entries.items():
        configured = (document.get(f"{target}{MAPPING_SUFFIX}") or {}).values()
        fields = known_fields(document) | {str(entry["source_field"]) for entry in configured}
        seen = set[tuple[str, str]]()
        for entry in mapping:
            at = f"{target}: {entry.source_field} -> {entry.target_field}"
            if entry.source_field not in fields:
                yield _unknown("field", at, entry.source_field, fields)
            if entry.transformation not in transformations():
                yield _unknown("transformation", at, entry.transformation, transformations())
            if _key(entry) in seen:
                yield MappingMistake("twice", f"{at}: active twice; disable one")
            seen.add(_key(entry))


def _unknown(kind: str, at: str, name: str, known: Iterable[str]) -> MappingMistake:
    hint = f"; did you mean {near!r}?" if (near := nearest(name, known)) else ""
    return MappingMistake(f"unknown_{kind}", f"{at}: the unknown {kind} {name!r}{hint} Known: {_listed(known)}")


def _listed(known: Iterable[str]) -> str:
    return ", ".join(sorted(known))


def _rule_mistakes(document: dict[str, Any]) -> Iterator[MappingMistake]:
    """Rules that name what only the former mapping gave: they would wait for ever."""
    for fault in (*rule_faults(document), *part_faults(document)):
        yield MappingMistake("rule", f"{dotted(fault.path)}: {fault.found} would be left without a mapping")
