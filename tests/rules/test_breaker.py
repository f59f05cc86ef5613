"""The breaker of one worker, and of several that hear each other late or not at all."""

from hypothesis import given, settings
from hypothesis import strategies as st

from sitehub.rules.breaker import (
    CLAIM_SECONDS,
    GRACE_SECONDS,
    IDLE_SECONDS,
    TURN_SECONDS,
    Breaker,
    BreakerNews,
    BreakerPolicy,
    Doubt,
    State,
)

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


def test_of_two_that_opened_at_once_the_later_probes() -> None:
    early, late = opened(now=5.0, worker="b"), opened(now=5.2, worker="a")
    early_news, late_news = early.news, late.news
    early.heard(late_news, 5.3)
    late.heard(early_news, 5.3)

    assert (early.prober, late.prober) == ("a", "a")
    assert (late.wait_seconds(65.2), early.wait_seconds(65.2) > 0) == (0.0, True)


def test_if_the_one_that_probes_is_not_heard_any_more_another_takes_its_place() -> None:
    dead, other = opened(now=1.0, worker="a"), breaker("b")
    dead.wait_seconds(61.0)
    other.heard(dead.news, 61.1)
    other.heard(dead.news, 62.0)

    assert other.wait_seconds(61.9 + GRACE_SECONDS) > 0
    assert other.wait_seconds(62.0 + GRACE_SECONDS) == CLAIM_SECONDS
    assert (other.state, other.prober) == (State.HALF_OPEN, "b")
    assert other.wait_seconds(62.0 + GRACE_SECONDS + CLAIM_SECONDS) == 0.0


def test_one_that_opened_it_and_has_nothing_to_call_keeps_nobody_from_probing() -> None:
    idle, busy = opened(now=5.0, worker="a"), breaker("b")
    for second in range(5, 66):
        busy.heard(idle.news, float(second))

    assert busy.wait_seconds(65.0) == TURN_SECONDS
    assert busy.wait_seconds(66.0) == CLAIM_SECONDS
    assert busy.wait_seconds(66.0 + CLAIM_SECONDS) == 0.0
    idle.heard(busy.news, 66.6)
    assert (idle.state, idle.prober) == (State.HALF_OPEN, "b")


def test_a_probe_that_passed_closes_it_though_there_are_no_more() -> None:
    one = opened(now=0.0)
    one.wait_seconds(60.0)
    one.leave(one.enter(), None, 60.5)
    assert one.state is State.HALF_OPEN

    one.tick(61.0)

    assert (one.state, one.since) == (State.CLOSED, 61.0)


def test_probes_that_are_under_way_are_waited_for() -> None:
    one = opened(now=0.0)
    one.wait_seconds(60.0)
    one.enter()
    one.tick(90.0)
    assert (one.state, one.prober) == (State.HALF_OPEN, "a")


def test_probes_that_nobody_makes_are_left_to_others() -> None:
    idle, busy = opened(now=0.0, worker="a"), breaker("b")
    idle.wait_seconds(60.0)
    busy.heard(idle.news, 60.1)
    idle.tick(60.0 + IDLE_SECONDS)
    assert idle.state is State.HALF_OPEN

    idle.tick(60.1 + IDLE_SECONDS)
    busy.heard(idle.news, 65.2)

    assert (idle.state, idle.prober, busy.state) == (State.OPEN, "", State.OPEN)
    assert busy.wait_seconds(65.2) == CLAIM_SECONDS


def test_those_that_never_failed_are_probed_with_before_those_that_did_on_whichever_worker_they_are() -> None:
    one, other = opened(now=5.0, worker="a"), breaker("b")
    other.heard(one.news, 5.1)
    waits = [each.wait_seconds(5.0, doubt) for doubt in Doubt for each in (one, other)]
    assert waits == [60.0 + turn * TURN_SECONDS for turn in range(6)]


def test_who_is_alone_waits_for_nobody() -> None:
    one = opened(now=0.0)
    assert one.wait_seconds(60.0, Doubt.TRIED, is_alone=True) == 0.0


def test_a_site_that_fails_by_itself_opens_nothing() -> None:
    one, states = breaker(), []
    for _ in range(9):
        one.leave(one.enter(Doubt.OWN), "HTTP 500", 1.0, Doubt.OWN)
    states.append(one.state)
    fail(one, 3, 2.0)
    assert [*states, one.state] == [State.CLOSED, State.OPEN]


def test_failures_from_before_another_worker_was_served_are_in_no_row() -> None:
    one = breaker()
    fail(one, 2, 5.0)
    one.worked(4.9)
    fail(one, 1, 5.1)
    assert one.state is State.OPEN

    two = breaker()
    fail(two, 2, 5.0)
    two.worked(5.05)
    fail(two, 2, 5.1)
    assert two.state is State.CLOSED


def test_a_failed_probe_of_doubt_waits_for_what_becomes_of_the_others() -> None:
    for failure, state in ((None, State.CLOSED), ("down", State.OPEN)):
        one = opened(now=0.0)
        one.wait_seconds(60.0)
        tried, fresh = one.enter(Doubt.TRIED), one.enter()
        one.leave(tried, "HTTP 500", 61.0, Doubt.TRIED)
        assert (one.state, one.wait_seconds(61.0) > 0) == (State.HALF_OPEN, True)
        one.leave(fresh, failure, 62.0)
        assert one.state is state


def test_if_only_a_site_of_doubt_could_be_called_and_failed_all_others_may_probe_at_once() -> None:
    one, other = opened(now=0.0, worker="a"), breaker("b")
    one.wait_seconds(64.0, Doubt.OWN)
    one.leave(one.enter(Doubt.OWN), "HTTP 500", 65.0, Doubt.OWN)
    other.heard(one.news, 65.1)

    assert (one.state, one.wait_seconds(65.0, Doubt.OWN)) == (State.OPEN, 60.0 + 4 * TURN_SECONDS)
    assert (round(other.wait_seconds(65.1), 6), other.state) == (0.9, State.OPEN)


def test_of_two_that_claim_the_probes_the_earlier_has_them() -> None:
    idle, one, two = opened(now=5.0, worker="a"), breaker("b"), breaker("c")
    for each in (one, two):
        each.heard(idle.news, 5.1)
    one.wait_seconds(66.1)
    two.wait_seconds(66.2)
    one_news, two_news = one.news, two.news
    one.heard(two_news, 66.3)
    two.heard(one_news, 66.3)

    assert (one.prober, two.prober) == ("b", "b")
    assert (one.wait_seconds(66.7), two.wait_seconds(66.7) > 0) == (0.0, True)


def test_a_worker_whose_clock_is_behind_is_heard() -> None:
    ahead, behind = opened(now=100.0, worker="a"), breaker("b")
    ahead.wait_seconds(160.0)
    for _ in range(2):
        ahead.leave(ahead.enter(), None, 160.0)
    behind.heard(BreakerNews(int(State.OPEN), 100.0, "", "a"), 90.0)
    behind.heard(ahead.news, 150.0)
    fail(behind, 3, 151.0)
    assert behind.state is State.OPEN

    ahead.heard(behind.news, 161.1)

    assert ahead.state is State.OPEN


def test_old_news_change_nothing() -> None:
    one = opened(now=5.0)
    one.wait_seconds(65.0)
    for _ in range(2):
        one.leave(one.enter(), None, 66.0)
    assert one.state is State.CLOSED

    one.heard(BreakerNews(int(State.OPEN), 4.0, "old", "b"), 67.0)

    assert one.state is State.CLOSED


KINDS = st.sampled_from([*Doubt, None])


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["call", "up", "down", "wait", "tell", "tick"]), st.integers(0, 2), st.booleans()),
        max_size=120,
    ),
    work=st.tuples(KINDS, KINDS, KINDS),
    rounds=st.integers(1, 3),
)
def test_whatever_is_lost_a_target_that_is_up_is_called_again_by_all(
    steps: list[tuple[str, int, bool]], work: tuple[Doubt | None, ...], rounds: int
) -> None:
    """In the end each worker has calls of one kind, or none at all; one of them has some."""
    workers, now, is_up = [breaker(name) for name in "abc"], 0.0, True
    for what, number, is_heard in steps:
        now += 0.5
        one = workers[number]
        match what:
            case "call":
                if one.wait_seconds(now) == 0:
                    one.leave(one.enter(), None if is_up else "down", now)
            case "tick":
                one.tick(now)
            case "up" | "down":
                is_up = what == "up"
            case "wait":
                now += 20
            case "tell":
                for other in workers:
                    if other is not one and is_heard:
                        other.heard(one.news, now)

    for _ in range(400):
        now += 1
        for one, doubt in zip(workers, work, strict=True):
            for _ in range(rounds if doubt is not None else 0):
                if doubt is not None and one.wait_seconds(now, doubt) == 0:
                    one.leave(one.enter(doubt), None, now, doubt)
            one.tick(now)
            if one.prober == one._worker:
                for other in workers:
                    if other is not one:
                        other.heard(one.news, now)
    callers = [one for one, doubt in zip(workers, work, strict=True) if doubt is not None]
    assert [one.state for one in callers] == [State.CLOSED] * len(callers)


@settings(max_examples=100, deadline=None)
@given(
    kinds=st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(Doubt)), min_size=1, max_size=6),
    seconds=st.integers(60, 600),
    rest=st.integers(0, 4),
)
def test_the_whole_hub_makes_no_more_probes_than_configured(
    kinds: list[tuple[str, Doubt]], seconds: int, rest: int
) -> None:
    """As long as news arrive; each site that fails calls again whenever it may."""
    workers = {name: breaker(name) for name in "abc"}
    fail(workers["a"], 3, 1000.0)
    for name in "bc":
        workers[name].heard(workers["a"].news, 1000.0)
    calls: list[float] = []
    for tenth in range(seconds * 10):
        now = 1000 + tenth / 10
        for name, doubt in kinds[rest:] + kinds[:rest]:
            one = workers[name]
            if one.wait_seconds(now, doubt) == 0:
                calls.append(now)
                one.leave(one.enter(doubt), "down", now + 0.01, doubt)
        for one in workers.values():
            one.tick(now)
            for other in workers.values():
                if one.prober == one._worker and other is not one:
                    other.heard(one.news, now)
    limit = POLICY.half_open_max_calls * (2 if any(doubt is Doubt.OWN for _, doubt in kinds) else 1)
    assert all(len([one for one in calls if begin <= one < begin + 60]) <= limit for begin in calls)
