"""What a target is told of a row of a batch's source."""

from typing import Any

from sitehub.rules.mapping import ALIASES, Mapping
from sitehub.rules.site import Site

ALWAYS = ("deleted_at",)
"""Columns that are told whatever the mapping says, where a row has them."""


def record_of(columns: dict[str, Any], mapping: Mapping | None) -> dict[str, Any]:
    """The target's fields, as the mapping gives them; without a mapping the columns as they are.

    A column is a field of a site with its name; the fields in `attributes` are there beside them. What the row does not
    have is left out. A row that says when its site was deleted says so to the target.
    """
    if mapping is None or not mapping.entries:
        return columns
    site = _site(columns)
    record = {entry.target_field: find(site) for entry, find in mapping.finders}
    told = {name: columns[name] for name in ALWAYS if columns.get(name) is not None}
    return {name: value for name, value in record.items() if value is not None} | told


def _site(columns: dict[str, Any]) -> Site:
    attributes = {**_object(columns.get("attributes")), **columns}
    attributes |= {attribute: columns[alias] for alias, attribute in ALIASES.items() if alias in columns}
    return Site(
        site_id=str(columns.get("site_id", "")),
        version=0,
        attributes=attributes,
        contract_info=_object(columns.get("contract_info")),
        created_at="",
        updated_at="",
        last_event_id="",
        last_event_timestamp="",
        event_ids="",
        offset=0,
    )


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
