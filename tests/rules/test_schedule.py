"""Crontabs over nights that are missed, and over changes of the clock."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sitehub.rules.schedule import last_due

NIGHTLY = "0 2 * * *"
BERLIN = ZoneInfo("Europe/Berlin")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("since", "now", "due"),
    [
        ("2026-11-24 01:00", "2026-11-24 01:59:59.999", None),
        ("2026-11-24 01:00", "2026-11-24 02:00", "2026-11-24 02:00"),
        ("2026-11-24 02:00", "2026-11-24 23:00", None),
        ("2026-11-20 02:00", "2026-11-24 09:00", "2026-11-24 02:00"),
    ],
)
def test_a_time_is_due_from_its_minute_on_once_and_the_newest_of_several_missed(
    since: str, now: str, due: str | None
) -> None:
    assert last_due(NIGHTLY, UTC, utc(since), utc(now)) == (utc(due) if due else None)


@pytest.mark.parametrize(
    ("crontab", "zone", "start", "times"),
    [
        ("30 2 * * *", BERLIN, "2026-03-28 12:00", ["2026-03-29 01:00", "2026-03-30 00:30"]),
        ("30 2 * * *", BERLIN, "2026-10-24 12:00", ["2026-10-25 00:30", "2026-10-26 01:30"]),
        ("0 2 * * *", UTC, "2026-10-24 12:00", ["2026-10-25 02:00", "2026-10-26 02:00"]),
        ("0 22 * * 1-5", ZoneInfo("America/Chicago"), "2026-11-20 12:00", ["2026-11-21 04:00", "2026-11-24 04:00"]),
    ],
)
def test_each_night_is_due_once_in_its_own_time_zone(crontab: str, zone: tzinfo, start: str, times: list[str]) -> None:
    since = now = utc(start)
    found: list[datetime] = []
    while len(found) < len(times):
        now += timedelta(minutes=1)
        if (due := last_due(crontab, zone, since, now)) is not None:
            found.append(due)
            since = due

    assert found == [utc(time) for time in times]


@given(
    minutes=st.lists(st.integers(1, 3000), min_size=1, max_size=20),
    crontab=st.sampled_from(["0 2 * * *", "*/7 * * * *", "30 2 * * 0"]),
)
def test_whenever_one_looks_no_time_is_due_twice_or_before_it_has_come(minutes: list[int], crontab: str) -> None:
    since = now = utc("2026-10-23 00:00")
    for step in minutes:
        now += timedelta(minutes=step)
        due = last_due(crontab, BERLIN, since, now)
        assert due is None or since < due <= now
        assert last_due(crontab, BERLIN, due or since, now) is None
        since = due or since
