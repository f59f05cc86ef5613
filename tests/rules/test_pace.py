"""How fast a target may be called."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sitehub.rules.pace import Pace


def calls(pace: Pace, start: float, seconds: float, step: float = 0.001) -> int:
    """As many calls as the pace lets through."""
    made, now = 0, start
    while now < start + seconds:
        wait = pace.wait_seconds(now)
        if wait == 0:
            pace.take(now)
            made += 1
        else:
            now += max(step, wait)
    return made


def test_without_a_limit_every_call_may_begin() -> None:
    pace = Pace()

    assert [pace.wait_seconds(one / 1000) for one in range(100)] == [0.0] * 100
    assert pace.calls_per_second(1.0) is None


@pytest.mark.parametrize(("rate", "burst", "share"), [(10, 1, 1.0), (50, 20, 1.0), (30, 9, 1 / 3)])
def test_a_limit_is_kept_in_the_long_run_with_its_burst_and_share(rate: float, burst: int, share: float) -> None:
    pace = Pace(rate, burst)
    pace.set_share(share, 0.0)

    made = calls(pace, 0.0, 20.0)

    expected = rate * share * 20
    assert expected * 0.95 <= made <= expected + burst + 1


@settings(max_examples=60, deadline=None)
@given(
    rate=st.floats(1, 100),
    burst=st.integers(1, 30),
    pauses=st.lists(st.floats(0, 3), max_size=60),
    share=st.floats(0.2, 1),
)
def test_no_window_ever_holds_more_than_burst_and_rate(
    rate: float, burst: int, pauses: list[float], share: float
) -> None:
    pace, now, made = Pace(rate, burst), 0.0, list[float]()
    pace.set_share(share, 0.0)
    for pause in pauses:
        now += pause
        while pace.wait_seconds(now) == 0:
            pace.take(now)
            made.append(now)
    for first, start in enumerate(made):
        for last, end in enumerate(made[first:], first):
            assert last - first + 1 <= burst + rate * share * (end - start) + 1 + 1e-6


def test_too_many_halves_the_pace_once_a_second_and_it_comes_back() -> None:
    pace = Pace(100, 10)
    calls(pace, 0.0, 2.0)
    pace.too_many(2.0, None)
    pace.too_many(2.1, None)
    assert pace.calls_per_second(2.0) == 50

    pace.too_many(3.2, None)
    slowed = pace.calls_per_second(3.2)
    assert slowed is not None
    assert slowed < 40
    assert pace.calls_per_second(60.0) == 100


def test_too_many_pauses_the_whole_target_as_long_as_it_asks_for_up_to_a_minute() -> None:
    pace = Pace()
    pace.too_many(10.0, 7.0)
    assert pace.wait_seconds(11.0) == 6.0
    pace.too_many(12.0, 3600.0)
    assert pace.wait_seconds(12.0) == 60.0


def test_without_a_limit_too_many_halves_what_was_seen() -> None:
    pace = Pace()
    for number in range(200):
        pace.take(5.0 + number / 200)
    pace.too_many(6.0, None)

    allowed = pace.calls_per_second(6.0)
    assert allowed is not None
    assert 80 <= allowed <= 120
    assert calls(pace, 6.0, 1.0) <= 120
    assert pace.calls_per_second(60.0) is None


def test_after_an_outage_the_pace_ramps_up() -> None:
    pace = Pace()
    pace.reopened(0.0)

    made = [calls(pace, float(second), 1.0) for second in range(4)]

    assert 64 <= made[0] <= 200
    assert made[3] > 8 * made[0]
    assert made == sorted(made)
    assert pace.calls_per_second(30.0) is None


@settings(max_examples=300, deadline=None)
@given(
    moves=st.lists(
        st.tuples(
            st.floats(0, 1), st.lists(st.integers(0, 2), min_size=6, max_size=6), st.sets(st.integers(0, 2), min_size=1)
        ),
        max_size=12,
    ),
    rate=st.floats(1, 60),
    burst=st.integers(6, 60),
)
@example(  # both save up, one after the other
    moves=[
        (0.0, [0] * 6, {0}),
        (1.0, [0] * 6, {2}),
        (0.0, [1] * 6, {1}),
        (1.0, [1] * 6, {2}),
        (0.0, [1] * 6, {1}),
        (0.0, [0] * 6, {0}),
    ],
    rate=30.0,
    burst=20,
)
def test_workers_that_pass_partitions_to_and_fro_keep_the_limit_together(
    moves: list[tuple[float, list[int], set[int]]], rate: float, burst: int
) -> None:
    workers, now, made = dict[int, Pace](), 0.0, list[float]()
    for seconds, owners, busy in moves:
        for number in set(owners) - workers.keys():
            workers[number] = Pace(rate, burst)
        for number, pace in workers.items():
            pace.set_share(owners.count(number) / 6, now)
        for step in range(11):
            moment = now + seconds * step / 10
            for number in busy & workers.keys():
                while workers[number].wait_seconds(moment) == 0:
                    workers[number].take(moment)
                    made.append(moment)
        now += seconds
    for first, start in enumerate(made):
        for last, end in enumerate(made[first:], first):
            assert last - first + 1 <= burst + rate * (end - start) + 3 + 1e-6
