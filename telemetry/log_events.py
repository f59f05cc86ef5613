"""Every log event that `log` writes, declared once: its stable name, its level and when it is written."""

import logging
from dataclasses import dataclass
from typing import Literal

EventName = Literal["part_off"]


@dataclass(frozen=True, slots=True)
class LogEvent:
    """How grave an event is, one of the levels of `logging`, and what it tells."""

    level: int
    help: str


LOG_EVENTS: dict[EventName, LogEvent] = {
    "part_off": LogEvent(logging.WARNING, "`part` does not run: its block or its secret is absent, as `why` says"),
}
