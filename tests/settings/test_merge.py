from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sitehub.settings.merge import Merged

LEAVES = st.none() | st.booleans() | st.integers() | st.lists(st.integers())
DOCUMENTS = st.dictionaries(
    st.sampled_from("abc"), st.recursive(LEAVES, lambda inner: st.dictionaries(st.sampled_from("abc"), inner))
)


def merged(*documents: dict[str, Any]) -> dict[str, Any]:
    layers = Merged()
    for number, document in enumerate(documents):
        layers.lay(document, f"{number}.json")
    return layers.document


def test_objects_merge_key_by_key_and_all_else_is_replaced() -> None:
    assert merged({"a": {"x": 1, "y": [1, 2]}, "b": {"c": 1}}, {"a": {"y": [3]}, "b": [1]}) == {
        "a": {"x": 1, "y": [3]},
        "b": [1],
    }


def test_an_overlay_does_not_change_what_it_is_laid_over() -> None:
    base, over = {"a": {"x": {"y": 1}}}, {"a": {"x": {"y": 2}}}

    merged(base, over)

    assert (base, over) == ({"a": {"x": {"y": 1}}}, {"a": {"x": {"y": 2}}})


@given(DOCUMENTS, DOCUMENTS)
def test_what_an_overlay_says_holds(base: dict[str, Any], over: dict[str, Any]) -> None:
    both = merged(base, over)

    assert merged(both, over) == both
    assert both.keys() == base.keys() | over.keys()


@given(DOCUMENTS, DOCUMENTS)
def test_what_an_overlay_does_not_say_stays(base: dict[str, Any], over: dict[str, Any]) -> None:
    assert {key: merged(base, over)[key] for key in base.keys() - over.keys()} == {
        key: base[key] for key in base.keys() - over.keys()
    }


def test_the_file_of_a_value_is_the_last_that_gave_it_or_what_stands_above() -> None:
    layers = Merged()
    layers.lay({"a": {"b": 1, "c": [1, {"d": 1}]}}, "base.json")
    layers.lay({"a": {"b": 2}}, "over.json")

    files = [layers.file_of(path) for path in (("a", "b"), ("a", "c", 1, "d"), ("a", "missing"), ("nothing",))]

    assert files == ["over.json", "base.json", "over.json", "base.json:over.json"]
