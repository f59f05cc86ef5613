"""Times as text: RFC 3339 in UTC."""

from datetime import UTC, datetime


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 with milliseconds, as `2026-11-24T02:26:22.123Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def instant(text: str) -> datetime:
    """The moment that an RFC 3339 time names; a leap second is the second before it.

    Raises ValueError where the text names none: it has no zone, or no such day is in the calendar.
    """
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
