"""The lean HTTP client against servers that behave and misbehave, byte by byte."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from sitehub.clients.http1 import HttpError, Pool, Response, WithheldError
from sitehub.tests.clients.raw_server import (
    Behaviour,
    Call,
    RawServer,
    answering,
    closing_after,
    endless,
    hanging_after,
    reset,
    serving,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-One: 1\r\n\r\nok"


@asynccontextmanager
async def pooled(behaviour: Behaviour) -> AsyncIterator[tuple[RawServer, Pool]]:
    async with serving(behaviour) as server:
        pool = Pool(f"{server.url}/v1")
        yield server, pool
        await pool.close()


async def put(pool: Pool, target: str = "/a", method: str = "PUT") -> Response:
    return await pool.request(method, target, {"X-Key": "é"}, b'{"n":1}', 5)


async def error_of(behaviour: Behaviour) -> str:
    async with pooled(behaviour) as (_, pool):
        with pytest.raises(HttpError) as raised:
            await put(pool)
    return str(raised.value)


async def test_a_call_is_written_and_its_answer_read() -> None:
    async with pooled(answering(OK)) as (server, pool):
        response = await put(pool, "/sites/a%20b?x=1")

    (call,) = server.calls
    assert call.head.split("\r\n")[0] == "PUT /v1/sites/a%20b?x=1 HTTP/1.1"
    assert call.headers["Host"] == server.url.removeprefix("http://")
    assert (call.headers["X-Key"], call.body) == ("é", b'{"n":1}')
    assert (response.status, response.body, response.headers["x-one"]) == (200, b"ok", "1")


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\n", b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\nok\r", b"\n0\r\n", b"\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\n", OK],
        [b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK],
        [bytes([one]) for one in OK],
    ],
)
async def test_an_answer_is_whole_however_it_comes(pieces: list[bytes]) -> None:
    async with pooled(answering(*pieces)) as (server, pool):
        answers = [await put(pool) for _ in range(3)]

    assert [(one.status, one.body) for one in answers] == [(200, b"ok")] * 3
    assert server.connections == 1


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_an_answer_without_a_body_keeps_its_connection(status: bytes) -> None:
    async with pooled(answering(b"HTTP/1.1 " + status + b"\r\n\r\n")) as (server, pool):
        await put(pool)
        await put(pool)

    assert server.connections == 1


async def test_an_answer_that_ends_with_its_connection_is_whole() -> None:
    async with pooled(closing_after(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as (server, pool):
        assert [(await put(pool)).body for _ in range(2)] == [b"all of it"] * 2

    assert server.connections == 2


async def test_a_target_that_asks_to_close_gets_a_new_connection() -> None:
    answer = OK.replace(b"X-One: 1", b"Connection: close")
    async with pooled(answering(answer)) as (server, pool):
        await put(pool)
        await put(pool)

    assert server.connections == 2


@pytest.mark.parametrize(
    ("behaviour", "text"),
    [
        (reset, "without an answer"),
        (closing_after(b""), "without an answer"),
        (closing_after(b"HTTP/1.1 200 OK\r\nContent-Le"), "without an answer"),
        (closing_after(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "in the middle"),
        (closing_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nha"), "in the middle"),
        (answering(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n"), "headers are longer"),
        (closing_after(b"SSH-2.0-OpenSSH_9\r\n"), "no HTTP"),
        (answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"), "no HTTP"),
    ],
)
async def test_what_is_no_whole_answer_says_why(behaviour: Behaviour, text: str) -> None:
    assert text in await error_of(behaviour)


@pytest.mark.parametrize("begun", [b"", OK[:10], b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow"])
async def test_the_time_limit_covers_the_whole_answer(begun: bytes) -> None:
    async with pooled(hanging_after(begun)) as (_, pool):
        with pytest.raises(TimeoutError):
            await pool.request("PUT", "/a", {}, b"", 0.05)


async def test_an_endless_body_is_cut_and_costs_its_connection() -> None:
    async with pooled(endless) as (server, pool):
        answers = [await put(pool), await put(pool)]

    assert [(one.status, len(one.body)) for one in answers] == [(422, 2048)] * 2
    assert server.connections == 2


async def test_calls_at_once_have_a_connection_each_and_share_them_afterwards() -> None:
    arrived, everybody = 0, asyncio.Event()

    async def together(call: Call) -> None:
        nonlocal arrived
        arrived += 1
        if arrived == 5:
            everybody.set()
        await everybody.wait()
        await answering(OK)(call)

    async with pooled(together) as (server, pool):
        await asyncio.gather(*(put(pool) for _ in range(5)))
        await asyncio.gather(*(put(pool) for _ in range(5)))

    assert (server.connections, len(server.calls)) == (5, 10)


def closing_the_second(answers: list[Callable[[Call], Awaitable[None]]]) -> Behaviour:
    async def behave(call: Call) -> None:
        await answers.pop(0)(call)

    return behave


@pytest.mark.parametrize(("method", "is_repeated"), [("PUT", True), ("POST", False)])
async def test_a_kept_connection_that_is_closed_unused_is_no_failure_of_what_may_be_repeated(
    method: str,
    is_repeated: bool,  # noqa: FBT001
) -> None:
    behave = closing_the_second([answering(OK), closing_after(b""), answering(OK)])
    async with pooled(behave) as (server, pool):
        await put(pool)
        if is_repeated:
            assert (await put(pool, method=method)).status == 200
        else:
            with pytest.raises(HttpError):
                await put(pool, method=method)

    assert len(server.calls) == (3 if is_repeated else 2)


async def test_a_cancelled_calls_connection_is_not_used_again() -> None:
    behave = closing_the_second([hanging_after(b""), answering(OK)])
    async with pooled(behave) as (server, pool):
        task = asyncio.create_task(put(pool))
        async with asyncio.timeout(5):
            while not server.calls:
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await put(pool)).status == 200

    assert server.connections == 2


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "/a\x00"])
async def test_a_path_that_would_end_its_line_is_refused(target: str) -> None:
    async with pooled(answering(OK)) as (server, pool):
        with pytest.raises(HttpError):
            await put(pool, target)

    assert server.calls == []


@pytest.mark.parametrize("value", ["a\r\nX-Forged: b", "a\n", "a\rb"])
async def test_a_header_that_would_end_its_line_is_refused_and_not_quoted(value: str) -> None:
    async with pooled(answering(OK)) as (server, pool):
        with pytest.raises(HttpError) as raised:
            await pool.request("PUT", "/a", {"X-Key": value}, b"", 5)

    assert (server.calls, value in str(raised.value)) == ([], False)


@pytest.mark.parametrize("piece", [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
async def test_a_dribbling_answer_does_not_hold_a_call_beyond_its_time(piece: bytes) -> None:
    async def dribble(call: Call) -> None:
        call.writer.write(piece)
        while True:
            call.writer.write(b"X: y\r\n")
            await asyncio.sleep(0.01)

    async with pooled(dribble) as (_, pool):
        with pytest.raises(TimeoutError):
            await pool.request("PUT", "/a", {}, b"", 0.1)


async def test_the_time_limit_covers_the_handshake_of_tls() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(TimeoutError):
        await Pool(f"https://127.0.0.1:{silent.getsockname()[1]}").request("PUT", "/", {}, b"", 0.1)


@settings(max_examples=50, deadline=None)
@given(raw=st.binary(max_size=200), head=st.sampled_from([b"", OK, OK[:20], b"HTTP/1.1 200 OK\r\n"]))
def test_any_bytes_give_an_answer_or_an_error(raw: bytes, head: bytes) -> None:
    async def whole() -> None:
        async with pooled(closing_after(head + raw)) as (_, pool):
            try:
                response = await put(pool)
            except HttpError:
                return
            assert 200 <= response.status < 1000

    asyncio.run(whole())


async def test_an_encrypted_target_is_believed_only_with_a_certificate_of_a_known_authority() -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    server_side, client_side = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server_side)
    authority.configure_trust(client_side)
    distrusting = ssl.create_default_context()
    stranger.configure_trust(distrusting)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=server_side)
    base = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    async with server:
        trusted = Pool(base, lambda: client_side)
        assert (await trusted.request("GET", "/", {}, b"", 5)).body == b"ok"
        await trusted.close()
        with pytest.raises(ssl.SSLCertVerificationError):
            await Pool(base, lambda: distrusting).request("GET", "/", {}, b"", 5)


async def test_a_caller_that_may_send_no_more_is_asked_before_each_try_and_its_connection_stays() -> None:
    async def answer_once_a_connection(call: Call) -> None:
        call.writer.write(OK)
        await call.writer.drain()

    async with pooled(answer_once_a_connection) as (server, pool):
        await put(pool)
        with pytest.raises(WithheldError):
            await pool.request("PUT", "/late", {}, b"", 5, may_send=lambda: False)
        await put(pool)
    assert [call.head.split()[1] for call in server.calls] == ["/v1/a", "/v1/a"]


async def test_what_was_closed_unanswered_is_not_sent_again_by_a_caller_that_may_send_no_more() -> None:
    asked: list[bool] = []

    async def answer_the_first_only(call: Call) -> None:
        if len(server.calls) == 1:
            call.writer.write(OK)
            await call.writer.drain()
        else:
            call.writer.close()

    def may_send_once() -> bool:
        asked.append(True)
        return len(asked) == 1

    async with pooled(answer_the_first_only) as (server, pool):
        await put(pool)
        with pytest.raises(WithheldError):
            await pool.request("PUT", "/once", {}, b"", 5, may_send=may_send_once)
    assert [call.head.split()[1] for call in server.calls] == ["/v1/a", "/v1/once"]
