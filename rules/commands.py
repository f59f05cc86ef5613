"""What a target must be told."""

from typing import Any

import msgspec


class Command(msgspec.Struct, frozen=True):
    """One call to be made; its id is the call's idempotency key."""

    command_id: str
    target: str
    action: str
    site_id: str
    method: str
    path: str
    body: Any
    event_id: str
    event_timestamp: str
    config_id: str
    source_topic: str
    source_partition: int
    source_offset: int
    headers: dict[str, str] = {}
    """Of the call, beside those that every call to the target has."""
    query: dict[str, str] = {}
    """Parameters of the address, in the same way."""
