"""What must not be shown is not, however it comes back."""

import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus, urlencode

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sitehub.clients.masks import mask
from sitehub.settings.secrets import MASK

SECRET = "s3cret-of-the-hub"  # noqa: S105 -- of no real hub


def test_secrets_and_what_is_named_like_one_are_masked() -> None:
    text = f'{{"api_key":"abc","note":"{SECRET}","Access-Token": "x\\"y","name":"Zoo"}}'
    assert mask(text, [SECRET, "a"]) == '{"api_key":"***","note":"***","Access-Token": "***","name":"Zoo"}'


def test_a_secret_that_the_cut_left_half_is_masked_by_its_name() -> None:
    assert mask('{"client_secret":"s3cr', []) == '{"client_secret":"***"'


@pytest.mark.parametrize("secret", ["p&ss w/rd", 'say "it"', "Zürich-東京"])
def test_a_secret_is_masked_in_whatever_encoding_it_comes_back(secret: str) -> None:
    echoes = [secret, quote(secret, safe=""), urlencode({"a": secret})[2:], orjson.dumps(secret).decode()[1:-1]]
    assert [mask(f"<{echo}>", [secret]) for echo in echoes] == ["<***>"] * 4


SLASHED = "ab/cd+EF==&<g>"


@pytest.mark.parametrize(
    "echo",
    [
        pytest.param(r"ab\/cd+EF==&<g>", id="JSON of PHP"),
        pytest.param(r"ab/cd\u002bEF\u003D\u003d\u0026\u003cg\u003e", id="JSON for pages"),
        pytest.param("".join(f"\\u{ord(one):04x}" for one in SLASHED), id="JSON, each character"),
        pytest.param("ab%2fcd%2bEF%3d%3d%26%3cg%3e", id="address, lower case"),
        pytest.param("".join(f"%{ord(one):02X}" for one in SLASHED), id="address, each character"),
        pytest.param("ab/cd+EF==&amp;&lt;g&gt;", id="HTML"),
        pytest.param("ab&#47;cd&#x2B;EF&#61;&#x3d;&#38;&#x3C;g&#62;", id="HTML by numbers"),
        pytest.param(r"ab%2Fcd%2BEF==\u0026amp;\u003cg>", id="one within the other"),
        pytest.param(json.dumps(json.dumps("ab/cd+EF==&<g>".replace("/", "\\/")))[3:-3], id="JSON in JSON"),
    ],
)
def test_a_secret_is_masked_however_it_was_escaped(echo: str) -> None:
    assert mask(f"no key <{echo}> here", [SLASHED]) == "no key <***> here"


@pytest.mark.parametrize(
    "cut", [SECRET[:7], r"s3cret\u002dof", r"s3cret\u002dof\u00", "s3cret%2dof%2", "s3cret&#45;of&#4", "s3cret-of\\"]
)
def test_a_secret_that_the_cut_went_through_is_masked(cut: str) -> None:
    assert mask(f"unknown key {cut}", [SECRET]) == "unknown key ***"


def test_two_secrets_that_overlap_are_masked_as_one() -> None:
    assert mask("abcdefgh, efghabcd", ["abcdef", "cdefgh", "abcd"]) == "***, efgh***"


def test_a_secret_beside_other_escapes_is_the_only_thing_masked() -> None:
    assert mask(r"50% of \u00fc &amp; s3cret%2Dkey &nbsp;&unknown; %zz \x", ["s3cret-key"]) == (
        r"50% of \u00fc &amp; *** &nbsp;&unknown; %zz \x"
    )


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('{"token": 123456, "n": 1}', '{"token": "***", "n": 1}'),
        ('{"tokens": ["abcdef", {"a": 1}], "n": 1}', '{"tokens": "***", "n": 1}'),
        ('{"credentials": {"k": "abcdef"}, "n": 1}', '{"credentials": "***", "n": 1}'),
        ('{"credentials": {"k": "abc', '{"credentials": "***"'),
        ('{"password": -1.5e', '{"password": "***"'),
        ('{"api-key": "a\\xb", "n": 1}', '{"api-key": "***", "n": 1}'),
        ('{"authorized": false, "token": null, "n": 1}', '{"authorized": false, "token": null, "n": 1}'),
        ('"token": what is it?', '"token": what is it?'),
        ('{"secrets": ' + "[" * 2_000, '{"secrets": "***"'),
    ],
)
def test_what_is_named_like_a_secret_is_masked_whatever_it_holds(text: str, masked: str) -> None:
    assert mask(text, []) == masked


@given(
    secret=st.text(st.characters(min_codepoint=0x20, exclude_categories=["Cs"]), min_size=4, max_size=12),
    text=st.text(max_size=30),
    encode=st.sampled_from([str, quote, quote_plus, lambda one: json.dumps(one)[1:-1], html.escape]),
)
def test_no_encoding_of_a_secret_survives(secret: str, text: str, encode: Callable[[str], str]) -> None:
    assume(MASK not in secret)
    assert encode(secret) not in mask(f"{text}<{encode(secret)}>{text}", [secret])


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ('{"pin": 1234, "name": "Zoo"}', '{"pin": "***", "name": "Zoo"}'),
        (
            '{"a": [{"PIN":"12\\"34"}], "card": {"number": 4, "pin": 5}, "b": 1}',
            '{"a": [{"PIN":"***"}], "card": "***", "b": 1}',
        ),
        ('{"card": {"number": "41', '{"card": "***"'),
        ('{"pinned": 1}', '{"pinned": 1}'),
        ('{"pin": null, "card": false}', '{"pin": "***", "card": "***"}'),
        ('{"pin": what is it?', '{"pin": "***"'),
    ],
)
def test_configured_members_are_masked_whatever_they_hold(text: str, masked: str) -> None:
    assert mask(text, [], frozenset({"pin", "card"})) == masked
