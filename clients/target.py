"""Calls to one target system over HTTP."""

import re
import time
import zlib
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote

import orjson

from sitehub.clients.answer import Answer, Delivered, Refused, Unavailable
from sitehub.clients.http1 import KEPT_BYTES, HttpError, Pool, Response
from sitehub.rules.commands import Command
from sitehub.rules.retry import Verdict, classify, retry_after_seconds

ANSWER_BYTES = KEPT_BYTES
"""Of an answer, enough to tell why."""
WINDOWS = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""How zlib unpacks what a target packs unasked."""
UNFIT_FOR_HEADERS = re.compile(r"[\x00-\x1f\x7f]|^ +| +$")
"""Characters that would end a header or get lost at its ends."""


@dataclass(frozen=True, slots=True)
class TargetSettings:
    """Where a target is and how it wants to be called."""

    name: str
    api_endpoint: str
    headers: dict[str, str]
    """Sent with each call, the authentication among them."""
    timeout_seconds: float
    """Of one attempt: connecting, sending and the answer."""
    max_in_flight: int


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
        self._pool = Pool(self.settings.api_endpoint)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what nobody uses."""
        await self._pool.close()

    async def call(self, command: Command, *, repeated: bool = False) -> Answer:  # noqa: ARG002
        """Make the call once. Never raises for what a network or a target can do."""
        headers = {
            **self._headers,
            "Idempotency-Key": _header(command.command_id),
            "X-Correlation-ID": _header(command.event_id),
            "X-Sitehub-Config": command.config_id,
        }
        try:
            response = await self._pool.request(
                command.method, command.path, headers, orjson.dumps(command.body), self.settings.timeout_seconds
            )
            text = _text(response)
        except TimeoutError:
            return Unavailable(f"no answer within {self.settings.timeout_seconds:g} s")
        except (HttpError, OSError, ValueError, zlib.error) as error:
            return Unavailable(f"{type(error).__name__}: {error}")
        return _read(response.status, text, response.headers.get("retry-after"))


def _header(text: str) -> str:
    """Ids as producers chose them are no reason not to call: what a header can't hold is percent-encoded."""
    return UNFIT_FOR_HEADERS.sub(lambda found: quote(found[0], safe=""), text)


def _text(response: Response) -> str:
    """The answer's beginning, to be read by people; raises zlib.error if it is not packed as it says."""
    packing = response.headers.get("content-encoding", "")
    kept = response.body
    if kept and packing in WINDOWS:
        kept = zlib.decompressobj(WINDOWS[packing]).decompress(kept, ANSWER_BYTES)
    return kept.decode("utf-8", "replace")


def _read(status: int, answer: str, retry_after: str | None) -> Answer:
    match classify(status):
        case Verdict.DELIVERED:
            return Delivered(status)
        case Verdict.REJECTED:
            return Refused(status, answer)
        case Verdict.RETRY:
            wait = retry_after_seconds(retry_after, now=time.time()) if retry_after else None
            return Unavailable(f"HTTP {status}", status, answer, wait)
