"""What the engine tells about itself."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

log = logging.getLogger(__name__)

LOG_SECONDS = 5.0
"""Between two lines about a recovery under way."""


class State(IntEnum):
    """Of a source partition."""

    RECOVERING = 0
    RUNNING = 1
    TROUBLED = 2
    """Given up after a failure, and tried again."""


@dataclass(slots=True)
class Observer:
    """Where it is told; by default nobody listens. Partitions are `(topic, number)`."""

    recovered: Callable[[int, int], None] = lambda _rows, _remaining: None
    """Rows that were applied, and changelog offsets that remain."""
    troubled: Callable[[Any, BaseException], None] = lambda _tp, _error: None
    committed: Callable[[Any, float], None] = lambda _tp, _seconds: None
    """A transaction is through, and how long it took."""
    state: Callable[[Any, State | None], None] = lambda _tp, _state: None
    """None: the partition is another worker's."""


@dataclass(slots=True)
class RecoveryProgress:
    """How far the restores under way have come, all in all, or the last ones came."""

    rows: int = 0
    _remaining: dict[object, int] = field(default_factory=dict)
    _began: float = 0.0
    _logged: float = 0.0

    def add(self, restore: object, rows: int, remaining: int) -> None:
        """Note what `restore` has applied since it last told, and how many changelog offsets it has before it."""
        now = time.monotonic()
        if not self._remaining:
            self.rows, self._began, self._logged = 0, now, now
        self._remaining[restore] = remaining
        self.rows += rows
        if now - self._logged > LOG_SECONDS:
            self._logged = now
            left = self.seconds_left
            seconds = "?" if left is None else f"{left:.0f}"
            log.info("recovery_progress %d rows, %d offsets left, %s s to go", self.rows, self.remaining, seconds)

    def end(self, restore: object) -> None:
        """It goes on no more: all is there, or it was given up."""
        if self._remaining.pop(restore, None) is not None and not self._remaining and self.rows:
            log.info("recovery_ended %d rows in %.1f s", self.rows, time.monotonic() - self._began)

    @property
    def remaining(self) -> int:
        """Changelog offsets that are still to be read."""
        return sum(self._remaining.values())

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None before anything was applied."""
        if not self.remaining:
            return 0.0
        return self.remaining * (time.monotonic() - self._began) / self.rows if self.rows else None
