"""Target systems: where they are and how to call them."""

from typing import Literal, Self

from pydantic import Field, model_validator

from sitehub.settings.gis import GisServices
from sitehub.settings.model import Block
from sitehub.settings.shapes import HeaderName, HttpBase, Name, Status
from sitehub.settings.target_authentication import TargetAuthentication

DEFAULT_TARGET = "billing"
"""Target of rules and batch operations that name none."""


class RetryPolicyConfig(Block):
    """How a failed call is tried again."""

    max_retries: int = Field(default=3, ge=0)
    """Attempts after the first."""
    backoff_multiplier: float = Field(default=2, ge=0)
    """Factor by which each pause is longer than the one before."""
    initial_delay: float = Field(default=1000, ge=0)
    """Milliseconds before the second attempt."""


class CircuitBreakerConfig(Block):
    """When a target is left in peace."""

    failure_threshold: int = Field(default=5, gt=0)
    """Failed calls in a row that open the breaker."""
    recovery_timeout: int = Field(default=60_000, gt=0)
    """Milliseconds until the target is probed."""
    half_open_max_calls: int = Field(default=3, gt=0)
    """Calls that probe it, of the whole hub."""


class RateLimit(Block):
    """Token bucket over the whole hub."""

    calls_per_second: float = Field(gt=0)
    """Calls a second in the long run."""
    burst: int = Field(gt=0)
    """Calls at once at most."""


class TlsFilesConfig(Block):
    """Files in PEM, read anew when they change."""

    ca_file: str | None = None
    """Authorities that may sign the target's certificate; absent: those of the system."""
    cert_file: str | None = None
    """Certificate of the hub, for targets that ask for one; absent: it has none to show."""
    key_file: str | None = None
    """Its key; absent: it stands in `cert_file`."""


class Integration(Block):
    """A target: any `<name>_integration` block."""

    api_endpoint: HttpBase
    """Address before every path."""
    provider: Name | None = None
    """Product behind the address, for people."""
    authentication: TargetAuthentication
    """How to log in."""
    timeout: int = Field(default=30_000, gt=0)
    """Milliseconds for a whole attempt: connecting, sending and the answer."""
    retry_policy: RetryPolicyConfig = RetryPolicyConfig()
    """How failed calls are tried again."""
    circuit_breaker: CircuitBreakerConfig = CircuitBreakerConfig()
    """When the target is left in peace."""
    services: GisServices | None = None
    """Services of a geographic information system; absent: it is none."""
    tls: TlsFilesConfig = TlsFilesConfig()
    """Certificates of the connections."""
    health_path: str = Field(default="/health", pattern=r"^/[!-~]*$")
    """Path that `sitehub target check` calls."""
    max_in_flight: int = Field(default=64, gt=0)
    """Calls at once, a worker."""
    rate_limit: RateLimit | None = None
    """Pace of calls; absent: as fast as the target answers."""
    headers: dict[HeaderName, str] = {}
    """Headers that each call carries; texts with placeholders are rendered for its site."""
    query: dict[Name, str] = {}
    """Parameters that each address carries; texts with placeholders are rendered for its site."""
    on_null: Literal["omit", "send", "dead_letter"] = "omit"
    """What becomes of a null within a document: its member is left out, it is sent, or the command is a dead letter."""
    on_rejected: Literal["dead_letter", "park_site"] = "dead_letter"
    """Whether a site's next commands go on after a rejection, or are parked behind it."""
    give_up_after: int = Field(default=259_200, gt=0)
    """Seconds until a parked command becomes a dead letter."""
    retry_on: list[Status] = []
    """HTTP statuses that are tried again, beside 408, 425, 429 and 5xx."""
    reject_on: list[Status] = []
    """HTTP statuses that are never tried again, beside all other 4xx."""
    success_on: list[Status] = [409]
    """HTTP statuses that mean delivered when an earlier attempt of ours may have arrived."""
    renew_on: list[Status] = [401]
    """HTTP statuses after which the credentials are refreshed once."""
    masked_fields: list[Name] = []
    """Members of the target's answers whose values are masked where they are kept, beside those that are secrets."""

    @model_validator(mode="after")
    def _defaults_give_way(self) -> Self:
        """What is written in one list is no default of another any more: so is what is shown, and it loads again."""
        written = self.model_fields_set
        if "success_on" not in written:
            taken = {*self.retry_on, *self.reject_on, *(self.renew_on if "renew_on" in written else ())}
            self._without("success_on", taken)
        if "renew_on" not in written and "success_on" in written:
            self._without("renew_on", set(self.success_on))
        return self

    def _without(self, key: str, statuses: set[int]) -> None:
        object.__setattr__(self, key, [one for one in getattr(self, key) if one not in statuses])
