"""What must come of site events, written from the text of the guarantees; nothing here imports the product.

The model is slow and plain: it keeps sites as dictionaries, and knows the guide's three rules by heart.
"""

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

RELEVANT = {"name", "address", "territory_id", "contract_type", "billing_cycle", "billing_configuration", "site_id"}
"""Attributes that feed a billing mapping or template; every field of the contract does."""
FORMATTED = {
    "1 Main St": {"line1": "1 Main St", "city": "Denver", "state": "CO", "postal_code": "80202-0001"},
    "2 Side St": {"line1": "2 Side St", "country": "US"},
}
"""The formatted address by the trimmed street of those that the histories use."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A record in its partition."""

    offset: int
    key: bytes
    value: bytes
    fault: str | None = None
    """Reason of the dead letter if it can't be decoded."""


@dataclass(slots=True)
class Wish:
    """A rule that waits."""

    action: str
    event_id: str
    event_timestamp: str
    missing: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ModelSite:
    attributes: dict[str, Any] = field(default_factory=dict)
    contract: dict[str, Any] = field(default_factory=dict)
    version: int = 0
    event_ids: list[str] = field(default_factory=list)
    last: str = ""
    offset: int = 0
    deleted: bool = False
    waiting: list[Wish] = field(default_factory=list)


Call = tuple[str, str, str, str, dict[str, Any], str]
"""Command id, site, method, path, body, timestamp of its event."""


@dataclass(slots=True)
class Expected:
    sites: dict[str, ModelSite] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    dead: list[tuple[int, str]] = field(default_factory=list)
    applied: int = 0
    duplicates: int = 0
    out_of_order: int = 0

    def take(self, sent: Sent) -> None:
        if sent.fault is not None:
            self.dead.append((sent.offset, sent.fault))
            return
        event = json.loads(sent.value)
        reason = self._apply(event, event["site_id"], sent.offset)
        if reason == "duplicate":
            self.duplicates += 1
        elif reason is not None:
            self.dead.append((sent.offset, reason))

    def _apply(self, event: dict[str, Any], site_id: str, offset: int) -> str | None:
        site = self.sites.get(site_id)
        if site is not None and event["event_id"] in site.event_ids:
            return "duplicate"
        alive = site is not None and not site.deleted
        kind, changed = event["event_type"], set[str]()
        if kind == "site_created":
            data = dict(event["site_data"])
            contract = data.pop("contract_info", {})
            if alive and site is not None:
                is_same = equal(site.attributes, data) and equal(site.contract, contract)
                return "duplicate" if is_same else "site_exists"
            site = self.sites.setdefault(site_id, ModelSite())
            site.attributes, site.contract, site.deleted, site.waiting = data, contract, False, []
        elif not alive or site is None:
            return "unknown_site"
        elif kind == "site_updated":
            values = event.get("new_values") or {}
            if not set(event["changed_fields"]) <= values.keys():
                return "new_value_missing"
            changed = change(site, {name: values[name] for name in event["changed_fields"]})
        elif kind == "contract_updated":
            site.contract = {k: v for k, v in {**site.contract, **event["contract_info"]}.items() if v is not None}
        else:
            site.deleted, site.waiting = True, []
        self._note(site, event, offset)
        self._decide(site, site_id, event, changed)
        return None

    def _note(self, site: ModelSite, event: dict[str, Any], offset: int) -> None:
        self.applied += 1
        at = event["event_timestamp"]
        self.out_of_order += bool(site.last) and datetime.fromisoformat(at) < datetime.fromisoformat(site.last)
        site.version += 1
        site.event_ids = [*site.event_ids, event["event_id"]][-64:]
        site.last, site.offset = at, offset

    def _decide(self, site: ModelSite, site_id: str, event: dict[str, Any], changed: set[str]) -> None:
        """What waited goes first; an action that comes anew takes the place of the one that waited."""
        action = {
            "site_created": "create_billing_customer",
            "contract_updated": "update_billing_configuration",
            "site_updated": "update_billing_customer" if changed & {*RELEVANT, "contract_info"} else None,
        }.get(event["event_type"])
        wishes = [wish for wish in site.waiting if wish.action != action]
        if action is not None:
            wishes.append(Wish(action, event["event_id"], event["event_timestamp"]))
        site.waiting = []
        for wish in wishes:
            method, path, body, wish.missing = document(site, site_id, wish.action)
            behind_create = any(one.action == "create_billing_customer" for one in site.waiting)
            if wish.missing or behind_create:
                site.waiting.append(wish)
            else:
                self.calls.append((f"{wish.event_id}:{wish.action}", site_id, method, path, body, wish.event_timestamp))


def change(site: ModelSite, values: dict[str, Any]) -> set[str]:
    """Set or remove what an update names; the names whose value is another now."""
    changed = set()
    for name, value in values.items():
        if name == "contract_info":
            new = value or {}
            if not equal(site.contract, new):
                changed.add(name)
            site.contract = new
        elif not equal(site.attributes.get(name), value):
            changed.add(name)
            site.attributes = {k: v for k, v in {**site.attributes, name: value}.items() if k != name or v is not None}
    return changed


def document(site: ModelSite, site_id: str, action: str) -> tuple[str, str, dict[str, Any], list[str]]:
    """Method, path, body, and the names that are missing."""
    segment = quote(site_id, safe="") if site_id.strip(".") else site_id.replace(".", "%2E")
    fields = {
        "site_name": site.attributes.get("name"),
        "address": formatted(site.attributes.get("address")),
        "territory_id": site.attributes.get("territory_id"),
        "contract_type": first(site.attributes.get("contract_type"), site.contract.get("contract_type")),
        "billing_cycle": first(site.attributes.get("billing_cycle"), site.contract.get("billing_cycle")),
        "billing_configuration": configuration(site.contract),
    }
    keys = {
        "create_billing_customer": {
            "customer_name": "site_name",
            "billing_address": "address",
            "territory_code": "territory_id",
        },
        "update_billing_customer": {"customer_name": "site_name", "billing_address": "address"},
        "update_billing_configuration": {
            "contract_type": "contract_type",
            "billing_frequency": "billing_cycle",
            "configuration": "billing_configuration",
        },
    }[action]
    body = {key: fields[name] for key, name in keys.items()}
    missing = [name for key, name in keys.items() if body[key] is None]
    match action:
        case "create_billing_customer":
            return "POST", "/customers", {"customer_id": site_id, **body}, missing
        case "update_billing_customer":
            return "PUT", f"/customers/{segment}", body, missing
        case _:
            return "PUT", f"/customers/{segment}/billing-config", body, missing


def formatted(address: Any) -> Any:
    return FORMATTED[address["street"].strip()] if isinstance(address, dict) else address


def configuration(contract: dict[str, Any]) -> dict[str, Any] | None:
    if not contract:
        return None
    known = {"contract_type": "contract_type", "billing_cycle": "billing_frequency", "end_date": "end_date"}
    mapped = {name: contract[field] for field, name in known.items() if contract.get(field) is not None}
    return {**mapped, "currency": "USD", "terms": {k: v for k, v in contract.items() if k not in known}}


def first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)


def equal(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
