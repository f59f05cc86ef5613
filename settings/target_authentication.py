"""How the hub proves to a target who it is."""

from typing import Literal

from sitehub.settings.model import Block
from sitehub.settings.shapes import HeaderName, HttpAddress, Name

NEEDED_KEYS = {
    "none": (),
    "api_key": ("api_key",),
    "oauth2": ("client_id", "client_secret", "token_endpoint"),
    "token": ("token",),
    "bearer": ("token",),
    "basic": ("username", "password"),
    "hmac": ("secret",),
}
"""Keys that each type needs."""
OPTIONAL_KEYS = {"oauth2": ("scope", "audience", "token_parameters")}
"""Keys that a type uses if they are there."""


class TargetAuthentication(Block):
    """The proof. Keys of other types than `type` may be there unused: an overlay may change the type alone."""

    type: Literal["none", "api_key", "oauth2", "token", "bearer", "basic", "hmac"]
    """Kind of proof."""
    api_key: str | None = None
    """Secret of type api_key."""
    header_name: HeaderName = "X-API-Key"
    """Header that carries the key of type api_key."""
    client_id: str | None = None
    """Name of the hub at the authorization server, of type oauth2."""
    client_secret: str | None = None
    """Secret of the hub at the authorization server, of type oauth2."""
    token_endpoint: HttpAddress | None = None
    """Address at which tokens of type oauth2 are had."""
    scope: str | None = None
    """Scopes to ask for, separated by spaces; absent: what the server gives."""
    audience: str | None = None
    """Audience to ask for; absent: none is asked for."""
    token_parameters: dict[Name, str] = {}
    """Parameters that the token endpoint wants beside those, of type oauth2."""
    token: str | None = None
    """Secret of types token (a parameter of each call) and bearer (the Authorization header)."""
    username: str | None = None
    """User of type basic."""
    password: str | None = None
    """Secret of type basic."""
    secret: str | None = None
    """Secret of type hmac: signs each call's body."""
