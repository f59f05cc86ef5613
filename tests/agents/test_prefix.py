"""Which offset may be committed when records end out of order."""

from hypothesis import given
from hypothesis import strategies as st

from sitehub.agents.prefix import Prefix


def begun(*offsets: int) -> Prefix:
    prefix = Prefix()
    for offset in offsets:
        prefix.begin(offset)
    return prefix


def test_nothing_may_be_committed_before_the_first_has_ended() -> None:
    prefix = begun(5, 6, 7)
    assert prefix.next_offset is None

    prefix.end(6)
    prefix.end(7)

    assert (prefix.next_offset, len(prefix)) == (None, 3)


def test_the_first_to_end_takes_those_with_it_that_ended_behind_it() -> None:
    prefix = begun(5, 6, 7, 8)
    prefix.end(7)
    prefix.end(6)

    prefix.end(5)

    assert (prefix.next_offset, len(prefix)) == (8, 1)


def test_offsets_that_no_record_has_are_stepped_over() -> None:
    prefix = begun(5, 9, 12)
    prefix.end(9)
    prefix.end(5)

    assert (prefix.next_offset, len(prefix)) == (10, 1)


def test_what_may_be_committed_stays_while_more_begins() -> None:
    prefix = begun(5)
    prefix.end(5)
    prefix.begin(6)

    assert (prefix.next_offset, len(prefix)) == (6, 1)


@given(data=st.data(), offsets=st.sets(st.integers(0, 10**6), min_size=1, max_size=60))
def test_all_below_the_commit_have_ended_and_it_is_as_far_as_it_can_be(data: st.DataObject, offsets: set[int]) -> None:
    rising = sorted(offsets)
    waiting, ended, prefix = list(rising), set[int](), Prefix()
    order = data.draw(st.permutations(rising))
    for offset in order:
        while waiting and (waiting[0] <= offset or data.draw(st.booleans())):
            prefix.begin(waiting.pop(0))
        prefix.end(offset)
        ended.add(offset)
        begun_now = rising[: len(rising) - len(waiting)]
        still_open = [one for one in begun_now if one not in ended]
        done = [one for one in begun_now if not still_open or one < still_open[0]]
        assert prefix.next_offset == (done[-1] + 1 if done else None)
        assert len(prefix) == len(begun_now) - len(done)
