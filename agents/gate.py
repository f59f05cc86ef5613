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
Changed = Callable[[BreakerNews], None]
"""Told of each change of the breaker that this worker made, not of those that it heard of."""


class TargetGate:
    """What the dispatcher asks before a call and tells after it."""

    def __init__(
        self,
        target: str,
        breaker: Breaker,
        pace: Pace,
        channel: HubChannel,
        metrics: Metrics,
        *,
        share: Share,
        changed: Changed = lambda _news: None,
    ) -> None:
        self.target = target
        self.breaker = breaker
        self.pace = pace
        self._channel = channel
        self._share = share
        self._changed = changed
        self._state = breaker.state
        self._shown = ""
        self._metrics = metrics
        self._pace_gauge = metrics.allowed_pace.labels(target)
        self._show()

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
        self._show()
        log("breaker_changed", target=self.target, state=state.name.lower(), reason=self.breaker.reason)
        if is_ours:
            self._changed(self.breaker.news)
            self._tell()

    def _show(self) -> None:
        metrics, breaker = self._metrics, self.breaker
        metrics.breaker_state.labels(self.target).set(breaker.state)
        metrics.breaker_since.labels(self.target).set(breaker.since)
        if breaker.reason != self._shown:
            if self._shown:
                metrics.breaker_reason.remove(self.target, self._shown)
            if breaker.reason:
                metrics.breaker_reason.labels(self.target, breaker.reason).set(1)
            self._shown = breaker.reason

    def _tell(self) -> None:
        news = msgspec.to_builtins(self.breaker.news)
        self._channel.say("breaker", {"target": self.target, "news": news})
