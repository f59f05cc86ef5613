"""Calls to one target system over HTTP."""

import asyncio
import contextlib
import re
import time
import zlib
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import orjson

from sitehub.clients.answer import Answer, Delivered, Refused, Unavailable
from sitehub.clients.credentials import Credentials, CredentialsError, Fixed
from sitehub.clients.http1 import KEPT_BYTES, HttpError, MaySend, Pool, Response, WithheldError, always
from sitehub.clients.masks import mask
from sitehub.clients.tls import TlsFiles
from sitehub.rules.commands import Command
from sitehub.rules.retry import SERVER_ERROR, StatusRules, Verdict, retry_after_seconds

ANSWER_BYTES = KEPT_BYTES
"""Of an answer, enough to tell why."""
WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""How zlib unpacks what a target packs unasked."""
DEFAULT_STATUSES = StatusRules()
NO_DOCUMENT = b"null"
"""What a rule without a template makes: the call has no body."""
UNAUTHORIZED = 401
REFUSED_TOKENS = frozenset({498, 499})
"""ArcGIS: the token is invalid or expired, or there is none."""
HTTP_ERRORS = range(400, 600)
UNFIT_FOR_HEADERS = re.compile(r"[\x00-\x1f\x7f]|^ +| +$")
"""Characters that would end a header or get lost at its ends."""


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """Where a target is and how it wants to be called."""

    name: str
    api_endpoint: str
    headers: dict[str, str]
    """Sent with each call."""
    timeout_seconds: float
    """Of one attempt: proving who calls, connecting, sending and the answer."""
    max_in_flight: int
    credentials: Credentials = field(default_factory=Fixed, repr=False)
    statuses: StatusRules = DEFAULT_STATUSES
    query: dict[str, str] = field(default_factory=dict)
    """Parameters that each address carries."""
    tls: TlsFiles = field(default_factory=TlsFiles)
    errors_in_body: bool = False
    """Whether an error may come with status 200, as `{"error": {"code": …}}` (ArcGIS REST)."""
    masked_fields: frozenset[str] = frozenset()
    """Members of answers whose values are never kept."""


class Target:
    """One target's connections; use it as an asynchronous context manager."""

    def __init__(self, settings: TargetSettings) -> None:
        self.settings = settings
        self._headers = {
            "User-Agent": "sitehub",
            "Accept": "application/json",
            "Content-Type": "application/json",
            **settings.headers,
        }

    async def __aenter__(self) -> Self:
        """Connections are made when they are needed."""
        self._pool = Pool(self.settings.api_endpoint, self.settings.tls.context)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what nobody uses."""
        await self.settings.credentials.close()
        await self._pool.close()

    async def call(self, command: Command, *, repeated: bool = False, may_send: MaySend = always) -> Answer:
        """Make the call once, twice if credentials had to be renewed.

        `repeated`: an earlier attempt may have arrived. Never raises for what a network or a target can do; raises
        WithheldError if `may_send` said no: then nothing was sent, or an earlier try only.
        """
        headers = {
            **{name: _header(value) for name, value in command.headers.items()},
            "Idempotency-Key": _header(command.command_id),
            "X-Correlation-ID": _header(command.event_id),
            "X-Sitehub-Config": command.config_id,
        }
        body = orjson.dumps(command.body)
        body = b"" if body == NO_DOCUMENT else body
        path = _with_query(command.path, command.query) if command.query else command.path
        return await self.request(command.method, path, headers, body, repeated=repeated, may_send=may_send)

    async def request(
        self,
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        *,
        repeated: bool = False,
        may_send: MaySend = always,
    ) -> Answer:
        """As `call`, for any request."""
        settings = self.settings
        deadline = time.monotonic() + settings.timeout_seconds
        try:
            status, text, response = await self._attempt(method, path, headers, body, may_send, deadline=deadline)
            if status in settings.statuses.renew_on:
                status, text, response = await self._attempt(method, path, headers, body, may_send, deadline=deadline)
        except TimeoutError:
            return Unavailable(f"no answer within {settings.timeout_seconds:g} s")
        except WithheldError:
            raise
        except CredentialsError as error:
            return Unavailable(self._masked(str(error)), counts=not error.is_repeated)
        except (HttpError, OSError, ValueError, zlib.error) as error:
            return Unavailable(self._masked(f"{type(error).__name__}: {error}"))
        match settings.statuses.verdict(status, is_repeated=repeated):
            case Verdict.DELIVERED:
                return Delivered(status)
            case Verdict.REJECTED:
                return Refused(status, self._masked(text))
            case Verdict.RETRY:
                asked = response.headers.get("retry-after")
                wait = retry_after_seconds(asked, now=time.time()) if asked else None
                return Unavailable(f"HTTP {status}", status, self._masked(text), wait)

    async def _attempt(
        self, method: str, path: str, headers: dict[str, str], body: bytes, may_send: MaySend, *, deadline: float
    ) -> tuple[int, str, Response]:
        """Status as it is meant, the answer's beginning, and the answer."""
        settings = self.settings
        proof = settings.credentials.at_hand(body, time.time())
        if proof is None:
            async with asyncio.timeout(deadline - time.monotonic()):
                proof = await settings.credentials.prove(body, time.time())
        if parameters := {**settings.query, **proof.query}:
            path = _with_query(path, parameters)
        fields = {**self._headers, **proof.headers, **headers}
        seconds = deadline - time.monotonic()
        response = await self._pool.request(method, path, fields, body, seconds, may_send=may_send)
        text = _text(response)
        status = (_status_in_body(text) if settings.errors_in_body else None) or response.status
        if status in settings.statuses.renew_on:
            settings.credentials.refused(proof)
        return status, text, response

    def _masked(self, text: str) -> str:
        settings = self.settings
        return mask(text, [*settings.credentials.secrets(), *settings.headers.values()], settings.masked_fields)


def _status_in_body(text: str) -> int | None:
    """The status that an error in the body stands for; None if there is none. Tokens that are not taken are a 401."""
    if '"error"' not in text:
        return None
    with contextlib.suppress(orjson.JSONDecodeError):
        match orjson.loads(text):
            case {"error": {"code": int(code)}}:
                return UNAUTHORIZED if code in REFUSED_TOKENS else code if code in HTTP_ERRORS else SERVER_ERROR
    return None


def _with_query(path: str, parameters: dict[str, str]) -> str:
    return f"{path}{'&' if '?' in path else '?'}{urlencode(parameters)}"


def _header(text: str) -> str:
    """Ids as producers chose them are no reason not to call: what a header can't hold is percent-encoded."""
    if text.isprintable() and text[:1] != " " != text[-1:]:
        return text
    return UNFIT_FOR_HEADERS.sub(lambda found: quote(found[0], safe=""), text)


def _text(response: Response) -> str:
    """The answer's beginning, to be read by people; raises zlib.error if it is not packed as it says."""
    packing = response.headers.get("content-encoding", "")
    kept = response.body
    if kept and packing in WINDOWS:
        kept = zlib.decompressobj(WINDOWS[packing]).decompress(kept, ANSWER_BYTES)
    return kept.decode("utf-8", "replace")
