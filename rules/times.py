"""Times as text: RFC 3339 in UTC."""

from datetime import UTC, datetime
from functools import lru_cache

MICROSECONDS = 1_000_000


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 with milliseconds, as `2026-11-24T02:26:22.123Z`; what is below a millisecond is cut."""
    whole, microseconds = divmod(round(seconds * MICROSECONDS), MICROSECONDS)
    return f"{_second(whole)}.{microseconds // 1000:03d}Z"


@lru_cache(maxsize=64)
def _second(whole: int) -> str:
    """Without zone and fraction: thousands of times in a row it is the same."""
    return datetime.fromtimestamp(whole, UTC).isoformat()[:19]


def instant(text: str) -> datetime:
    """The moment that an RFC 3339 time names; a leap second is the second before it.

    Raises ValueError where the text names none: it has no zone, or no such day is in the calendar.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = datetime.fromisoformat(text.upper().replace(":60", ":59"))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return moment


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one RFC 3339 time to another."""
    return (instant(later) - instant(earlier)).total_seconds()


def is_before(one: str, other: str) -> bool:
    """Whether `one` is earlier; both RFC 3339, in any zone."""
    if one[-1:] == "Z" == other[-1:] and len(one) == len(other):
        return one < other
    return instant(one) < instant(other)
