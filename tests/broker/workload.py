"""Seeded site events and an independent model of what the hub must make of them.

Nothing here imports the product's rules: the model is written from the text of the guarantees alone.
"""

import json
import random
import uuid
from dataclasses import dataclass, field
from typing import Any

MALFORMED = [
    ("not_json", b'{"event_id": '),
    ("not_utf8", b'{"event_id": "\xff\xfe"}'),
    ("schema_violation", None),
    ("new_value_missing", None),
    ("unknown_site", None),
]


@dataclass(slots=True)
class Sent:
    """A record as it is to be produced, with the dead letter's reason if it must end as one."""

    key: bytes
    value: bytes
    reason: str | None = None


@dataclass(slots=True)
class Call:
    """A call that the billing system must get."""

    command_id: str
    method: str
    path: str
    body: dict[str, Any]


@dataclass(slots=True)
class ModelSite:
    attributes: dict[str, Any]
    contract_info: dict[str, Any]
    version: int = 1


@dataclass(slots=True)
class Workload:
    """Events of many sites in order, and by site what must come of them."""

    sent: list[Sent] = field(default_factory=list)
    sites: dict[str, ModelSite] = field(default_factory=dict)
    calls: dict[str, list[Call]] = field(default_factory=dict)
    dead: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    history: dict[str, list[str]] = field(default_factory=dict)
    """By site the states it goes through, version 1 first: attributes and contract as JSON."""


def address(rng: random.Random) -> dict[str, str]:
    return {
        "street": f"{rng.randrange(1, 9999)} Main Street ",
        "city": "Denver",
        "state": "co",
        "zip": "802020001",
    }


def billing_address(source: dict[str, str]) -> dict[str, Any]:
    """What `address_formatting` must make of `address`."""
    return {
        "line1": source["street"].strip(),
        "city": "Denver",
        "state": "CO",
        "postal_code": "80202-0001",
    }


def state(site: ModelSite) -> str:
    """Attributes and contract, comparable."""
    return json.dumps([site.attributes, site.contract_info], sort_keys=True)


def make(seed: int, events: int, sites: int) -> Workload:
    """About 2 % malformed, 5 % duplicates and 5 % no-op updates among `events` events."""
    rng, work = random.Random(seed), Workload()
    last: dict[str, bytes] = {}
    for number in range(events):
        site_id = f"site-{number if number < sites else rng.randrange(sites):05d}"
        chance = rng.random()
        if number >= sites and chance < 0.02:
            _malformed(rng, work, site_id)
        elif number >= sites and chance < 0.07:
            work.sent.append(Sent(site_id.encode(), last[site_id]))
            work.duplicates += 1
        else:
            event = _event(rng, work, site_id, number, is_noop=chance < 0.12)
            work.history.setdefault(site_id, []).append(state(work.sites[site_id]))
            last[site_id] = json.dumps(event).encode()
            work.sent.append(Sent(site_id.encode(), last[site_id]))
    return work


def _head(rng: random.Random, kind: str, site_id: str, number: int) -> dict[str, Any]:
    return {
        "event_type": kind,
        "event_id": str(uuid.UUID(int=rng.getrandbits(128))),
        "event_timestamp": f"2026-11-24T{number // 3600 % 24:02d}:{number // 60 % 60:02d}:{number % 60:02d}Z",
        "site_id": site_id,
    }


def _event(rng: random.Random, work: Workload, site_id: str, number: int, *, is_noop: bool) -> dict[str, Any]:
    site = work.sites.get(site_id)
    calls = work.calls.setdefault(site_id, [])
    if site is None:
        data: dict[str, Any] = {
            "name": f"Garage {number}",
            "address": address(rng),
            "territory_id": f"terr-{number % 30}",
        }
        contract = {"contract_type": "management_fee", "billing_cycle": "monthly", "rate": 12.5}
        work.sites[site_id] = ModelSite(dict(data), dict(contract))
        event = {**_head(rng, "site_created", site_id, number), "site_data": {**data, "contract_info": contract}}
        calls.append(
            Call(
                f"{event['event_id']}:create_billing_customer",
                "POST",
                "/customers",
                {
                    "customer_id": site_id,
                    "customer_name": data["name"],
                    "billing_address": billing_address(data["address"]),
                    "territory_code": data["territory_id"],
                },
            )
        )
        return event
    site.version += 1
    if is_noop:
        return {
            **_head(rng, "site_updated", site_id, number),
            "changed_fields": ["name"],
            "old_values": {"name": site.attributes["name"]},
            "new_values": {"name": site.attributes["name"]},
        }
    kind = rng.randrange(3)
    if kind == 0:
        event = {
            **_head(rng, "contract_updated", site_id, number),
            "contract_info": {"billing_cycle": f"cycle-{number}"},
        }
        site.contract_info |= event["contract_info"]
        calls.append(
            Call(
                f"{event['event_id']}:update_billing_configuration",
                "PUT",
                f"/customers/{site_id}/billing-config",
                {"contract_type": "management_fee", "billing_frequency": f"cycle-{number}"},
            )
        )
        return event
    field_name, value = ("name", f"Garage {number}") if kind == 1 else ("address", address(rng))
    event = {
        **_head(rng, "site_updated", site_id, number),
        "changed_fields": [field_name],
        "old_values": {field_name: site.attributes[field_name]},
        "new_values": {field_name: value},
    }
    changed = site.attributes[field_name] != value
    site.attributes[field_name] = value
    if changed:
        calls.append(
            Call(
                f"{event['event_id']}:update_billing_customer",
                "PUT",
                f"/customers/{site_id}",
                {
                    "customer_name": site.attributes["name"],
                    "billing_address": billing_address(site.attributes["address"]),
                },
            )
        )
    return event


def _malformed(rng: random.Random, work: Workload, site_id: str) -> None:
    reason, raw = rng.choice(MALFORMED)
    key = site_id.encode()
    if raw is None:
        event = _head(rng, "site_updated", site_id, 0)
        if reason == "schema_violation":
            event |= {"changed_fields": "name"}
        elif reason == "new_value_missing":
            event |= {"changed_fields": ["name", "address"], "new_values": {"name": "half"}}
        else:
            event |= {"site_id": f"ghost-{site_id}", "changed_fields": ["name"], "new_values": {"name": "ghost"}}
            key = f"ghost-{site_id}".encode()
        raw = json.dumps(event).encode()
    work.sent.append(Sent(key, raw, reason))
    work.dead[reason] = work.dead.get(reason, 0) + 1
