"""Records of Kafka as rows, on a real server: whatever a site is called, and however often a record comes."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from sitehub.agents.delivery_records import breaker_message
from sitehub.codecs.results import Result, encode_result
from sitehub.codecs.rows import encode_site
from sitehub.rules.breaker import BreakerNews, State
from sitehub.rules.site import Site
from sitehub.stores.postgres.address import connect
from sitehub.stores.postgres.positions import At, StaleConsumerError, advance, load_positions
from sitehub.stores.postgres.result_rows import ResultRows
from sitehub.stores.postgres.sink import Sink, batch
from sitehub.stores.postgres.site_rows import SiteRows
from sitehub.tests.postgres.conftest import Database

MEGABYTE = 1 << 20
HOSTILE = {
    "quotes": """O'Hare "Gate" \\'; DROP TABLE customer_sites; --""",
    "nul": "a\x00b",
    "large": "x" * MEGABYTE,
    "many-words": " ".join(f"word{number}" for number in range(100_000)),
    "right-to-left": "\u202eموقف السيارات\u202c",
    "emoji": "🅿️ \U0010ffff",
    "escape": "\\u0000 is not NUL",
    "empty": "",
}
AT = At("topic", 0)
NUMBERS = random.Random(7)


@dataclass
class Record:
    key: bytes | None
    value: bytes | None
    offset: int = 0
    topic: str = "topic"
    partition: int = 0


def site(site_id: str, version: int = 1, **fields: Any) -> Site:
    known: dict[str, Any] = {
        "attributes": {"name": f"Garage {version}"},
        "contract_info": {},
        "created_at": "2026-11-24T01:00:00.000Z",
        "updated_at": f"2026-11-24T02:00:{version:02}.000Z",
        "last_event_id": f"{site_id}:{version}",
        "last_event_timestamp": "2026-11-24T01:00:00Z",
        "event_ids": "",
        "offset": version,
    }
    return Site(site_id=site_id, version=version, **(known | fields))


def state(site_id: str, version: int = 1, **fields: Any) -> Record:
    return Record(site_id.encode(), encode_site(site(site_id, version, **fields)))


def result(number: int = 1, **fields: Any) -> Record:
    known: dict[str, Any] = {
        "command_id": f"e{number}:update",
        "event_id": f"e{number}",
        "action": "update",
        "target": "billing",
        "site_id": "site-1",
        "status": "failed",
        "attempt": 2,
        "http_status": 503,
        "error": "HTTP 503",
        "answer": "later",
        "at": "2026-11-24T02:00:00.000Z",
        "event_timestamp": "2026-11-24T01:00:00Z",
        "duration_ms": 4.5,
    }
    return Record(b"site-1", encode_result(Result(**(known | fields))))


async def write(connection: Any, sink: Sink[Any], *records: Record) -> list[str]:
    """Write in one transaction; why which keys were refused."""
    made = batch(sink, records)
    async with connection.transaction():
        await made.write(connection)
    return [f"{one.key}: {one.reason}" for one in made.refused]


async def content(connection: Any, *tables: str) -> list[list[tuple[Any, ...]]]:
    return [[tuple(row) for row in await connection.fetch(f"SELECT * FROM {table} ORDER BY 1")] for table in tables]


async def test_a_hostile_name_is_stored_as_it_is_but_for_nul_which_is_shown(application: Any) -> None:
    records = [state(key, attributes={"name": name, f"{key}-{name[:9]}": name}) for key, name in HOSTILE.items()]

    assert await write(application, SiteRows(), *records) == []

    rows = await application.fetch("SELECT site_id, site_name, attributes FROM customer_sites")
    for row in rows:
        name = HOSTILE[row["site_id"]].replace("\x00", "␀")
        assert row["site_name"] == name
        assert json.loads(row["attributes"]) == {"name": name, f"{row['site_id']}-{name[:9]}": name}
    assert len(rows) == len(HOSTILE)


async def test_fields_that_are_no_texts_are_kept_and_long_filters_are_shortened(application: Any) -> None:
    attributes = {"name": 7, "territory_id": "t" * MEGABYTE, "status": {"a": None}, "address": [1, None]}
    contract = {"contract_type": ["x"], "billing_cycle": None}

    assert await write(application, SiteRows(), state("a", attributes=attributes, contract_info=contract)) == []

    row = await application.fetchrow("SELECT * FROM customer_sites JOIN contracts USING (site_id)")
    assert (row["site_name"], row["status"], row["address"]) == ("7", '{"a":null}', "[1, null]")
    assert (row["contract_type"], row["billing_cycle"]) == ('["x"]', None)
    assert len(row["territory_id"]) == 200
    assert json.loads(row["attributes"])["territory_id"] == "t" * MEGABYTE


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (state("nul\x00"), "nul\x00: the site's id holds NUL"),
        (state("k" * 3_000), f"{'k' * 200}: the site's id has 3000 bytes; an index takes 2000"),
        (Record(b"rubbish", b"{"), "rubbish: DecodeError: "),
        (state("late", last_event_timestamp="never"), "late: ValueError: "),
    ],
)
async def test_what_can_not_be_stored_is_refused_alone_and_named(application: Any, bad: Record, told: str) -> None:
    good = [state(f"site-{number}") for number in range(20)]

    (refused,) = await write(application, SiteRows(), *good[:7], bad, *good[7:])

    assert refused.startswith(told)
    assert await application.fetchval("SELECT count(*) FROM customer_sites") == 20


async def test_what_only_the_server_refuses_is_found_by_halving(application: Any, owner: Any) -> None:
    await owner.execute("ALTER TABLE customer_sites ADD CHECK (site_name <> 'bad')")
    names = ["bad" if number in (3, 4, 17) else "good" for number in range(20)]

    refused = await write(
        application, SiteRows(), *(state(f"site-{n:02}", attributes={"name": name}) for n, name in enumerate(names))
    )

    assert [one[:7] for one in refused] == ["site-03", "site-04", "site-17"]
    assert await application.fetchval("SELECT count(*) FROM customer_sites") == 17


async def test_the_engines_own_records_have_no_row(application: Any) -> None:
    await write(application, SiteRows(), Record(b"\x00offset", b"12"), Record(None, b"{}"), Record(b"gone", None))

    assert await application.fetchval("SELECT count(*) FROM customer_sites") == 0


def histories() -> list[Record]:
    """States of three sites: contracts that come, stay, change, go, and sites that are deleted and made again."""
    contracts: list[dict[str, Any]] = [{}, {"contract_type": "a"}, {"contract_type": "b", "billing_cycle": "monthly"}]
    versions = dict.fromkeys("abc", 0)
    records = []
    for _ in range(60):
        name = NUMBERS.choice("abc")
        versions[name] += 1
        deleted = "2026-11-24T03:00:00.000Z" if NUMBERS.random() < 0.2 else None
        records.append(state(name, versions[name], contract_info=NUMBERS.choice(contracts), deleted_at=deleted))
    return records


@pytest.mark.parametrize("seed", range(8))
async def test_any_split_into_batches_gives_the_same_rows(application: Any, seed: int) -> None:
    records, tables = histories(), ("customer_sites", "contracts")
    for record in records:
        await write(application, SiteRows(), record)
    expected = await content(application, *tables)
    await application.execute("DELETE FROM customer_sites; DELETE FROM contracts")

    rng = random.Random(seed)
    rest = list(records)
    while rest:
        size = rng.randint(1, 25)
        await write(application, SiteRows(), *rest[:size])
        rest = rest[size:]

    assert await content(application, *tables) == expected
    assert await application.fetchval("SELECT count(*) FROM contracts") == 3


async def test_a_contract_keeps_the_time_of_its_change(application: Any) -> None:
    first = {"contract_type": "a"}
    await write(application, SiteRows(), state("s", 1), state("s", 2, contract_info=first))
    await write(application, SiteRows(), state("s", 3, contract_info=first), state("s", 4, contract_info=first))

    row = await application.fetchrow(
        "SELECT c.updated_at AS contract, s.updated_at AS site FROM contracts c JOIN customer_sites s USING (site_id)"
    )
    assert (row["contract"].second, row["site"].second) == (2, 4)


async def test_a_result_is_a_row_in_both_tables_however_often_it_comes(application: Any) -> None:
    results = [
        result(attempt=1),
        result(),
        result(attempt=3, status="delivered", http_status=200, error=None),
        result(2),
    ]

    for again in (results, results[:2], results):
        assert await write(application, ResultRows(), *again) == []

    rows = await application.fetch("SELECT * FROM integration.sync_status ORDER BY retry_count, sync_status")
    assert [(row["sync_status"], row["retry_count"], row["error_message"]) for row in rows] == [
        ("failed", 0, "HTTP 503"),
        ("failed", 1, "HTTP 503"),
        ("failed", 1, "HTTP 503"),
        ("delivered", 2, None),
    ]
    assert (rows[0]["source_system"], rows[0]["target_system"], rows[0]["entity_type"], rows[0]["entity_id"]) == (
        "customer_sites",
        "billing",
        "site",
        "site-1",
    )
    attempts = await application.fetch("SELECT command_id, attempt, answer FROM integration.command_attempts")
    assert len(attempts) == 4
    assert {row["attempt_id"] for row in await application.fetch("SELECT * FROM integration.command_attempts")} == {
        row["sync_id"] for row in rows
    }


async def test_a_result_of_a_hostile_site_fits_the_guides_columns(application: Any) -> None:
    long = "s" * MEGABYTE
    records = [
        result(1, site_id=long, error="\x00" + long, command_id=long, event_id=long),
        result(2, site_id=long + "!"),
        result(3, event_timestamp="0001-01-01T00:00:00+23:59"),
    ]

    assert await write(application, ResultRows(), *records) == []

    ids = await application.fetch("SELECT entity_id FROM integration.sync_status")
    assert {len(row["entity_id"]) for row in ids} == {100, 6}
    assert len({row["entity_id"] for row in ids}) == 3
    (found,) = await application.fetch("SELECT error FROM integration.command_attempts WHERE command_id = $1", long)
    assert found["error"] == "␀" + long


async def test_news_of_a_breaker_have_no_row(application: Any) -> None:
    key, value, _ = breaker_message("billing", BreakerNews(State.OPEN, 1_764_000_000.0, "5 failures", "worker"))

    assert await write(application, ResultRows(), Record(key, value)) == []

    assert await content(application, "integration.sync_status", "integration.command_attempts") == [[], []]


async def test_what_is_no_result_is_refused(application: Any) -> None:
    (refused,) = await write(application, ResultRows(), Record(b"k", b"{}"), result())

    assert refused.startswith("k: no result: ")
    assert await application.fetchval("SELECT count(*) FROM integration.sync_status") == 1


@dataclass
class Reader:
    """A consumer that has read to an offset."""

    connection: Any
    at: At = AT
    position: int = 0

    async def load(self) -> None:
        self.position = (await load_positions(self.connection, "group", [self.at, At("other", 1)]))[self.at]

    async def write(self, offsets: Sequence[int]) -> None:
        target = offsets[-1] + 1
        async with self.connection.transaction():
            await advance(self.connection, "group", {self.at: (self.position, target)})
        self.position = target


async def test_a_consumer_that_is_behind_another_may_write_nothing(postgres: Database) -> None:
    one, other = Reader(await connect(postgres.dsn)), Reader(await connect(postgres.dsn))
    await one.load()
    await other.load()
    await one.write(range(10))

    with pytest.raises(StaleConsumerError):
        await other.write(range(5))
    await other.load()
    assert other.position == 10
    await other.write(range(10, 12))

    assert (await load_positions(one.connection, "group", [one.at])) == {one.at: 12}
    for reader in (one, other):
        await reader.connection.close()


async def test_of_two_that_write_at_once_one_waits_and_is_refused(postgres: Database) -> None:
    one, other = Reader(await connect(postgres.dsn)), Reader(await connect(postgres.dsn))
    await one.load()
    await other.load()
    await other.connection.execute("SET lock_timeout = '200ms'")
    transaction = one.connection.transaction()
    await transaction.start()
    await advance(one.connection, "group", {one.at: (0, 10)})

    with pytest.raises(asyncpg.LockNotAvailableError):
        await other.write(range(10))
    await transaction.commit()
    with pytest.raises(StaleConsumerError):
        await other.write(range(10))
    for reader in (one, other):
        await reader.connection.close()
