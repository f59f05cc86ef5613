"""How far the deliveries about one site to one target have come: rows of a `deliveries` table."""

import msgspec


class DeliveryRow(msgspec.Struct, frozen=True):
    """What came of the last attempt.

    The topic is not needed any more for the site's commands up to `offset`: they have ended, or are in the table.
    """

    state: str
    command_id: str
    action: str
    attempts: int
    http_status: int | None
    error: str | None
    at: str
    offset: int
    parked_since: str | None = None
    """Set while the site is parked."""
    tries: int = 0
    """Failed attempts since the site was parked, of whichever command."""
    next_at: float | None = None
    """When a parked site is tried again, in seconds since 1970."""


class LedgerRow(msgspec.Struct, frozen=True):
    """What has become of a partition's commands since its topic was first read."""

    passed: int = 0
    """Commands before the offset that is committed with this row."""
    ahead: int = 0
    """Commands behind it that the topic is not needed for either; they will be read again, and are known then."""
    delivered: int = 0
    superseded: int = 0
    rejected: int = 0


class ParkedCommand(msgspec.Struct, frozen=True, array_like=True):
    """A command that its topic is not needed for any more: the record as it was read."""

    site: bytes
    offset: int
    value: bytes
    headers: list[tuple[str, bytes]]
    parked_at: float
    """Seconds since 1970."""

    @property
    def key(self) -> bytes:
        """Key of the site, as of any record of a command."""
        return self.site
