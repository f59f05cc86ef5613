"""Texts of a certain shape: what does not fit is told in words, not as a regular expression."""

import re
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field

CRONTAB_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
"""Minute, hour, day of the month, month, day of the week (0 and 7 are Sunday)."""
CRONTAB_FIELD = re.compile(r"(?:\*|(?P<first>\d+)(?:-(?P<last>\d+))?)(?:/(?P<step>\d+))?")


def _shape(pattern: str, allowed: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def fit(text: str) -> str:
        if compiled.fullmatch(text) is None:
            raise ValueError(allowed)
        return text

    return AfterValidator(fit)


def _crontab(text: str) -> str:
    fields = text.split()
    if len(fields) != len(CRONTAB_RANGES) or not all(map(_in_range, fields, CRONTAB_RANGES)):
        raise ValueError("a crontab of five fields: minute, hour, day of month, month, day of week")
    try:
        CronSim(text, datetime.now(UTC))
    except CronSimError as error:
        raise ValueError(f"a crontab that comes at some time: {error}") from None
    return text


def _time_zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("a time zone like UTC or America/Chicago") from None
    return text


def _in_range(field: str, limits: tuple[int, int]) -> bool:
    lowest, highest = limits
    for part in field.split(","):
        found = CRONTAB_FIELD.fullmatch(part)
        if found is None or (found["step"] is not None and int(found["step"]) == 0):
            return False
        first = lowest if found["first"] is None else int(found["first"])
        last = first if found["last"] is None else int(found["last"])
        if not lowest <= first <= last <= highest:
            return False
    return True


def _instant(text: str) -> str:
    allowed = "an RFC 3339 time with its offset, like 2025-12-31T23:59:59Z"
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(allowed) from None
    if instant.tzinfo is None:
        raise ValueError(allowed)
    return text


def _host(address: str) -> str:
    """Refuse what no call could be made to, and what a call would leave out."""
    if "@" in re.split("[/?#]", address.partition("//")[2], maxsplit=1)[0]:
        raise ValueError("an address without user and password: they belong into `authentication`")
    try:
        parts = urlsplit(address)
        is_host = bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:  # a port that is no number, half a bracket, a name that DNS can't have
        is_host = False
    if not is_host:
        raise ValueError("an address whose host can have its name, and whose port is a number from 1 to 65535")
    return address


Name = Annotated[str, Field(min_length=1)]
HttpAddress = Annotated[
    str, _shape(r"https?://[^\s/?#]+\S*", "an address like https://host/path"), AfterValidator(_host)
]
HttpBase = Annotated[
    str,
    _shape(r"https?://[^\s/?#]+[^\s?#]*", "an address like https://host/path, without query or fragment"),
    AfterValidator(_host),
]
UrlPath = Annotated[str, _shape(r"/[^\s#]*", "a path that begins with /")]
HeaderName = Annotated[str, _shape(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", "the name of an HTTP header")]
WebOrigin = Annotated[str, _shape(r"\*|https?://[^\s/?#]+", "an origin like https://host:port, or *")]
HostPort = Annotated[str, _shape(r"(?:[^\s:/,]+|\[[0-9A-Fa-f:.]+\]):[0-9]{1,5}", "host:port")]
TopicName = Annotated[
    str, _shape(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,150}", "up to 150 letters, digits, dots, hyphens and underscores")
]
FieldPath = Annotated[
    str, _shape(r"[^.]+(\.[^.]+)*", "the name of a field, or several from the outer to the inner, like contact.email")
]
Crontab = Annotated[str, AfterValidator(_crontab)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Instant = Annotated[str, AfterValidator(_instant)]
Period = Annotated[
    str, _shape(r"[1-9]\d*_(hours|days|weeks|months|years)", "a number and a unit of time, like 30_days or 12_months")
]
AlertCondition = Annotated[
    str,
    _shape(
        r"(error_rate *(>|>=|<|<=) *\d+(\.\d+)? *%|(response_time|sync_lag) *(>|>=|<|<=) *\d+(\.\d+)? *(ms|s))",
        "error_rate (in %), response_time or sync_lag (in ms or s), a comparison and a number, like error_rate > 5%",
    ),
]
Escalation = Annotated[str, _shape(r"immediate|after_[1-9]\d*_minutes", "immediate or after_<number>_minutes")]
Status = Annotated[int, Field(ge=100, le=599)]
Port = Annotated[int, Field(gt=0, lt=65536)]
