"""What grows with time: partitions that the application makes and drops without owning them; rows it can't change."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from sitehub.stores.postgres.address import connect
from sitehub.tests.postgres.conftest import Database

ENSURE = "SELECT integration.ensure_partitions($1, $2, $3)"
AUDIT = """INSERT INTO integration.audit_log (day, chain, log_offset, at, actor, action, entity_type, entity_id, before,
               after, correlation_id, source, config_id, position, previous_hash, hash)
           VALUES (current_date, 0, 0, now(), 'a', 'b', 'c', 'd', '{}', '{}', 'e', 'f', 'g', 1, '', '')"""


async def partitions(connection: Any, table: str) -> list[str]:
    rows = await connection.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::text::regclass ORDER BY 1",
        f"integration.{table}",
    )
    return [row["name"] for row in rows]


async def test_the_application_makes_the_partitions_of_a_span_in_utc(application: Any) -> None:
    await application.execute("SET timezone = 'Pacific/Auckland'")
    first = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)

    for _ in range(2):
        await application.execute(ENSURE, "metric_samples", first, first + timedelta(hours=1))

    assert await partitions(application, "metric_samples") == [
        "integration.metric_samples_20261231",
        "integration.metric_samples_20270101",
    ]


async def test_what_is_older_than_its_retention_is_dropped_and_nothing_else(application: Any) -> None:
    now = datetime.now(UTC)
    await application.execute(ENSURE, "metric_samples", now - timedelta(days=33), now)
    kept = [f"integration.metric_samples_{now - timedelta(days=age):%Y%m%d}" for age in range(30, -1, -1)]

    dropped = await application.fetch("SELECT integration.drop_expired_partitions()")

    assert len(dropped) == 3
    assert await partitions(application, "metric_samples") == kept


async def test_what_is_being_read_is_dropped_later_and_the_rest_at_once(application: Any, owner: Any) -> None:
    now = datetime.now(UTC)
    old = now - timedelta(days=500)
    for table in ("audit_log", "metric_samples"):
        await application.execute(ENSURE, table, old, old)
    reading = owner.transaction()
    await reading.start()
    await owner.fetch("SELECT FROM integration.audit_log")

    dropped = [row[0] for row in await application.fetch("SELECT integration.drop_expired_partitions()")]
    assert dropped == [f"metric_samples_{old:%Y%m%d}"]

    await reading.rollback()
    dropped = [row[0] for row in await application.fetch("SELECT integration.drop_expired_partitions()")]
    assert dropped == [f"audit_log_{old:%Y%m}01"]


async def test_the_application_adds_to_the_audit_log_and_can_change_nothing_in_it(application: Any) -> None:
    now = datetime.now(UTC)
    await application.execute(ENSURE, "audit_log", now, now)
    await application.execute(AUDIT)
    (partition,) = await partitions(application, "audit_log")

    for table in ("integration.audit_log", partition):
        for statement in (f"UPDATE {table} SET actor = 'x'", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await application.execute(statement)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await application.execute("UPDATE integration.partitioned SET keep = '0'")
    assert await application.fetchval("SELECT count(*) FROM integration.audit_log") == 1


async def test_readers_read_everything_and_write_nothing(postgres: Database) -> None:
    reader = await connect(postgres.server.dsn_of(postgres.name, "readonly_user"))

    assert await reader.fetchval("SELECT count(*) FROM customer_sites, contracts, integration.audit_log") == 0
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.execute("DELETE FROM customer_sites")
    await reader.close()
