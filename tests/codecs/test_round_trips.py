from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sitehub.codecs.commands import decode_command, encode_command
from sitehub.codecs.dead_letters import dead_letter_headers, read_dead_letter
from sitehub.codecs.nesting import is_too_deep
from sitehub.codecs.rows import decode_site, encode_site
from sitehub.rules.commands import Command
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


@given(attributes=documents, contract=documents, name=st.text())
def test_a_site_comes_back_as_it_was(attributes: dict[str, Any], contract: dict[str, Any], name: str) -> None:
    waiting = [Waiting("create", "billing", [name], "t", "e", "t")]
    site = Site(name, 3, attributes, contract, "t", "t", "e", "t", ["e"], 9, None, waiting)

    assert decode_site(encode_site(site)) == site


@given(error=st.text(), offset=st.integers(0, 2**62))
def test_dead_letter_headers_come_back(error: str, offset: int) -> None:
    failure = Failure("decode", "not_json", error)

    letter = read_dead_letter(dead_letter_headers(failure, topic="t", partition=2, offset=offset, time="now"))

    assert (letter.stage, letter.reason, letter.partition, letter.offset) == ("decode", "not_json", 2, offset)


@given(depth=st.integers(1, 130))
def test_nesting_is_counted_exactly(depth: int) -> None:
    assert is_too_deep(b"[" * depth + b"]" * depth) == (depth > 64)
