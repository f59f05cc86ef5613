"""The schema on a real server: applied once, by whoever comes first, and never silently changed."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from sitehub.stores.postgres.address import connect
from sitehub.stores.postgres.migrate import MigrationError, applied, carried, migrate
from sitehub.stores.postgres.schema import Schema, prepare, prepare_if_lacking
from sitehub.tests.postgres.conftest import Database

GUIDE_INDEXES = {
    "idx_sync_status_entity": "integration.sync_status USING btree (entity_type, entity_id)",
    "idx_sync_status_timestamp": "integration.sync_status USING btree (sync_timestamp)",
    "idx_data_mapping_source": "integration.data_mapping USING btree (source_system, source_field)",
}


async def test_workers_that_start_at_once_apply_each_step_once(empty: Database) -> None:
    connections = [await connect(empty.owner_dsn) for _ in range(4)]

    done = await asyncio.gather(*(migrate(connection, carried()) for connection in connections))

    assert sorted(map(len, done)) == [0, 0, 0, len(carried())]
    for connection in connections:
        await connection.close()


async def test_a_step_that_fails_leaves_nothing_of_itself_and_is_told(owner: Any) -> None:
    last = carried()[-1]
    broken = replace(last, version=9_000, name="9000_broken", sql="CREATE TABLE public.half (); SELECT 1 / 0")

    with pytest.raises(MigrationError, match="9000_broken: division by zero"):
        await migrate(owner, [*carried(), broken])

    assert await owner.fetchval("SELECT to_regclass('public.half')") is None
    assert "9000_broken" not in [row["name"] for row in await applied(owner)]


async def test_a_step_that_was_changed_after_it_was_applied_is_refused(owner: Any) -> None:
    steps = carried()
    steps[1] = replace(steps[1], checksum="another")

    with pytest.raises(MigrationError, match=r"0001_guide was applied with another text"):
        await migrate(owner, steps)


async def test_steps_of_a_newer_version_do_not_stop_an_older_one(owner: Any) -> None:
    assert await migrate(owner, carried()[:-1]) == []


async def test_the_guides_indexes_are_there(owner: Any) -> None:
    rows = await owner.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'integration'")

    found = {row["indexname"]: row["indexdef"].split(" ON ")[1] for row in rows}
    assert {name: found.get(name) for name in GUIDE_INDEXES} == GUIDE_INDEXES


async def test_retention_is_what_was_set_last(owner: Any) -> None:
    for keep in ("2 days", "3 years"):
        await prepare(owner, Schema("app_user", "readonly_user", {"audit_log": keep}))

    kept = await owner.fetchval("SELECT keep = '3 years' FROM integration.partitioned WHERE table_name = 'audit_log'")
    assert kept


async def test_a_worker_without_the_right_to_migrate_says_who_must_and_needs_none_when_it_is_done(
    empty: Database,
) -> None:
    worker, owner = await connect(empty.dsn), await connect(empty.owner_dsn)
    schema = Schema("app_user", "readonly_user")

    with pytest.raises(MigrationError, match="run sitehub database migrate as the owner of the schema"):
        await prepare_if_lacking(worker, schema)
    assert await prepare_if_lacking(owner, schema) == [step.name for step in carried()]
    assert await prepare_if_lacking(worker, schema) == []

    await owner.execute("DELETE FROM integration.migrations WHERE version = 0")
    with pytest.raises(MigrationError, match="run sitehub database migrate as the owner of the schema"):
        await prepare_if_lacking(worker, schema)
    for connection in (worker, owner):
        await connection.close()
