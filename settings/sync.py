"""What targets must be told: mapped fields, real-time rules and the nightly batch."""

from typing import Any, Literal

from pydantic import Field

from sitehub.settings.integration import DEFAULT_TARGET
from sitehub.settings.model import Block
from sitehub.settings.shapes import Crontab, Name, TimeZone, UrlPath


class MappingConfig(Block):
    """One mapped field."""

    source_field: Name
    """Name of the site's field."""
    target_field: Name
    """Name of the field in the target's document."""
    transformation: Name
    """Name of the transformation that makes one of the other."""


class RuleConfig(Block):
    """What a target must be told when."""

    trigger: Name
    """Event type."""
    condition: Name | None = None
    """Name of the condition that must hold; absent: always."""
    action: Name
    """Name of the call; with the event's id it is the idempotency key."""
    endpoint: UrlPath
    """Path behind the target's `api_endpoint`, with placeholders."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    """HTTP method."""
    data_template: Any = None
    """Document with placeholders; absent: the call has no body."""
    target: Name = DEFAULT_TARGET
    """Name of the `<name>_integration` block."""
    coalesce: bool | None = None
    """Whether a newer call makes one that has not begun needless; absent: for PUT, which replaces a whole document."""

    @property
    def is_coalesced(self) -> bool:
        """Whether calls are coalesced; only a PUT can be."""
        return self.method == "PUT" and self.coalesce is not False


class SyncOperation(Block):
    """One operation of the batch sync."""

    operation: Name
    """Name of the operation, unique."""
    source_query: Name
    """SQL of the rows; `?` is the watermark, compared with the column that holds a row's own time."""
    target_endpoint: UrlPath
    """Path behind the target's `api_endpoint`."""
    method: Literal["POST", "PUT", "PATCH"]
    """HTTP method."""
    target: Name = DEFAULT_TARGET
    """Name of the `<name>_integration` block."""
    key: Name = "site_id"
    """Column that tells rows apart which have the same time."""


class BatchSyncConfig(Block):
    """The nightly batch."""

    schedule: Crontab
    """Crontab, in `time_zone`."""
    time_zone: TimeZone = "UTC"
    """Name in the IANA time zone database."""
    statement_timeout: int = Field(default=300_000, gt=0)
    """Milliseconds that the database may take for one page."""
    batch_size: int = Field(gt=0)
    """Rows a call."""
    parallel_workers: int = Field(gt=0)
    """Calls at once."""
    sync_operations: list[SyncOperation]
    """Operations, in their order."""
