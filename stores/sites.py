"""Look-ups in the state tables: a site as JSON, with what waits and how far each target is in sync."""

from collections.abc import Callable

import orjson

from sitehub.codecs.rows import decode_delivery, decode_site
from sitehub.rules.site import Site

ReadRow = Callable[[str, bytes], bytes | None]
"""Row of a table and key among the partitions that this worker owns."""
ReadStale = Callable[[str, bytes], tuple[bytes, float] | None]
"""Row of a table and key among those that it follows, and when (since 1970) that was known to be current."""

SETTLED = frozenset({"never_sent", "in_sync"})
"""States that a waiting rule belies: the target does not have what it must be told."""


class SiteTables:
    """The table `sites` and each target's table of deliveries."""

    def __init__(self, read_row: ReadRow, read_stale: ReadStale, deliveries: dict[str, str]) -> None:
        """`deliveries` holds the table's name by target."""
        self._read_row = read_row
        self._read_stale = read_stale
        self._deliveries = deliveries

    def find(self, site_id: str) -> tuple[bytes, str | None] | None:
        """The site as JSON and when it was deleted, None if it is not here; raises what reading a row raises."""
        key = site_id.encode()
        row = self._read_row("sites", key)
        if row is None:
            return None
        deliveries = {target: self._read_row(table, key) for target, table in self._deliveries.items()}
        document, deleted_at = _document(row, deliveries)
        return orjson.dumps(document), deleted_at

    def find_stale(self, site_id: str, now: float) -> tuple[bytes, str | None, float] | None:
        """As `find`, from what this worker follows: also how many seconds ago that was known to be current."""
        key = site_id.encode()
        found = self._read_stale("sites", key)
        if found is None:
            return None
        row, current_at = found
        stale = {target: self._read_stale(table, key) for target, table in self._deliveries.items()}
        document, deleted_at = _document(row, {target: one and one[0] for target, one in stale.items()})
        seconds = max(0.0, now - min([current_at, *(at for _, at in filter(None, stale.values()))]))
        return orjson.dumps({**document, "stale_by_seconds": round(seconds, 3)}), deleted_at, seconds


def _document(row: bytes, deliveries: dict[str, bytes | None]) -> tuple[dict[str, object], str | None]:
    site = decode_site(row)
    sync = {target: _sync(site, target, delivery) for target, delivery in deliveries.items()}
    return site_document(site, sync), site.deleted_at


def _sync(site: Site, target: str, row: bytes | None) -> dict[str, object]:
    delivery = decode_delivery(row) if row is not None else None
    last = site.commands.get(target)
    state = delivery.state if delivery else "never_sent"
    if last is not None and (delivery is None or delivery.command_id != last):
        state = "parked" if state == "parked" else "pending"
    elif state in SETTLED and any(waiting.target == target for waiting in site.waiting):
        state = "waiting"
    return {
        "state": state,
        "command_id": delivery.command_id if delivery else last,
        "action": delivery.action if delivery else None,
        "attempts": delivery.attempts if delivery else 0,
        "http_status": delivery.http_status if delivery else None,
        "error": delivery.error if delivery else None,
        "at": delivery.at if delivery else None,
    }


def site_document(site: Site, sync: dict[str, dict[str, object]]) -> dict[str, object]:
    """The site as others see it: names and types of the HTTP view."""
    return {
        "site_id": site.site_id,
        "version": site.version,
        "attributes": site.attributes,
        "contract_info": site.contract_info,
        "created_at": site.created_at,
        "updated_at": site.updated_at,
        "deleted_at": site.deleted_at,
        "last_event_id": site.last_event_id,
        "waiting": [
            {
                "action": waiting.action,
                "target": waiting.target,
                "missing": waiting.missing,
                "since": waiting.since,
            }
            for waiting in site.waiting
        ],
        "sync": sync,
    }
