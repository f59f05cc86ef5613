"""Fold the log again with the pure rules, and compare with what the tables and the targets' topics hold."""

from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiokafka
import msgspec
from aiokafka import AIOKafkaConsumer

from sitehub.agents.sites import SiteHandler
from sitehub.codecs.audit import decode_audit
from sitehub.codecs.commands import decode_command
from sitehub.codecs.revisions import REVISION_PREFIX, UnknownRevisionError, decode_revision, revision_offset
from sitehub.codecs.rows import decode_site
from sitehub.engine.batch import PartitionBatch, Record
from sitehub.engine.records import lean_consumer
from sitehub.engine.store import OFFSET_KEY
from sitehub.rules.site import Site
from sitehub.rules.transformations import Transformation

FETCH_BYTES = 4 << 20
POLL_MS = 200
BATCH_RECORDS = 5_000
NUL = b"\x00"
"""Keys that begin with it are no site's."""
TIMES = ("created_at", "updated_at", "deleted_at")
"""Of application: they differ each time the log is folded."""


class Difference(msgspec.Struct, frozen=True):
    """Something that is not as the log says. `kind` is site, command, dead_letter, audit, or rules if not known."""

    partition: int
    kind: str
    key: str
    expected: str
    found: str


@dataclass(slots=True)
class Report:
    """What was compared."""

    events: int = 0
    sites: int = 0
    commands: int = 0
    dead_letters: int = 0
    audits: int = 0
    configurations: list[str] = field(default_factory=list)
    """Ids of those whose rules decided, in their order."""
    cut_partitions: list[int] = field(default_factory=list)
    """Whose log no longer begins at 0: retention has dropped what their sites were made of."""
    differences: list[Difference] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Refold:
    """Compares one partition after another; a running hub is compared as of each partition's last transaction.

    Each event is decided by the rules that the partition's table names for its offset; events from before the first
    that are named, by those of `handler`.
    """

    client: Mapping[str, Any]
    handler: SiteHandler
    source: str
    changelog: str
    transformations: Mapping[str, Transformation]
    commands: Callable[[str], str]
    """Topic of a target's commands."""

    async def compare(self, number: int, report: Report) -> None:
        """Add what partition `number` shows to `report`."""
        rows: dict[bytes, bytes] = {}
        async for record in self._read(self.changelog, number):
            if record.value is None:
                rows.pop(record.key or b"", None)
            else:
                rows[record.key or b""] = record.value
        end = int(rows.pop(OFFSET_KEY, b"0"))
        try:
            handlers = self._handlers(rows, report)
        except UnknownRevisionError as error:
            report.differences.append(Difference(number, "rules", "", "rules that can be compiled", str(error)))
            return
        folded, sent = await self._fold(number, end, handlers, report)
        if number in report.cut_partitions:
            return
        rows = {key: row for key, row in rows.items() if not key.startswith(NUL)}
        report.sites += len(folded)
        for key in sorted(folded.keys() | rows.keys()):
            expected, found = _comparable(folded.get(key)), _comparable(rows.get(key))
            if expected != found:
                report.differences.append(Difference(number, "site", key.decode(), expected, found))
        for topic, expected_ids in sent.items():
            await self._compare_sent(topic, number, expected_ids, end, report)

    def _handlers(self, rows: Mapping[bytes, bytes], report: Report) -> deque[tuple[int, SiteHandler]]:
        """What decides from which offset on, in their order."""
        handlers = deque([(0, self.handler)])
        for key in sorted(key for key in rows if key.startswith(REVISION_PREFIX)):
            rules = decode_revision(rows[key], self.transformations)
            topics = self.handler.commands_topics | {target: self.commands(target) for target in rules.targets}
            handler = replace(self.handler.deciding_by(rules), commands_topics=topics)
            handlers.append((revision_offset(key), handler))
            if rules.config_id not in report.configurations:
                report.configurations.append(rules.config_id)
        return handlers

    async def _fold(
        self, number: int, end: int, handlers: deque[tuple[int, SiteHandler]], report: Report
    ) -> tuple[dict[bytes, bytes], dict[str, Counter[str]]]:
        """Rows and what was sent, by topic, of all events before offset `end`."""
        rows: dict[bytes, bytes] = {}
        topics = {topic for _, handler in handlers for topic in handler.sends}
        sent: dict[str, Counter[str]] = {topic: Counter() for topic in sorted(topics)}
        batch: list[Record] = []

        def fold() -> None:
            if batch:
                handler = handlers[0][1]
                outcome = handler(PartitionBatch(self.source, number, batch), lambda keys: [*map(rows.get, keys)])
                rows.update({key: row for key, row in outcome.rows if row is not None and not key.startswith(NUL)})
                for topic, messages in outcome.sends.items():
                    kind = self._kind(topic)
                    sent[topic].update(_identity(kind, value, headers) for _, value, headers in messages)
                report.events += len(batch)
                batch.clear()

        first = True
        async for record in self._read(self.source, number):
            if first and record.offset > 0:
                report.cut_partitions.append(number)
                return {}, {}
            first = False
            if record.offset >= end:
                break
            while len(handlers) > 1 and handlers[1][0] <= record.offset:
                fold()
                handlers.popleft()
            batch.append(record)
            if len(batch) >= BATCH_RECORDS:
                fold()
        fold()
        return rows, sent

    async def _compare_sent(self, topic: str, number: int, expected: Counter[str], end: int, report: Report) -> None:
        """Commands, dead letters and audit records that were made before source offset `end`: each once."""
        kind = self._kind(topic)
        found: Counter[str] = Counter()
        async for record in self._read(topic, number):
            name = _identity(kind, record.value, record.headers)
            if kind == "audit" and not name.startswith(f"{self.source}/"):
                continue  # of a delivery or an operator
            if name in expected or _source_offset(kind, name, record) < end:  # else it was made after we looked
                found[name] += 1
        match kind:
            case "command":
                report.commands += expected.total()
            case "audit":
                report.audits += expected.total()
            case _:
                report.dead_letters += expected.total()
        for name in expected.keys() | found.keys():
            if found[name] != expected[name]:
                report.differences.append(Difference(number, kind, name, f"{expected[name]} x", f"{found[name]} x"))

    def _kind(self, topic: str) -> str:
        if topic == self.handler.audit_topic:
            return "audit"
        return "dead_letter" if topic == self.handler.dead_letter_topic else "command"

    async def _read(self, topic: str, number: int) -> AsyncIterator[Record]:
        """All committed records from the first that is kept to the end as it is now."""
        tp = aiokafka.TopicPartition(topic, number)
        async with _consumer(self.client, tp) as consumer:
            end = (await consumer.end_offsets([tp]))[tp]
            while await consumer.position(tp) < end:
                for record in (await consumer.getmany(timeout_ms=POLL_MS)).get(tp, []):
                    yield record


@asynccontextmanager
async def _consumer(client: Mapping[str, Any], tp: aiokafka.TopicPartition) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = lean_consumer(dict(client), FETCH_BYTES)
    await consumer.start()
    try:
        consumer.assign([tp])
        consumer.seek(tp, (await consumer.beginning_offsets([tp]))[tp])
        yield consumer
    finally:
        await consumer.stop()


def _identity(kind: str, value: bytes | None, headers: list[tuple[str, bytes]]) -> str:
    """A command's id, the offset of the record that a dead letter was, or the name of the one that was audited."""
    if kind == "audit":
        return decode_audit(value or b"").source
    fields = dict(headers)
    return (fields.get("dead-letter.offset") or fields.get("command_id") or b"").decode()


def _source_offset(kind: str, name: str, record: Record) -> int:
    return decode_command(record.value or b"").source_offset if kind == "command" else int(name.rpartition("/")[2])


def _comparable(row: bytes | None) -> str:
    """A site without the times of application."""
    if row is None:
        return "nothing"
    site = decode_site(row)
    plain = dict.fromkeys(TIMES, "")
    plain["deleted_at"] = "deleted" if site.deleted_at else ""
    waiting = [msgspec.structs.replace(one, since="") for one in site.waiting]
    comparable: Site = msgspec.structs.replace(site, **plain, waiting=waiting)
    return msgspec.json.encode(comparable, order="sorted").decode()
