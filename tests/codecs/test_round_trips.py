from io import BytesIO
from typing import Any

import fastavro
import msgspec
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.codecs.commands import SCHEMA, command_headers, decode_command, encode_command
from sitehub.codecs.dead_letters import DeadLetter, dead_letter_headers, read_dead_letter
from sitehub.codecs.nesting import is_too_deep
from sitehub.codecs.results import Result, decode_result, encode_result, result_headers
from sitehub.codecs.rows import decode_delivery, decode_site, encode_delivery, encode_site
from sitehub.rules.commands import Command
from sitehub.rules.delivery import DeliveryRow
from sitehub.rules.failure import Failure
from sitehub.rules.site import Site, Waiting

documents = st.dictionaries(
    st.text(),
    st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(), st.lists, max_leaves=5),
)


@given(body=documents, text=st.text(), offset=st.integers(0, 2**62))
def test_a_command_comes_back_as_it_was(body: dict[str, Any], text: str, offset: int) -> None:
    command = Command(text, "billing", "create", text, "POST", "/x", body, text, "t", "c", "topic", 3, offset)

    assert decode_command(encode_command(command)) == command


@given(
    text=st.text() | st.integers(2_000, 20_000).map("é".__mul__),
    partition=st.integers(0, 2**31 - 1),
    offset=st.integers(-(2**63), 2**63 - 1),
)
def test_a_command_is_byte_by_byte_what_fastavro_writes(text: str, partition: int, offset: int) -> None:
    command = Command(text, "t", text, "s", "PUT", text, [text], "e", "t", "c", "topic", partition, offset)
    expected = BytesIO()
    fields = {**msgspec.structs.asdict(command), "body": orjson.dumps(command.body)}
    fastavro.schemaless_writer(expected, SCHEMA, fields)

    assert encode_command(command) == expected.getvalue()


def test_every_field_of_a_command_stands_in_its_schema_in_this_order() -> None:
    command = Command("a", "b", "c", "d", "e", "f", ["g"], "h", "i", "j", "k", 1, 2, {"l": "ä", "m": ""}, {"n": "o"})
    expected = BytesIO()
    fastavro.schemaless_writer(expected, SCHEMA, {**msgspec.structs.asdict(command), "body": b'["g"]'})

    assert encode_command(command) == expected.getvalue()
    assert decode_command(expected.getvalue()) == command


@given(headers=st.dictionaries(st.text(), st.text()), text=st.text(max_size=200), cut=st.integers(1, 10_000))
def test_a_command_that_fastavro_wrote_is_read_and_one_that_is_cut_is_refused(
    headers: dict[str, str], text: str, cut: int
) -> None:
    command = Command(text, "b", "c", "d", "e", text, [text], "h", "i", "j", "k", 1, 2**40, headers, {"n": text})
    written = BytesIO()
    fields = {**msgspec.structs.asdict(command), "body": orjson.dumps(command.body)}
    fastavro.schemaless_writer(written, SCHEMA, fields)
    value = written.getvalue()
    whole = len(encode_command(msgspec.structs.replace(command, headers={}, query={}))) - 2

    assert decode_command(value) == command
    left = value[: -(cut % len(value) or 1)]
    if len(left) < whole:
        with pytest.raises(ValueError, match=r"cut after|ends at byte"):
            decode_command(left)


def test_a_command_of_an_older_hub_has_neither_headers_nor_parameters() -> None:
    command = Command("a", "b", "c", "d", "e", "f", ["g"], "h", "i", "j", "k", 1, 2)

    assert decode_command(encode_command(command).removesuffix(b"\x00\x00")) == command


@pytest.mark.parametrize("offset", [2**63, -(2**63) - 1])
def test_an_offset_beyond_64_bits_is_refused(offset: int) -> None:
    with pytest.raises(OverflowError):
        encode_command(Command("a", "b", "c", "d", "e", "f", ["g"], "h", "i", "j", "k", 1, offset))


@given(attributes=documents, contract=documents, name=st.text())
def test_a_site_comes_back_as_it_was(attributes: dict[str, Any], contract: dict[str, Any], name: str) -> None:
    waiting = [Waiting("create", "billing", [name], "t", "e", "t")]
    site = Site(name, 3, attributes, contract, "t", "t", "e", "t", " :e ", 9, None, waiting)

    assert decode_site(encode_site(site)) == site


@given(error=st.text(), offset=st.integers(0, 2**62))
def test_dead_letter_headers_come_back(error: str, offset: int) -> None:
    failure = Failure("decode", "not_json", error)

    letter = read_dead_letter(dead_letter_headers(failure, topic="t", partition=2, offset=offset, time="now"))

    assert (letter.stage, letter.reason, letter.partition, letter.offset) == ("decode", "not_json", 2, offset)


def test_a_dead_letter_keeps_the_place_the_attempts_and_the_target() -> None:
    failure = Failure("delivery", "rejected", "HTTP 404: no customer")

    letter = read_dead_letter(
        dead_letter_headers(failure, topic="t", partition=2, offset=9, time="now", attempts=3, target="billing")
    )

    assert letter == DeadLetter("delivery", "rejected", "HTTP 404: no customer", "t", 2, 9, "now", 3, "billing")


def test_a_record_that_died_before_any_attempt_has_none() -> None:
    headers = dead_letter_headers(Failure("decode", "not_json", "\ud800"), topic="t", partition=2, offset=9, time="now")

    assert dict(headers)["dead-letter.attempts"] == b"0"
    assert dict(headers)["dead-letter.error"] == b"?"


def test_a_letter_that_died_again_tells_its_last_death() -> None:
    first = dead_letter_headers(Failure("decode", "not_json", "one"), topic="a", partition=1, offset=1, time="1")
    second = dead_letter_headers(Failure("rule", "rule_failed", "two"), topic="b", partition=2, offset=2, time="2")

    letter = read_dead_letter([("mine", b"x"), *first, *second])

    assert (letter.stage, letter.topic, letter.offset) == ("rule", "b", 2)


def test_an_error_that_quotes_a_whole_record_is_cut() -> None:
    headers = dict(
        dead_letter_headers(Failure("decode", "r", "é" * 1_000_000), topic="t", partition=0, offset=0, time="now")
    )

    assert len(headers["dead-letter.error"]) <= 4_800


@given(
    headers=st.lists(
        st.tuples(
            st.sampled_from(["dead-letter.offset", "dead-letter.partition", "dead-letter.error", "other"]),
            st.none() | st.binary() | st.sampled_from(["²".encode(), b"9" * 5_000, b"-1", b"1.5"]),
        )
    )
)
def test_any_headers_give_a_dead_letter(headers: list[tuple[str, bytes | None]]) -> None:
    letter = read_dead_letter(headers)

    assert letter.offset >= 0
    assert letter.partition >= 0


@given(text=st.text(), offset=st.integers(0, 2**62), status=st.none() | st.integers(100, 599))
def test_a_delivery_and_a_result_come_back_as_they_were(text: str, offset: int, status: int | None) -> None:
    row = DeliveryRow("parked", text, text, 3, status, text, "t", offset)
    result = Result(text, text, text, "billing", text, "failed", 2, status, text, None, "t", "t", 1.5)

    assert decode_delivery(encode_delivery(row)) == row
    assert decode_result(encode_result(result)) == result


def test_a_result_is_counted_by_its_headers() -> None:
    result = Result("e1:create", "e1", "create", "billing", "s1", "failed", 2, None, "reset", None, "t", "t", 1.5)

    assert dict(result_headers(result)) == {
        "command_id": b"e1:create",
        "event_id": b"e1",
        "action": b"create",
        "target": b"billing",
        "status": b"failed",
        "attempt": b"2",
        "http_status": b"",
    }
    assert dict(result_headers(msgspec.structs.replace(result, http_status=503)))["http_status"] == b"503"


def test_a_command_is_counted_by_its_headers() -> None:
    command = Command("é:create", "billing", "create", "s1", "POST", "/x", {}, "é", "t", "c", "topic", 3, 9)

    assert dict(command_headers(command)) == {
        "command_id": "é:create".encode(),
        "event_id": "é".encode(),
        "action": b"create",
        "target": b"billing",
    }


@given(depth=st.integers(1, 130))
def test_nesting_is_counted_exactly(depth: int) -> None:
    assert is_too_deep(b"[" * depth + b"]" * depth) == (depth > 64)


def test_brackets_beside_each_other_are_not_nested() -> None:
    shallow, deepest = b"[{}],[]," * 100, b"[" * 63 + b"]" * 63

    assert not is_too_deep(b"[" + shallow + deepest + b"," + shallow + deepest + b"]")
    assert is_too_deep(b"[" + shallow + b"[" + deepest + b"]]")
    assert is_too_deep(b'{"[": ' + shallow + deepest.replace(b"[]", b"[[{}]]") + b"}")
