"""The ids that a site remembers, in one text."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from sitehub.rules.event_ids import LIMIT, contains, remember, unpack

ids = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda one: str(one).upper()),
    st.uuids().map(lambda one: one.hex),
    st.text(alphabet="\\ s:\n\tab-0", max_size=6),
    st.text(max_size=40),
)


@given(older=st.sampled_from([0, LIMIT - 1, LIMIT, 2 * LIMIT]), newer=st.lists(ids, max_size=20), other=ids)
def test_the_newest_ids_are_known_as_they_came_and_no_others(older: int, newer: list[str], other: str) -> None:
    kept, seen = "", [*(f"old-{number}" for number in range(older)), *newer]
    for event_id in seen:
        kept = remember(kept, event_id)

    assert unpack(kept) == seen[-LIMIT:]
    assert all(contains(kept, event_id) for event_id in seen[-LIMIT:])
    assert contains(kept, other) == (other in seen[-LIMIT:])


def test_a_uuid_takes_little_room() -> None:
    assert len(remember("", str(UUID(int=7)))) == 24
