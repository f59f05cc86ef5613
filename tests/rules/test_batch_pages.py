"""Pages that end in any order, and bad rows that are found by halves."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.rules.batch_pages import BatchRow, DeliveredPrefix, Part, Position, bad_rows, idempotency_key

START = datetime(2026, 11, 24, 2, tzinfo=UTC)


def at(number: int) -> Position:
    return Position(START + timedelta(seconds=number // 3), f"site-{number:05}")


def page(size: int) -> Part:
    return Part("7", tuple(BatchRow(at(number), {"n": number}) for number in range(size)))


@given(data=st.data(), size=st.integers(1, 200))
def test_exactly_the_bad_rows_are_found_and_every_other_row_is_taken_once(data: st.DataObject, size: int) -> None:
    bad = data.draw(st.sets(st.integers(0, size - 1), max_size=20))
    search, taken, labels, calls, answer = bad_rows(page(size)), list[int](), list[str](), 0, None
    while True:
        try:
            part = search.send(answer) if answer is not None else next(search)
        except StopIteration as ended:
            found = ended.value
            break
        numbers = [row.record["n"] for row in part.rows]
        calls += 1
        labels.append(part.label)
        answer = bad.isdisjoint(numbers)
        if answer:
            taken += numbers

    assert [row.record["n"] for row in found] == sorted(bad)
    assert taken == [number for number in range(size) if number not in bad]
    assert len(set(labels)) == len(labels) == calls
    assert calls <= 1 + 2 * len(bad) * math.ceil(math.log2(size or 1) if size > 1 else 0)


@given(sizes=st.lists(st.integers(1, 100), min_size=1, max_size=30), data=st.data())
def test_the_position_never_moves_past_a_page_that_has_not_ended(sizes: list[int], data: st.DataObject) -> None:
    """With any number of pages at once, ending in any order."""
    prefix, ended, begun, row = DeliveredPrefix(), set[int](), 0, 0
    lasts: dict[int, int] = {}
    while len(ended) < len(sizes):
        may_begin, running = begun < len(sizes), sorted(set(lasts) - ended)
        if may_begin and (not running or data.draw(st.booleans())):
            row += sizes[begun]
            begun = prefix.begin(at(row), sizes[begun])
            lasts[begun] = row
        else:
            number = data.draw(st.sampled_from(running))
            ended.add(number)
            prefix.ended(number, rejected=1)
        whole = next(number for number in range(len(sizes) + 1) if number + 1 not in ended)
        assert prefix.page == whole
        assert prefix.position == (at(lasts[whole]) if whole else None)
        assert (prefix.rows, prefix.rejected) == (sum(sizes[:whole]), whole)


@given(cut=st.integers(0, 20), sizes=st.lists(st.integers(1, 5), min_size=21, max_size=21))
def test_a_run_that_goes_on_counts_its_pages_as_if_it_had_never_stopped(cut: int, sizes: list[int]) -> None:
    whole, ends = DeliveredPrefix(), []
    for size in sizes:
        number = whole.begin(at(number := whole.page), size)
        whole.ended(number, 0)
        ends.append((whole.page, whole.position))
    page_number, position = ends[cut - 1] if cut else (0, None)

    again = DeliveredPrefix(position, page_number)
    assert again.begin(at(page_number), 1) == page_number + 1


def test_the_key_of_a_page_is_the_same_for_the_same_content_alone() -> None:
    key = idempotency_key("full_customer_sync", "2026-11-24T02:00:00Z", "17.1", b"{}")

    assert key == idempotency_key("full_customer_sync", "2026-11-24T02:00:00Z", "17.1", b"{}")
    assert key.startswith("full_customer_sync:2026-11-24T02:00:00Z:17.1:")
    others = {
        idempotency_key(*other)
        for other in [
            ("contract_config_sync", "2026-11-24T02:00:00Z", "17.1", b"{}"),
            ("full_customer_sync", "2026-11-24T02:00:01Z", "17.1", b"{}"),
            ("full_customer_sync", "2026-11-24T02:00:00Z", "17.2", b"{}"),
            ("full_customer_sync", "2026-11-24T02:00:00Z", "17.1", b"[]"),
        ]
    }
    assert key not in others
    assert len(others) == 4


def test_a_page_can_not_end_twice() -> None:
    prefix = DeliveredPrefix()
    number = prefix.begin(at(0), 1)
    prefix.ended(number, 0)

    with pytest.raises(KeyError):
        prefix.ended(number, 0)
