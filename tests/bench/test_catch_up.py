import pytest

from sitehub.bench.catch_up import ramp_seconds
from sitehub.rules.pace import RAMP_SECONDS, Pace

STEP_SECONDS = 0.0005


@pytest.mark.parametrize("calls", [1, 200, 20_000, 45_000])
def test_the_ramp_alone_takes_as_long_as_the_pace_allows_so_many_calls(calls: int) -> None:
    pace, now, allowed = Pace(), 0.0, 0.0
    pace.reopened(now)
    while allowed < calls:
        now += STEP_SECONDS
        allowed += (pace.calls_per_second(now - STEP_SECONDS / 2) or 0.0) * STEP_SECONDS

    assert ramp_seconds(calls) == pytest.approx(now, abs=2 * STEP_SECONDS)


def test_after_the_ramp_nothing_holds_calls_up() -> None:
    assert ramp_seconds(10_000_000) == RAMP_SECONDS
