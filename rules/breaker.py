"""A target's circuit breaker, shared by all workers of the hub. Source: M. Nygard, Release It!, 2007."""

from dataclasses import dataclass
from enum import IntEnum

import msgspec

GRACE_SECONDS = 10.0
"""Beyond the recovery time-out, until another worker probes in place of one that is not heard any more."""
LOOK_SECONDS = 1.0
"""While all probes are under way."""


class State(IntEnum):
    """As the metric shows it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """As configured."""

    failure_threshold: int
    recovery_timeout_seconds: float
    half_open_max_calls: int


class BreakerNews(msgspec.Struct, frozen=True):
    """What a worker tells the others about a breaker; `since` in seconds since 1970, `prober` the one that probes."""

    state: int
    since: float
    reason: str
    prober: str


class Breaker:
    """Opens after failures in a row, is probed by one worker after the recovery time-out, and closes for all."""

    def __init__(self, policy: BreakerPolicy, worker: str) -> None:
        self.state = State.CLOSED
        self.since = 0.0
        self.reason = ""
        self.prober = worker
        self._policy = policy
        self._worker = worker
        self._epoch = 0
        self._failures = 0
        self._probing = 0
        self._passed = 0
        self._heard_at = 0.0

    @property
    def news(self) -> BreakerNews:
        """For the other workers."""
        return BreakerNews(int(self.state), self.since, self.reason, self.prober)

    def wait_seconds(self, now: float) -> float:
        """0 if a call may begin; else look again after so long."""
        if self.state is State.CLOSED:
            return 0.0
        if self.state is State.OPEN or self.prober != self._worker:
            if (remaining := self._probe_at() - now) > 0:
                return remaining
            self._become(State.HALF_OPEN, now, self.reason, self._worker)
        return 0.0 if self._probing + self._passed < self._policy.half_open_max_calls else LOOK_SECONDS

    def enter(self) -> int:
        """A call begins; its permit."""
        self._probing += self.state is State.HALF_OPEN
        return self._epoch

    def leave(self, permit: int, failure: str | None, now: float) -> None:
        """The call has ended, with a failure of the target or without one; what began before a change doesn't count."""
        if permit != self._epoch:
            return
        if self.state is State.HALF_OPEN:
            self._probing -= 1
            self._passed += failure is None
            if failure is not None:
                self._become(State.OPEN, now, failure, self._worker)
            elif self._passed >= self._policy.half_open_max_calls:
                self._become(State.CLOSED, now, "", self._worker)
        elif self.state is State.CLOSED:
            self._failures = self._failures + 1 if failure is not None else 0
            if failure is not None and self._failures >= self._policy.failure_threshold:
                self._become(State.OPEN, now, failure, self._worker)

    def cancelled(self, permit: int) -> None:
        """The call was cut: it tells nothing of the target."""
        if permit == self._epoch and self.state is State.HALF_OPEN:
            self._probing -= 1

    def heard(self, news: BreakerNews, now: float) -> None:
        """Another worker's news; those that are lost are repeated, older ones are ignored.

        Of two that opened at once the earlier one probes.
        """
        state = State(news.state)
        if state is State.CLOSED:
            if self.state is not State.CLOSED and news.since > self.since:
                self._become(State.CLOSED, news.since, "", news.prober)
            return
        self._heard_at = now
        if news.prober == self._worker:
            return
        is_mine = self.prober == self._worker and self.state is not State.CLOSED
        if is_mine and (self.since, self._worker) < (news.since, news.prober):
            return
        if self.state is State.CLOSED and news.since <= self.since:
            return
        if (self.state, self.since, self.prober) != (state, news.since, news.prober):
            self._become(state, news.since, news.reason, news.prober)

    def _probe_at(self) -> float:
        if self.prober == self._worker:
            return self.since + self._policy.recovery_timeout_seconds
        return max(self.since, self._heard_at) + self._policy.recovery_timeout_seconds + GRACE_SECONDS

    def _become(self, state: State, since: float, reason: str, prober: str) -> None:
        self.state, self.since, self.reason, self.prober = state, since, reason, prober
        self._epoch += 1
        self._failures = self._probing = self._passed = 0
