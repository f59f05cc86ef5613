"""How far the deliveries about one site to one target have come: a row of a `deliveries` table."""

import msgspec


class DeliveryRow(msgspec.Struct, frozen=True):
    """The last attempt; `offset` is the last command that has ended, all before it for this site have too."""

    state: str
    command_id: str
    action: str
    attempts: int
    http_status: int | None
    error: str | None
    at: str
    offset: int
