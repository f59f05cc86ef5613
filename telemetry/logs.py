"""Logs as one JSON object a line: `time`, `level`, `logger`, `event`, then the event's fields.

`event` is a stable name to search by. A record of the hub that was not made by `log` has the first word of its
template for it, if that is a name in snake case; records of libraries are `library`, their text in `message`.
"""

import json
import logging
import re
from datetime import UTC, datetime
from typing import Any

import orjson

from sitehub.telemetry.log_events import LOG_EVENTS, EventName

ROOT = "sitehub"
NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+(?= |$)")
EVENT = "sitehub_event"
FIELDS = "sitehub_fields"
SUPPRESSED = "sitehub_suppressed"
"""Attributes of log records, named so that no library's meet them."""

_logger = logging.getLogger(ROOT)


def log(event: EventName, **fields: Any) -> None:
    """Write a declared event. Fields may be anything: what JSON has no form for is written as its `str`."""
    _logger.log(LOG_EVENTS[event].level, event, extra={EVENT: event, FIELDS: fields})


class JsonFormatter(logging.Formatter):
    """One line a record, whatever it holds."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        head = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record),
        }
        fields = getattr(record, FIELDS, None)
        if fields is None:
            fields = {"message": _message(record)}
        line = {**head, **fields, **head}  # the head comes first, and its values win
        if suppressed := getattr(record, SUPPRESSED, 0):
            line["suppressed"] = suppressed
        if record.exc_info and record.exc_info[0] is not None:
            line["error"] = f"{record.exc_info[0].__name__}: {record.exc_info[1]}"
            line["traceback"] = self.formatException(record.exc_info)
        return _encoded(line)


class RateLimit(logging.Filter):
    """Passes `most` records of each place in the code a period, for loggers below `name`; others always pass.

    The first that passes afterwards tells in `suppressed` how many did not.
    """

    def __init__(self, name: str, most: int, period_seconds: float) -> None:
        super().__init__(name)
        self._most = most
        self._period_seconds = period_seconds
        self._windows: dict[tuple[str, int], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written; its own time is the clock."""
        if not super().filter(record):
            return True
        place = (record.pathname, record.lineno)
        window = self._windows.get(place)
        if window is None or not 0 <= record.created - window.start < self._period_seconds:
            suppressed = window.count - self._most if window is not None else 0
            if suppressed > 0:
                setattr(record, SUPPRESSED, suppressed)
            self._windows[place] = _Window(record.created)
            return True
        window.count += 1
        return window.count <= self._most


class _Window:
    """Records of one place since `start`."""

    __slots__ = ("count", "start")

    def __init__(self, start: float) -> None:
        self.start = start
        self.count = 1


def _event(record: logging.LogRecord) -> str:
    declared = getattr(record, EVENT, None)
    if isinstance(declared, str):
        return declared
    if record.name != ROOT and not record.name.startswith(f"{ROOT}."):
        return "library"
    found = NAME.match(record.msg) if isinstance(record.msg, str) else None
    return found[0] if found else "message"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as fault:  # noqa: BLE001 -- a wrong template must not cost the record
        return f"{record.msg!r} % {record.args!r}: {fault}"


def _encoded(line: dict[str, Any]) -> str:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
    except orjson.JSONEncodeError:  # a lone surrogate, a number beyond 64 bits, a circle
        return json.dumps({key: str(value) for key, value in line.items()})
