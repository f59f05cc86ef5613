"""What PostgreSQL says of sites and calls, and what it should say."""

import asyncio
import json
from collections import Counter
from typing import Any

from sitehub.stores.postgres.address import connect
from sitehub.tests.broker.hub import Hub, eventually
from sitehub.tests.broker.outcomes import outcomes
from sitehub.tests.broker.workload import Workload
from sitehub.tests.postgres.conftest import Database


def rows(postgres: Database, statement: str) -> list[Any]:
    async def ask() -> list[Any]:
        connection = await connect(postgres.owner_dsn)
        try:
            return list(await connection.fetch(statement))
        finally:
            await connection.close()

    with asyncio.Runner() as runner:
        return runner.run(ask())


def sites_of(postgres: Database) -> dict[str, tuple[Any, ...]]:
    found = rows(
        postgres,
        """SELECT site_id, attributes, site.contract_info, contract.contract_info AS contract, version
           FROM customer_sites AS site LEFT JOIN contracts AS contract USING (site_id)""",
    )
    return {
        row["site_id"]: (
            *(json.loads(row[name] or "null") for name in ("attributes", "contract_info", "contract")),
            row["version"],
        )
        for row in found
    }


def sites_as_modelled(work: Workload) -> dict[str, tuple[Any, ...]]:
    return {
        site_id: (site.attributes, site.contract_info, site.contract_info, site.version)
        for site_id, site in work.sites.items()
    }


def attempts_of(postgres: Database) -> Counter[tuple[Any, ...]]:
    found = rows(
        postgres,
        """SELECT command_id, attempt, attempts.status FROM integration.command_attempts AS attempts
           JOIN integration.sync_status ON sync_id = attempt_id AND entity_id = site_id
           AND attempts.status = sync_status AND at = sync_timestamp""",
    )
    return Counter(tuple(row) for row in found)


def attempts_as_told(hub: Hub) -> Counter[tuple[Any, ...]]:
    return Counter(
        (one.command_id, one.attempt, one.status) for told in outcomes(hub).by_command.values() for one in told
    )


def judge_read_model(hub: Hub, postgres: Database, work: Workload, seconds: float = 60) -> None:
    """Each site in PostgreSQL is the model's, and each result is there once."""
    eventually(lambda: sites_of(postgres) == sites_as_modelled(work), seconds, "PostgreSQL has what the model has")
    told = attempts_as_told(hub)
    eventually(lambda: attempts_of(postgres).total() >= told.total(), seconds, "every result is in PostgreSQL")
    assert attempts_of(postgres) == told
    (counts,) = rows(
        postgres,
        "SELECT (SELECT count(*) FROM integration.command_attempts), (SELECT count(*) FROM integration.sync_status)",
    )
    assert set(counts) == {told.total()}
