"""The state of a site: a row of the table `sites`."""

from typing import Any

import msgspec


class Waiting(msgspec.Struct, frozen=True):
    """A rule that lacks names, or stands behind one that does; decided again at the site's next event."""

    action: str
    target: str
    missing: list[str]
    since: str
    event_id: str
    event_timestamp: str


class Site(msgspec.Struct):
    """Everything that is known of a site. Times of application are RFC 3339 in UTC."""

    site_id: str
    version: int
    attributes: dict[str, Any]
    contract_info: dict[str, Any]
    created_at: str
    updated_at: str
    last_event_id: str
    last_event_timestamp: str
    event_ids: str
    """Of the events applied last: see `rules.event_ids`."""
    offset: int
    deleted_at: str | None = None
    waiting: list[Waiting] = []
    commands: dict[str, str] = {}
    """Target to the id of the last command that was made for it."""
