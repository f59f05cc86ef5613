"""Tokens of OAuth 2.0 client credentials (RFC 6749 §4.4): one refresh for all who wait, ahead of expiry."""

import asyncio
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import orjson

from sitehub.clients.credentials import CredentialsError, Proof, Secret
from sitehub.clients.http1 import HttpError, Pool

LIFE_SECONDS = 300.0
"""Of a token whose answer does not say how long it lives."""
FRESH_SHARE = 0.8
"""Of its life; then it is renewed while it still works."""
PAUSE_SECONDS = 1.0
"""After a failure nobody asks again for so long."""
OK = 200
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", "User-Agent": "sitehub"}


@dataclass(frozen=True, slots=True)
class Client:
    """The hub, as the authorization server knows it."""

    id: str
    secret: Secret


class ClientCredentials:
    """A token for all calls to one target."""

    def __init__(
        self,
        token_endpoint: str,
        client: Client,
        parameters: Mapping[str, str],
        timeout_seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        context: Callable[[], ssl.SSLContext | None] = lambda: None,
    ) -> None:
        """`parameters` are sent beside the grant: scope, audience, whatever the server wants."""
        self._pool = Pool(token_endpoint, context)
        self._client = client
        self._parameters = dict(parameters)
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._token: str | None = None
        self._renew_at = self._ends_at = self._again_at = 0.0
        self._failure = ""
        self._refresh: asyncio.Task[str] | None = None

    def at_hand(self, body: bytes, now: float) -> Proof | None:  # noqa: ARG002 -- as Credentials
        """The token that lives, though it may be renewed already."""
        moment = self._clock()
        if self._token is None or moment >= self._ends_at:
            return None
        if moment >= self._renew_at and self._refresh is None and moment >= self._again_at:
            self._begin()
        return _proof(self._token)

    async def prove(self, body: bytes, now: float) -> Proof:
        """The token that lives; a call waits for a new one only if there is none."""
        return self.at_hand(body, now) or _proof(await self._renewed(self._clock()))

    def refused(self, proof: Proof) -> None:
        """Forget the token, unless it has been renewed since that proof was given."""
        if self._token is not None and proof.headers.items() >= _proof(self._token).headers.items():
            self._token = None

    def secrets(self) -> Iterable[str]:
        """The client's and the token."""
        yield self._client.secret()
        if self._token is not None:
            yield self._token

    async def close(self) -> None:
        """End a refresh that is under way."""
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.gather(self._refresh, return_exceptions=True)
        await self._pool.close()

    async def _renewed(self, moment: float) -> str:
        if self._refresh is None and moment < self._again_at:
            raise CredentialsError(self._failure, is_repeated=True)
        is_first = self._refresh is None
        try:
            return await asyncio.shield(self._refresh or self._begin())
        except CredentialsError as error:
            raise CredentialsError(str(error), is_repeated=not is_first) from None

    def _begin(self) -> asyncio.Task[str]:
        self._refresh = asyncio.create_task(self._fetch())
        self._refresh.add_done_callback(self._ended)
        return self._refresh

    def _ended(self, refresh: asyncio.Task[str]) -> None:
        self._refresh = None
        if refresh.cancelled():
            return
        error = refresh.exception()
        self._failure = str(error or "")
        self._again_at = self._clock() + PAUSE_SECONDS if error else 0.0

    async def _fetch(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client.id,
            "client_secret": self._client.secret(),
            **self._parameters,
        }
        began = self._clock()
        try:
            response = await self._pool.request("POST", "", FORM, urlencode(form).encode(), self._timeout_seconds)
            answer = orjson.loads(response.body) if response.status == OK else None
        except TimeoutError:
            raise _failed(f"no answer within {self._timeout_seconds:g} s") from None
        except (HttpError, OSError, ValueError, zlib.error) as error:
            raise _failed(f"{type(error).__name__}: {error}") from None
        if answer is None:
            raise _failed(f"HTTP {response.status}")
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not isinstance(token, str) or not token:
            raise _failed("its answer has no access_token")
        life = answer.get("expires_in")
        seconds = float(life) if isinstance(life, int | float) and life > 0 else LIFE_SECONDS
        self._token, self._renew_at, self._ends_at = token, began + FRESH_SHARE * seconds, began + seconds
        return token


def _proof(token: str) -> Proof:
    return Proof({"Authorization": f"Bearer {token}"})


def _failed(why: str) -> CredentialsError:
    return CredentialsError(f"the token endpoint gives no token: {why}", is_repeated=False)
