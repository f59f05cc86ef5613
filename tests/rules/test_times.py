from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.rules.times import instant, is_before, rfc3339, seconds_between

moments = st.datetimes(timezones=st.timezones(), allow_imaginary=False).filter(lambda one: 2 < one.year < 9998)


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(1_795_487_182.1234) == "2026-11-24T02:26:22.123Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"


@given(moment=st.datetimes(datetime(1902, 1, 1), datetime(2199, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 -- as st wants it
def test_what_is_below_a_millisecond_is_cut(moment: datetime) -> None:
    kept = moment.isoformat(timespec="milliseconds").removesuffix("+00:00")
    assert rfc3339(moment.timestamp()) == f"{kept}Z"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-24T01:00:00z", "2026-11-24T01:00:00Z"),
        ("2026-11-24t01:00:00Z", "2026-11-24T01:00:00Z"),
        ("2026-11-24T01:00:00-00:00", "2026-11-24T01:00:00Z"),
        ("2026-11-24T02:30:00+01:30", "2026-11-24T01:00:00Z"),
        ("2026-11-24T01:00:00.5Z", "2026-11-24T01:00:00.500Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ("2026-11-24T01:00:00.1234567899Z", "2026-11-24T01:00:00.123456Z"),
    ],
)
def test_every_spelling_of_rfc_3339_is_a_moment(text: str, same: str) -> None:
    assert instant(text) == instant(same)


@pytest.mark.parametrize("text", ["2026-11-24T01:00:00", "0000-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "noon", ""])
def test_what_names_no_moment_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- that it is this one is the guarantee
        instant(text)


@given(one=moments, other=moments)
def test_times_of_any_zones_are_compared_as_moments(one: datetime, other: datetime) -> None:
    assert is_before(one.isoformat(), other.isoformat()) == (one.timestamp() < other.timestamp())
    assert seconds_between(one.isoformat(), other.isoformat()) == pytest.approx(other.timestamp() - one.timestamp())


def test_times_of_different_length_are_compared_as_moments() -> None:
    assert is_before("2026-11-24T01:00:00Z", "2026-11-24T01:00:00.1Z")
    assert not is_before("2026-11-24T01:00:00.1Z", "2026-11-24T01:00:00Z")
    assert is_before("2026-11-24T01:00:00.1Z", "2026-11-24T01:00:00.2Z")


def test_times_of_the_same_length_are_compared_as_moments() -> None:
    assert not is_before("2026-11-24T01:00:00Z", "2026-11-24T01:00:00Z")
    assert is_before("2026-11-24T01:30:00+01:00", "2026-11-24T01:00:00.0000Z")
    assert is_before("2026-11-24T01:00:00+00:00", "2026-11-24T00:30:00-01:00")
