"""Calls to one target system over HTTP."""

import re
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import orjson

from sitehub.clients.answer import Answer, Delivered, Refused, Unavailable
from sitehub.clients.arcgis import meant_status
from sitehub.clients.content import content
from sitehub.clients.credentials import Credentials, CredentialsError, Fixed, Proof
from sitehub.clients.http1 import (
    KEPT_BYTES,
    LARGEST_BYTES,
    HttpError,
    MaySend,
    Pool,
    Response,
    WithheldError,
    always,
)
from sitehub.clients.masks import mask
from sitehub.clients.tls import TlsFiles
from sitehub.rules.commands import Command
from sitehub.rules.retry import TOO_MANY_REQUESTS, StatusRules, Verdict, retry_after_seconds

ANSWER_BYTES = KEPT_BYTES
"""Of an answer, enough to tell why."""
DEFAULT_STATUSES = StatusRules()
NO_DOCUMENT = b"null"
"""What a rule without a template makes: the call has no body."""
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
    """Whether an error may come with status 200, as `{"error": {"code": …}}` (ArcGIS REST): bodies are read whole."""
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
        kept = LARGEST_BYTES if self.settings.errors_in_body else KEPT_BYTES
        self._pool = Pool(self.settings.api_endpoint, self.settings.tls.context, kept_bytes=kept)
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
        call = _Call(method, path, headers, body, time.monotonic() + settings.timeout_seconds, may_send)
        try:
            status, response, is_renewed = await self._attempt(call)
            if is_renewed:
                status, response, _ = await self._attempt(call)
        except TimeoutError:
            return call.failed(f"no answer within {settings.timeout_seconds:g} s")
        except WithheldError:
            raise
        except CredentialsError as error:
            return call.failed(self._masked(str(error), call), counts=not error.is_repeated)
        except (HttpError, OSError, ValueError) as error:
            return call.failed(self._masked(f"{type(error).__name__}: {error}", call))
        verdict = settings.statuses.verdict(status, is_repeated=repeated)
        if verdict is Verdict.DELIVERED:
            return Delivered(status)
        text = self._masked(content(response, ANSWER_BYTES).decode("utf-8", "replace"), call)
        if verdict is Verdict.REJECTED:
            return Refused(status, text)
        asked = response.headers.get("retry-after")
        wait = retry_after_seconds(asked, now=time.time()) if asked else None
        return Unavailable(f"HTTP {status}", status, text, wait, may_have_arrived=call.arrivals > 0)

    async def _attempt(self, call: "_Call") -> tuple[int, Response, bool]:
        """Status as it is meant, the answer, and whether other credentials may be taken where these were not."""
        settings, credentials = self.settings, self.settings.credentials
        proof = credentials.at_hand(call.body, time.time())
        if proof is None:
            left = max(0.0, call.deadline - time.monotonic())
            proof = await credentials.prove(call.body, time.time(), left)
        call.proofs.append(proof)
        parameters = {**settings.query, **proof.query}
        path = _with_query(call.path, parameters) if parameters else call.path
        fields = {**self._headers, **call.headers, **proof.headers}
        seconds = call.deadline - time.monotonic()
        response = await self._pool.request(call.method, path, fields, call.body, seconds, may_send=call.may_be_sent)
        status = response.status
        if settings.errors_in_body:
            status = meant_status(status, content(response, LARGEST_BYTES))
        if status in settings.statuses.renew_on:
            call.arrivals -= 1
            return status, response, credentials.refused(proof)
        if status == TOO_MANY_REQUESTS:
            call.arrivals -= 1
        return status, response, False

    def _masked(self, text: str, call: "_Call") -> str:
        if not text:
            return text
        settings = self.settings
        sent = [secret for proof in call.proofs for secret in proof.secrets()]
        hidden = [*settings.credentials.secrets(), *settings.headers.values(), *sent]
        return mask(text, hidden, settings.masked_fields)


@dataclass(slots=True)
class _Call:
    """One call while it is made."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    deadline: float
    may_send: MaySend
    proofs: list[Proof] = field(default_factory=list)
    """Those that were sent: what they hold must not be shown, though it may have been renewed since."""
    arrivals: int = 0
    """How often it was sent, but for answers that say that nothing was done."""

    def may_be_sent(self) -> bool:
        """Asked right before its bytes are written."""
        if not self.may_send():
            return False
        self.arrivals += 1
        return True

    def failed(self, error: str, *, counts: bool = True) -> Unavailable:
        """No answer came."""
        return Unavailable(error, counts=counts, may_have_arrived=self.arrivals > 0)


def _with_query(path: str, parameters: dict[str, str]) -> str:
    return f"{path}{'&' if '?' in path else '?'}{urlencode(parameters)}"


def _header(text: str) -> str:
    """Ids as producers chose them are no reason not to call: what a header can't hold is percent-encoded."""
    if text.isprintable() and text[:1] != " " != text[-1:]:
        return text
    return UNFIT_FOR_HEADERS.sub(lambda found: quote(found[0], safe=""), text)
