"""Site events: decode, fold into the table `sites`, decide what targets must be told."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Self

from sitehub.codecs.audit import encode_audit
from sitehub.codecs.commands import command_headers, encode_command
from sitehub.codecs.dead_letters import dead_letter_headers
from sitehub.codecs.events import EventDecoder
from sitehub.codecs.revisions import CURRENT_KEY, encode_revision, revision_key
from sitehub.codecs.rows import decode_site, encode_site
from sitehub.engine.batch import Message, Outcome, PartitionBatch, ReadRows, Record, Row
from sitehub.rules.audit import AuditRecord, Masks, difference
from sitehub.rules.events import Event
from sitehub.rules.failure import Failure
from sitehub.rules.fold import Applied, Duplicate, fold
from sitehub.rules.site import Site
from sitehub.rules.sync import Origin, SyncRules
from sitehub.rules.times import rfc3339
from sitehub.telemetry.metrics import Metrics

LARGEST_BYTES = 2 << 20
"""Of a site's row and of a command that is made of it: twice an event, half of what topics take."""
SMALL_BYTES = LARGEST_BYTES // 16
"""Row and events that have together no more can't grow beyond the limit, escaped and repeated as they may be."""
PRODUCER = "source_system"


@dataclass(slots=True)
class RulesInForce:
    """The rules that decide from the next batch on; whoever has them may put others in their place at any time."""

    current: SyncRules


@dataclass(frozen=True, slots=True)
class SiteHandler:
    """Folds a batch of site events; a fault of one record makes a dead letter of that record alone.

    A batch is decided by one set of rules. The first batch that other rules decide than the one before records them
    in its own transaction, with its first offset: `verify` can decide every event again as it was decided.
    """

    decoder: EventDecoder
    rules: RulesInForce
    metrics: Metrics
    now: Callable[[], float]
    commands_topics: dict[str, str]
    """Topic of a target's commands."""
    dead_letter_topic: str
    audit_topic: str
    masks: Masks
    """Hide what the audit log may not show."""

    @property
    def sends(self) -> frozenset[str]:
        """Topics that it may send to."""
        return frozenset({*self.commands_topics.values(), self.dead_letter_topic, self.audit_topic})

    def deciding_by(self, rules: SyncRules) -> Self:
        """The same handler with rules of its own."""
        return replace(self, rules=RulesInForce(rules))

    def __call__(self, batch: PartitionBatch, read: ReadRows) -> Outcome:
        """One pass, so that an event's objects die before the next is decoded."""
        work = _Batch(self, self.rules.current, batch, rfc3339(self.now()))
        work.load(read)
        for record in batch.records:
            work.handle(record)
        return work.outcome()


@dataclass(slots=True)
class _Batch:
    handler: SiteHandler
    rules: SyncRules
    batch: PartitionBatch
    now: str
    decided_by: bytes | None = None
    """Id of the configuration whose rules decided the batch before."""
    stored: dict[bytes, bytes | None] = field(default_factory=dict)
    sites: dict[bytes, Site] = field(default_factory=dict)
    sizes: dict[bytes, int] = field(default_factory=dict)
    sends: dict[str, list[Message]] = field(default_factory=dict)
    audits: list[Message] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    waiting: Counter[str] = field(default_factory=Counter)
    dead: Counter[tuple[str, str]] = field(default_factory=Counter)

    def load(self, read: ReadRows) -> None:
        """Read the rows of all keys at once: a record's key is its row's key."""
        keys = list({record.key for record in self.batch.records if record.key})
        *rows, self.decided_by = read([*keys, CURRENT_KEY])
        self.stored = dict(zip(keys, rows, strict=True))

    def handle(self, record: Record) -> None:
        """Apply the record or make a dead letter of it."""
        event = self.handler.decoder.decode(record.key, record.value, record.headers)
        if isinstance(event, Failure):
            self._bury(record, event)
            return
        key = record.key or b""
        before = self.sites.get(key)
        if before is None and (row := self.stored[key]) is not None:
            before = decode_site(row)
        try:
            match fold(before, event, self.now, record.offset):
                case Failure() as failure:
                    self._bury(record, failure)
                case Duplicate():
                    self.counts["duplicate"] += 1
                case Applied() as applied:
                    messages = self._decide(record, event, applied)
                    if too_large := self._too_large(record, applied.site, messages):
                        self._bury(record, too_large)
                    else:
                        audit = self._audit(record, event, before, applied)
                        self._accept(key, before, applied, messages)
                        self.audits.append(audit)
        except Exception as bug:  # noqa: BLE001 -- a bug in a rule costs the record it met, not the batch
            self._bury(record, Failure("rule", "rule_failed", f"{type(bug).__name__}: {bug}"))

    def _decide(self, record: Record, event: Event, applied: Applied) -> list[tuple[str, Message]]:
        origin = Origin(self.batch.topic, self.batch.partition, record.offset)
        site = applied.site
        decision = self.rules.decide(site, event, applied.changed, self.now, origin)
        if decision.commands:
            site.commands = {**site.commands, **{one.target: one.command_id for one in decision.commands}}
        site.waiting = decision.waiting
        return [
            (command.target, (record.key, encode_command(command), command_headers(command)))
            for command in decision.commands
        ]

    def _too_large(self, record: Record, site: Site, messages: list[tuple[str, Message]]) -> Failure | None:
        """Why the row or a command would not fit where records do. A site can always be deleted."""
        key = record.key or b""
        known = self.sizes.get(key)
        size_bytes = len(record.value or b"") + (len(self.stored[key] or b"") if known is None else known)
        if size_bytes > SMALL_BYTES:
            size_bytes = len(encode_site(site))
        self.sizes[key] = size_bytes
        largest = max([size_bytes, *(len(value or b"") for _, (_, value, _) in messages)])
        if largest <= LARGEST_BYTES or site.deleted_at is not None:
            return None
        return Failure("validate", "site_too_large", f"it would have {largest} bytes; the limit is {LARGEST_BYTES}")

    def _accept(self, key: bytes, before: Site | None, applied: Applied, messages: list[tuple[str, Message]]) -> None:
        self.sites[key] = applied.site
        for one in applied.site.waiting:
            self.waiting[one.target] += 1
        for one in before.waiting if before is not None else ():
            self.waiting[one.target] -= 1
        for target, message in messages:
            self.sends.setdefault(self.handler.commands_topics[target], []).append(message)
            self.made[target] += 1
        self.counts["applied"] += 1
        self.counts["out_of_order"] += applied.out_of_order

    def _audit(self, record: Record, event: Event, before: Site | None, applied: Applied) -> Message:
        handler, batch = self.handler, self.batch
        old, new = difference(before, applied.site, applied.changed)
        audit = AuditRecord(
            f"event:{_producer(record, event) or batch.topic}",
            self.now,
            event.type,
            "site",
            event.site_id,
            event.site_id,
            handler.masks(old),
            handler.masks(new),
            event.event_id,
            f"{batch.topic}/{batch.partition}/{record.offset}",
            self.rules.config_id,
        )
        return record.key, encode_audit(audit), []

    def _bury(self, record: Record, failure: Failure) -> None:
        headers = dead_letter_headers(
            failure, topic=self.batch.topic, partition=self.batch.partition, offset=record.offset, time=self.now
        )
        message = (record.key, record.value, [*record.headers, *headers])
        self.sends.setdefault(self.handler.dead_letter_topic, []).append(message)
        self.dead[failure.stage, failure.reason] += 1

    def outcome(self) -> Outcome:
        """What the transaction is to hold."""
        rows: list[Row] = [(key, encode_site(site)) for key, site in self.sites.items()]
        sends = {**self.sends, self.handler.audit_topic: self.audits}
        return Outcome([*rows, *self._revision()], sends, self._count)

    def _revision(self) -> list[Row]:
        """The rules, if others decided the batch before."""
        config_id = self.rules.config_id.encode()
        if self.decided_by == config_id:
            return []
        return [
            (CURRENT_KEY, config_id),
            (revision_key(self.batch.first_offset), encode_revision(self.rules)),
        ]

    def _count(self) -> None:
        metrics = self.handler.metrics
        metrics.events_applied.inc(self.counts["applied"])
        metrics.events_duplicate.inc(self.counts["duplicate"])
        metrics.events_out_of_order.inc(self.counts["out_of_order"])
        for target, count in self.made.items():
            metrics.commands.labels(target).inc(count)
        for target, count in self.waiting.items():
            metrics.rules_waiting.labels(target).inc(count)
        for (stage, reason), count in self.dead.items():
            metrics.dead_letters.labels(self.batch.topic, stage, reason).inc(count)


def _producer(record: Record, event: Event) -> str | None:
    """The system that says it sent the event, in the header `source_system` or in the field of that name."""
    for name, text in record.headers:
        if name == PRODUCER and text:
            return text.decode("utf-8", "replace")
    system = event.payload.get(PRODUCER)
    return system if isinstance(system, str) else None
