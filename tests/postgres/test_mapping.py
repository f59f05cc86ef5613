"""The mapping in force follows the table on a real server, and what does not fit never takes effect."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from sitehub.agents.mapping_in_force import MappingInForce
from sitehub.agents.mapping_watch import MappingWatch
from sitehub.agents.sites import RulesInForce
from sitehub.postgres_wiring import database_address
from sitehub.rules.mapping import MappingEntry
from sitehub.settings import Settings, load_settings
from sitehub.stores.kept_mapping import KeptMapping
from sitehub.stores.postgres import mapping
from sitehub.stores.postgres.address import Address, connect
from sitehub.telemetry.metrics import Metrics
from sitehub.tests.postgres.conftest import SECRETS, Database
from sitehub.wiring import mapping_entries, sync_rules

CONFIG = Path(__file__).parents[2] / "config"
PLAIN = MappingEntry("address", "billing_address", "direct_mapping")


@dataclass
class Recorded:
    """Stands in for the audit log's topic."""

    config_id: str
    records: list[tuple[str, dict[str, Any], dict[str, Any]]] = field(default_factory=list)

    async def record(
        self, action: str, _type: str, _id: str, *, before: dict[str, Any], after: dict[str, Any], source: str
    ) -> None:
        assert source == "integration.data_mapping"
        self.records.append((action, before, after))


class Worker:
    """What of a worker has to do with mappings."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.rules = RulesInForce(sync_rules(settings))
        self.metrics = Metrics(CollectorRegistry())
        folder.mkdir(exist_ok=True)
        self.mapping = MappingInForce(settings, self.rules, sync_rules, KeptMapping(folder), self.metrics)
        self.trail = Recorded(settings.config_id)
        address = database_address(settings, "primary")
        assert isinstance(address, Address)
        trail: Any = self.trail
        self.watch = MappingWatch(address, self.mapping, mapping_entries(settings), trail)

    def entries(self) -> set[MappingEntry]:
        return set(self.rules.current.mappings["billing"].entries)

    def mistakes(self, reason: str) -> float:
        return self.metrics.registry.get_sample_value("sitehub_mapping_mistakes", {"reason": reason}) or 0


@pytest.fixture
def settings(postgres: Database, tmp_path: Path) -> Settings:
    overlay = tmp_path / "overlay.json"
    overlay.write_text(json.dumps(postgres.overlay))
    return load_settings([CONFIG, overlay], SECRETS)


@pytest.fixture
async def started(settings: Settings, tmp_path: Path) -> AsyncIterator[Callable[[str], Any]]:
    """Starts a worker by its name."""
    workers: list[Worker] = []

    async def start(name: str) -> Worker:
        worker = Worker(settings, tmp_path / name)
        workers.append(worker)
        await worker.watch.start()
        return worker

    yield start
    await asyncio.gather(*(worker.watch.stop() for worker in workers))


async def eventually(what: Callable[[], bool], seconds: float = 8) -> None:
    """Sooner than the next look of a worker: it was told."""
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.02)


async def test_the_guides_mapping_is_put_in_once_by_workers_that_start_at_once(started: Any, application: Any) -> None:
    workers = await asyncio.gather(*(started(f"worker-{number}") for number in range(3)))

    rows = await mapping.every_row(application, None)
    assert [(row["source_field"], row["target_field"]) for row in rows] == [
        ("site_id", "customer_id"),
        ("site_name", "customer_name"),
        ("address", "billing_address"),
        ("contract_info", "billing_configuration"),
    ]
    assert {worker.rules.current.config_id for worker in workers} == {workers[0].trail.config_id}
    assert [worker.mapping.source for worker in workers] == ["database"] * 3


async def test_a_row_that_is_changed_by_hand_takes_effect_in_every_worker_and_is_audited(
    started: Any, application: Any
) -> None:
    one, other = await started("one"), await started("other")
    before = one.rules.current.config_id

    await application.execute(
        "UPDATE integration.data_mapping SET transformation_rule = NULL WHERE target_field = 'billing_address'"
    )

    await eventually(lambda: PLAIN in one.entries() and PLAIN in other.entries())
    after = one.rules.current.config_id
    assert (after != before, other.rules.current.config_id) == (True, after)
    await eventually(lambda: bool(one.trail.records))
    (action, old, new), *more = one.trail.records
    assert (action, old["config_id"], new["config_id"], more) == ("mapping.in_force", before, after, [])
    assert "address_formatting" in json.dumps(old)
    assert "address_formatting" not in json.dumps(new)


@pytest.mark.parametrize(
    ("change", "reason", "told"),
    [
        ("SET transformation_rule = 'formating'", "unknown_transformation", "the unknown transformation 'formating'"),
        ("SET source_field = 'adress'", "unknown_field", "did you mean 'address'?"),
        ("SET target_field = 'customer_name', source_field = 'site_name'", "twice", "active twice"),
    ],
)
async def test_a_mapping_with_a_mistake_changes_nothing_and_says_why_until_it_is_mended(
    started: Any, application: Any, change: str, reason: str, told: str
) -> None:
    worker = await started("one")
    rules = worker.rules.current

    where = "WHERE target_system = 'billing' AND source_field = 'address'"
    identity = await application.fetchval(f"UPDATE integration.data_mapping {change} {where} RETURNING mapping_id")

    await eventually(lambda: worker.mapping.is_stale)
    assert worker.rules.current is rules
    assert worker.mistakes(reason) == 1
    assert told in worker.mapping.report()["mistakes"][0]

    mended = "source_field = 'address', target_field = 'billing_address', transformation_rule = 'address_formatting'"
    await application.execute(f"UPDATE integration.data_mapping SET {mended} WHERE mapping_id = $1", identity)

    await eventually(lambda: not worker.mapping.is_stale)
    assert (worker.mistakes(reason), worker.rules.current.config_id) == (0, rules.config_id)


async def test_without_a_notice_the_next_look_finds_the_change(
    started: Any, owner: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitehub.agents.mapping_watch.LOOK_SECONDS", 0.2)
    worker = await started("one")
    await owner.execute("ALTER TABLE integration.data_mapping DISABLE TRIGGER notify_data_mapping")

    await owner.execute("UPDATE integration.data_mapping SET transformation_rule = 'direct_mapping'")

    await eventually(lambda: PLAIN in worker.entries())


async def test_a_start_without_the_database_goes_on_with_what_the_worker_had_last(
    started: Any, postgres: Database, application: Any
) -> None:
    worker = await started("one")
    await application.execute("UPDATE integration.data_mapping SET transformation_rule = 'direct_mapping'")
    await eventually(lambda: PLAIN in worker.entries())
    config_id = worker.rules.current.config_id
    await worker.watch.stop()
    await application.close()
    postgres.server.kill()

    again, stranger = await started("one"), await started("another disk")

    assert (again.mapping.source, again.rules.current.config_id) == ("kept", config_id)
    assert PLAIN in again.entries()
    assert (stranger.mapping.source, PLAIN in stranger.entries()) == ("configuration", False)
    assert stranger.mapping.report()["error"]

    postgres.server.start()
    await eventually(lambda: again.mapping.source == stranger.mapping.source == "database", 15)
    assert stranger.rules.current.config_id == config_id


async def test_a_server_that_is_killed_and_comes_back_is_followed_again(started: Any, postgres: Database) -> None:
    worker = await started("one")
    postgres.server.kill()
    await eventually(lambda: worker.mapping.is_stale, 15)

    postgres.server.start()
    await eventually(lambda: not worker.mapping.is_stale, 15)
    connection = await connect(postgres.dsn)
    await connection.execute("UPDATE integration.data_mapping SET transformation_rule = 'direct_mapping'")
    await connection.close()

    await eventually(lambda: PLAIN in worker.entries())


async def test_a_silent_server_is_given_up_and_the_mapping_stays(
    started: Any, postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sitehub.agents.mapping_watch.LOOK_SECONDS", 0.2)
    monkeypatch.setattr("sitehub.agents.mapping_watch.ANSWER_SECONDS", 0.5)
    worker = await started("one")
    rules = worker.rules.current

    postgres.server.pause()
    await eventually(lambda: worker.mapping.is_stale)

    assert worker.rules.current is rules
    postgres.server.resume()
    await eventually(lambda: not worker.mapping.is_stale)


async def test_rows_of_others_are_none_of_our_business(started: Any, application: Any) -> None:
    worker = await started("one")
    rules = worker.rules.current
    insert = (
        "INSERT INTO integration.data_mapping (source_system, source_field, target_system, target_field)"
        " VALUES ($1, 'no', $2, 'no')"
    )

    await application.execute(insert, "another hub", "billing")
    await application.execute(insert, mapping.SOURCE, "a target that nothing was ever put in for")
    await application.execute("UPDATE integration.data_mapping SET is_active = NOT is_active WHERE source_field = 'no'")
    await asyncio.sleep(0.3)

    assert worker.rules.current is rules
    assert not worker.mapping.is_stale
