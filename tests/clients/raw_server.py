"""A server that answers byte by byte as it is told, so that it can misbehave."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Behaviour = Callable[["Call"], Awaitable[None]]


@dataclass(slots=True)
class Call:
    """A request as it came over the wire, and where its answer goes."""

    head: str
    body: bytes
    writer: asyncio.StreamWriter

    @property
    def headers(self) -> dict[str, str]:
        return dict(line.split(": ", 1) for line in self.head.split("\r\n")[1:] if line)


@dataclass(slots=True)
class RawServer:
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    connections: int = 0


def answering(*pieces: bytes) -> Behaviour:
    """Send these pieces one after the other, and keep the connection for the next request."""

    async def behave(call: Call) -> None:
        for piece in pieces:
            call.writer.write(piece)
            await call.writer.drain()
            await asyncio.sleep(0)

    return behave


def closing_after(raw: bytes) -> Behaviour:
    """Send these bytes, then close."""

    async def behave(call: Call) -> None:
        call.writer.write(raw)
        await call.writer.drain()
        call.writer.close()

    return behave


def hanging_after(raw: bytes) -> Behaviour:
    """Send these bytes, then nothing more."""

    async def behave(call: Call) -> None:
        call.writer.write(raw)
        await asyncio.Event().wait()

    return behave


async def endless(call: Call) -> None:
    """Begin an answer that never ends."""
    call.writer.write(b"HTTP/1.1 422 No\r\nContent-Length: 1000000000\r\n\r\n")
    while True:
        call.writer.write(b"x" * 10_000)
        await call.writer.drain()


async def reset(call: Call) -> None:
    """Close without a word."""
    call.writer.transport.abort()


@asynccontextmanager
async def serving(behaviour: Behaviour) -> AsyncIterator[RawServer]:
    """A server on loopback; each request gets the behaviour."""
    server, tasks = RawServer(), set[asyncio.Task[None]]()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.connections += 1
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode("utf-8")
                call = Call(head, b"", writer)
                call.body = await reader.readexactly(int(call.headers.get("Content-Length", "0")))
                server.calls.append(call)
                await behaviour(call)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()
