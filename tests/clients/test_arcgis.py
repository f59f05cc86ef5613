"""Errors in the bodies of answers with status 200."""

import gzip
from typing import Any

import orjson
import pytest

from sitehub.clients.answer import Answer, Delivered, Refused, Unavailable
from sitehub.clients.credentials import Fixed
from sitehub.clients.http1 import LARGEST_BYTES
from sitehub.clients.target import ANSWER_BYTES
from sitehub.tests.clients.raw_server import answering
from sitehub.tests.clients.raw_server import serving as served
from sitehub.tests.clients.test_credentials import call


def packed(document: Any) -> bytes:
    body = gzip.compress(orjson.dumps(document))
    return b"HTTP/1.1 200 X\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def raw(body: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)


def plain(document: Any) -> bytes:
    return raw(orjson.dumps(document))


async def answered(whole: bytes) -> Answer:
    async with served(answering(whole)) as server:
        (answer,) = await call(server.url, Fixed(), errors_in_body=True)
    return answer


LONG = ["x" * 4_000]
ENDLESS = b'{"error": {"code": 498, "details": ["' + b"x" * (LARGEST_BYTES + 1)


@pytest.mark.parametrize(
    ("whole", "meant"),
    [
        pytest.param(plain({"error": {"code": 498, "message": "no"}}), "HTTP 401", id="a token that is not taken"),
        pytest.param(plain({"error": {"code": 499, "message": "no"}}), "HTTP 401", id="no token"),
        pytest.param(plain({"error": {"code": 503, "message": "no"}}), "HTTP 503", id="a status of HTTP"),
        pytest.param(plain({"error": {"code": 1000, "message": "no"}}), "HTTP 500", id="no status of HTTP"),
        pytest.param(plain({"error": {"code": "498"}}), "HTTP 401", id="a code as text"),
        pytest.param(plain({"error": {"code": "no number"}}), "HTTP 500", id="a text that is no code"),
        pytest.param(plain({"error": {"code": "9" * 5_000}}), "HTTP 500", id="a number beyond all codes"),
        pytest.param(plain({"error": {"code": 1.5}}), "HTTP 500", id="a code that is none"),
        pytest.param(plain({"error": {"message": "no"}}), "HTTP 500", id="no code"),
        pytest.param(plain({"error": "no"}), "HTTP 500", id="a text"),
        pytest.param(plain({"a": LONG, "error": {"code": 498}}), "HTTP 401", id="behind the first 2 KiB"),
        pytest.param(plain({"error": {"code": 498, "details": LONG}}), "HTTP 401", id="longer than 2 KiB"),
        pytest.param(packed({"error": {"code": 498, "details": LONG}}), "HTTP 401", id="packed"),
        pytest.param(raw(b'\xef\xbb\xbf{"error": {"code": 498}}'), "HTTP 401", id="behind a byte order mark"),
        pytest.param(raw(b'{"error": {"code": 498, "message": "Ung\xfcltig"}}'), "HTTP 401", id="no UTF-8"),
        pytest.param(raw(b'{"error": {"code": 503, "n": NaN}}'), "HTTP 503", id="no JSON to the letter"),
        pytest.param(raw(ENDLESS), "HTTP 401", id="cut at the bound"),
        pytest.param(raw(ENDLESS.replace(b"498", b"nil")), "HTTP 500", id="cut at the bound, without a code"),
    ],
)
async def test_an_error_in_a_200_body_is_one(whole: bytes, meant: str) -> None:
    answer = await answered(whole)

    assert isinstance(answer, Unavailable)
    assert answer.error == meant
    assert len(answer.answer.encode()) <= ANSWER_BYTES + 2  # a byte that is no UTF-8 takes three


async def test_an_error_that_rejects_keeps_its_reason() -> None:
    assert await answered(plain({"error": {"code": 400, "message": "no"}})) == Refused(
        400, '{"error":{"code":400,"message":"no"}}'
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"error": null}',
        b'{"error": false, "id": 1}',
        b'{"results": [{"error": {"code": 498}}]}',
        b'{"message": "no \\"error\\""}',
        b'["error"]',
        b"<html>",
        b'{"results": [{"error": "' + b"x" * (LARGEST_BYTES + 1),
    ],
)
async def test_a_200_body_without_an_error_at_its_top_is_delivered(body: bytes) -> None:
    assert await answered(raw(body)) == Delivered(200)


@pytest.mark.parametrize(("body", "kind"), [(b'{"error": "no"}', Refused), (b'{"error": {"code": 498}}', Unavailable)])
async def test_another_status_stands_unless_the_body_knows_better(body: bytes, kind: type) -> None:
    assert type(await answered(raw(body, 400))) is kind


async def test_other_targets_are_taken_at_their_status() -> None:
    async with served(answering(plain({"error": {"code": 498}}))) as server:
        assert await call(server.url, Fixed()) == [Delivered(200)]
