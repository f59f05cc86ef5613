"""Calls to one target system over HTTP."""

import re
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import quote

import aiohttp
import orjson
from yarl import URL

from sitehub.clients.answer import Answer, Delivered, Refused, Unavailable
from sitehub.rules.commands import Command
from sitehub.rules.retry import Verdict, classify, retry_after_seconds

ANSWER_BYTES = 2048
"""Of an answer are read, enough to tell why; a longer one costs its connection."""
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
        self._base = str(URL(settings.api_endpoint)).rstrip("/")

    async def __aenter__(self) -> Self:
        """Open the pool; connections are made when they are needed."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.settings.max_in_flight, keepalive_timeout=60),
            timeout=aiohttp.ClientTimeout(total=self.settings.timeout_seconds),
            headers=self.settings.headers,
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the pool."""
        await self._session.close()

    async def call(self, command: Command, *, repeated: bool = False) -> Answer:  # noqa: ARG002
        """Make the call once. Never raises for what a network or a target can do."""
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": _header(command.command_id),
            "X-Correlation-ID": _header(command.event_id),
            "X-Sitehub-Config": command.config_id,
        }
        try:
            async with self._session.request(
                command.method,
                URL(self._base + command.path, encoded=True),  # else %2E%2E would lead out of its folder
                data=orjson.dumps(command.body),
                headers=headers,
                allow_redirects=False,
            ) as response:
                answer = await _beginning(response.content)
                return _read(response.status, answer, response.headers.get("Retry-After"))
        except TimeoutError:
            return Unavailable(f"no answer within {self.settings.timeout_seconds:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Unavailable(f"{type(error).__name__}: {error}")


def _header(text: str) -> str:
    """Ids as producers chose them are no reason not to call: what a header can't hold is percent-encoded."""
    return UNFIT_FOR_HEADERS.sub(lambda found: quote(found[0], safe=""), text)


async def _beginning(content: aiohttp.StreamReader) -> str:
    """The answer's first bytes. A short one is read to its end, so that one which is cut short raises."""
    kept = b""
    while len(kept) < ANSWER_BYTES and (chunk := await content.read(ANSWER_BYTES - len(kept))):
        kept += chunk
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
