"""Records of `audit-log` as rows of `integration.audit_log`, chained by their hashes."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from sitehub.codecs.audit import read_audit, short_text
from sitehub.rules.audit_chain import Chains, Content, Head
from sitehub.stores.postgres.sql import statement
from sitehub.stores.postgres.storable import moment, storable_text, without_nul

COLUMNS = (*Content._fields, "position", "previous_hash", "hash")


class AuditRows:
    """Writes each record once; a record that can't be read has a row that says so: the log has no holes."""

    def __init__(self, on_closed: Callable[[Head], None] = lambda _head: None) -> None:
        """`on_closed` is told where a chain ends when the next one of its partition begins."""
        self._on_closed = on_closed

    def row(self, record: Any) -> Content:
        """The row, without its place in the chain."""
        try:
            audit = read_audit(record.value or b"")
            at = moment(audit.at) or _written(record)
        except (msgspec.MsgspecError, ValueError):
            return _unreadable(record)
        return Content(
            at.date(),
            record.partition,
            record.offset,
            at,
            audit_text(audit.actor),
            audit_text(audit.action),
            audit_text(audit.entity_type),
            audit_text(audit.entity_id),
            None if audit.site_id is None else audit_text(audit.site_id),
            without_nul(bytes(audit.before)).decode(),
            without_nul(bytes(audit.after)).decode(),
            audit_text(audit.correlation_id),
            audit_text(audit.source),
            audit_text(audit.config_id),
        )

    async def write(self, connection: Any, rows: Sequence[Content]) -> None:
        """Add the rows to their chains, in this order; the transaction must also hold how far the topic was read."""
        by_chain: dict[int, list[Content]] = defaultdict(list)
        for row in rows:
            by_chain[row.chain].append(row)
        moments = {(row.at.year, row.at.month): row.at for row in rows}
        await connection.execute(statement("ensure_audit_partitions"), list(moments.values()))
        days = sorted({(row.chain, row.day) for row in rows})
        stored = await connection.fetch(
            statement("audit_heads_for"), [chain for chain, _ in days], [day for _, day in days]
        )
        heads: list[Head] = []
        made: list[tuple[Any, ...]] = []
        for chain, contents in by_chain.items():
            chains = Chains(chain, [Head(**head) for head in stored if head["chain"] == chain])
            made += [(*one.content, one.position, one.previous_hash, one.hash) for one in chains.add(contents)]
            heads += chains.changed
            for head in chains.closed:
                self._on_closed(head)
        await connection.copy_records_to_table("audit_log", schema_name="integration", columns=COLUMNS, records=made)
        columns = [[getattr(head, name) for head in heads] for name in Head.__struct_fields__]
        await connection.execute(statement("upsert_audit_heads"), *columns)


def audit_text(text: str) -> str:
    """The text as a column has it: NUL made visible, shortened where an index takes no more."""
    return storable_text(short_text(text)) or ""


def _unreadable(record: Any) -> Content:
    value, place = record.value or b"", f"{record.topic}/{record.partition}/{record.offset}"
    at = _written(record)
    what = msgspec.json.encode({"bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}).decode()
    return Content(
        at.date(),
        record.partition,
        record.offset,
        at,
        "unknown",
        "unreadable",
        "record",
        place,
        None,
        "{}",
        what,
        "",
        place,
        "",
    )


def _written(record: Any) -> datetime:
    """When the record says that it was written."""
    return datetime.fromtimestamp(max(0, record.timestamp) / 1000, UTC)
