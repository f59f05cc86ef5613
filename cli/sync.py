"""`sitehub sync`: batch operations, by hand and looked back at."""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import click
import orjson

from sitehub.agents.audit_trail import operator
from sitehub.agents.batch_run import BatchOperation
from sitehub.batch_wiring import batch_operations, batch_source
from sitehub.cli.database_question import ask
from sitehub.cli.sync_progress import progress
from sitehub.rules.batch_records import record_of
from sitehub.settings import Settings, load_settings
from sitehub.settings.mapping import with_mapping
from sitehub.settings.mistakes import nearest
from sitehub.stores.postgres import mapping as mapping_table
from sitehub.stores.postgres.batch_ledger import BatchLedger, waiting_run
from sitehub.stores.postgres.batch_source import BatchSource, Span
from sitehub.stores.postgres.sql import statement
from sitehub.wiring import audit_trail, sync_rules

TAKE_SECONDS = 30.0
"""A hub that runs has taken a request by then, unless it is at another operation."""
LOOK_SECONDS = 0.25

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


class Instant(click.ParamType):
    """A moment with its offset."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """RFC 3339; anything else is a usage error."""
        try:
            instant = datetime.fromisoformat(value)
        except ValueError:
            instant = None
        if instant is None or instant.tzinfo is None:
            self.fail(f"{value!r} is no RFC 3339 time with its offset, like 2026-11-24T02:00:00Z", param, ctx)
        return instant.astimezone(UTC)


@click.group(name="sync")
def sync() -> None:
    """Batch operations: what targets are told nightly."""


@sync.command()
@click.argument("operation")
@click.option("--since", type=Instant(), help="Send all rows from this time on again; the watermark stays as it is.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be sent: how many rows, and the first record.")
@json_option
def run(operation: str, since: datetime | None, dry_run: bool, as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Let the running hub run OPERATION now, and follow it to its end.

    Exit code 0: every row is delivered; 1: rows became dead letters, or the run is interrupted; the hub goes on with
    it by itself then. Ctrl-C leaves the run to the hub.
    """
    settings = load_settings()
    found = _operation(settings, operation)
    if dry_run:
        planned = ask(settings, lambda connection: _plan(settings, connection, found, since))
        if as_json:
            _print_json(planned)
        else:
            click.echo(f"{planned['rows']:,} rows from {planned['watermark']} on, in {planned['pages']:,} pages")
            click.echo(f"the first record: {orjson.dumps(planned['first_record']).decode()}")
        return
    done = ask(settings, lambda connection: _run(settings, connection, found, since, is_quiet=as_json))
    if as_json:
        _print_json(done)
    elif done["error"] is not None:
        raise click.ClickException(f"interrupted, the hub goes on with it by itself: {done['error']}")
    else:
        click.echo(_told(done))
    if done["error"] is not None or done["rows_rejected"]:
        raise SystemExit(1)


@sync.command()
@click.argument("operation", required=False)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="Newest runs to show.")
@json_option
def history(operation: str | None, limit: int, as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Show the newest runs, of OPERATION only if it is given."""

    async def look(connection: Any) -> list[dict[str, Any]]:
        return [dict(row) for row in await connection.fetch(statement("batch_history"), operation, limit)]

    rows = ask(load_settings(), look)
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['requested_at']:%Y-%m-%d %H:%M:%S}  {row['actor']:<18} {_told(row)}")


@sync.command()
@json_option
def check(as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Let the database check each operation's query, as workers do at their start; exit code 1 if one has a mistake."""
    settings = load_settings()

    async def look(_connection: Any) -> dict[str, str | None]:
        found = {}
        for operation in batch_operations(settings):
            async with _source(settings).reading() as reading:
                found[operation.name] = await reading.check(operation.query, operation.key)
        return found

    problems = ask(settings, look)
    if as_json:
        _print_json(problems)
    else:
        for name, problem in problems.items():
            click.echo(f"{'ok  ' if problem is None else 'FAIL'}  {name}{f': {problem}' if problem else ''}")
    if any(problems.values()):
        raise SystemExit(1)


async def _plan(
    settings: Settings, connection: Any, operation: BatchOperation, since: datetime | None
) -> dict[str, Any]:
    effective = with_mapping(settings, await mapping_table.active(connection))
    mapping = sync_rules(effective if isinstance(effective, Settings) else settings).mappings.get(operation.target)
    async with _source(settings).reading() as reading:
        state = await BatchLedger(connection, operator()).state(operation.name)
        span = Span(since) if since else await reading.span(operation.query, state.watermark, state.snapshot)
        rows = await reading.count(operation.query, operation.key, span)
        first = None
        async for page in reading.pages(operation.query, operation.key, span, None, 1):
            first = record_of(page[0].columns, mapping)
            break
    return {
        "operation": operation.name,
        "target": operation.target,
        "watermark": span.watermark.isoformat().replace("+00:00", "Z"),
        "rows": rows,
        "pages": -(-rows // operation.batch_size),
        "first_record": first,
    }


async def _run(
    settings: Settings, connection: Any, operation: BatchOperation, since: datetime | None, *, is_quiet: bool
) -> dict[str, Any]:
    """The run's row once it has ended or can't go on."""
    trail = audit_trail(settings)
    async with connection.transaction():
        values = (operation.name, "operator", trail.actor, since)
        run_id: UUID = await connection.fetchval(statement("request_run"), *values)
        asked = {"run": str(run_id), "since": since.isoformat() if since else None}
        await trail.record("sync.run", "batch_operation", operation.name, before={}, after=asked, source="cli")
    if await waiting_run(connection, run_id, TAKE_SECONDS) is None:
        raise click.ClickException(f"no worker took it within {TAKE_SECONDS:g} s: it is withdrawn; is the hub running?")
    with progress(is_quiet=is_quiet or not sys.stderr.isatty()) as show:
        while True:
            row = dict(await connection.fetchrow(statement("find_run"), run_id))
            show(row)
            if row["state"] == "completed" or row["error"] is not None:
                return row
            await asyncio.sleep(LOOK_SECONDS)


def _told(row: dict[str, Any]) -> str:
    text = f"{row['operation']} {row['state']}: {row['rows_done']:,} rows, {row['pages']:,} pages"
    if row["rows_rejected"]:
        text += f", {row['rows_rejected']:,} rows became dead letters"
    if row["failures"]:
        text += f", {row['failures']:,} calls failed and were made again"
    return f"{text}, waits: {row['error']}" if row["error"] else text


def _operation(settings: Settings, name: str) -> BatchOperation:
    operations = {operation.name: operation for operation in batch_operations(settings)}
    if name not in operations:
        hint = f"; did you mean {near!r}?" if (near := nearest(name, operations)) else ""
        raise click.UsageError(f"there is no operation {name!r}{hint} Operations: {', '.join(operations) or 'none'}")
    return operations[name]


def _source(settings: Settings) -> BatchSource:
    source = batch_source(settings)
    if isinstance(source, str):
        raise click.ClickException(source)
    return source


def _print_json(document: Any) -> None:
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2, default=str))
