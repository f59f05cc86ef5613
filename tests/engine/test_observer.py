from types import SimpleNamespace

import pytest

from sitehub.engine import observer
from sitehub.engine.observer import RecoveryProgress


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(observer, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def test_the_time_left_follows_from_the_rate_so_far(clock: Clock) -> None:
    recovery, restore = RecoveryProgress(), object()
    recovery.add(restore, 0, 4_000)
    assert recovery.seconds_left is None

    clock.now = 2.0
    recovery.add(restore, 1_000, 3_000)

    assert (recovery.rows, recovery.remaining) == (1_000, 3_000)
    assert recovery.seconds_left == 6.0


def test_nothing_is_left_at_the_end(clock: Clock) -> None:
    recovery = RecoveryProgress()
    clock.now = 1.0
    recovery.add("restore", 3_000, 0)

    assert recovery.seconds_left == 0.0


def test_restores_that_go_on_at_once_are_told_together(clock: Clock) -> None:
    recovery, one, two = RecoveryProgress(), object(), object()
    recovery.add(one, 0, 1_000)
    recovery.add(two, 0, 500)
    clock.now = 1.0
    recovery.add(one, 500, 500)

    assert (recovery.rows, recovery.remaining, recovery.seconds_left) == (500, 1_000, 2.0)
    recovery.end(one)  # given up
    assert recovery.remaining == 500


def test_a_later_recovery_is_timed_by_itself(clock: Clock) -> None:
    recovery, first, later = RecoveryProgress(), object(), object()
    recovery.add(first, 1_000, 0)
    recovery.end(first)

    clock.now = 3_600.0
    recovery.add(later, 0, 1_000)
    clock.now += 1.0
    recovery.add(later, 100, 900)

    assert (recovery.rows, recovery.seconds_left) == (100, 9.0)
