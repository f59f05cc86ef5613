"""The chain of the audit log: what is done to rows afterwards is found, and named."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sitehub.rules.audit_chain import NOTHING, Chains, Content, Head, Row, row_hash
from sitehub.rules.audit_check import Check, Finding

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def content(offset: int, day: int = 0, text: str = "x") -> Content:
    at = NOON + timedelta(days=day, milliseconds=offset)
    return Content(
        at.date(),
        4,
        offset,
        at,
        text,
        "site_updated",
        "site",
        "s1",
        "s1",
        "{}",
        '{"version":1}',
        "e1",
        "t/4/1",
        "c0ffee",
    )


class Log:
    """What the database holds, and what may be done to it."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.heads: dict[date, Head] = {}
        self.next_offset = 0

    def write(self, contents: Iterable[Content]) -> "Log":
        chains = Chains(4, self.heads.values())
        for row in chains.add(contents):
            self.rows.append(row)
            self.next_offset = row.content.log_offset + 1
        self.heads |= {head.day: head for head in chains.changed}
        return self

    def check(self, expired: Callable[[date], bool] = lambda _day: False) -> list[Finding]:
        check = Check(self.heads.values(), is_expired=expired)
        for row in sorted(self.rows, key=lambda row: (row.content.day, row.content.chain, row.position)):
            check.take(row)
        check.finish({4: self.next_offset} if self.heads or self.next_offset else {})
        assert check.rows == len(self.rows)
        return check.findings

    def change(self, index: int, *, rehash: bool = False, **fields: object) -> None:
        row = self.rows[index]
        changed = row.content._replace(**fields)  # type: ignore[arg-type]
        hash_ = row_hash(row.previous_hash, changed) if rehash else row.hash
        self.rows[index] = Row(changed, row.position, row.previous_hash, hash_)


def log(rows: int = 10) -> Log:
    return Log().write(content(2 * number) for number in range(rows))


def told(findings: list[Finding]) -> list[tuple[str, int]]:
    return [(one.kind, one.position) for one in findings]


days = st.lists(st.sampled_from([0, 0, 0, 0, 1, 1, 2]), max_size=25)


@given(days=days, cuts=st.lists(st.integers(0, 25), max_size=4))
def test_what_was_written_in_whatever_batches_is_found_good(days: list[int], cuts: list[int]) -> None:
    contents = [content(3 * number, day) for number, day in enumerate(days)]
    places = sorted({0, len(contents), *(min(cut, len(contents)) for cut in cuts)})
    split, whole = Log(), Log().write(contents)
    for first, last in pairwise(places):
        split.write(contents[first:last])

    assert split.check() == []
    assert (split.rows, split.heads) == (whole.rows, whole.heads)


@given(
    days=days.filter(bool),
    index=st.integers(0, 24),
    name=st.sampled_from(Content._fields),
    rehash=st.sampled_from([False, True]),
)
def test_no_column_of_any_row_can_be_changed_unseen(days: list[int], index: int, name: str, *, rehash: bool) -> None:
    changed = log(0).write(content(3 * number, day) for number, day in enumerate(days))
    index %= len(days)
    value = getattr(changed.rows[index].content, name)
    changed.change(index, rehash=rehash, **{name: other_than(value)})

    assert changed.check() != []


def other_than(value: Any) -> Any:
    match value:
        case str():
            return value + "!"
        case int():
            return value + 1
        case datetime():
            return value + timedelta(microseconds=1)
        case _:
            return value + timedelta(days=9)


@given(days=days.filter(bool), index=st.integers(0, 24), count=st.integers(1, 25))
def test_no_rows_can_be_taken_away_unseen_not_even_the_last_ones(days: list[int], index: int, count: int) -> None:
    cut = log(0).write(content(number, day) for number, day in enumerate(days))
    index %= len(days)

    del cut.rows[index : index + count]

    assert "deleted" in {one.kind for one in cut.check()}


def test_a_changed_row_is_named_and_no_other() -> None:
    changed = log()
    changed.change(3, actor="operator:nobody")

    (finding,) = changed.check()
    assert (finding.kind, finding.day, finding.chain, finding.position, finding.log_offset) == (
        "changed",
        NOON.date(),
        4,
        4,
        6,
    )


def test_a_row_that_was_changed_and_hashed_anew_is_named_by_the_row_behind_it() -> None:
    changed = log()
    changed.change(3, rehash=True, actor="operator:nobody")

    (finding,) = changed.check()
    assert (finding.kind, finding.position) == ("broken", 5)
    assert "the row before it, 4," in finding.text


def test_the_last_row_can_not_be_changed_and_hashed_anew_either() -> None:
    changed = log()
    changed.change(9, rehash=True, actor="operator:nobody")

    assert told(changed.check()) == [("broken", 10)]


def test_deleted_rows_are_named() -> None:
    cut = log()
    del cut.rows[2:5]

    assert [one.text for one in cut.check()] == ["rows 3 to 5 are missing"]


def test_rows_that_are_renumbered_after_a_deletion_are_found_broken_there() -> None:
    cut = log()
    del cut.rows[2]
    cut.rows[2:] = [row._replace(position=row.position - 1) for row in cut.rows[2:]]

    assert told(cut.check()) == [("broken", 3), ("deleted", 10)]


def test_an_inserted_row_is_named_at_the_end_and_between() -> None:
    more = log()
    last = more.rows[-1]
    forged = content(30, text="forged")
    more.rows.append(Row(forged, 11, last.hash, row_hash(last.hash, forged)))
    assert told(more.check()) == [("inserted", 11)]

    more = log()
    before = more.rows[3]
    forged = content(7, text="forged")
    row = Row(forged, 5, before.hash, row_hash(before.hash, forged))
    more.rows[4:] = [row, *(row._replace(position=row.position + 1) for row in more.rows[4:])]
    assert told(more.check()) == [("broken", 6), ("inserted", 11), ("broken", 10)]

    more = log()
    more.rows.insert(4, more.rows[4])
    assert told(more.check()) == [("inserted", 5)]


def test_swapped_rows_are_found() -> None:
    swapped = log()
    one, two = swapped.rows[4:6]
    swapped.rows[4:6] = [two._replace(position=5), one._replace(position=6)]

    assert ("broken", 5) in told(swapped.check())


def test_rows_of_a_day_without_a_chain_are_inserted() -> None:
    foreign = log()
    forged = content(99, day=5)
    foreign.rows.append(Row(forged, 1, NOTHING, row_hash(NOTHING, forged)))

    assert told(foreign.check()) == [("inserted", 1)]


def two_days() -> Log:
    return Log().write([content(0), content(1), content(2, 1), content(3, 2), content(4, 0)])


def test_a_day_that_is_kept_no_longer_is_no_finding_but_one_that_should_be_there_is() -> None:
    gone = two_days()
    gone.rows = [row for row in gone.rows if row.content.day != NOON.date()]

    assert gone.check(lambda day: day == NOON.date()) == []
    assert [one.text for one in gone.check()] == ["rows 1 to 3 are missing, all of the chain"]


def test_a_day_that_was_taken_away_with_its_head_is_missed() -> None:
    gone = two_days()
    middle = NOON.date() + timedelta(days=1)
    gone.rows = [row for row in gone.rows if row.content.day != middle]
    del gone.heads[middle]

    assert told(gone.check()) == [("deleted", 1), ("deleted", 0)]


def test_an_end_that_was_cut_off_with_its_head_set_back_is_missed() -> None:
    cut = log()
    cut.rows.pop()
    last = cut.rows[-1]
    cut.heads[NOON.date()] = msgspec.structs.replace(
        cut.heads[NOON.date()], rows=9, hash=last.hash, last_offset=last.content.log_offset
    )

    (finding,) = cut.check()
    assert finding.text == "the topic was read up to offset 18, the newest chain ends with offset 16"


def test_a_chain_that_was_made_anew_is_found_by_the_chain_behind_it_and_by_a_hash_that_is_known() -> None:
    forged, honest = Log().write([content(0, text="forged"), content(1)]), two_days()
    known = {(NOON.date(), 4, 1): honest.rows[0].hash}
    check = Check(forged.heads.values(), is_expired=lambda _day: False, known=known)
    for row in forged.rows:
        check.take(row)
    assert told(check.findings) == [("changed", 1)]

    later = Log().write([content(0), content(1), content(2, 1)])
    later.rows[:2] = forged.rows
    later.heads[NOON.date()] = forged.heads[NOON.date()]
    assert set(told(later.check())) == {("changed", 2), ("broken", 0)}


def test_an_end_that_was_cut_off_with_all_that_tells_of_it_is_missed_by_who_knows_a_hash() -> None:
    cut, honest = log(9), log()
    known = {(NOON.date(), 4, 10): honest.rows[9].hash}
    check = Check(cut.heads.values(), is_expired=lambda _day: False, known=known)
    for row in cut.rows:
        check.take(row)
    check.finish({4: 17})

    assert told(check.findings) == [("deleted", 10)]


def test_the_hash_is_over_the_former_hash_and_the_columns_as_a_json_array() -> None:
    text = (
        '["2026-11-24",4,6,"2026-11-24T12:00:00.006000Z","x","site_updated","site","s1","s1","{}",'
        '"{\\"version\\":1}","e1","t/4/1","c0ffee"]'
    )
    assert row_hash(NOTHING, content(6)) == hashlib.sha256(bytes(32) + text.encode()).digest()
