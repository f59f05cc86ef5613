"""`sitehub database`: the schema, and an embedded server for development."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
import click

from sitehub.cli.database_question import over_connection
from sitehub.dev.database_command import run
from sitehub.postgres_wiring import database_address, database_schema
from sitehub.settings import Settings, load_settings
from sitehub.stores.postgres.address import Unreachable
from sitehub.stores.postgres.migrate import MigrationError, applied, carried, pending
from sitehub.stores.postgres.schema import prepare

Found = TypeVar("Found")

dsn_option = click.option(
    "--dsn",
    envvar="SITEHUB_DATABASE_DSN",
    help="Log in here as the owner of the schema; default: database_config.primary. Also SITEHUB_DATABASE_DSN.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group()
def database() -> None:
    """PostgreSQL: its schema, and an embedded server for development and tests."""


database.add_command(run)


@database.command()
@dsn_option
@json_option
def migrate(dsn: str | None, as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Bring the schema to this version, set retention, and give the configured roles their rights.

    Nothing is ever taken back. Several may run at once.
    """
    settings = _settings()
    schema = database_schema(settings)
    done = _ask(settings, dsn, lambda connection: prepare(connection, schema))
    if as_json:
        click.echo(json.dumps({"applied": done.applied, "roles": done.roles}))
        return
    for name in done.applied:
        click.echo(f"applied {name}")
    if not done.applied:
        click.echo("the schema is up to date")
    for role in sorted({schema.application, schema.reader} - set(done.roles)):
        click.echo(f"the role {role} does not exist: create it and migrate again, or it has no rights", err=True)


@database.command()
@dsn_option
@json_option
def status(dsn: str | None, as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Tell which steps of the schema the database has. Exit code 1 if it lacks any."""
    steps = carried()
    have, lacks = _ask(_settings(), dsn, _status)
    known = {step.version for step in steps}
    newer = [row["name"] for row in have if row["version"] not in known]
    if as_json:
        shown = [{"name": row["name"], "applied_at": row["applied_at"].isoformat()} for row in have]
        click.echo(json.dumps({"applied": shown, "pending": lacks, "unknown": newer}))
    else:
        for row in have:
            note = "  (of a newer version)" if row["name"] in newer else ""
            click.echo(f"{row['applied_at']:%Y-%m-%d %H:%M:%S}  {row['name']}{note}")
        for name in lacks:
            click.echo(f"pending              {name}")
    if lacks:
        raise SystemExit(1)


async def _status(connection: Any) -> tuple[list[dict[str, Any]], list[str]]:
    return await applied(connection), [step.name for step in await pending(connection, carried())]


def _settings() -> Settings:
    settings = load_settings()
    if settings.configuration.database_config is None:
        raise click.ClickException("the configuration has no database_config")
    return settings


def _ask(settings: Settings, dsn: str | None, question: Callable[[Any], Awaitable[Found]]) -> Found:
    """The answer over a connection of its own; failures become one line."""
    address = dsn or database_address(settings, "primary")
    if dsn is None and isinstance(address, str):
        raise click.ClickException(f"{address}; or log in with --dsn")

    try:
        return asyncio.run(over_connection(address, question))
    except MigrationError as error:
        raise click.ClickException(str(error)) from None
    except (*Unreachable, asyncpg.PostgresError, ValueError) as error:
        raise click.ClickException(f"PostgreSQL at {address}: {str(error) or type(error).__name__}") from None
