from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.rules.mapping import Mapping
from sitehub.rules.site import Site
from sitehub.rules.templates import compile_body, compile_path, placeholders

NOW = "2026-11-24T02:00:00.000Z"
json_values = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def site(site_id: str = "s1", **attributes: Any) -> Site:
    return Site(site_id, 1, attributes, {}, NOW, NOW, "e1", NOW, " :e1 ", 7)


def body(template: Any, **attributes: Any) -> Any:
    """The rendered document; the test fails if something is missing."""
    missing: list[str] = []
    rendered = compile_body(template, Mapping())(site(**attributes), missing)
    assert missing == []
    return rendered


def path(template: str, **attributes: Any) -> str:
    missing: list[str] = []
    rendered: str = compile_path(template, Mapping())(site(**attributes), missing)
    assert missing == []
    return rendered


def missing_in(template: Any, **attributes: Any) -> list[str]:
    missing: list[str] = []
    compile_body(template, Mapping())(site(**attributes), missing)
    return missing


@given(value=json_values)
def test_exactly_one_placeholder_keeps_the_json_type(value: Any) -> None:
    assert body({"field": "{{it}}"}, it=value) == {"field": value}


@pytest.mark.parametrize("template", ["{{it}}", "{{ it }}", "{{it }}", "{{\tit\n}}"])
def test_spaces_within_the_braces_do_not_matter(template: str) -> None:
    assert body(template, it=5) == 5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", "<x>"),
        (5, "<5>"),
        (2.5, "<2.5>"),
        (True, "<true>"),
        ({"a": [1, None]}, '<{"a":[1,null]}>'),
        ("é", "<é>"),
        ("", "<>"),
    ],
)
def test_inside_text_a_value_is_converted(value: Any, text: str) -> None:
    assert body("<{{it}}>", it=value) == text


def test_a_space_beside_the_placeholder_is_text() -> None:
    assert body(" {{it}}", it=5) == " 5"


def test_several_placeholders_in_one_text() -> None:
    assert body("{{a}}-{{b}}{{a}}", a="x", b=2) == "x-2x"


def test_nested_objects_and_lists_are_rendered_in_place() -> None:
    template = {"outer": {"inner": ["{{a}}", {"deep": "{{b}}"}, 3, None, True, "text"]}, "empty": [{}, []]}

    assert body(template, a=[1], b={"x": 1}) == {
        "outer": {"inner": [[1], {"deep": {"x": 1}}, 3, None, True, "text"]},
        "empty": [{}, []],
    }


def test_a_value_that_looks_like_a_placeholder_is_not_rendered_again() -> None:
    assert body({"exact": "{{a}}", "text": "<{{a}}>"}, a="{{b}}") == {"exact": "{{b}}", "text": "<{{b}}>"}


@pytest.mark.parametrize("text", ["{a}", "{{a}", "{ {a} }", "{{a{b}}", "a}}", ""])
def test_text_without_a_whole_placeholder_stays(text: str) -> None:
    assert body(text, a=1) == text


def test_keys_are_not_rendered() -> None:
    assert body({"{{a}}": 1}, a="x") == {"{{a}}": 1}


def test_missing_names_are_told_wherever_they_stand_in_their_order() -> None:
    template = {"a": "{{one}}", "b": ["{{there}}", "<{{two}}{{three}}>"], "c": {"d": "{{four}}"}}

    assert missing_in(template, there=1) == ["one", "two", "three", "four"]


def test_null_is_missing_and_what_is_empty_or_false_is_not() -> None:
    template = ["{{a}}", "{{b}}", "{{c}}", "{{d}}", "{{e}}"]

    assert missing_in(template, a=None, b=0, c="", d=False, e={}) == ["a"]


def test_a_missing_name_in_a_path_is_told() -> None:
    missing: list[str] = []
    compile_path("/customers/{{site_id}}/{{other}}", Mapping())(site(), missing)

    assert missing == ["other"]


@pytest.mark.parametrize(
    ("site_id", "segment"),
    [
        ("a/b", "a%2Fb"),
        ("a b", "a%20b"),
        ("ä?#&", "%C3%A4%3F%23%26"),
        ("%2F", "%252F"),
        ("a.b-c_d~e", "a.b-c_d~e"),
        (".", "%2E"),
        ("..", "%2E%2E"),
        ("...", "..."),
    ],
)
def test_in_a_path_a_value_stays_within_its_segment(site_id: str, segment: str) -> None:
    assert path("/customers/{{site_id}}/billing-config", site_id=site_id) == f"/customers/{segment}/billing-config"


@given(site_id=st.text())
def test_any_id_comes_back_from_its_path(site_id: str) -> None:
    rendered = path("/customers/{{site_id}}", site_id=site_id)

    assert rendered.isascii()
    assert rendered.count("/") == 2
    assert unquote(rendered.removeprefix("/customers/")) == site_id


def test_in_a_path_other_types_are_converted_and_encoded() -> None:
    assert path("/{{a}}/{{b}}/{{c}}", a=5, b=True, c={"x": 1}) == "/5/true/%7B%22x%22%3A1%7D"


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        ("/a/b-c_d.e~f", "/a/b-c_d.e~f"),
        ("/a?b={{x}}&c=%20:@!$'()*+,;", "/a?b=1&c=%20:@!$'()*+,;"),
        ("/büro eins/{{x}}#", "/b%C3%BCro%20eins/1%23"),
    ],
)
def test_the_text_of_a_path_stays_but_for_what_no_path_can_hold(template: str, rendered: str) -> None:
    assert path(template, x=1) == rendered


def test_all_names_of_a_template_are_told_in_their_order() -> None:
    template = {"a": "{{one}}", "b": ["<{{two}}{{three}}>", 5, {"c": "{{ one }}"}], "d": None}

    assert list(placeholders(template)) == ["one", "two", "three", "one"]
