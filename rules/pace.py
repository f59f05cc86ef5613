"""How fast a target may be called: a token bucket, slowed down by the target's own word and after an outage.

Sources: additive increase and multiplicative decrease, Chiu and Jain 1989; 429 and Retry-After, RFC 6585 and RFC 9110.
"""

SLOWEST = 1.0
"""Calls a second, however often the target asks to be called less."""
RECOVERY_SECONDS = 10.0
"""In which the pace grows by what it was before the target asked for less."""
RAMP_PACE = 64.0
"""Calls a second right after an outage."""
RAMP_DOUBLES_SECONDS = 0.5
RAMP_SECONDS = 5.0
"""Until there is no ramp any more."""
ROUND_SECONDS = 1.0
"""Answers 429 within it are one sign, not many."""
LONGEST_PAUSE_SECONDS = 60.0


class Pace:
    """Of one target in one worker. Times are in seconds, rates in calls a second."""

    def __init__(self, calls_per_second: float | None = None, burst: int = 1) -> None:
        """`calls_per_second` and `burst` are the whole hub's; None: as fast as the target answers."""
        self._limit = calls_per_second
        self._burst = burst
        self._share = 1.0
        self._tokens = 0.0  # what a worker gets with its partitions their former owner may have spent
        self._filled_at: float | None = None
        self._slowed: float | None = None
        self._full = 0.0
        self._slowed_at = float("-inf")
        self._grown_at = 0.0
        self._reopened_at = float("-inf")
        self._paused_until = float("-inf")
        self._seen: list[float] = [0.0, 0.0]
        self._second = 0

    def set_share(self, share: float, now: float) -> None:
        """The part of the hub's limit that is this worker's: that of the partitions which it has.

        What was saved with partitions that are another's now is theirs to save again.
        """
        if share != self._share:
            self.wait_seconds(now)
            self._share = share
            self._tokens = min(self._tokens, max(1.0, self._burst * share))

    def calls_per_second(self, now: float) -> float | None:
        """Allowed now; None without a limit."""
        self._grow(now)
        ramp = None
        if now - self._reopened_at < RAMP_SECONDS:
            ramp = RAMP_PACE * 2 ** ((now - self._reopened_at) / RAMP_DOUBLES_SECONDS)
        limits = [one for one in (self._limit and self._limit * self._share, self._slowed, ramp) if one is not None]
        return min(limits) if limits else None

    def seen_per_second(self, now: float) -> float:
        """Calls that began in the last whole second."""
        return {0: self._seen[0], 1: self._seen[1]}.get(int(now) - self._second, 0.0)

    def wait_seconds(self, now: float) -> float:
        """0 if a call may begin."""
        if now < self._paused_until:
            return self._paused_until - now
        rate = self.calls_per_second(now)
        if rate is None:
            self._filled_at = None
            return 0.0
        if rate <= 0:
            self._filled_at = now
            return ROUND_SECONDS
        if self._limit is not None and rate == self._limit * self._share:
            most = max(1.0, self._burst * self._share)
        else:
            most = max(1.0, rate / 10)
        since = self._filled_at if self._filled_at is not None else now
        self._tokens = min(most, self._tokens + (now - since) * rate)
        self._filled_at = now
        return 0.0 if self._tokens >= 1 else (1 - self._tokens) / rate

    def take(self, now: float) -> None:
        """A call begins."""
        if self._filled_at is not None:
            self._tokens -= 1
        second = int(now)
        if second != self._second:
            self._seen = [self._seen[1] if second == self._second + 1 else 0.0, 0.0]
            self._second = second
        self._seen[1] += 1

    def too_many(self, now: float, retry_after_seconds: float | None) -> bool:
        """The target answered 429: half the pace, after the pause that it asks for. False if that was known."""
        pause = min(retry_after_seconds or 0.0, LONGEST_PAUSE_SECONDS)
        is_longer = now + pause > self._paused_until + ROUND_SECONDS and pause > 0
        if pause:
            self._paused_until = max(self._paused_until, now + pause)
        if now - self._slowed_at < ROUND_SECONDS:
            return is_longer
        pace = self.calls_per_second(now) or self._observed()
        self._slow_to(now, pace / 2, max(pace, self._full if self._slowed is not None else 0.0))
        return True

    def reopened(self, now: float) -> None:
        """An outage is over: begin gently."""
        self._reopened_at = now

    def _slow_to(self, now: float, pace: float, full: float) -> None:
        self._slowed, self._full = max(SLOWEST, pace), max(SLOWEST, full)
        self._slowed_at = self._grown_at = now
        self._tokens = min(self._tokens, 1.0)
        self._filled_at = self._filled_at if self._filled_at is not None else now

    def _grow(self, now: float) -> None:
        if self._slowed is None:
            return
        self._slowed += (now - self._grown_at) * self._full / RECOVERY_SECONDS
        self._grown_at = now
        if self._slowed >= 2 * self._full:
            self._slowed = None

    def _observed(self) -> float:
        return max(SLOWEST, *self._seen)
