import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.rules.retry import (
    LONGEST_DELAY_SECONDS,
    LONGEST_PAUSE_SECONDS,
    RetryPolicy,
    StatusRules,
    Verdict,
    classify,
    retry_after_seconds,
)

GUIDE = RetryPolicy(max_retries=3, backoff_multiplier=2, initial_delay_ms=1000)
DATE = r"[A-Z][a-z]{2}, \d{1,2} (Feb|Nov|X) \d{1,6} \d{1,3}:\d{2}:\d{1,3} ([+-]\d{3,7}|GMT|Z|)"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_delays_double_from_the_first_as_the_guide_has_it() -> None:
    assert [GUIDE.delay_seconds(attempt, chance=1) for attempt in (1, 2, 3, 4)] == [1, 2, 4, 8]


def test_jitter_takes_any_share_of_the_delay() -> None:
    assert [GUIDE.delay_seconds(3, chance) for chance in (0, 0.25, 1)] == [0, 1, 4]


def test_delays_stop_growing_however_many_attempts_there_were() -> None:
    assert GUIDE.delay_seconds(10, 1) == GUIDE.delay_seconds(100_000, 1) == LONGEST_DELAY_SECONDS


def test_a_multiplier_of_one_keeps_the_delay() -> None:
    assert RetryPolicy(3, 1, 500).delay_seconds(9, 1) == 0.5


@given(multiplier=st.floats(0, 1e6), initial=st.floats(0, 1e9), attempt=st.integers(1, 10**6), chance=st.floats(0, 1))
def test_a_delay_is_never_negative_and_never_longer_than_the_longest(
    multiplier: float, initial: float, attempt: int, chance: float
) -> None:
    assert 0 <= RetryPolicy(3, multiplier, initial).delay_seconds(attempt, chance) <= LONGEST_DELAY_SECONDS


def test_while_there_are_retries_the_pause_is_the_delay() -> None:
    assert [GUIDE.pause_seconds(attempt, 0.5, None) for attempt in (1, 2, 3)] == [0.5, 1, 2]


def test_without_retries_the_pause_is_never_short_and_doubles_up_to_the_longest() -> None:
    quick = RetryPolicy(max_retries=3, backoff_multiplier=1, initial_delay_ms=1)

    assert quick.pause_seconds(3, 1, None) == 0.001
    assert [quick.pause_seconds(attempt, 0, None) for attempt in (4, 5, 6)] == [1, 2, 4]
    assert [quick.pause_seconds(attempt, 1, None) for attempt in (4, 5, 6)] == [2, 4, 8]
    assert quick.pause_seconds(1_000, 0, None) == quick.pause_seconds(13, 1, None) == LONGEST_PAUSE_SECONDS


def test_a_target_that_asks_for_a_longer_pause_gets_it_up_to_the_longest() -> None:
    assert GUIDE.pause_seconds(1, 1, 30) == 30
    assert GUIDE.pause_seconds(1, 1, 0.5) == 1
    assert GUIDE.pause_seconds(1, 1, float("inf")) == LONGEST_PAUSE_SECONDS


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((status, Verdict.DELIVERED) for status in (200, 201, 202, 204, 299)),
        *((status, Verdict.REJECTED) for status in (300, 301, 304, 308, 400, 401, 404, 409, 410, 422, 426, 431)),
        *((status, Verdict.RETRY) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
    ],
)
def test_a_status_means_delivered_rejected_or_once_more(status: int, verdict: Verdict) -> None:
    assert classify(status) is verdict


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        (StatusRules(), Verdict.DELIVERED),
        (StatusRules(retry_on=frozenset({409})), Verdict.RETRY),
        (StatusRules(reject_on=frozenset({409})), Verdict.REJECTED),
        (StatusRules(renew_on=frozenset({409})), Verdict.DELIVERED),
        (StatusRules(success_on=frozenset(), renew_on=frozenset({409})), Verdict.RETRY),
        (StatusRules(success_on=frozenset()), Verdict.REJECTED),
    ],
)
def test_a_repeated_call_that_meets_itself_is_delivered_unless_its_status_is_listed_elsewhere(
    rules: StatusRules, verdict: Verdict
) -> None:
    assert rules.verdict(409, is_repeated=True) is verdict


@pytest.mark.parametrize(("header", "seconds"), [("0", 0), ("7", 7), (" 120 ", 120), ("9" * 400, float("inf"))])
def test_retry_after_in_seconds(header: str, seconds: float) -> None:
    assert retry_after_seconds(header, now=0) == seconds


def test_retry_after_as_a_date() -> None:
    header = format_datetime(NOON, usegmt=True)

    assert retry_after_seconds(header, now=NOON.timestamp() - 90) == 90
    assert retry_after_seconds(header, now=NOON.timestamp() + 90) == 0


@pytest.fixture
def denver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "America/Denver")
        time.tzset()
        yield
    time.tzset()


def test_retry_after_as_a_date_without_a_zone_is_utc(denver: None) -> None:
    assert retry_after_seconds("Tue, 24 Nov 2026 12:00:00 -0000", now=NOON.timestamp() - 5) == 5


@pytest.mark.parametrize(
    "header", ["", "soon", "-5", "1.5", "²", "٣", "Tue, 24 Nov 2026", "Tue, 24 Nov 99999999999999999999 12:00:00 GMT"]
)
def test_a_retry_after_that_says_nothing_is_none(header: str) -> None:
    assert retry_after_seconds(header, now=0) is None


@given(header=st.text() | st.from_regex(DATE, fullmatch=True))
def test_any_retry_after_gives_a_pause_or_none(header: str) -> None:
    seconds = retry_after_seconds(header, now=0)

    assert seconds is None or seconds >= 0
