"""Target systems: where they are, how to call them, and what they must be told."""

from typing import Any, Literal

from pydantic import Field

from sitehub.settings.model import Block


class TargetAuthentication(Block):
    """How the hub proves to a target who it is; which keys are needed depends on the type."""

    type: Literal["api_key", "oauth2", "token", "basic", "bearer", "hmac", "none"]
    """Kind of proof."""
    api_key: str | None = None
    """Secret of type api_key."""
    header_name: str = "X-API-Key"
    """Header that carries the key."""
    client_id: str | None = None
    """Of type oauth2."""
    client_secret: str | None = None
    """Secret of type oauth2."""
    token_endpoint: str | None = None
    """Where tokens of type oauth2 are had."""
    scope: str | None = None
    """Scopes to ask for, separated by spaces."""
    audience: str | None = None
    """Audience to ask for."""
    token: str | None = None
    """Secret of types token and bearer."""
    username: str | None = None
    """Of type basic."""
    password: str | None = None
    """Secret of type basic."""
    secret: str | None = None
    """Secret of type hmac."""


class RetryPolicyConfig(Block):
    """How a failed call is tried again."""

    max_retries: int = Field(ge=0)
    """Attempts after the first."""
    backoff_multiplier: float = Field(ge=1)
    """By which each pause is longer than the one before."""
    initial_delay: float = Field(ge=0)
    """Milliseconds before the second attempt."""


class CircuitBreakerConfig(Block):
    """When a target is left in peace."""

    failure_threshold: int = Field(gt=0)
    """Failures in a row that open it."""
    recovery_timeout: int = Field(gt=0)
    """Milliseconds until it is probed."""
    half_open_max_calls: int = Field(gt=0)
    """Calls that probe it."""


class RateLimit(Block):
    """Token bucket over the whole hub."""

    calls_per_second: float = Field(gt=0)
    """Refilled."""
    burst: int = Field(gt=0)
    """At most at once."""


class GeocodingService(Block):
    """Addresses to coordinates."""

    endpoint: str
    """Path behind the endpoint."""
    batch_size: int = Field(gt=0)
    """Addresses a call."""


class RoutingService(Block):
    """Ways between sites."""

    endpoint: str
    """Path behind the endpoint."""
    optimization: str
    """What is made least."""


class BoundariesService(Block):
    """Territories' borders."""

    endpoint: str
    """Path behind the endpoint."""
    format: str
    """Of the boundaries."""


class GisServices(Block):
    """What a geographic information system offers."""

    geocoding: GeocodingService | None = None
    """Absent: sites are not geocoded."""
    routing: RoutingService | None = None
    """Absent: not used."""
    boundaries: BoundariesService | None = None
    """Absent: not used."""


class Integration(Block):
    """A target: any `<name>_integration` block."""

    api_endpoint: str
    """Address before every path."""
    provider: str | None = None
    """Product behind it."""
    authentication: TargetAuthentication
    """How to log in."""
    timeout: int = Field(default=30_000, gt=0)
    """Milliseconds for a whole attempt: connecting, sending and the answer."""
    retry_policy: RetryPolicyConfig = RetryPolicyConfig(max_retries=3, backoff_multiplier=2, initial_delay=1000)
    """How failed calls are tried again."""
    circuit_breaker: CircuitBreakerConfig = CircuitBreakerConfig(
        failure_threshold=5, recovery_timeout=60_000, half_open_max_calls=3
    )
    """When it is left in peace."""
    services: GisServices | None = None
    """Of a GIS."""
    max_in_flight: int = Field(default=64, gt=0)
    """Calls at once, a worker."""
    rate_limit: RateLimit | None = None
    """Absent: as fast as it answers."""
    headers: dict[str, str] = {}
    """Sent with each call."""
    query: dict[str, str] = {}
    """Added to each address."""
    on_null: Literal["omit", "send", "dead_letter"] = "omit"
    """What becomes of a null in a document."""
    on_rejected: Literal["dead_letter", "park_site"] = "dead_letter"
    """Whether a site's next commands go on after a rejection."""
    give_up_after: int = Field(default=259_200, gt=0)
    """Seconds until a parked command becomes a dead letter."""
    retry_on: list[int] = []
    """Further statuses that are tried again."""
    reject_on: list[int] = []
    """Further statuses that are never tried again."""
    success_on: list[int] = [409]
    """Statuses that mean delivered when an earlier attempt of ours may have arrived."""
    renew_on: list[int] = [401]
    """Statuses after which the credentials are refreshed."""


class MappingConfig(Block):
    """One mapped field."""

    source_field: str
    """Of the site."""
    target_field: str
    """Of the target's document."""
    transformation: str
    """Name of the transformation."""


class RuleConfig(Block):
    """What a target must be told when."""

    trigger: str
    """Event type."""
    condition: str | None = None
    """Named condition; absent: always."""
    action: str
    """Name of the call."""
    endpoint: str
    """Path with placeholders."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    """HTTP method."""
    data_template: Any = None
    """Document with placeholders."""
    target: str = "billing"
    """Name of the `<name>_integration` block."""


class SyncOperation(Block):
    """One operation of the batch sync."""

    operation: str
    """Its name."""
    source_query: str
    """SQL; `?` is the watermark."""
    target_endpoint: str
    """Path behind the target's endpoint."""
    method: Literal["POST", "PUT", "PATCH"]
    """HTTP method."""
    target: str = "billing"
    """Name of the `<name>_integration` block."""


class BatchSyncConfig(Block):
    """The nightly batch."""

    schedule: str
    """Crontab."""
    batch_size: int = Field(gt=0)
    """Rows a call."""
    parallel_workers: int = Field(gt=0)
    """Calls at once."""
    sync_operations: list[SyncOperation]
    """In their order."""
