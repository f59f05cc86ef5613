"""Times as text: RFC 3339 in UTC."""

from datetime import UTC, datetime


def rfc3339(seconds: float) -> str:
    """Seconds since 1970 with milliseconds, as `2026-11-24T02:26:22.123Z`."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def seconds_between(earlier: str, later: str) -> float:
    """Seconds from one RFC 3339 time to another."""
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def is_before(one: str, other: str) -> bool:
    """Whether `one` is earlier; both RFC 3339, in any zone."""
    if one[-1:] == "Z" == other[-1:] and len(one) == len(other):
        return one < other
    return datetime.fromisoformat(one) < datetime.fromisoformat(other)
