"""What a delivery leaves behind: results, rows of the table, dead letters."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from sitehub.clients.answer import Answer, Delivered, Refused, Unavailable
from sitehub.codecs.audit import encode_audit
from sitehub.codecs.dead_letters import dead_letter_headers
from sitehub.codecs.results import Result, encode_result, result_headers
from sitehub.engine.batch import Message, Row
from sitehub.rules.audit import AuditRecord
from sitehub.rules.breaker import BreakerNews, State
from sitehub.rules.commands import Command as Call
from sitehub.rules.delivery import ParkedCommand
from sitehub.rules.failure import Failure
from sitehub.rules.site_queue import Queued
from sitehub.rules.times import rfc3339, seconds_between
from sitehub.telemetry.metrics import Metrics


class Work(msgspec.Struct, frozen=True):
    """What a command's call and its dead letter need."""

    record: ParkedCommand
    call: Call
    unfit: Failure | None = None
    """Why the call can't be made."""


Command = Queued[Work]
"""A command in a site's queue."""
ENDS = frozenset({"delivered", "superseded", "rejected"})
"""Statuses after which nothing more is done for a command."""
AUDITED = ENDS | {"parked"}
"""Statuses that the audit log tells of: a command meets each at most once."""


class Ended(Protocol):
    """A site whose call has ended."""

    key: bytes

    @property
    def has_more(self) -> bool:
        """Whether another command waits for the commit of the end."""
        ...

    def committed(self) -> bool:
        """The end is committed. False if nothing is left to be done for the site."""
        ...


@dataclass(slots=True)
class Changes:
    """What the next transaction is to hold, and what goes on when it is through."""

    rows: dict[bytes, bytes | None] = field(default_factory=dict)
    results: list[Result] = field(default_factory=list)
    audits: list[AuditRecord] = field(default_factory=list)
    dead_letters: list[tuple[Failure, Message]] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    """Of commands that the topic is not needed for any more."""
    ended: list["Ended"] = field(default_factory=list)
    """Sites whose call has ended: the next one waits for the commit."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return not (self.rows or self.results or self.offsets)

    def table(self) -> list[Row]:
        """Rows to write."""
        return list(self.rows.items())

    def result_messages(self) -> list[Message]:
        """The results as records."""
        return [(one.site_id.encode(), encode_result(one), result_headers(one)) for one in self.results]

    def audit_messages(self) -> list[Message]:
        """The records of the audit log."""
        return [((one.site_id or "").encode(), encode_audit(one), []) for one in self.audits]


class Attempt(msgspec.Struct, frozen=True):
    """What came of one attempt, as results and rows tell it."""

    number: int = 0
    """From 1; 0 if none was made."""
    http_status: int | None = None
    error: str | None = None
    answer: str | None = None
    duration_ms: float = 0.0


def attempt_of(answer: Answer, number: int, seconds: float) -> Attempt:
    """The answer in words."""
    duration_ms = round(seconds * 1000, 3)
    match answer:
        case Delivered(status):
            return Attempt(number, status, duration_ms=duration_ms)
        case Refused(status, text):
            return Attempt(number, status, f"HTTP {status}", text, duration_ms)
        case Unavailable(error=error, status=http_status, answer=text):
            return Attempt(number, http_status, error, text, duration_ms)


def result_of(command: Command, site_id: str, target: str, status: str, attempt: Attempt, *, at: str) -> Result:
    """The record for readers of `sync-results`."""
    return Result(
        command_id=command.command_id,
        event_id=command.event_id,
        action=command.action,
        target=target,
        site_id=site_id,
        status=status,
        attempt=attempt.number,
        http_status=attempt.http_status,
        error=attempt.error,
        answer=attempt.answer,
        at=at,
        event_timestamp=command.event_timestamp,
        duration_ms=attempt.duration_ms,
        superseded_by=command.carrier_id,
    )


def audit_of(result: Result, *, was_parked: bool, source: str, config_id: str) -> AuditRecord:
    """The end or the parking of a command, for the audit log; what the target answered may quote what is masked."""
    after = {"status": result.status, "attempt": result.attempt, "http_status": result.http_status}
    if result.superseded_by is not None:
        after["superseded_by"] = result.superseded_by
    return AuditRecord(
        actor=f"delivery:{result.target}",
        at=result.at,
        action=f"command_{result.status}",
        entity_type="command",
        entity_id=result.command_id,
        site_id=result.site_id,
        before={"status": "parked" if was_parked else "pending"},
        after=after,
        correlation_id=result.event_id,
        source=source,
        config_id=config_id,
    )


def no_command(place: str, target: str, site: bytes, *, at: str) -> Call:
    """Stands for a record that is no command, until it is a dead letter; `place` names the record."""
    return Call(place, target, "", site.decode("utf-8", "replace"), "", "", None, place, at, "", "", 0, 0)


def breaker_message(target: str, news: BreakerNews) -> Message:
    """A change of a target's breaker for readers of `sync-results`: a result of no command."""
    at = rfc3339(news.since)
    result = Result(
        command_id="",
        event_id="",
        action="",
        target=target,
        site_id="",
        status=f"breaker_{State(news.state).name.lower()}",
        attempt=0,
        http_status=None,
        error=news.reason or None,
        answer=None,
        at=at,
        event_timestamp=at,
        duration_ms=0.0,
    )
    return b"", encode_result(result), result_headers(result)


def dead_letter_of(
    record: ParkedCommand, failure: Failure, attempt: Attempt, *, topic: str, partition: int, target: str, at: str
) -> Message:
    """The record as it came, and why it was given up."""
    headers = dead_letter_headers(
        failure,
        topic=topic,
        partition=partition,
        offset=record.offset,
        time=at,
        attempts=attempt.number,
        target=target,
    )
    return record.site, record.value, [*record.headers, *headers]


def count(metrics: Metrics, target: str, results: Iterable[Result]) -> None:
    """Add committed results to the metrics."""
    attempts: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    observe_seconds = metrics.call_duration.labels(target).observe
    observe_lag = metrics.delivery_lag.labels(target).observe
    lag_seconds = None
    for result in results:
        if result.attempt:
            attempts[result.status] += 1
            observe_seconds(result.duration_ms / 1000)
        if result.status in ENDS:
            ends[result.status] += 1
        if result.status == "delivered":
            lag_seconds = seconds_between(result.event_timestamp, result.at)
            observe_lag(lag_seconds)
    for status, number in attempts.items():
        metrics.calls.labels(target, status).inc(number)
    for status, number in ends.items():
        metrics.commands_ended.labels(target, status).inc(number)
    if lag_seconds is not None:
        metrics.sync_lag.labels(target).set(lag_seconds)
