"""What was done and by whom: the records of the audit log."""

from collections.abc import Iterable
from typing import Any

import msgspec

from sitehub.rules.site import Site

MASK = "***"
CONTRACT = "contract_info"
CONTRACT_FIELD = f"{CONTRACT}."

Values = dict[str, Any]


class AuditRecord(msgspec.Struct, frozen=True):
    """One thing that was done. `before` and `after` have what it changed, and no more; masked."""

    actor: str
    """`event:<source system or topic>`, `delivery:<target>`, `worker:<instance id>` or `operator:<user>`."""
    at: str
    """RFC 3339 in UTC."""
    action: str
    entity_type: str
    entity_id: str
    site_id: str | None
    before: Values
    after: Values
    correlation_id: str
    """The event's id; for an operator that of the command's run."""
    source: str
    """`<topic>/<partition>/<offset>` of the record that led to it; else how the request came."""
    config_id: str


class Masks:
    """Hides the values of fields, wherever in a document they are."""

    def __init__(self, fields: Iterable[str] = ()) -> None:
        """A field is the name of a key, or several from the outer to the inner with dots between them."""
        self._endings = tuple(f".{name}" for name in fields)

    def __call__(self, values: Values) -> Values:
        """The values, with `***` in place of each masked one."""
        return self._mask(values, "") if self._endings else values

    def _mask(self, value: Any, path: str) -> Any:
        if path.endswith(self._endings):
            return MASK
        if isinstance(value, dict):
            return {name: self._mask(inner, f"{path}.{name}") for name, inner in value.items()}
        if isinstance(value, list):
            return [self._mask(inner, path) for inner in value]
        return value


def difference(before: Site | None, after: Site, changed: frozenset[str]) -> tuple[Values, Values]:
    """What an event changed, before and after it; `changed` as `fold` reports it. The version always changes."""
    new: Values = {"version": after.version}
    if after.deleted_at is not None:
        new["deleted_at"] = after.deleted_at
    if before is None:
        return {}, new | {"attributes": after.attributes, CONTRACT: after.contract_info}
    old: Values = {"version": before.version}
    if before.deleted_at is not None:
        old |= {"deleted_at": before.deleted_at, "attributes": before.attributes, CONTRACT: before.contract_info}
        return old, new | {"attributes": after.attributes, CONTRACT: after.contract_info}
    if changed:
        _add(changed, before.attributes, after.attributes, old, new)
        if CONTRACT in changed:
            fields = [name.removeprefix(CONTRACT_FIELD) for name in changed if name.startswith(CONTRACT_FIELD)]
            old[CONTRACT] = {name: before.contract_info[name] for name in fields if name in before.contract_info}
            new[CONTRACT] = {name: after.contract_info[name] for name in fields if name in after.contract_info}
    return old, new


def _add(changed: Iterable[str], before: Values, after: Values, old: Values, new: Values) -> None:
    """Put the changed attributes into `old` and `new`; plainly, for this is done for each event."""
    was: Values = {}
    became: Values = {}
    for name in changed:
        if name in before:
            was[name] = before[name]
        if name in after:
            became[name] = after[name]
    if was:
        old["attributes"] = was
    if became:
        new["attributes"] = became
