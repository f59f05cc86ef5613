"""Small histories of sites whose calls can be told apart, and the check of what was called for them."""

import json
from typing import Any

from sitehub.tests.broker.hub import Hub, get
from sitehub.tests.broker.outcomes import outcomes


def created(site: int) -> tuple[bytes, bytes]:
    data = {"name": f"Garage {site}", "address": {"street": "1 Main St"}, "territory_id": "t1"}
    return event("site_created", site, 0, site_data=data)


def renamed(site: int, number: int) -> tuple[bytes, bytes]:
    name = f"Garage {site}.{number}"
    return event("site_updated", site, number, changed_fields=["name"], new_values={"name": name})


def event(kind: str, site: int, number: int, *, prefix: str = "site-", **payload: Any) -> tuple[bytes, bytes]:
    site_id = f"{prefix}{site}"
    head = {"event_type": kind, "event_id": f"{site_id}:{number}", "event_timestamp": "2026-11-24T01:00:00Z"}
    return site_id.encode(), json.dumps({**head, "site_id": site_id, **payload}).encode()


def publish_rounds(hub: Hub, sites: int, first: int, last: int) -> int:
    """Updates of all sites, numbered from `first` to `last`; how many."""
    records = [renamed(site, number) for number in range(first, last + 1) for site in range(sites)]
    hub.publish(records)
    return len(records)


def all_ended(hub: Hub, calls: int) -> bool:
    return len(outcomes(hub).ended()) == calls


def check_calls(hub: Hub, calls: int) -> None:
    """Each command delivered or superseded once; a site's calls in log order, none beside another or after a later."""
    found = outcomes(hub)
    found.check()
    delivered = found.ended("delivered")
    assert len(delivered) + len(found.ended("superseded")) == calls
    made: dict[str, list[str]] = {}
    taken: set[str] = set()
    for call in hub.calls():
        made.setdefault(call["site_id"], []).append(call["idempotency_key"])
        if call["status"] in (200, 201):
            taken.add(call["idempotency_key"])
    assert taken == delivered
    for site_id, keys in made.items():
        numbers = [int(key.split(":")[1]) for key in keys]
        assert numbers == sorted(numbers), site_id
    assert get(f"http://127.0.0.1:{hub.targets_port}/_stats")[1]["overlaps"] == 0
