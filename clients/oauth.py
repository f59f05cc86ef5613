"""Tokens of OAuth 2.0 client credentials (RFC 6749 §4.4): one refresh for all who wait, ahead of expiry."""

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit

import orjson

from sitehub.clients.credentials import CredentialsError, Proof, Secret
from sitehub.clients.http1 import HttpError, Pool
from sitehub.clients.masks import mask

LIFE_SECONDS = 300.0
"""Of a token whose answer does not say how long it lives."""
FRESH_SHARE = 0.8
"""Of its life; then it is renewed while it still works."""
PAUSE_SECONDS = 1.0
"""After a failure nobody asks again for so long."""
TOKEN_BYTES = 64 << 10
"""Of an answer: tokens that carry claims are long."""
OK = 200
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json", "User-Agent": "sitehub"}


@dataclass(frozen=True, slots=True)
class Client:
    """The hub, as the authorization server knows it."""

    id: Secret
    secret: Secret


class ClientCredentials:
    """A token for all calls to one target."""

    def __init__(
        self,
        token_endpoint: str,
        client: Client,
        parameters: Mapping[str, Secret],
        timeout_seconds: float,
        *,
        hidden: tuple[Secret, ...] = (),
        clock: Callable[[], float] = time.monotonic,
        context: Callable[[], ssl.SSLContext | None] = lambda: None,
    ) -> None:
        """`parameters` are sent beside the grant: scope, audience, whatever the server wants.

        Those that must not be shown are `hidden` too; so is whatever the query of `token_endpoint` holds.
        """
        address = urlsplit(token_endpoint)
        self._pool = Pool(f"{address.scheme}://{address.netloc}", context, kept_bytes=TOKEN_BYTES)
        path = address.path or "/"
        self._path = f"{path}?{address.query}" if address.query else path
        self._hidden_query = [address.query, *(value for _, value in parse_qsl(address.query))]
        self._hidden = hidden
        self._client = client
        self._parameters = dict(parameters)
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._token: str | None = None
        self._renew_at = self._ends_at = self._again_at = 0.0
        self._failure = ""
        self._is_told = False
        self._refresh: asyncio.Task[str] | None = None

    def at_hand(self, body: bytes, now: float) -> Proof | None:  # noqa: ARG002 -- as Credentials
        """The token that lives, though it may be renewed already."""
        moment = self._clock()
        if self._token is None or moment >= self._ends_at:
            return None
        if moment >= self._renew_at and self._refresh is None and moment >= self._again_at:
            self._begin()
        return _proof(self._token)

    async def prove(self, body: bytes, now: float, timeout_seconds: float | None = None) -> Proof:
        """The token that lives; a call waits for a new one only if there is none."""
        return self.at_hand(body, now) or _proof(await self._renewed(self._clock(), timeout_seconds))

    def refused(self, proof: Proof) -> bool:
        """Forget the token, unless it has been renewed since that proof was given."""
        if self._token is not None and proof.headers.items() >= _proof(self._token).headers.items():
            self._token = None
        return True

    def secrets(self) -> Iterable[str]:
        """The client's, what is hidden with it, and the token."""
        yield self._client.secret()
        yield from self._hidden_query
        for get in self._hidden:
            yield get()
        if self._token is not None:
            yield self._token

    async def close(self) -> None:
        """End a refresh that is under way."""
        if self._refresh is not None:
            self._refresh.cancel()
            await asyncio.gather(self._refresh, return_exceptions=True)
        await self._pool.close()

    async def _renewed(self, moment: float, timeout_seconds: float | None) -> str:
        if self._refresh is None and moment < self._again_at:
            raise self._told(self._failure)
        refresh = self._refresh or self._begin()
        await asyncio.wait({refresh}, timeout=timeout_seconds)
        if not refresh.done():
            raise self._told(_failure(f"no answer within {timeout_seconds:.3g} s"))
        try:
            return refresh.result()
        except CredentialsError as error:
            raise self._told(str(error)) from None

    def _told(self, failure: str) -> CredentialsError:
        """The failure of a refresh counts for the first call that hears of it, whichever that is."""
        is_repeated, self._is_told = self._is_told, True
        return CredentialsError(failure, is_repeated=is_repeated)

    def _begin(self) -> asyncio.Task[str]:
        self._is_told = False
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
            "client_id": self._client.id(),
            "client_secret": self._client.secret(),
            **{name: get() for name, get in self._parameters.items()},
        }
        body = urlencode(form).encode()
        began = self._clock()
        try:
            response = await self._pool.request("POST", self._path, FORM, body, self._timeout_seconds)
            answer = orjson.loads(response.body) if response.status == OK else None
        except TimeoutError:
            raise _failed(f"no answer within {self._timeout_seconds:g} s") from None
        except (HttpError, OSError, ValueError) as error:
            raise _failed(mask(f"{type(error).__name__}: {error}", self.secrets())) from None
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


def _failure(why: str) -> str:
    return f"the token endpoint gives no token: {why}"


def _failed(why: str) -> CredentialsError:
    return CredentialsError(_failure(why), is_repeated=False)
