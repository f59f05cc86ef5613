"""Calls to a target against real servers, most of which misbehave."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from typing import Any

import msgspec
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sitehub.clients.answer import Answer, Delivered, Refused, Unavailable
from sitehub.clients.http1 import WithheldError
from sitehub.clients.target import ANSWER_BYTES, Target, TargetSettings
from sitehub.rules.commands import Command
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

COMMAND = Command(
    command_id="e1:create",
    target="billing",
    action="create",
    site_id="s1",
    method="POST",
    path="/customers",
    body={"customer_name": "Zürich", "n": [1, None]},
    event_id="e1",
    event_timestamp="2026-11-24T01:00:00Z",
    config_id="c0ffee",
    source_topic="events",
    source_partition=0,
    source_offset=7,
)


@asynccontextmanager
async def opened(url: str, timeout_seconds: float = 20) -> AsyncIterator[Target]:
    settings_ = TargetSettings("billing", url, {"X-API-Key": "secret"}, timeout_seconds, max_in_flight=4)
    async with Target(settings_) as target:
        yield target


async def call(behaviour: Behaviour, timeout_seconds: float = 20) -> Answer:
    async with serving(behaviour) as server, opened(server.url, timeout_seconds) as target:
        return await target.call(COMMAND)


async def called(command: Command, base: str = "") -> RawServer:
    async with serving(answering(answer(200))) as server, opened(server.url + base) as target:
        assert await target.call(command) == Delivered(200)
    return server


def answer(status: int, body: bytes = b"{}", *headers: str) -> bytes:
    head = [f"HTTP/1.1 {status} Some reason", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(head).encode() + body


def changed(**fields: Any) -> Command:
    return msgspec.structs.replace(COMMAND, **fields)


async def test_a_call_carries_its_document_its_ids_and_the_key() -> None:
    (request,) = (await called(COMMAND)).calls

    assert request.head.split("\r\n")[0] == "POST /customers HTTP/1.1"
    assert request.headers["Idempotency-Key"] == "e1:create"
    assert request.headers["X-Correlation-ID"] == "e1"
    assert request.headers["X-Sitehub-Config"] == "c0ffee"
    assert request.headers["X-API-Key"] == "secret"
    assert request.headers["Content-Type"] == "application/json"
    assert orjson.loads(request.body) == COMMAND.body


async def test_a_commands_headers_and_parameters_go_with_it_and_forge_nothing() -> None:
    given = {"X-Site": "a\r\nX-API-Key: forged", "Idempotency-Key": "another"}
    (request,) = (await called(changed(headers=given, query={"q": "a&b", "r": ""}, path="/x?y=1"))).calls

    assert request.head.split(" ")[1] == "/x?y=1&q=a%26b&r="
    assert (request.headers["X-Site"], request.headers["Idempotency-Key"]) == ("a%0D%0AX-API-Key: forged", "e1:create")
    assert request.headers["X-API-Key"] == "secret"


async def test_a_call_without_a_document_has_no_body() -> None:
    (request,) = (await called(changed(method="DELETE", body=None))).calls

    assert (request.head.split(" ")[0], request.headers["Content-Length"], request.body) == ("DELETE", "0", b"")


@pytest.mark.parametrize("base", ["/v1", "/v1/"])
@pytest.mark.parametrize("path", ["/customers/a%2Fb", "/customers/%2E%2E/billing-config", "/c/%C3%A4?x=%26"])
async def test_a_path_goes_out_behind_the_endpoints_as_it_was_rendered(base: str, path: str) -> None:
    (request,) = (await called(changed(method="PUT", path=path), base)).calls

    assert request.head.split("\r\n")[0] == f"PUT /v1{path} HTTP/1.1"


@pytest.mark.parametrize(
    ("event_id", "sent"),
    [
        ("a b:c/d%", "a b:c/d%"),
        ("Zürich-東京", "Zürich-東京"),
        ("one\r\nX-API-Key: forged", "one%0D%0AX-API-Key: forged"),
        ("nul\x00tab\tdel\x7f", "nul%00tab%09del%7F"),
        (" e1 ", "%20e1%20"),
    ],
)
async def test_ids_as_producers_chose_them_reach_the_target_in_one_header(event_id: str, sent: str) -> None:
    (request,) = (await called(changed(event_id=event_id, command_id=event_id + ":create"))).calls

    assert request.headers["X-Correlation-ID"] == sent
    assert request.headers["X-API-Key"] == "secret"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_a_2xx_is_delivered(status: int) -> None:
    assert await call(answering(answer(status, b"" if status == 204 else b"{}"))) == Delivered(status)


async def test_a_2xx_is_delivered_whatever_its_body_says() -> None:
    assert await call(answering(answer(200, b"<html>It works!</html>", "Content-Type: text/html"))) == Delivered(200)
    assert await call(answering(answer(200, b"\xff\xfe"))) == Delivered(200)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 422])
async def test_any_other_4xx_is_refused_with_the_targets_reason(status: int) -> None:
    assert await call(answering(answer(status, b'{"detail": "no"}'))) == Refused(status, '{"detail": "no"}')


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int) -> None:
    async with serving(answering(answer(status, b"", "Location: /elsewhere"))) as server, opened(server.url) as target:
        assert await target.call(COMMAND) == Refused(status, "")

    assert [request.head.split(" ")[1] for request in server.calls] == ["/customers"]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_unavailable(status: int) -> None:
    found = await call(answering(answer(status, b"later")))

    assert found == Unavailable(f"HTTP {status}", status, "later", None, may_have_arrived=status != 429)


async def test_retry_after_is_read_as_seconds_or_as_a_date() -> None:
    async def pause(header: str) -> float | None:
        found = await call(answering(answer(503, b"", f"Retry-After: {header}")))
        assert isinstance(found, Unavailable)
        assert found.status == 503
        return found.retry_after_seconds

    assert await pause("7") == 7
    assert await pause("soon") is None
    assert await pause("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    an_hour = await pause(formatdate(time.time() + 3600, usegmt=True))
    assert an_hour is not None
    assert 3000 < an_hour <= 3601


async def test_a_long_refusal_is_cut_and_not_read_to_its_end() -> None:
    assert await call(endless) == Refused(422, "x" * ANSWER_BYTES)


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", answer(200, b"{}")[:-1]]
)
async def test_a_target_that_does_not_end_its_answer_in_time_is_unavailable(begun: bytes) -> None:
    assert await call(hanging_after(begun), timeout_seconds=0.2) == Unavailable("no answer within 0.2 s")


async def test_a_target_that_does_not_read_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with opened(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.2) as target:
            found = await target.call(changed(body={"large": "x" * 1_000_000}))

    assert found == Unavailable("no answer within 0.2 s")


async def test_a_refused_connection_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with opened(f"http://127.0.0.1:{port}") as target:
        found = await target.call(COMMAND)

    assert isinstance(found, Unavailable)
    assert (found.status, found.retry_after_seconds) == (None, None)
    assert found.error.startswith("ConnectionRefusedError: ")


@pytest.mark.parametrize(
    "behaviour",
    [
        pytest.param(reset, id="reset"),
        pytest.param(closing_after(b""), id="closed without an answer"),
        pytest.param(closing_after(b"HTTP/1.1 200 OK\r\nContent-"), id="half a head"),
        pytest.param(closing_after(b"garbage\r\n\r\n"), id="no HTTP"),
        pytest.param(closing_after(b"HTTP/1.1 999999 What\r\n\r\n"), id="no status"),
        pytest.param(closing_after(b"HTTP/1.1 200 OK\r\n" + b"X: y" * 100_000 + b"\r\n\r\n"), id="an endless header"),
        pytest.param(closing_after(answer(200, b"{}").replace(b"2\r\n", b"two\r\n")), id="no length"),
        pytest.param(closing_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), id="half a chunk"),
        pytest.param(
            closing_after(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n"), id="no chunk"
        ),
    ],
)
async def test_an_answer_that_is_none_is_unavailable(behaviour: Behaviour) -> None:
    found = await call(behaviour)

    assert isinstance(found, Unavailable)
    assert found.status is None
    assert found.error


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("sent", [1, 1000])
async def test_half_a_body_is_no_answer_whatever_its_status_was(status: int, sent: int) -> None:
    whole = answer(status, b"x" * 2_000)

    found = await call(closing_after(whole[: len(whole) - 2_000 + sent]))

    assert isinstance(found, Unavailable)
    assert (found.status, "in the middle of its answer" in found.error) == (None, True)


def counted(times: int) -> Callable[[], bool]:
    """A caller that may send so many times."""
    left = iter(range(times))
    return lambda: next(left, None) is not None


@pytest.mark.parametrize(
    ("behaviour", "may_have_arrived"),
    [
        pytest.param(answering(answer(503)), True, id="503"),
        pytest.param(answering(answer(408)), True, id="408"),
        pytest.param(answering(answer(429)), False, id="429"),
        pytest.param(answering(answer(401)), False, id="401"),
        pytest.param(reset, True, id="reset"),
        pytest.param(hanging_after(b""), True, id="silent"),
    ],
)
async def test_a_call_may_have_arrived_once_it_was_sent_unless_its_status_denies_it(
    behaviour: Behaviour,
    may_have_arrived: bool,  # noqa: FBT001 -- pytest hands parameters by name
) -> None:
    found = await call(behaviour, timeout_seconds=0.3)

    assert isinstance(found, Unavailable)
    assert found.may_have_arrived is may_have_arrived


async def test_a_call_that_found_no_connection_has_not_arrived() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with opened(f"http://127.0.0.1:{port}") as away, opened(f"https://127.0.0.1:{port}") as encrypted:
        found = [await away.call(COMMAND), await encrypted.call(COMMAND), await away.call(changed(path="/a b"))]

    assert [isinstance(one, Unavailable) and one.may_have_arrived for one in found] == [False] * 3


async def test_a_call_whose_handshake_hangs_has_not_arrived() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with opened(f"https://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.2) as target:
            found = await target.call(COMMAND)

    assert found == Unavailable("no answer within 0.2 s", may_have_arrived=False)


async def test_a_call_that_was_sent_twice_may_have_arrived_though_the_second_answer_denies_it() -> None:
    async def close_the_second(request: Call) -> None:
        if len(server.calls) == 2:
            request.writer.close()
        else:
            await answering(answer(429 if len(server.calls) == 3 else 200))(request)

    async with serving(close_the_second) as server, opened(server.url) as target:
        put = changed(method="PUT")
        assert await target.call(put) == Delivered(200)
        found = await target.call(put)

    assert found == Unavailable("HTTP 429", 429, "{}", may_have_arrived=True)
    assert len(server.calls) == 3


async def test_a_call_that_is_withheld_is_not_sent() -> None:
    async with serving(answering(answer(200))) as server, opened(server.url) as target:
        with pytest.raises(WithheldError):
            await target.call(COMMAND, may_send=counted(0))
        assert await target.call(COMMAND, may_send=counted(1)) == Delivered(200)

    assert len(server.calls) == 1


@pytest.mark.parametrize("cut", [5, 20, 50, None])
async def test_calls_one_after_the_other_share_a_connection(cut: int | None) -> None:
    whole = answer(201, b'{"a": 1}')
    pieces = (whole,) if cut is None else (whole[:cut], whole[cut:])
    async with serving(answering(*pieces)) as server, opened(server.url) as target:
        assert [await target.call(COMMAND) for _ in range(3)] == [Delivered(201)] * 3

    assert (len(server.calls), server.connections) == (3, 1)


@settings(max_examples=60, deadline=None)
@given(
    head=st.sampled_from([b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 503 No\r\nRetry-After: ", answer(404, b"12345")]),
    raw=st.binary(max_size=200),
)
def test_any_bytes_give_an_answer(head: bytes, raw: bytes) -> None:
    found = asyncio.run(call(closing_after(head + raw), timeout_seconds=2))

    assert isinstance(found, Delivered | Refused | Unavailable)
