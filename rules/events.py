"""What happened to a site, as its producer told it."""

from typing import Any

import msgspec


class Event(msgspec.Struct, frozen=True):
    """A valid event; `payload` is the whole JSON object, `event_timestamp` RFC 3339 as it was sent."""

    type: str
    version: str
    event_id: str
    event_timestamp: str
    site_id: str
    payload: dict[str, Any]
