"""Whether and how fast one target may be called: its breaker, which all workers share, and its pace."""

from collections.abc import Callable

import msgspec

from sitehub.agents.hub_channel import HubChannel
from sitehub.clients.answer import Answer, Unavailable
from sitehub.rules.breaker import Breaker, BreakerNews, State
from sitehub.rules.pace import Pace
from sitehub.telemetry.logs import log
from sitehub.telemetry.metrics import Metrics

TOO_MANY = 429

Share = Callable[[], float]
"""The part of the target's partitions that this worker has, from 0 to 1."""


class TargetGate:
    """What the dispatcher asks before a call and tells after it."""

    def __init__(
        self, target: str, breaker: Breaker, pace: Pace, channel: HubChannel, metrics: Metrics, *, share: Share
    ) -> None:
        self.target = target
        self.breaker = breaker
        self.pace = pace
        self._channel = channel
        self._share = share
        self._state = breaker.state
        self._gauge = metrics.breaker_state.labels(target)
        self._pace_gauge = metrics.allowed_pace.labels(target)
        self._gauge.set(breaker.state)

    def wait_seconds(self, now: float) -> float:
        """0 if a call may begin; else look again after so long."""
        wait = self.breaker.wait_seconds(now)
        self._note_change(now)
        return max(wait, self._pace_seconds(now))

    def enter(self, now: float) -> int:
        """A call begins."""
        self.pace.take(now)
        return self.breaker.enter()

    def leave(self, permit: int, answer: Answer | None, now: float) -> None:
        """The call has ended; without an answer if it was cancelled.

        429 is a wish, not a failure: it slows the target down and neither opens nor closes its breaker.
        """
        match answer:
            case Unavailable(status=status, retry_after_seconds=pause) if status == TOO_MANY:
                self.pace.too_many(now, pause)
                self.breaker.cancelled(permit)
            case Unavailable(counts=False):
                self.breaker.cancelled(permit)
            case Unavailable(error=error):
                self.breaker.leave(permit, error, now)
            case None:
                self.breaker.cancelled(permit)
            case _:
                self.breaker.leave(permit, None, now)
        self._note_change(now)

    def heard(self, news: BreakerNews, now: float) -> None:
        """What another worker tells about its breaker."""
        self.breaker.heard(news, now)
        self._note_change(now, is_ours=False)

    def tick(self, now: float) -> None:
        """Now and then: repeat what others must know, fill up what the pace has saved."""
        self._pace_seconds(now)
        allowed = self.pace.calls_per_second(now)
        self._pace_gauge.set(allowed if allowed is not None else float("inf"))
        if self.breaker.state is not State.CLOSED and self.breaker.prober == self._channel.worker:
            self._tell()

    def _pace_seconds(self, now: float) -> float:
        self.pace.set_share(self._share(), now)
        return self.pace.wait_seconds(now)

    def _note_change(self, now: float, *, is_ours: bool = True) -> None:
        state = self.breaker.state
        if state is self._state:
            return
        if state is State.CLOSED:
            self.pace.reopened(now)
        self._state = state
        self._gauge.set(state)
        log("breaker_changed", target=self.target, state=state.name.lower(), reason=self.breaker.reason)
        if is_ours:
            self._tell()

    def _tell(self) -> None:
        news = msgspec.to_builtins(self.breaker.news)
        self._channel.say("breaker", {"target": self.target, "news": news})
