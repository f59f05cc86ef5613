"""The stand-in authorization server: tokens of OAuth 2.0 client credentials, which may end earlier than they say."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from http import HTTPStatus
from typing import Any

SAID_SECONDS = 3600
SCHEME = "Bearer "
PREFIX = "stand-in-token-"
"""Of every token, so that it is known wherever it turns up."""


@dataclass(slots=True)
class Tokens:
    """When each token was given."""

    given: dict[str, float] = field(default_factory=dict)

    def answer(self, form: Mapping[str, Any], secret: str) -> tuple[int, dict[str, Any]]:
        """Status and document for a request of a token."""
        if form.get("grant_type") != "client_credentials":
            return HTTPStatus.BAD_REQUEST, {"error": "unsupported_grant_type"}
        if not compare_digest(str(form.get("client_secret", "")).encode(), secret.encode()):
            return HTTPStatus.UNAUTHORIZED, {"error": "invalid_client"}
        token = f"{PREFIX}{len(self.given) + 1}"
        self.given[token] = time.time()
        return HTTPStatus.OK, {"access_token": token, "token_type": "Bearer", "expires_in": SAID_SECONDS}

    def takes(self, authorization: str, life_seconds: float) -> bool:
        """Whether the header carries a token that was given and has not ended."""
        return self.gave(authorization) and time.time() - self.given[_token(authorization)] < life_seconds

    def gave(self, authorization: str) -> bool:
        """Whether the header carries a token that was given, ended or not."""
        return authorization.startswith(SCHEME) and _token(authorization) in self.given


def _token(authorization: str) -> str:
    return authorization.removeprefix(SCHEME)
