"""The audit log in PostgreSQL: written once, only added to, and whatever is done to it by hand is found."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from sitehub.codecs.audit import encode_audit
from sitehub.rules.audit import AuditRecord
from sitehub.rules.audit_check import Check
from sitehub.rules.times import rfc3339
from sitehub.stores.postgres.address import connect
from sitehub.stores.postgres.audit_log import Wanted, check, newest
from sitehub.stores.postgres.audit_rows import AuditRows
from sitehub.stores.postgres.positions import At, advance, load_positions
from sitehub.tests.postgres.conftest import Database

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CONSUMER, TOPIC = "reader", "audit-log"


@dataclass(frozen=True, slots=True)
class Read:
    """A record as a consumer reads it."""

    offset: int
    value: bytes | None
    partition: int = 0
    topic: str = TOPIC
    timestamp: int = int(NOW.timestamp() * 1000)
    key: bytes | None = None


def record(offset: int, partition: int = 0, at: datetime = NOW, **fields: Any) -> Read:
    audit = AuditRecord(
        **{
            "actor": "event:crm",
            "at": rfc3339(at.timestamp() + offset / 1000),
            "action": "site_updated",
            "entity_type": "site",
            "entity_id": f"s{offset}",
            "site_id": f"s{offset}",
            "before": {"version": offset},
            "after": {"version": offset + 1},
            "correlation_id": f"e{offset}",
            "source": f"events/{partition}/{offset}",
            "config_id": "c0ffee",
            **fields,
        }
    )
    return Read(offset, encode_audit(audit), partition)


async def write(connection: Any, records: Sequence[Read]) -> None:
    """As the consumer does: rows and offsets in one transaction."""
    rows = AuditRows()
    ends: dict[int, int] = {}
    for one in records:
        ends[one.partition] = one.offset + 1
    async with connection.transaction():
        known = await load_positions(connection, CONSUMER, [At(TOPIC, partition) for partition in ends])
        await advance(connection, CONSUMER, {at: (offset, ends[at.partition]) for at, offset in known.items()})
        await rows.write(connection, [rows.row(one) for one in records])


async def look(connection: Any) -> Check:
    checked, _ = await check(connection, TOPIC, {}, lambda _done, _all: None)
    return checked


def told(checked: Check) -> list[tuple[str, int]]:
    return [(one.kind, one.position) for one in checked.findings]


async def tamper(owner: Any, statement: str) -> None:
    """As somebody who may do anything, and knows of the triggers."""
    async with owner.transaction():
        await owner.execute("SET LOCAL session_replication_role = replica")
        assert (await owner.execute(statement)).split()[-1] != "0"


async def test_what_was_written_in_several_batches_and_partitions_is_found_good(application: Any) -> None:
    for first in range(0, 60, 20):
        await write(application, [record(offset, offset % 3) for offset in range(first, first + 20)])

    checked = await look(application)

    assert (checked.findings, checked.rows) == ([], 60)


async def test_a_batch_that_is_not_committed_leaves_nothing_and_comes_again(application: Any) -> None:
    await write(application, [record(0), record(1)])
    transaction = application.transaction()
    await transaction.start()
    await write(application, [record(2), record(3)])
    await transaction.rollback()

    await write(application, [record(2), record(3)])

    checked = await look(application)
    assert (checked.findings, checked.rows) == ([], 4)


async def test_partitions_are_written_at_the_same_time(postgres: Database, application: Any) -> None:
    other = await connect(postgres.dsn)
    await write(application, [record(0), record(0, partition=1)])
    async with application.transaction():
        await write(application, [record(1)])

        async with asyncio.timeout(10):
            await write(other, [record(1, partition=1)])

    assert told(await look(application)) == []
    await other.close()


HOSTILE = ["\x00", "' OR 1=1; --", '"\\', "\u202eevil\u2066", "é" * 200_000, "{}", "\x01\x7f", "", "😀" * 600]


async def test_hostile_texts_are_stored_and_chained(application: Any) -> None:
    records = [
        record(number, site_id=text, entity_id=text, correlation_id=text, after={"version": 2, text: text})
        for number, text in enumerate(HOSTILE)
    ]

    await write(application, records)

    checked = await look(application)
    assert (checked.findings, checked.rows) == ([], len(HOSTILE))
    (found,) = await newest(application, Wanted(site_id="' OR 1=1; --"))
    assert found["correlation_id"] == "' OR 1=1; --"


async def test_a_record_that_can_not_be_read_has_a_row_that_says_so(application: Any) -> None:
    await write(application, [record(0), Read(1, b"{"), Read(2, None), record(3, at=NOW.replace(year=1))])

    checked = await look(application)
    assert (checked.findings, checked.rows) == ([], 4)
    found = await newest(application, Wanted(action="unreadable"))
    assert [one["entity_id"] for one in found] == ["audit-log/0/1", "audit-log/0/2"]


async def test_a_row_that_was_changed_by_hand_is_named(application: Any, owner: Any) -> None:
    await write(application, [record(offset) for offset in range(10)])

    await tamper(owner, "UPDATE integration.audit_log SET actor = 'event:nobody' WHERE log_offset = 4")

    (finding,) = (await look(application)).findings
    assert (finding.kind, finding.day, finding.chain, finding.position, finding.log_offset) == (
        "changed",
        NOW.date(),
        0,
        5,
        4,
    )


@pytest.mark.parametrize("column", ["before", "after"])
async def test_even_a_blank_in_a_document_is_seen(application: Any, owner: Any, column: str) -> None:
    await write(application, [record(offset) for offset in range(3)])

    await tamper(owner, f"UPDATE integration.audit_log SET {column} = ({column} || ' ')::json WHERE log_offset = 1")

    assert told(await look(application)) == [("changed", 2)]


async def test_rows_that_were_deleted_by_hand_are_named_also_the_last_ones(application: Any, owner: Any) -> None:
    await write(application, [record(offset) for offset in range(10)])

    await tamper(owner, "DELETE FROM integration.audit_log WHERE log_offset IN (3, 9)")

    assert [one.text for one in (await look(application)).findings] == [
        "row 4 is missing",
        "row 10 is missing at the end of the chain",
    ]


async def test_an_end_that_was_cut_off_with_its_head_is_missed(application: Any, owner: Any) -> None:
    await write(application, [record(offset) for offset in range(10)])

    await tamper(owner, "DELETE FROM integration.audit_log WHERE log_offset > 5")
    await tamper(
        owner,
        "UPDATE integration.audit_heads SET (rows, hash, last_offset) = "
        "(SELECT position, hash, log_offset FROM integration.audit_log WHERE log_offset = 5)",
    )

    (finding,) = (await look(application)).findings
    assert "read up to offset 9" in finding.text


async def test_a_row_that_was_inserted_by_hand_is_named(application: Any, owner: Any) -> None:
    await write(application, [record(offset) for offset in range(5)])

    await tamper(
        owner,
        """INSERT INTO integration.audit_log SELECT day, chain, 77, at + interval '1 s', 'event:nobody', action,
           entity_type, entity_id, site_id, before, after, correlation_id, source, config_id, position + 1, hash, hash
           FROM integration.audit_log WHERE log_offset = 4""",
    )

    (finding,) = (await look(application)).findings
    assert (finding.kind, finding.position, finding.log_offset) == ("inserted", 6, 77)


async def test_rows_that_changed_places_are_found(application: Any, owner: Any) -> None:
    await write(application, [record(offset) for offset in range(6)])

    await tamper(owner, "UPDATE integration.audit_log SET position = 5 - position WHERE position IN (2, 3)")

    assert ("broken", 2) in told(await look(application))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE integration.audit_log SET actor = 'x'",
        "DELETE FROM integration.audit_log",
        "TRUNCATE integration.audit_log",
        "DROP TABLE integration.audit_log",
        "ALTER TABLE integration.audit_log DISABLE TRIGGER append_only",
        "SET session_replication_role = replica",
        "DELETE FROM integration.audit_heads",
        "UPDATE integration.audit_heads SET rows = rows - 1, last_offset = last_offset + 1",
        "UPDATE integration.audit_heads SET rows = rows + 1, last_offset = last_offset - 1",
        "UPDATE integration.audit_heads SET begins = hash, rows = rows + 1, last_offset = last_offset + 1",
    ],
)
async def test_the_application_can_only_add(application: Any, statement: str) -> None:
    await write(application, [record(offset) for offset in range(3)])

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await application.execute(statement)

    assert told(await look(application)) == []


async def test_the_owner_does_not_change_a_row_by_mistake(application: Any, owner: Any) -> None:
    await write(application, [record(0)])

    for statement in ("UPDATE integration.audit_log SET actor = 'x'", "DELETE FROM integration.audit_log"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only added to"):
            await owner.execute(statement)


async def test_what_has_expired_is_no_finding_and_what_was_dropped_before_is(application: Any, owner: Any) -> None:
    now = datetime.now(UTC)
    old = now - timedelta(days=500)
    await write(application, [record(offset, at=old) for offset in range(4)])
    await write(application, [record(offset, at=now) for offset in range(4, 7)])
    dropped = await application.fetch("SELECT integration.drop_expired_partitions()")
    assert len(dropped) == 1

    checked = await look(application)
    assert (checked.findings, checked.rows, checked.expired_rows) == ([], 3, 4)

    kept = await owner.fetchval("SELECT tableoid::regclass::text FROM integration.audit_log LIMIT 1")
    await owner.execute(f"DROP TABLE {kept}")
    (finding,) = (await look(application)).findings
    assert (finding.kind, finding.text) == ("deleted", "rows 1 to 3 are missing, all of the chain")


async def test_an_expired_day_of_which_rows_are_left_is_still_checked(application: Any, owner: Any) -> None:
    old = datetime.now(UTC) - timedelta(days=500)
    await write(application, [record(offset, at=old) for offset in range(4)])

    await tamper(owner, "DELETE FROM integration.audit_log")

    assert told(await look(application)) == [("deleted", 1)]


async def test_records_are_listed_by_what_is_asked_for(application: Any) -> None:
    await write(application, [record(offset) for offset in range(6)])
    await write(
        application,
        [
            record(6, actor="operator:ann", action="mapping_set", site_id=None),
            record(7, actor="operator:anna", site_id="s1"),
            record(8, actor="delivery:billing", site_id="s1"),
        ],
    )

    async def offsets(**wanted: Any) -> list[int]:
        return [one["log_offset"] for one in await newest(application, Wanted(**wanted))]

    assert await offsets(site_id="s1") == [1, 7, 8]
    assert await offsets(actor="operator") == [6, 7]
    assert await offsets(actor="operator:ann") == [6]
    assert await offsets(action="mapping_set") == [6]
    assert await offsets(limit=2) == [7, 8]
    assert await offsets(since=NOW + timedelta(milliseconds=2), until=NOW + timedelta(milliseconds=4)) == [2, 3]
    assert await offsets(site_id="nowhere") == []
