"""A target's circuit breaker, shared by all workers of the hub. Source: M. Nygard, Release It!, 2007."""

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

import msgspec

GRACE_SECONDS = 10.0
"""Until another worker probes in place of one that is not heard any more."""
TURN_SECONDS = 1.0
"""After the recovery time-out those wait so long who have less to probe with: news of others take a part of it."""
CLAIM_SECONDS = 0.5
"""A worker that takes the probes over waits so long for others that do so too."""
IDLE_SECONDS = 5.0
"""After so long without a call the probes are anybody's again."""
LOOK_SECONDS = 1.0
"""While all probes are under way."""
TICK = 0.001
"""At least so much later is each change of state than the one before."""


class State(IntEnum):
    """As the metric shows it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Doubt(IntEnum):
    """How likely it is that a call fails because of its site, not of the target."""

    NONE = 0
    """No attempt at its command has failed."""
    TRIED = 1
    """One has, and the target has worked for nobody since."""
    OWN = 2
    """One has, while the target worked for others; or its site is parked."""


class Permit(NamedTuple):
    """What the breaker must know of a call that began."""

    epoch: int
    doubt: Doubt


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """As configured."""

    failure_threshold: int
    recovery_timeout_seconds: float
    half_open_max_calls: int


class BreakerNews(msgspec.Struct, frozen=True):
    """What a worker tells the others about a breaker; times in seconds since 1970, `prober` the one that probes."""

    state: int
    since: float
    reason: str
    prober: str
    probe_at: float = 0.0
    """From when on it may be probed; 0 if an older worker does not say."""


class Breaker:
    """Opens after failures in a row, is probed by one worker after the recovery time-out, and closes for all.

    A site that fails by itself must not hold up the others: what fails while the target works for others opens
    nothing, and what has not failed yet is probed with first, on whichever worker it is.
    """

    def __init__(self, policy: BreakerPolicy, worker: str) -> None:
        self.state = State.CLOSED
        self.since = 0.0
        self.reason = ""
        self.prober = worker
        self._policy = policy
        self._worker = worker
        self._epoch = 0
        self._heard_at = 0.0
        self._probe_at = self._own_probe_at = 0.0
        self._failures = 0
        self._failing_since = 0.0
        self._forget_calls()

    @property
    def news(self) -> BreakerNews:
        """For the other workers."""
        return BreakerNews(int(self.state), self.since, self.reason, self.prober, self._probe_at)

    def wait_seconds(self, now: float, doubt: Doubt = Doubt.NONE, *, is_alone: bool = False) -> float:
        """0 if a call may begin; else look again after so long.

        `doubt` is the least of those who wait for a call. `is_alone`: no other worker has calls for the target.
        """
        if self.state is State.CLOSED:
            return 0.0
        if (remaining := self._turn_at(doubt, is_alone=is_alone) - now) > 0:
            return remaining
        if self.state is State.OPEN or self.prober != self._worker:
            begins_at = now if is_alone or self.prober == self._worker else now + CLAIM_SECONDS
            self._become(State.HALF_OPEN, self._later(now), self.reason, self._worker)
            self._probe_at = begins_at
            return begins_at - now
        return 0.0 if self._used < self._policy.half_open_max_calls else LOOK_SECONDS

    def enter(self, doubt: Doubt = Doubt.NONE) -> Permit:
        """A call begins; its permit."""
        if self.state is State.HALF_OPEN:
            self._probing[doubt] += 1
        return Permit(self._epoch, doubt)

    def leave(self, permit: Permit, failure: str | None, now: float, doubt: Doubt = Doubt.NONE) -> None:
        """The call has ended, with a failure of the target or without one; what began before a change doesn't count."""
        if permit.epoch != self._epoch:
            return
        if self.state is State.HALF_OPEN:
            self._probing[permit.doubt] -= 1
            self._probed(failure, now, max(doubt, permit.doubt))
        elif failure is None:
            self._failures = 0
        elif doubt is not Doubt.OWN:
            self._failing_since = self._failing_since if self._failures else now
            self._failures += 1
            if self._failures >= self._policy.failure_threshold:
                self._open(now, failure)

    def cancelled(self, permit: Permit) -> None:
        """The call was cut: it tells nothing of the target."""
        if permit.epoch == self._epoch and self.state is State.HALF_OPEN:
            self._probing[permit.doubt] -= 1

    def worked(self, moment: float) -> None:
        """The target took or refused a call of another worker at `moment`: failures before it are in no row."""
        if moment >= self._failing_since:
            self._failures = 0

    def tick(self, now: float) -> None:
        """Now and then: decide by the probes that there were, or leave them to others if there is nothing to call."""
        if self.state is not State.HALF_OPEN or self.prober != self._worker or self._in_flight:
            return
        if self._passed:
            self._become(State.CLOSED, self._later(now), "", self._worker)
        elif now - self._probe_at > IDLE_SECONDS:
            self._become(State.OPEN, self._later(now), self.reason, "")

    def heard(self, news: BreakerNews, now: float) -> None:
        """Another worker's news: later ones win; of two that claim the probes the earlier has them."""
        state, since, prober = State(news.state), news.since, news.prober
        if prober == self._worker:
            return
        if (state, since, prober) == (self.state, self.since, self.prober):
            self._heard_at = now
            return
        is_newer = (since, prober) > (self.since, self.prober)
        if state is self.state is State.HALF_OPEN and self.prober == self._worker:
            is_newer = (since, prober) < (self.since, self._worker)
        if not is_newer or (state is self.state is State.CLOSED):
            return
        self._become(state, since, news.reason, prober)
        self._heard_at = now
        self._own_probe_at = since + self._policy.recovery_timeout_seconds
        self._probe_at = news.probe_at or self._own_probe_at

    @property
    def _in_flight(self) -> int:
        return sum(self._probing)

    @property
    def _used(self) -> int:
        return self._in_flight + self._passed + self._doubted

    def _turn_at(self, doubt: Doubt, *, is_alone: bool) -> float:
        """When a call may probe: those that never failed before others, the worker that opened it before others."""
        is_ours = self.prober == self._worker
        if self.state is State.HALF_OPEN:
            return self._probe_at if is_ours else self._heard_at + GRACE_SECONDS
        first = max(self._probe_at, self._own_probe_at) if doubt is Doubt.OWN else self._probe_at
        turns = 0 if is_alone else 2 * doubt + (0 if is_ours else 1)
        return first + turns * TURN_SECONDS

    def _probed(self, failure: str | None, now: float, doubt: Doubt) -> None:
        if failure is None:
            self._passed += 1
        elif doubt is Doubt.NONE or not (self._passed or self._probing[Doubt.NONE]):
            self._open(now, failure, is_own=doubt is Doubt.OWN)
            return
        else:
            self._doubted += 1
            self._doubted_failure = failure
        if self._in_flight or self._used < self._policy.half_open_max_calls:
            return
        if self._passed:
            self._become(State.CLOSED, self._later(now), "", self._worker)
        else:
            self._open(now, self._doubted_failure)

    def _open(self, now: float, failure: str, *, is_own: bool = False) -> None:
        """Nobody calls for the recovery time-out; if only a site of doubt has failed, only such ones."""
        self._become(State.OPEN, self._later(now), failure, self._worker)
        self._own_probe_at = now + self._policy.recovery_timeout_seconds
        self._probe_at = now if is_own else self._own_probe_at

    def _later(self, now: float) -> float:
        """A clock that is behind must not make news that others take for old."""
        return now if now > self.since or not self.since else self.since + TICK

    def _become(self, state: State, since: float, reason: str, prober: str) -> None:
        self.state, self.since, self.reason, self.prober = state, since, reason, prober
        self._epoch += 1
        self._failures = 0
        self._forget_calls()

    def _forget_calls(self) -> None:
        self._probing = [0] * len(Doubt)
        self._passed = self._doubted = 0
        self._doubted_failure = ""
