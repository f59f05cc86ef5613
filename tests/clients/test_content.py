"""Answers that are packed, or say so."""

import gzip
import zlib

import pytest

from sitehub.clients.answer import Delivered, Refused
from sitehub.clients.target import ANSWER_BYTES
from sitehub.tests.clients.raw_server import answering
from sitehub.tests.clients.test_target import answer, call

REASON = b'{"detail": "no"}'


def bare(data: bytes) -> bytes:
    """Deflate without the head that RFC 9110 asks for."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(REASON)),
        ("GZIP", gzip.compress(REASON)),
        ("x-gzip ", gzip.compress(REASON)),
        ("deflate", zlib.compress(REASON)),
        ("Deflate", bare(REASON)),
    ],
)
async def test_a_packed_reason_can_be_read(encoding: str, packed: bytes) -> None:
    found = await call(answering(answer(404, packed, f"Content-Encoding: {encoding}")))

    assert found == Refused(404, REASON.decode())


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "GZIP"])
@pytest.mark.parametrize("body", [b"not packed", gzip.compress(REASON)[:10] + b"\xff\xff\xff"])
async def test_what_is_not_packed_as_it_says_means_what_its_status_says(encoding: str, body: bytes) -> None:
    header = f"Content-Encoding: {encoding}"

    assert await call(answering(answer(200, body, header))) == Delivered(200)
    assert await call(answering(answer(422, body, header))) == Refused(422, body.decode("utf-8", "replace"))


async def test_a_packed_body_that_unpacks_to_much_is_cut() -> None:
    found = await call(answering(answer(422, gzip.compress(b"x" * 1_000_000), "Content-Encoding: gzip")))

    assert found == Refused(422, "x" * ANSWER_BYTES)
