"""Whether and how fast one target may be called: its breaker, which all workers share, and its pace."""

from collections.abc import Callable

import msgspec

from sitehub.agents.hub_channel import HubChannel
from sitehub.clients.answer import Answer, Unavailable
from sitehub.rules.breaker import Breaker, BreakerNews, Doubt, Permit, State
from sitehub.rules.pace import Pace
from sitehub.rules.retry import TOO_MANY_REQUESTS
from sitehub.telemetry.logs import log
from sitehub.telemetry.metrics import Metrics

TOO_MANY_CALLS = "too_many_calls"
"""Kind of the message that tells the other workers of a 429: `target`, and the pause in seconds that it asks for."""

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

    @property
    def is_closed(self) -> bool:
        """Whether the target is known to work, or not known to fail."""
        return self.breaker.state is State.CLOSED

    def wait_seconds(self, now: float, doubt: Doubt = Doubt.NONE) -> float:
        """0 if a call may begin; else look again after so long. `doubt` is the least of those who wait."""
        wait = self.breaker.wait_seconds(now, doubt, is_alone=self._share() >= 1)
        self._note_change(now)
        return max(wait, self._pace_seconds(now))

    def enter(self, now: float, doubt: Doubt = Doubt.NONE) -> Permit:
        """A call begins."""
        self.pace.take(now)
        return self.breaker.enter(doubt)

    def leave(self, permit: Permit, answer: Answer | None, now: float, doubt: Doubt = Doubt.NONE) -> None:
        """The call has ended; without an answer if it was cancelled. `doubt` is what there is by now.

        429 is a wish, not a failure: it slows the target down and neither opens nor closes its breaker.
        """
        match answer:
            case Unavailable(status=status, retry_after_seconds=pause) if status == TOO_MANY_REQUESTS:
                if self.pace.too_many(now, pause):
                    self._channel.say(TOO_MANY_CALLS, {"target": self.target, "pause_seconds": pause})
                self.breaker.cancelled(permit)
            case Unavailable(counts=False):
                self.breaker.cancelled(permit)
            case Unavailable(error=error):
                self.breaker.leave(permit, error, now, doubt)
            case None:
                self.breaker.cancelled(permit)
            case _:
                self.breaker.leave(permit, None, now)
        self._note_change(now)

    def heard_too_many(self, pause_seconds: float | None, now: float) -> None:
        """The target answered 429 to another worker: it means the whole hub."""
        self.pace.too_many(now, pause_seconds)

    def heard(self, news: BreakerNews, now: float) -> None:
        """What another worker tells about its breaker."""
        self.breaker.heard(news, now)
        self._note_change(now, is_ours=False)

    def tick(self, now: float) -> None:
        """Now and then: repeat what others must know, fill up what the pace has saved."""
        self.breaker.tick(now)
        self._note_change(now)
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
            if self.breaker.since != self._since:
                self._show()  # opened again, as another worker tells
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
        self._since = breaker.since
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
