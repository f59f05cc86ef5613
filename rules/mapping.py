"""From a site's fields to a target's: what a placeholder stands for."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from sitehub.rules.site import Site
from sitehub.rules.transformations import TRANSFORMATIONS

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
    """The mapping entries of one target."""

    def __init__(self, entries: Iterable[MappingEntry] = ()) -> None:
        self._entries = list(entries)

    @property
    def target_fields(self) -> set[str]:
        """Names that the mapping gives beside the site's own."""
        return {entry.target_field for entry in self._entries}

    @property
    def feeding(self) -> set[str]:
        """Names, as `fold` reports them, of the fields that feed the mapping."""
        return {name for entry in self._entries for name in changed_names(entry.source_field)}

    def finder(self, placeholder: str, key: str | None) -> Finder:
        """What finds `placeholder`, which stands as the value of `key`.

        In this order: the mapping from the placeholder to the key, transformed; a site field; a mapped target field; a
        field of the contract.
        """
        for entry in self._entries:
            if (entry.source_field, entry.target_field) == (placeholder, key):
                return _transformed(entry)
        mapped = next((_transformed(entry) for entry in self._entries if entry.target_field == placeholder), None)
        own = _site_field(placeholder)

        def find(site: Site) -> Any:
            value = own(site)
            if value is None and mapped is not None:
                value = mapped(site)
            return site.contract_info.get(placeholder) if value is None else value

        return find


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


def _transformed(entry: MappingEntry) -> Finder:
    own, transform = _site_field(entry.source_field), TRANSFORMATIONS[entry.transformation]

    def find(site: Site) -> Any:
        value = own(site)
        if value is None:
            value = site.contract_info.get(entry.source_field)
        return None if value is None else transform(value)

    return find
