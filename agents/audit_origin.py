"""The audit log in PostgreSQL beside the topic that it was made of, as far back as that is kept."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import aiokafka
from aiokafka import AIOKafkaConsumer

from sitehub.rules.audit_chain import Content, Row
from sitehub.rules.audit_check import Finding
from sitehub.stores.postgres.audit_log import next_offsets, rows_of_chain
from sitehub.stores.postgres.audit_rows import AuditRows

FETCH_BYTES = 4 << 20
POLL_MS = 200
LATER = timedelta(days=1)
"""A record is not older than those before it in its partition by more, whatever the workers' clocks say."""


@dataclass(frozen=True, slots=True)
class AuditOrigin:
    """The topic `audit-log`."""

    client: Mapping[str, Any]
    topic: str

    async def compare(self, connection: Any, told: Callable[[int], None]) -> list[Finding]:
        """What the rows have that their records have not, and the other way round; raises KafkaError.

        `told` is told how many records were looked at since it was told last.
        """
        findings: list[Finding] = []
        for chain, end in sorted((await next_offsets(connection, self.topic)).items()):
            findings += [one async for one in self._compare(connection, chain, end, told)]
        return findings

    async def _compare(
        self, connection: Any, chain: int, end: int, told: Callable[[int], None]
    ) -> AsyncIterator[Finding]:
        expected = self._expected(chain, end, told)
        content = await anext(expected, None)
        if content is None:
            return
        async with connection.transaction(readonly=True):
            async for row in rows_of_chain(connection, chain, content.log_offset, end, content.at - LATER):
                while content is not None and content.log_offset < row.content.log_offset:
                    yield _finding("deleted", content, None, "the topic has this record, and there is no row of it")
                    content = await anext(expected, None)
                if content is None or content.log_offset > row.content.log_offset:
                    yield _finding("inserted", row.content, row, "the topic has no such record")
                else:
                    if content != row.content:
                        yield _finding(
                            "changed", row.content, row, f"the topic's record has another {_differing(content, row)}"
                        )
                    content = await anext(expected, None)
        while content is not None:
            yield _finding("deleted", content, None, "the topic has this record, and there is no row of it")
            content = await anext(expected, None)

    async def _expected(self, chain: int, end: int, told: Callable[[int], None]) -> AsyncIterator[Content]:
        """What the rows before offset `end` must have, as far back as the topic is kept."""
        tp, rows = aiokafka.TopicPartition(self.topic, chain), AuditRows()
        async with _consumer(self.client, tp) as consumer:
            while await consumer.position(tp) < end:
                records = (await consumer.getmany(timeout_ms=POLL_MS)).get(tp, [])
                for record in records:
                    if record.offset < end:
                        yield rows.row(record)
                told(len(records))


@asynccontextmanager
async def _consumer(client: Mapping[str, Any], tp: aiokafka.TopicPartition) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **client,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    try:
        consumer.assign([tp])
        consumer.seek(tp, (await consumer.beginning_offsets([tp]))[tp])
        yield consumer
    finally:
        await consumer.stop()


def _differing(content: Content, row: Row) -> str:
    pairs = zip(Content._fields, content, row.content, strict=True)
    return ", ".join(name for name, one, other in pairs if one != other)


def _finding(kind: str, content: Content, row: Row | None, text: str) -> Finding:
    day: date = content.day
    return Finding(kind, day, content.chain, row.position if row is not None else 0, content.log_offset, text)
