"""HTTP/1.1 calls over kept connections, and nothing else: a third of what a general client costs a call.

No redirects, cookies, proxies or decompression: a call to a target wants none of them. Parsing is httptools' (llhttp).
"""

import asyncio
import re
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httptools

KEPT_BYTES = 2_048
"""Of an answer's body, unless a pool is told otherwise."""
LARGEST_HEAD_BYTES = 64 << 10
"""Of an answer's headers."""
LARGEST_BYTES = 1 << 20
"""Of an answer's body are read; what is longer costs its connection."""
LARGEST_STATUS = 999
IDLE_SECONDS = 60.0
"""A connection that was not used for so long is not used again."""
UNFIT = re.compile(rb"[\x00-\x20\x7f]")
REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
"""May be sent again on a fresh connection when a kept one turns out to be closed (RFC 9110 §9.2.2)."""


class HttpError(Exception):
    """The call brought no whole answer; the text says why."""


class WithheldError(HttpError):
    """The caller may not call any more."""


class _ClosedUnusedError(HttpError):
    """A kept connection was closed before it answered anything."""


MaySend = Callable[[], bool]
"""Asked right before the bytes are written: connecting takes time, and a process may be stopped anywhere."""


def always() -> bool:
    """Whoever asks may send."""
    return True


@dataclass(slots=True)
class Response:
    """An answer; header names are in lower case, `body` is its beginning."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Pool:
    """Connections to one origin; use it within one event loop, and close it."""

    def __init__(
        self,
        base: str,
        context: Callable[[], ssl.SSLContext | None] = lambda: None,
        *,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        """`base` is `http://host:port` or `https://…`, with a path or without; `context` is asked at each connect.

        Of each body the first `kept_bytes` are kept.
        """
        parts = urlsplit(base)
        if parts.scheme not in {"http", "https"} or parts.hostname is None:
            raise ValueError(f"{base} is no address of HTTP")
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname
        self._port = parts.port or (443 if self._is_tls else 80)
        self._path = parts.path.rstrip("/")
        self._authority = parts.netloc.rpartition("@")[2].encode("idna" if not parts.netloc.isascii() else "ascii")
        self._context = context
        self._kept_bytes = kept_bytes
        self._default: ssl.SSLContext | None = None
        self._idle: deque[_Connection] = deque()

    async def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    async def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
        timeout_seconds: float,
        *,
        may_send: MaySend = always,
    ) -> Response:
        """Make one call; `target` is the path behind the base, percent-encoded, with its query.

        Raises HttpError, WithheldError among it, TimeoutError after `timeout_seconds` for all of it, and OSError of the
        connect.
        """
        message = self._message(method, target, headers, body)
        deadline = time.monotonic() + timeout_seconds
        while (connection := self._kept()) is not None:
            try:
                return await self._exchange(connection, message, deadline, may_send)
            except _ClosedUnusedError:
                if method not in REPEATABLE:
                    raise
        async with asyncio.timeout(deadline - time.monotonic()):
            connection = await self._connect()
        return await self._exchange(connection, message, deadline, may_send)

    def _message(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> bytes:
        line = f"{self._path}{target}".encode()
        if UNFIT.search(line):
            path, _, _ = target.partition("?")  # what follows may be a token
            raise HttpError(f"the path {path!r} or its query holds characters that must be percent-encoded")
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
        if fields.count(b"\n") + fields.count(b"\r") != 2 * len(headers):
            raise HttpError("a header's value holds an end of line")
        return b"%b %b HTTP/1.1\r\nHost: %b\r\n%bContent-Length: %d\r\n\r\n%b" % (
            method.encode(),
            line or b"/",
            self._authority,
            fields,
            len(body),
            body,
        )

    async def _exchange(
        self, connection: "_Connection", message: bytes, deadline: float, may_send: MaySend
    ) -> Response:
        try:
            response = await connection.exchange(message, deadline - time.monotonic(), may_send)
        except BaseException:
            connection.close()
            raise
        if connection.is_reusable:
            self._idle.append(connection)
        else:
            connection.close()
        return response

    def _kept(self) -> "_Connection | None":
        now = time.monotonic()
        while self._idle:
            connection = self._idle.pop()  # the one used last is the likeliest to be alive
            if connection.is_reusable and now - connection.used_at < IDLE_SECONDS:
                return connection
            connection.close()
        return None

    def _tls(self) -> ssl.SSLContext:
        if (given := self._context()) is not None:
            return given
        if self._default is None:
            self._default = ssl.create_default_context()
        return self._default

    async def _connect(self) -> "_Connection":
        loop = asyncio.get_running_loop()
        context = self._tls() if self._is_tls else None
        connection = _Connection(self._kept_bytes)
        await loop.create_connection(lambda: connection, self._host, self._port, ssl=context)
        return connection


class _Connection(asyncio.Protocol):
    """One exchange after the other."""

    def __init__(self, kept_bytes: int) -> None:
        self.used_at = 0.0
        self.is_reusable = False
        self._kept_bytes = kept_bytes
        self._loop = asyncio.get_running_loop()
        self._transport: Any = None
        self._answer: asyncio.Future[Response] | None = None
        self._parser: httptools.HttpResponseParser = httptools.HttpResponseParser(self)
        self._exchanges = 0

    async def exchange(self, message: bytes, timeout_seconds: float, may_send: MaySend) -> Response:
        """Send a request and wait for its answer; raises TimeoutError."""
        if not may_send():
            raise WithheldError("the caller may not call any more")
        self.is_reusable = False
        self._response = Response()
        self._body: list[bytes] = []
        self._size = 0
        self._head_size = 0
        self._is_headers_complete = False
        self._exchanges += 1
        self._answer = self._loop.create_future()
        self._transport.write(message)
        # A timer of the connection's own costs half of asyncio.timeout.
        timer = self._loop.call_later(timeout_seconds, self._fail, TimeoutError())
        try:
            return await self._answer
        finally:
            timer.cancel()

    def close(self) -> None:
        """Let go of the socket."""
        self.is_reusable = False
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by asyncio."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Called by asyncio."""
        if self._answer is None:
            self.close()  # an answer that nobody asked for
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade, HttpError) as error:
            self._fail(HttpError(f"the answer is no HTTP: {error.__context__ or error}"))

    def connection_lost(self, error: Exception | None) -> None:
        """Called by asyncio."""
        self.is_reusable = False
        if self._answer is None:
            return
        headers = self._response.headers
        is_length_known = "content-length" in headers or "chunked" in headers.get("transfer-encoding", "")
        if error is None and self._is_headers_complete and not is_length_known:
            self._finish()
        elif error is None and not self._response.headers and self._exchanges > 1:
            self._fail(_ClosedUnusedError("the target closed the connection without an answer"))
        else:
            what = "in the middle of its answer" if self._is_headers_complete else "without an answer"
            self._fail(HttpError(f"the target closed the connection {what}{f': {error}' if error else ''}"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser."""
        self._head_size += len(name) + len(value)
        if self._head_size > LARGEST_HEAD_BYTES:
            raise HttpError(f"the answer's headers are longer than {LARGEST_HEAD_BYTES} bytes")
        self._response.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._response.status = self._parser.get_status_code()
        self._is_headers_complete = True

    def on_body(self, chunk: bytes) -> None:
        """Called by the parser."""
        if self._size < self._kept_bytes:
            self._body.append(chunk[: self._kept_bytes - self._size])
        self._size += len(chunk)
        if self._size > LARGEST_BYTES and self._answer is not None:
            self._finish()
            self.close()

    def on_message_complete(self) -> None:
        """Called by the parser."""
        if self._response.status > LARGEST_STATUS:
            raise HttpError(f"there is no status {self._response.status}")
        if self._response.status < 200:  # noqa: PLR2004 -- 1xx: the answer is still to come
            self._response = Response()
            self._is_headers_complete = False
        elif self._answer is not None:
            self.is_reusable = self._parser.should_keep_alive() and not self._transport.is_closing()
            self._finish()

    def _finish(self) -> None:
        self.used_at = time.monotonic()
        self._response.body = b"".join(self._body)
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(self._response)

    def _fail(self, error: Exception) -> None:
        answer, self._answer = self._answer, None
        self.close()
        if answer is not None and not answer.done():
            answer.set_exception(error)
