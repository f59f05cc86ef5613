"""From a site's fields to a target's: what a placeholder stands for."""

from collections.abc import Callable, Iterable
from collections.abc import Mapping as Dictionary
from dataclasses import dataclass
from typing import Any

from sitehub.rules.site import Site
from sitehub.rules.transformations import TRANSFORMATIONS, Transformation

ALIASES = {"site_name": "name"}
"""A site field's name in mappings and templates, and the attribute that it is."""

Finder = Callable[[Site], Any]
"""Value of a placeholder for a site; None if the site does not have it."""


@dataclass(frozen=True, slots=True)
class MappingEntry:
    """One field of a target and the site field that feeds it."""

    source_field: str
    target_field: str
    transformation: str


class Mapping:
    """The mapping entries of one target; `transformations` are those that they may name."""

    def __init__(
        self,
        entries: Iterable[MappingEntry] = (),
        transformations: Dictionary[str, Transformation] = TRANSFORMATIONS,
    ) -> None:
        self.entries = tuple(entries)
        self._finders = {entry: _transformed(entry, transformations[entry.transformation]) for entry in self.entries}

    @property
    def target_fields(self) -> set[str]:
        """Names that the mapping gives beside the site's own."""
        return {entry.target_field for entry in self.entries}

    @property
    def feeding(self) -> set[str]:
        """Names, as `fold` reports them, of the fields that feed the mapping."""
        return {name for entry in self.entries for name in changed_names(entry.source_field)}

    @property
    def finders(self) -> Iterable[tuple[MappingEntry, Finder]]:
        """Each entry and what finds its value, transformed."""
        return self._finders.items()

    def finder(self, placeholder: str, key: str | None) -> Finder:
        """What finds `placeholder`, which stands as the value of `key`.

        In this order: the mapping from the placeholder to the key, transformed; a site field; a mapped target field; a
        field of the contract.
        """
        here, finders = (placeholder, key), self._finders.items()
        return _first(
            *(find for entry, find in finders if (entry.source_field, entry.target_field) == here),
            _site_field(placeholder),
            *(find for entry, find in finders if entry.target_field == placeholder),
            _contract_field(placeholder),
        )


def changed_names(field: str) -> set[str]:
    """The names under which `fold` may report a change of a field named in a mapping or template."""
    attribute = ALIASES.get(field, field)
    return {attribute, f"contract_info.{attribute}"}


def _site_field(name: str) -> Finder:
    if name == "site_id":
        return lambda site: site.site_id
    if name == "contract_info":
        return lambda site: site.contract_info or None
    attribute = ALIASES.get(name, name)
    return lambda site: site.attributes.get(attribute)


def _contract_field(name: str) -> Finder:
    return lambda site: site.contract_info.get(name)


def _transformed(entry: MappingEntry, transform: Transformation) -> Finder:
    find = _first(_site_field(entry.source_field), _contract_field(entry.source_field))

    def found(site: Site) -> Any:
        value = find(site)
        return None if value is None else transform(value)

    return found


def _first(*finders: Finder) -> Finder:
    """The first of `finders` that finds something."""

    def find(site: Site) -> Any:
        for finder in finders:
            value = finder(site)
            if value is not None:
                return value
        return None

    return find
