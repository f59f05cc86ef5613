import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.settings.parse import parse


def test_each_key_that_stands_twice_is_a_mistake_wherever_it_is() -> None:
    document, mistakes = parse(
        '{"a": {"b": 1, "b": 2}, "c": [{"d": 1, "d": 2, "d": 3}], "a": {"b": 1, "b": 3}}', "x.json"
    )

    assert [(mistake.path, mistake.found) for mistake in mistakes] == [
        ("a", "the key 'a' twice in one object"),
        ("a.b", "the key 'b' twice in one object"),
        ("c.0.d", "the key 'd' twice in one object"),
    ]
    assert document == {"a": {"b": 3}, "c": [{"d": 3}]}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"a": NaN}', "NaN, which is no JSON number"),
        ('{"a": -Infinity}', "-Infinity, which is no JSON number"),
        ("[" * 65 + "]" * 65, "nested deeper than 64 levels"),
        ("[" * 100_000, "nested deeper than 64 levels"),
        ('{"a":' * 70 + "1" + "}" * 70, "nested deeper than 64 levels"),
        ("", "Expecting value"),
        ("{} {}", "Extra data"),
        ('{"a": 1,}', "Illegal trailing comma"),
        ("1" * 5000, "Exceeds the limit"),
    ],
)
def test_what_is_no_strict_json_is_a_mistake(text: str, found: str) -> None:
    _, mistakes = parse(text, "x.json")

    assert len(mistakes) == 1
    assert found in mistakes[0].found or "double quotes" in mistakes[0].found


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "replace")))
def test_any_text_gives_a_document_or_mistakes(text: str) -> None:
    document, mistakes = parse(text, "x.json")

    assert document is None or not mistakes


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_good_json_is_what_it_says(value: Any) -> None:
    assert parse(json.dumps(value), "x.json") == (value, [])
