"""What the audit log shows of documents."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.rules.audit import MASK, Masks

HIDDEN = "nobody may read this"
names = st.sampled_from(["name", "phone", "contact", "email"])
documents = st.dictionaries(
    names,
    st.recursive(
        st.none() | st.integers() | st.just("plain"),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
        max_leaves=8,
    ),
)


@given(document=documents, path=st.lists(st.integers(0, 2), max_size=3))
def test_a_masked_field_shows_nothing_wherever_it_is(document: dict[str, Any], path: list[int]) -> None:
    hidden: Any = {"deeper": [HIDDEN]}
    whole: Any = {**document, "email": hidden}
    for step in path:
        whole = [{"contact": whole}, {"list": [1, whole]}, {"name": {"email": whole}}][step]

    assert HIDDEN not in msgspec.json.encode(Masks(["email"])(whole)).decode()


@given(document=documents)
def test_what_is_not_masked_stays_as_it_is(document: dict[str, Any]) -> None:
    assert Masks()(document) == document
    assert Masks(["no_such_field", "name.no"])(document) == document


@pytest.mark.parametrize(
    ("field", "masked"),
    [
        ("email", {"email": MASK, "contact": {"email": MASK, "mail": 3}}),
        ("contact.email", {"email": 1, "contact": {"email": MASK, "mail": 3}}),
        ("contact", {"email": 1, "contact": MASK}),
        ("mail", {"email": 1, "contact": {"email": 2, "mail": MASK}}),
    ],
)
def test_dots_name_the_keys_above(field: str, masked: dict[str, Any]) -> None:
    assert Masks([field])({"email": 1, "contact": {"email": 2, "mail": 3}}) == masked
