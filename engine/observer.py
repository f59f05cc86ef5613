"""What the engine tells about itself."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
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
class Recovery:
    """How far the restore under way has come."""

    rows: int = 0
    remaining: int = 0
    began: float = 0.0
    logged: float = 0.0

    def add(self, rows: int, remaining: int) -> None:
        """Note what was applied, and how many changelog offsets remain."""
        now = time.monotonic()
        if not self.began:
            self.began = self.logged = now
        self.rows += rows
        self.remaining = remaining
        if now - self.logged > LOG_SECONDS:
            self.logged = now
            left = self.seconds_left
            seconds = "?" if left is None else f"{left:.0f}"
            log.info("recovery_progress %d rows, %d offsets left, %s s to go", self.rows, remaining, seconds)

    def end(self) -> None:
        """All is there."""
        if self.rows:
            log.info("recovery_ended %d rows in %.1f s", self.rows, time.monotonic() - self.began)

    @property
    def seconds_left(self) -> float | None:
        """At the rate so far; None before anything was applied."""
        if not self.remaining:
            return 0.0
        return self.remaining * (time.monotonic() - self.began) / self.rows if self.rows else None
