"""Apply an event to a site's state."""

from typing import Any

import msgspec

from sitehub.rules import event_ids
from sitehub.rules.events import Event
from sitehub.rules.failure import Failure
from sitehub.rules.site import Site
from sitehub.rules.times import is_before

_ABSENT = object()


class Duplicate(msgspec.Struct, frozen=True):
    """The event was applied before, or creates what is there already."""


class Applied(msgspec.Struct):
    """The new state, and the names whose value really changed.

    Names are those of attributes, `contract_info` and `contract_info.<field>`.
    """

    site: Site
    changed: frozenset[str]
    out_of_order: bool


def fold(  # noqa: PLR0911 -- one return an outcome reads best
    site: Site | None, event: Event, now: str, offset: int
) -> Applied | Duplicate | Failure:
    """The state after `event`; `site` itself is left as it was.

    Log order is the truth: an event older than the state is applied and marked as out of order.
    """
    if site is not None and event_ids.contains(site.event_ids, event.event_id):
        return Duplicate()
    if event.type == "site_created":
        return _created(site, event, now, offset)
    if site is None or site.deleted_at is not None:
        return Failure("validate", "unknown_site", f"{event.type} for site {event.site_id!r}, which does not exist")
    match event.type:
        case "site_updated":
            changes = _changes(event)
            if isinstance(changes, Failure):
                return changes
            return _updated(site, event, now, offset, changes)
        case "contract_updated":
            contract = _merged(site.contract_info, event.payload["contract_info"])
            return _updated(site, event, now, offset, {"contract_info": contract})
        case "site_deleted":
            applied = _updated(site, event, now, offset, {})
            applied.site.deleted_at = now
            applied.site.waiting = []
            return applied
        case _:
            return _updated(site, event, now, offset, {})


def _created(site: Site | None, event: Event, now: str, offset: int) -> Applied | Duplicate | Failure:
    attributes = dict(event.payload["site_data"])
    contract = attributes.pop("contract_info", None) or {}
    if not isinstance(contract, dict):
        return _no_contract("site_data")
    if site is not None and site.deleted_at is None:
        if _is_same(site.attributes, attributes) and _is_same(site.contract_info, contract):
            return Duplicate()
        return Failure("validate", "site_exists", f"site {event.site_id!r} exists with other content")
    fresh = Site(
        site_id=event.site_id,
        version=(site.version if site else 0) + 1,
        attributes=attributes,
        contract_info=contract,
        created_at=now,
        updated_at=now,
        last_event_id=event.event_id,
        last_event_timestamp=event.event_timestamp,
        event_ids=event_ids.remember(site.event_ids if site else "", event.event_id),
        offset=offset,
        commands=site.commands if site else {},
    )
    changed = {*attributes, "contract_info", *(f"contract_info.{name}" for name in contract)}
    late = site is not None and is_before(event.event_timestamp, site.last_event_timestamp)
    return Applied(fresh, frozenset(changed), late)


def _changes(event: Event) -> dict[str, Any] | Failure:
    """New value of every changed field; None removes it."""
    given = event.payload.get("new_values") or {}
    names = event.payload["changed_fields"]
    missing = [str(name) for name in names if not isinstance(name, str) or name not in given]
    if missing:
        return Failure("validate", "new_value_missing", f"changed_fields without a value in new_values: {missing}")
    changes = {name: given[name] for name in names}
    if not isinstance(changes.get("contract_info"), dict | None):
        return _no_contract("new_values")
    return changes


def _no_contract(block: str) -> Failure:
    return Failure("validate", "schema_violation", f"{block}.contract_info: not an object")


def _updated(site: Site, event: Event, now: str, offset: int, changes: dict[str, Any]) -> Applied:
    attributes, contract, changed = site.attributes, site.contract_info, set[str]()
    if changes:
        attributes = dict(attributes)
        for name, value in changes.items():
            if name == "contract_info":
                new = value or {}
                differing = _differing(contract, new)
                if differing:
                    changed |= {"contract_info", *(f"contract_info.{field}" for field in differing)}
                    contract = new
            elif not _is_same(attributes.get(name), value):
                changed.add(name)
                if value is None:
                    del attributes[name]
                else:
                    attributes[name] = value
    late = is_before(event.event_timestamp, site.last_event_timestamp)
    new_site = Site(
        site_id=site.site_id,
        version=site.version + 1,
        attributes=attributes,
        contract_info=contract,
        created_at=site.created_at,
        updated_at=now,
        last_event_id=event.event_id,
        last_event_timestamp=event.event_timestamp,
        event_ids=event_ids.remember(site.event_ids, event.event_id),
        offset=offset,
        deleted_at=None,
        waiting=site.waiting,
        commands=site.commands,
    )
    return Applied(new_site, frozenset(changed), late)


def _merged(contract: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Key by key; None removes."""
    return {name: value for name, value in {**contract, **given}.items() if value is not None}


def _differing(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {name for name in {*old, *new} if not _is_same(old.get(name, _ABSENT), new.get(name, _ABSENT))}


def _is_same(one: Any, other: Any) -> bool:
    """Equality of JSON values: 1 is not true, as it is in Python."""
    if one != other:
        return False
    match one:
        case dict():
            return all(_is_same(value, other[name]) for name, value in one.items())
        case list():
            return all(map(_is_same, one, other))
        case _:
            return isinstance(one, bool) == isinstance(other, bool)
