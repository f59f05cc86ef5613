"""The audit log from the events to PostgreSQL: each record once, whatever is killed, and nothing that is masked."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.dev.postgres import EmbeddedPostgres
from sitehub.rules.audit_chain import Content, row_hash
from sitehub.stores.postgres.address import Unreachable, connect
from sitehub.tests.broker.hub import Hub, eventually
from sitehub.tests.broker.judge import await_all_ended, judge_audits
from sitehub.tests.broker.workload import make
from sitehub.tests.postgres.conftest import SECRETS, Database
from sitehub.tests.postgres.test_audit_log import tamper

ROWS = "SELECT entity_type, entity_id, before, after FROM integration.audit_log"
MASKED = "Main Street"
"""Is in every address of the workload."""


@pytest.fixture
def hub(kafka: EmbeddedKafka, names: Names, tmp_path: Path, postgres: Database) -> Iterator[Hub]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    hub.overlay = {**postgres.overlay, "audit": {"masked_fields": ["address.street"]}}
    hub.secrets = SECRETS
    hub.start_targets()
    yield hub
    hub.stop()


def rows(postgres: Database) -> list[dict[str, Any]]:
    """What the audit log holds now."""

    async def read() -> list[Any]:
        connection = await connect(postgres.dsn)
        try:
            return list(await connection.fetch(ROWS))
        finally:
            await connection.close()

    try:
        found = asyncio.run(read())
    except Unreachable:
        return []
    return [{**row, "before": json.loads(row["before"]), "after": json.loads(row["after"])} for row in found]


def test_each_applied_event_and_each_commands_end_has_one_row_whatever_is_killed(
    hub: Hub, postgres: Database, server: EmbeddedPostgres
) -> None:
    work = make(seed=11, events=4_000, sites=500)
    sent = [(one.key, one.value) for one in work.sent]
    hub.start_worker("worker-1")
    hub.start_worker("worker-2")
    hub.await_ready("worker-1", "worker-2")

    hub.publish(sent[:1_500])
    eventually(lambda: len(rows(postgres)) > 200, 60, "rows come")
    server.kill()
    hub.publish(sent[1_500:2_500])
    hub.kill("worker-2")
    server.start()
    hub.start_worker("worker-2")
    hub.publish(sent[2_500:])
    eventually(lambda: len(rows(postgres)) > 1_000, 60, "rows come again")
    hub.kill("worker-1")
    hub.start_worker("worker-1")
    await_all_ended(hub, work)

    expected = sum(site.version for site in work.sites.values()) + sum(len(calls) for calls in work.calls.values())
    eventually(lambda: len(rows(postgres)) >= expected, 60, f"{expected} rows")
    found = rows(postgres)
    judge_audits(work, found)
    assert MASKED not in json.dumps(found)
    assert b"".join(message.value() or b"" for message in hub.read("audit-log")).find(MASKED.encode()) < 0

    good = hub.run("audit", "verify", "--origin", "--json")
    report = json.loads(good.stdout)
    assert (good.returncode, report["rows"], report["records"], report["findings"]) == (0, len(found), len(found), [])
    asyncio.run(forge(postgres))
    forged = hub.run("audit", "verify", "--origin", "--json")
    by_chain = [(one["chain"], one["text"]) for one in json.loads(forged.stdout)["findings"] if "topic" in one["text"]]
    assert (forged.returncode, by_chain) == (
        1,
        [
            (0, "the topic has this record, and there is no row of it"),
            (1, "the topic has no such record"),
            (2, "the topic's record has another actor"),
        ],
    )


async def forge(postgres: Database) -> None:
    """Delete a row of a chain, add one to the next, change the last one of a third with all that tells of it."""
    owner = await connect(postgres.owner_dsn)
    seventh = "SELECT hash FROM integration.audit_log WHERE chain = 0 ORDER BY log_offset OFFSET 6 LIMIT 1"
    await tamper(owner, f"DELETE FROM integration.audit_log WHERE hash = ({seventh})")
    await tamper(
        owner,
        """INSERT INTO integration.audit_log
           SELECT day, chain, (SELECT min(free) FROM generate_series(0, log_offset) AS free
                               WHERE free NOT IN (SELECT log_offset FROM integration.audit_log WHERE chain = 1)),
                  at, actor, action, entity_type, entity_id, site_id, before, after, correlation_id, source, config_id,
                  position + 1000000, hash, hash
           FROM integration.audit_log WHERE chain = 1 ORDER BY log_offset DESC LIMIT 1""",
    )
    last = "hash = (SELECT hash FROM integration.audit_heads WHERE chain = 2 ORDER BY number DESC LIMIT 1)"
    (row,) = await owner.fetch(f"SELECT * FROM integration.audit_log WHERE {last}")
    content = Content(*(row[name] for name in Content._fields))._replace(actor="event:nobody")
    forged = row_hash(row["previous_hash"], content).hex()
    new = f"actor = 'event:nobody', hash = '\\x{forged}'"
    await tamper(owner, f"UPDATE integration.audit_log SET {new} WHERE {last}")
    await tamper(owner, f"UPDATE integration.audit_heads SET hash = '\\x{forged}' WHERE {last}")
    await owner.close()
