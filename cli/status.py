"""`sitehub status`: how the running hub and its database do."""

import asyncio
import json
import os
from typing import Any

import aiohttp
import asyncpg
import click

from sitehub.dev.figures import Figures, gather
from sitehub.dev.local_hub import data_folder, left
from sitehub.postgres_wiring import database_address
from sitehub.settings import ConfigurationError, load_settings
from sitehub.stores.postgres.address import Address, Unreachable, connect
from sitehub.stores.postgres.figures import figures

DEFAULT_URL = "http://127.0.0.1:6066"
ASK_SECONDS = 5.0
Status = dict[str, Any]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def status(as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Tell what the hub has applied and delivered, what is in PostgreSQL, and how the replica does.

    The hub is asked at SITEHUB_URL (several with commas between them), else where `sitehub up` left its address in
    SITEHUB_DATA, else at http://127.0.0.1:6066; the database at SITEHUB_DATABASE_DSN, else likewise, else at
    database_config.primary. Exit code 1 if any of it does not answer, or a worker is not well.
    """
    found = asyncio.run(_status(left(data_folder())))
    if as_json:
        click.echo(json.dumps(found, indent=2))
    else:
        _print(found)
    if not found["ok"]:
        raise SystemExit(1)


async def _status(found_here: Status) -> Status:
    given = os.environ.get("SITEHUB_URL")
    urls = [url.rstrip("/") for url in given.split(",")] if given else found_here.get("urls") or [DEFAULT_URL]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ASK_SECONDS)) as session:
        of_hub: Figures = await gather(session, urls)
        healths = {url: await _health(session, url) for url in urls}
    database = await _database(os.environ.get("SITEHUB_DATABASE_DSN") or found_here.get("dsn"))
    workers = {
        url: {
            "status": health.get("status", "down"),
            "postgres": health.get("postgres"),
        }
        for url, health in healths.items()
    }
    return {
        "ok": "error" not in database and all(worker["status"] == "ok" for worker in workers.values()),
        "workers": workers,
        "events_applied": of_hub.applied,
        "calls_delivered": of_hub.delivered,
        "dead_letters": of_hub.dead_letters,
        "read_model_lag_records": of_hub.read_model_lag,
        "replica": _replica(healths),
        "database": database,
    }


async def _health(session: aiohttp.ClientSession, url: str) -> Status:
    try:
        async with session.get(f"{url}/health") as response:
            found = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


async def _database(dsn: str | None) -> Status:
    """What is in it, or why that is not known."""
    address = dsn or _configured()
    if isinstance(address, LookupError):
        return {"error": str(address)}
    try:
        async with asyncio.timeout(ASK_SECONDS):
            connection = await connect(address)
            try:
                return await figures(connection)
            finally:
                connection.terminate()
    except (*Unreachable, asyncpg.PostgresError, ValueError) as error:
        return {"error": f"{str(error) or type(error).__name__}"}


def _configured() -> Address | LookupError:
    try:
        address = database_address(load_settings(), "primary")
    except ConfigurationError as error:
        return LookupError(f"the configuration has mistakes: {error}")
    return LookupError(address) if isinstance(address, str) else address


def _replica(healths: dict[str, Status]) -> str:
    """`none`, `up` if every worker reaches it, else `down`."""
    states = {(health.get("postgres") or {}).get("replica", "none") for health in healths.values()}
    return "down" if "down" in states else "up" if "up" in states else "none"


def _print(found: Status) -> None:
    for url, worker in found["workers"].items():
        click.echo(f"{url}  {worker['status']}{_told(worker['postgres'])}")
    click.echo(f"events applied     {found['events_applied']:,.0f}")
    click.echo(f"calls delivered    {found['calls_delivered']:,.0f}")
    click.echo(f"dead letters       {found['dead_letters']:,.0f}")
    database = found["database"]
    if "error" in database:
        click.echo(f"database           {database['error']}")
    else:
        rows = ", ".join(f"{count:,} {name}" for name, count in database["rows"].items())
        click.echo(f"read model         {rows}; {found['read_model_lag_records']:,.0f} records behind")
        click.echo(f"last batch run     {_told_run(database['last_batch_run'])}")
    click.echo(f"replica            {found['replica']}")


def _told(postgres: Status | None) -> str:
    return f"  PostgreSQL since {postgres['since']}: {postgres['error']}" if postgres and postgres["error"] else ""


def _told_run(run: Status | None) -> str:
    if run is None:
        return "none"
    when = run.get("ended_at") or run.get("started_at") or run.get("requested_at")
    return f"{run['operation']} {run['state']}, {when}: {run['rows_done']:,} rows, {run['rows_rejected']:,} rejected"
