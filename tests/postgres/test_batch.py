"""Batch runs on a real PostgreSQL, against a target that keeps what it is told."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from sitehub.agents.batch_calls import TargetError
from sitehub.rules.batch_pages import Position
from sitehub.stores.postgres.address import connect
from sitehub.stores.postgres.batch_ledger import Advance, BatchLedger, LeaseLostError
from sitehub.stores.postgres.batch_source import BatchSource
from sitehub.stores.postgres.sql import statement
from sitehub.tests.postgres.batch_worker import CONFIG, OPERATION, Scene, Worker, eventually, serving
from sitehub.tests.postgres.conftest import Database
from sitehub.tests.postgres.site_rows import UPDATE, fill

START = datetime(2026, 11, 24, tzinfo=UTC)
GUIDE = json.loads((CONFIG / "billing.json").read_bytes())["batch_sync_config"]["sync_operations"]


@pytest.fixture
async def scene(postgres: Database, owner: Any, application: Any, tmp_path: Path) -> AsyncIterator[Scene]:
    async with serving() as sink:
        yield Scene(postgres, sink, owner, application, tmp_path)


async def names_in(connection: Any) -> dict[str, str]:
    rows = await connection.fetch("SELECT site_id, site_name FROM public.customer_sites")
    return {row["site_id"]: row["site_name"] for row in rows}


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_changes_while_runs_come_and_break_off_is_told_in_the_end(scene: Scene, seed: int) -> None:
    """Rows get any time, old or new; their transactions end before, within or after runs, which break off anywhere."""
    chance, worker, sink = random.Random(seed), scene.worker(), scene.sink
    await fill(scene.owner, 60)
    changes = Changes(chance, [await connect(scene.postgres.owner_dsn) for _ in range(3)])

    async def change_and_break_off(_body: dict[str, Any]) -> int:
        if chance.random() < 0.3:
            await changes.one()
        return 404 if chance.random() < 0.2 else 200

    sink.answer = change_and_break_off
    broken = 0
    for _ in range(10):
        try:
            await worker.run(scene.application)
        except TargetError:
            broken += 1
        while sink.open:
            await asyncio.sleep(0.01)
        await changes.one()
    await changes.end()
    sink.answer = sink.take
    for _ in range(2):  # what is left of one, and what it could not see
        await worker.run(scene.application)

    assert sink.names() == await names_in(scene.owner)
    assert broken
    contents: dict[str, set[str]] = {}
    for key, body in zip(sink.keys, sink.bodies, strict=True):
        contents.setdefault(key, set()).add(json.dumps(body))
    assert all(len(found) == 1 for found in contents.values())


class Changes:
    """Updates in transactions that stay open until their connection's turn comes again."""

    def __init__(self, chance: random.Random, writers: list[Any]) -> None:
        self.chance, self.writers = chance, writers
        self.opened: dict[Any, Any] = {}
        self.number = 0
        self.turn = asyncio.Lock()

    async def one(self) -> None:
        """Change a site, or commit what was changed before. Each connection has sites of its own: none waits."""
        async with self.turn:
            self.number += 1
            lot = self.chance.randrange(len(self.writers))
            writer = self.writers[lot]
            if writer in self.opened:
                await self.opened.pop(writer).commit()
                return
            self.opened[writer] = transaction = writer.transaction()
            await transaction.start()
            site_id = f"site-{self.chance.randrange(20) * 3 + lot:05}"
            moment = START + timedelta(seconds=self.chance.randrange(200))
            await writer.execute(UPDATE, site_id, f"name {self.number}", moment)

    async def end(self) -> None:
        for transaction in self.opened.values():
            await transaction.commit()
        for writer in self.writers:
            await writer.close()


async def test_a_late_row_is_sent_without_all_that_is_newer(scene: Scene) -> None:
    worker = scene.worker()
    await fill(scene.owner, 40)
    await worker.run(scene.application)
    scene.sink.bodies.clear()

    await scene.owner.execute(UPDATE, "site-00003", "late", START + timedelta(seconds=3))
    await worker.run(scene.application)

    assert scene.sink.told() == {"site-00003": 1, "site-00039": 1}  # the last one is as new as the watermark itself
    assert scene.sink.names()["site-00003"] == "late"


async def test_a_run_from_a_time_on_sends_again_and_leaves_the_watermark(scene: Scene) -> None:
    worker = scene.worker()
    await fill(scene.owner, 40)
    await worker.run(scene.application)
    before = await scene.application.fetchrow(statement("batch_state"), OPERATION)
    scene.sink.bodies.clear()

    await worker.run(scene.application, since=START + timedelta(seconds=30))

    assert scene.sink.told() == Counter(f"site-{number:05}" for number in range(30, 40))
    assert await scene.application.fetchrow(statement("batch_state"), OPERATION) == before


async def test_one_of_four_gets_the_lease_another_once_it_is_over_and_then_the_first_can_write_nothing(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitehub.stores.postgres.batch_ledger.LEASE_SECONDS", 0.6)
    monkeypatch.setattr("sitehub.stores.postgres.batch_ledger.MARGIN_SECONDS", 0.2)
    connections = [await connect(postgres.dsn) for _ in range(4)]
    ledgers = [BatchLedger(connection, f"worker-{number}") for number, connection in enumerate(connections)]
    await ledgers[0].state(OPERATION)
    await connections[0].fetchval(statement("request_run"), OPERATION, "operator", "test", None)

    leases = await asyncio.gather(*(ledger.take(OPERATION) for ledger in ledgers))

    ((first, lease),) = [(number, lease) for number, lease in enumerate(leases) if lease is not None]
    await ledgers[first].renew(lease)
    run = await ledgers[first].next_run(OPERATION)
    assert run is not None
    await ledgers[first].start(run, lease, None, None, 0)
    other = ledgers[(first + 1) % 4]
    assert await other.take(OPERATION) is None
    async with asyncio.timeout(5):
        while await other.take(OPERATION) is None:
            await asyncio.sleep(0.05)
    with pytest.raises(LeaseLostError):
        lease.check()
    late_one = ledgers[first]
    moved = late_one.advance(run, lease, Position(START, "site-00001"), 1, Advance(rows=1))
    for late in (late_one.renew(lease), moved, late_one.complete(run, lease)):
        with pytest.raises(LeaseLostError):
            await late
    again = await other.next_run(OPERATION)
    assert again is not None
    assert (again.run_id, again.is_running) == (run.run_id, True)
    for connection in connections:
        await connection.close()


async def test_two_workers_that_both_think_they_lead_run_a_request_once(scene: Scene) -> None:
    await fill(scene.owner, 300)

    async def slowly(_body: dict[str, Any]) -> int:
        await asyncio.sleep(0.01)
        return 200

    scene.sink.answer = slowly
    async with scene.worker("worker-1").running() as one, scene.worker("worker-2").running() as other:
        await scene.request()
        await eventually(lambda: sum(scene.sink.told().values()) >= 300)
        await eventually(lambda: not (is_running(one) or is_running(other)))

    assert scene.sink.told() == Counter(f"site-{number:05}" for number in range(300))


def is_running(worker: Worker) -> bool:
    return bool(worker.sync.report()["operations"][OPERATION]["running"])


async def test_a_server_that_is_killed_in_the_middle_loses_nothing(scene: Scene) -> None:
    sink = scene.sink
    await fill(scene.owner, 300)
    await scene.request()
    killed = asyncio.Event()

    async def kill(_body: dict[str, Any]) -> int:
        await asyncio.sleep(0.005)
        if len(sink.bodies) == 20 and not killed.is_set():
            killed.set()
            scene.postgres.server.kill()
        return 200

    sink.answer = kill
    async with scene.worker().running() as worker:
        await asyncio.wait_for(killed.wait(), 20)
        await eventually(lambda: not worker.sync.is_well)
        scene.postgres.server.start()
        await eventually(lambda: len(sink.told()) == 300, 30)
        await eventually(lambda: worker.sync.is_well)

    assert sum(sink.told().values()) <= 300 + 5 * 3 * 5
    connection = await connect(scene.postgres.dsn)
    (row,) = await connection.fetch(statement("batch_history"), None, 5)
    assert (row["state"], row["rows_done"], row["error"]) == ("completed", 300, None)
    await connection.close()


async def test_a_call_that_is_refused_whatever_its_rows_are_makes_no_dead_letters(scene: Scene) -> None:
    await fill(scene.owner, 30)

    async def forbid(_body: dict[str, Any]) -> int:
        return 403

    scene.sink.answer = forbid
    async with scene.worker().running() as worker:
        await scene.request()
        await eventually(lambda: not worker.sync.is_well)

    assert "HTTP 403" in str(worker.sync.report()["operations"][OPERATION]["trouble"])
    assert worker.buried == []
    (row,) = await scene.history()
    assert (row["state"], row["rows_done"], "HTTP 403" in row["error"]) == ("running", 0, True)


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("SELECT * FROM customer_site WHERE updated_at >= ?", 'relation "customer_site" does not exist'),
        ("SELECT * FROM customer_sites WHERE updatedat >= ?", 'column "updatedat" does not exist'),
        ("SELECT site_id FROM customer_sites WHERE updated_at >= ?", "no column 'updated_at'"),
        ("SELECT updated_at FROM customer_sites WHERE updated_at >= ?", "no column 'site_id'"),
        ("SELECT site_id, version FROM customer_sites WHERE version >= ?", "must be timestamptz"),
        (
            "WITH gone AS (DELETE FROM customer_sites RETURNING *) SELECT * FROM gone WHERE updated_at >= ?",
            "permission denied for table customer_sites",
        ),
    ],
)
async def test_a_query_with_a_mistake_is_told_and_the_other_operations_run(
    scene: Scene, query: str, problem: str
) -> None:
    operations = [{**GUIDE[0], "operation": "wrong", "source_query": query}, GUIDE[0]]
    await fill(scene.owner, 10)

    async with scene.worker(sync_operations=operations).running() as worker:
        await scene.request("wrong")
        await scene.request()
        await eventually(lambda: len(scene.sink.told()) == 10)

    assert problem in str(worker.sync.report()["operations"]["wrong"]["problem"])
    assert not worker.sync.is_well
    assert await scene.owner.fetchval("SELECT count(*) FROM public.customer_sites") == 10


async def test_not_even_who_may_write_can_write_through_a_query(scene: Scene) -> None:
    await fill(scene.owner, 10)

    async with BatchSource(scene.worker().source.servers[-1:], 5).reading() as reading:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await reading.connection.execute("DELETE FROM customer_sites")


async def test_a_query_that_takes_too_long_is_cut(scene: Scene) -> None:
    slow = "SELECT * FROM customer_sites, pg_sleep(30) WHERE updated_at >= ?"
    await fill(scene.owner, 10)
    worker = scene.worker(statement_timeout=200, sync_operations=[{**GUIDE[0], "source_query": slow}])

    with pytest.raises(Exception, match="statement timeout"):
        await worker.run(scene.application)


async def test_rows_are_read_from_the_primary_while_the_replica_is_away(scene: Scene) -> None:
    worker = scene.worker()
    _, primary = worker.source.servers
    worker.source = BatchSource([replace(primary, port=1), primary], 5)
    await fill(scene.owner, 10)

    await worker.run(scene.application)

    assert len(scene.sink.told()) == 10


@pytest.mark.parametrize(("minutes", "runs"), [(0, 0), (70, 1), (3 * 24 * 60, 1)])
async def test_a_time_of_the_crontab_is_made_up_for_once(scene: Scene, minutes: int, runs: int) -> None:
    """As if the operation had last been looked at so many minutes ago."""
    worker = scene.worker(schedule="0 * * * *", sync_operations=[GUIDE[0]])
    await BatchLedger(scene.application, "w").state(OPERATION)
    moved = "UPDATE integration.watermarks SET scheduled_from = now() - $1 * interval '1 minute'"
    await scene.owner.execute(moved, minutes)
    await fill(scene.owner, 3)

    async with worker.running():
        await eventually(lambda: len(scene.sink.bodies) == runs)
        await asyncio.sleep(1.5)  # it looks once more

    found = await scene.history()
    assert [(row["cause"], row["actor"]) for row in found] == [("schedule", "schedule")] * runs
    assert len(scene.sink.bodies) == runs
