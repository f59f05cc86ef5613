"""The HTTP view: what it answers, who may call it, how often, from where."""

from typing import Literal

from pydantic import Field

from sitehub.settings.model import Block
from sitehub.settings.shapes import HeaderName, HttpAddress, Instant, Name, UrlPath, WebOrigin


class ApiAuthentication(Block):
    """How callers of the HTTP view prove who they are."""

    type: Literal["oauth2", "api_key", "none"]
    """Kind of proof; `none` is allowed on a loopback address only."""
    scopes: list[Name] = []
    """Scopes that the view knows."""


class RateLimiting(Block):
    """How often one caller may call."""

    requests_per_minute: int = Field(gt=0)
    """Calls a minute, in the long run."""
    burst_limit: int = Field(gt=0)
    """Calls at once."""


class Cors(Block):
    """Which web pages may call the view."""

    enabled: bool
    """Whether pages of other origins may call at all."""
    allowed_origins: list[WebOrigin]
    """Scheme, host and port of the pages that may call; `*` is any."""
    allowed_methods: list[Name]
    """HTTP methods that they may use."""
    allowed_headers: list[HeaderName]
    """Request headers that they may send."""


class EndpointRetry(Block):
    """How calls to a backend are tried again."""

    max_retries: int = Field(ge=0)
    """Attempts after the first."""
    backoff_strategy: Literal["exponential", "fixed"]
    """Whether each pause is twice the one before, or all are the same."""


class CachePolicy(Block):
    """How long an answer may be kept."""

    ttl: int = Field(ge=0)
    """Seconds that an answer is kept; 0 keeps none."""
    cache_key: Name
    """Template of the key, with the `{names}` of the path."""


class Endpoint(Block):
    """One path of the HTTP view."""

    path: UrlPath
    """Path behind `base_path`, with `{names}`."""
    methods: list[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]] = Field(min_length=1)
    """HTTP methods that are answered."""
    backend: Name
    """Name of the service that answers."""
    timeout: int = Field(gt=0)
    """Milliseconds until a call is given up."""
    retry_policy: EndpointRetry | None = None
    """How a failed call is tried again; absent: it is not."""
    cache_policy: CachePolicy | None = None
    """How long an answer is kept; absent: it is not."""


class TokenIntrospection(Block):
    """Asking the authorization server whether a token holds (RFC 7662)."""

    enabled: bool
    """Whether tokens are introspected."""
    endpoint: HttpAddress
    """Address of the introspection endpoint."""


class OAuthConfig(Block):
    """The authorization server of the HTTP view."""

    authorization_server: HttpAddress
    """Issuer of the tokens."""
    client_id: Name
    """Name of the hub at that server."""
    client_secret: str
    """Secret of the hub at that server."""
    token_endpoint: HttpAddress
    """Address at which tokens are had."""
    scope_validation: bool
    """Whether a token must carry the scope of what it does."""
    token_introspection: TokenIntrospection
    """How tokens are checked."""


class ApiKey(Block):
    """A key of a calling system."""

    key_id: Name
    """Name of the key, unique."""
    description: str = ""
    """Whose key it is, for people."""
    scopes: list[Name]
    """Scopes that the key carries."""
    rate_limit: int = Field(gt=0)
    """Calls a minute."""
    expires_at: Instant
    """Time (RFC 3339) from which the key is refused."""
    key_hash: str | None = None
    """SHA-256 of the key, hexadecimal; absent: the key opens nothing."""
