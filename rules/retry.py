"""When a call is made again, and what an answer means."""

import contextlib
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum

LONGEST_DELAY_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 300.0
"""Between two attempts at a command that has used up its retries, or whatever a target asks for."""
TOO_MANY_REQUESTS = 429
RETRYABLE = frozenset({408, 425, TOO_MANY_REQUESTS})
SERVER_ERROR = 500
REDIRECT = 300


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """As configured: delays grow from `initial_delay_ms` by `backoff_multiplier`, `max_retries` times."""

    max_retries: int
    backoff_multiplier: float
    initial_delay_ms: float

    def delay_seconds(self, attempt: int, chance: float) -> float:
        """Pause after failed attempt number `attempt` (from 1), with full jitter: `chance` is from 0 to 1.

        Source: exponential backoff and jitter, as described by AWS Architecture, 2015.
        """
        longest = LONGEST_DELAY_SECONDS
        with contextlib.suppress(OverflowError):
            longest = min(longest, self.initial_delay_ms / 1000 * self.backoff_multiplier ** (attempt - 1))
        return longest * chance

    def pause_seconds(self, attempt: int, chance: float, asked_seconds: float | None) -> float:
        """Pause after failed attempt number `attempt`, at least as long as the target asked for.

        Beyond `max_retries` it is never short: from 1 to 2 s it doubles with each attempt.
        """
        pause = self.delay_seconds(attempt, chance)
        if attempt > self.max_retries:
            doubled = 2.0 ** min(attempt - self.max_retries, 10)
            pause = max(pause, doubled * (1 + chance) / 2)
        return min(LONGEST_PAUSE_SECONDS, max(pause, asked_seconds or 0.0))


class Verdict(Enum):
    """What an answer means for the command."""

    DELIVERED = "delivered"
    REJECTED = "rejected"
    RETRY = "retry"


@dataclass(frozen=True, slots=True)
class StatusRules:
    """What a target's statuses mean beside what they mean by themselves."""

    success_on: frozenset[int] = frozenset({409})
    """Delivered, if an earlier attempt of ours may have arrived."""
    retry_on: frozenset[int] = frozenset()
    reject_on: frozenset[int] = frozenset()
    renew_on: frozenset[int] = frozenset({401})
    """The credentials are not taken: a fault between hub and target, not of the command."""

    def verdict(self, status: int, *, is_repeated: bool) -> Verdict:
        """Of an answer that is final for this attempt."""
        # Two lists have a default, and whoever puts a status into one of the others means it.
        if status in self.reject_on:
            return Verdict.REJECTED
        if status in self.retry_on:
            return Verdict.RETRY
        if is_repeated and status in self.success_on:
            return Verdict.DELIVERED
        if status in self.renew_on:
            return Verdict.RETRY
        return classify(status)


def classify(status: int) -> Verdict:
    """2xx is delivered; 408, 425, 429 and 5xx are tried again; all else the target will never take."""
    if status in RETRYABLE or status >= SERVER_ERROR:
        return Verdict.RETRY
    return Verdict.REJECTED if status >= REDIRECT else Verdict.DELIVERED


def retry_after_seconds(header: str, now: float) -> float | None:
    """The pause that a Retry-After header asks for; None if it says neither seconds nor a date (RFC 9110 §10.2.3)."""
    text = header.strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)
