"""How much there is in PostgreSQL, and what was done last."""

from typing import Any

import orjson

from sitehub.stores.postgres.sql import statement


async def figures(connection: Any) -> dict[str, Any]:
    """Rows of the read model, and the last run of a batch, None if there was none."""
    found: dict[str, Any] = dict(await connection.fetchrow(statement("read_model_figures")))
    run = None
    if await connection.fetchval("SELECT to_regclass('integration.batch_runs')") is not None:
        run = await connection.fetchval(statement("last_batch_run"))
    return {"rows": found, "last_batch_run": orjson.loads(run) if run is not None else None}
