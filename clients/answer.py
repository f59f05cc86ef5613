"""What came of one call to a target."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delivered:
    """The target took it."""

    status: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The target will never take it: `answer` holds its reason, cut."""

    status: int
    answer: str


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The target could not take it now; `status` is None if no answer came."""

    error: str
    status: int | None = None
    answer: str = ""
    retry_after_seconds: float | None = None
    counts: bool = True
    """Whether it is a failure of its own: of many calls that wait for one token that can't be had, one is."""
    may_have_arrived: bool = True
    """Whether the target may have acted on it: not if nothing was sent, or if its status says that it did not."""


Answer = Delivered | Refused | Unavailable
