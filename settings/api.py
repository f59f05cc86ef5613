"""The HTTP view: who may call it, how often, from where."""

from typing import Literal

from pydantic import Field

from sitehub.settings.model import Block


class ApiAuthentication(Block):
    """How callers of the HTTP view prove who they are."""

    type: Literal["oauth2", "api_key", "none"]
    """`none` is allowed on a loopback address only."""
    scopes: list[str] = []
    """Scopes that the view knows."""


class RateLimiting(Block):
    """Of one caller."""

    requests_per_minute: int = Field(gt=0)
    """Calls a minute."""
    burst_limit: int = Field(gt=0)
    """Calls at once."""


class Cors(Block):
    """Which web pages may call the view."""

    enabled: bool
    """Whether any may."""
    allowed_origins: list[str]
    """Scheme, host and port."""
    allowed_methods: list[str]
    """HTTP methods."""
    allowed_headers: list[str]
    """Request headers."""


class EndpointRetry(Block):
    """How calls to a backend are tried again."""

    max_retries: int = Field(ge=0)
    """Attempts after the first."""
    backoff_strategy: Literal["exponential", "fixed"]
    """How the pause grows."""


class CachePolicy(Block):
    """How long an answer may be kept."""

    ttl: int = Field(ge=0)
    """Seconds."""
    cache_key: str
    """Template of the key."""


class Endpoint(Block):
    """One path of the HTTP view."""

    path: str
    """Behind `base_path`, with `{names}`."""
    methods: list[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]]
    """That are answered."""
    backend: str
    """Service that answers."""
    timeout: int = Field(gt=0)
    """Milliseconds."""
    retry_policy: EndpointRetry | None = None
    """Absent: not tried again."""
    cache_policy: CachePolicy | None = None
    """Absent: never kept."""


class TokenIntrospection(Block):
    """RFC 7662."""

    enabled: bool
    """Whether tokens are introspected."""
    endpoint: str
    """Address of the introspection endpoint."""


class OAuthConfig(Block):
    """The authorization server of the HTTP view."""

    authorization_server: str
    """Issuer."""
    client_id: str
    """Of the hub at that server."""
    client_secret: str
    """Secret."""
    token_endpoint: str
    """Where tokens are had."""
    scope_validation: bool
    """Whether a token must carry the scope of what it does."""
    token_introspection: TokenIntrospection
    """How tokens are checked."""


class ApiKey(Block):
    """A key of a calling system."""

    key_id: str
    """Name of the key."""
    description: str = ""
    """For people."""
    scopes: list[str]
    """What it may do."""
    rate_limit: int = Field(gt=0)
    """Calls a minute."""
    expires_at: str
    """RFC 3339; later the key is refused."""
    key_hash: str | None = None
    """SHA-256 of the key, hexadecimal."""
