"""The breaker of one worker, and of several that hear each other late or not at all."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from sitehub.rules.breaker import GRACE_SECONDS, Breaker, BreakerNews, BreakerPolicy, State

POLICY = BreakerPolicy(failure_threshold=3, recovery_timeout_seconds=60, half_open_max_calls=2)


def breaker(worker: str = "a") -> Breaker:
    return Breaker(POLICY, worker)


def fail(one: Breaker, times: int, now: float) -> None:
    for _ in range(times):
        one.leave(one.enter(), "HTTP 503", now)


def opened(now: float = 0.0, worker: str = "a") -> Breaker:
    one = breaker(worker)
    fail(one, 3, now)
    assert one.state is State.OPEN
    return one


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not() -> None:
    one = breaker()
    fail(one, 2, 1.0)
    one.leave(one.enter(), None, 1.0)
    fail(one, 2, 2.0)
    assert (one.state, one.wait_seconds(2.0)) == (State.CLOSED, 0.0)

    fail(one, 1, 3.0)

    assert (one.state, one.since, one.reason) == (State.OPEN, 3.0, "HTTP 503")
    assert one.wait_seconds(13.0) == 50.0


def test_after_the_recovery_timeout_as_many_calls_probe_it_as_configured() -> None:
    one = opened(now=0.0)

    assert one.wait_seconds(60.0) == 0.0
    first, second = one.enter(), one.enter()

    assert one.state is State.HALF_OPEN
    assert one.wait_seconds(60.0) > 0
    one.leave(first, None, 61.0)
    assert (one.state, one.wait_seconds(61.0) > 0) == (State.HALF_OPEN, True)
    one.leave(second, None, 62.0)
    assert (one.state, one.since, one.wait_seconds(62.0)) == (State.CLOSED, 62.0, 0.0)


def test_a_failed_probe_opens_it_again_for_the_whole_timeout() -> None:
    one = opened(now=0.0)
    one.wait_seconds(60.0)
    one.leave(one.enter(), "time-out", 65.0)

    assert (one.state, one.since, one.reason, one.wait_seconds(65.0)) == (State.OPEN, 65.0, "time-out", 60.0)


def test_a_call_from_before_a_change_tells_nothing() -> None:
    one = breaker()
    early = [one.enter(), one.enter()]
    fail(one, 3, 0.0)
    one.wait_seconds(60.0)
    probe = one.enter()

    one.leave(early[0], "late", 61.0)
    one.leave(early[1], None, 61.0)
    assert one.state is State.HALF_OPEN
    one.leave(probe, None, 62.0)
    assert one.state is State.HALF_OPEN


def test_a_cut_probe_frees_its_place() -> None:
    one = opened()
    one.wait_seconds(60.0)
    permits = [one.enter(), one.enter()]
    assert one.wait_seconds(61.0) > 0
    one.cancelled(permits[0])
    assert one.wait_seconds(61.0) == 0.0


def test_what_opens_one_worker_opens_all_and_one_of_them_probes() -> None:
    first, other = opened(now=5.0, worker="a"), breaker("b")

    other.heard(first.news, 5.1)

    assert (other.state, other.reason) == (State.OPEN, "HTTP 503")
    assert first.wait_seconds(65.0) == 0.0
    assert other.wait_seconds(65.0) > 0
    probes = [first.enter(), first.enter()]
    other.heard(first.news, 65.1)
    assert other.wait_seconds(66.0) > 0
    for permit in probes:
        first.leave(permit, None, 67.0)
    other.heard(first.news, 67.1)
    assert (first.state, other.state, other.wait_seconds(67.1)) == (State.CLOSED, State.CLOSED, 0.0)


def test_of_two_that_opened_at_once_the_earlier_probes() -> None:
    early, late = opened(now=5.0, worker="b"), opened(now=5.2, worker="a")
    early_news, late_news = early.news, late.news
    early.heard(late_news, 5.3)
    late.heard(early_news, 5.3)

    assert (early.prober, late.prober) == ("b", "b")
    assert (early.wait_seconds(65.0), late.wait_seconds(65.2) > 0) == (0.0, True)


def test_if_the_one_that_probes_is_not_heard_any_more_another_takes_its_place() -> None:
    dead, other = opened(now=1.0, worker="a"), breaker("b")
    other.heard(dead.news, 1.1)
    other.heard(dead.news, 30.0)

    assert other.wait_seconds(60.0 + GRACE_SECONDS) > 0
    assert other.wait_seconds(90.1 + GRACE_SECONDS) == 0.0
    assert (other.state, other.prober) == (State.HALF_OPEN, "b")


def test_old_news_change_nothing() -> None:
    one = opened(now=5.0)
    one.wait_seconds(65.0)
    for _ in range(2):
        one.leave(one.enter(), None, 66.0)
    assert one.state is State.CLOSED

    one.heard(BreakerNews(int(State.OPEN), 4.0, "old", "b"), 67.0)

    assert one.state is State.CLOSED


@dataclass
class Hub:
    """Workers whose news may be lost; the target is up or down."""

    workers: list[Breaker]
    now: float = 0.0
    is_up: bool = True
    probes: int = 0
    calls_while_open: list[float] = field(default_factory=list)


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["call", "up", "down", "wait", "tell"]), st.integers(0, 2), st.booleans()),
        max_size=120,
    )
)
def test_whatever_is_lost_a_target_that_is_up_is_called_again_by_all(steps: list[tuple[str, int, bool]]) -> None:
    hub = Hub([breaker(name) for name in "abc"])
    for what, number, is_heard in steps:
        hub.now += 0.5
        one = hub.workers[number]
        match what:
            case "call":
                if one.wait_seconds(hub.now) == 0:
                    permit = one.enter()
                    one.leave(permit, None if hub.is_up else "down", hub.now)
            case "up" | "down":
                hub.is_up = what == "up"
            case "wait":
                hub.now += 20
            case "tell":
                for other in hub.workers:
                    if other is not one and is_heard:
                        other.heard(one.news, hub.now)

    hub.is_up = True
    for _ in range(400):
        hub.now += 1
        for one in hub.workers:
            if one.wait_seconds(hub.now) == 0:
                one.leave(one.enter(), None, hub.now)
            for other in hub.workers:
                if other is not one:
                    other.heard(one.news, hub.now)
    assert [one.state for one in hub.workers] == [State.CLOSED] * 3
