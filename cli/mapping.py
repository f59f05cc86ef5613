"""`sitehub mapping`: how a site's fields become a target's, while workers run."""

from collections.abc import Awaitable, Callable
from typing import Any

import click
import orjson
from aiokafka.errors import KafkaError

from sitehub.cli.database_question import ask
from sitehub.rules.mapping import MappingEntry
from sitehub.settings import Settings, load_settings
from sitehub.settings.mapping import MappingMistake, with_mapping
from sitehub.stores.postgres import mapping as table
from sitehub.stores.postgres.mapping import Entries
from sitehub.wiring import audit_trail, mapping_entries

Change = Callable[[Any, Entries], Awaitable[None]]
"""Changes the table, given what is active."""

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@click.group(name="mapping")
def mapping_group() -> None:
    """Mapped fields: how a site's fields become a target's. A change takes effect in every worker within 30 s."""


@mapping_group.command(name="list")
@click.option("--target", help="Of this target only.")
@click.option("--all", "every", is_flag=True, help="Rows that were disabled too.")
@json_option
def list_command(target: str | None, every: bool, as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Show the mapping of the database, and whether workers can take it. Exit code 1 if it has mistakes."""
    settings = load_settings()

    async def look(connection: Any) -> tuple[list[dict[str, Any]], Entries]:
        await _seed(connection, settings)
        return await table.every_row(connection, target), await table.active(connection)

    rows, active = ask(settings, look)
    rows = [row for row in rows if every or row["is_active"]]
    effective = with_mapping(settings, active)
    mistakes = [] if isinstance(effective, Settings) else [mistake.text for mistake in effective]
    config_id = effective.config_id if isinstance(effective, Settings) else None
    if as_json:
        _print_json({"config_id": config_id, "mistakes": mistakes, "rows": rows})
    else:
        for row in rows:
            note = "" if row["is_active"] else "  (disabled)"
            transformation = row["transformation_rule"] or table.AS_IT_IS
            fields = f"{row['source_field']:<24} -> {row['target_field']:<24}"
            click.echo(f"{row['target_system']:<14} {fields} {transformation}{note}")
        for text in mistakes:
            click.echo(f"mistake: {text}", err=True)
    if mistakes:
        raise SystemExit(1)


@mapping_group.command(name="set")
@click.argument("target")
@click.argument("source_field")
@click.argument("target_field")
@click.option(
    "--transformation", default=table.AS_IT_IS, show_default=True, help="What makes the one of the other, by name."
)
@json_option
def set_command(target: str, source_field: str, target_field: str, transformation: str, as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Let TARGET's TARGET_FIELD be made of the site's SOURCE_FIELD, in place of what it was made of until now.

    Refused, with the reason, if a worker could not take the mapping then.
    """
    entry = MappingEntry(source_field, target_field, transformation)

    async def change(connection: Any, active: Entries) -> None:
        if [one for one in active.get(target, []) if one.target_field == target_field] != [entry]:
            await table.adopt(connection, target)
            await table.disable(connection, target, target_field)
            await table.add(connection, target, entry)

    _change("mapping.set", target, target_field, change, as_json=as_json)


@mapping_group.command()
@click.argument("target")
@click.argument("target_field")
@json_option
def disable(target: str, target_field: str, as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Let no mapping give TARGET's TARGET_FIELD any more; the rows are kept.

    Refused, with the reason, if a template needs what only the mapping gives.
    """

    async def change(connection: Any, active: Entries) -> None:
        if not await table.disable(connection, target, target_field):
            have = ", ".join(sorted(one.target_field for one in active.get(target, []))) or "none"
            raise click.UsageError(f"no active mapping gives {target}'s {target_field}; active are: {have}")

    _change("mapping.disable", target, target_field, change, as_json=as_json)


def _change(action: str, target: str, target_field: str, change: Change, *, as_json: bool) -> None:
    """Make the change if it adds no mistake, with its record in the audit log; nothing of it otherwise."""
    settings = load_settings()
    if target not in (known := sorted(settings.configuration.integrations)):
        raise click.UsageError(f"the configuration has no {target}_integration; targets: {', '.join(known)}")
    trail = audit_trail(settings)

    async def make(connection: Any) -> dict[str, Any]:
        await _seed(connection, settings)
        async with connection.transaction():
            await table.lock(connection)
            before = await table.active(connection)
            await change(connection, before)
            after = await table.active(connection)
            found = _checked(settings, before, after)
            old, new = (_giving(entries, target, target_field) for entries in (before, after))
            if old != new:
                entity = f"{target}.{target_field}"
                old_values, new_values = {"from": old}, {"from": new}
                try:
                    await trail.record(action, "mapping", entity, before=old_values, after=new_values, source="cli")
                except KafkaError as error:
                    text = f"not changed, because the audit log could not be written: {error}"
                    raise click.ClickException(text) from None
        return {"target": target, "target_field": target_field, "before": old, "after": new, "config_id": found}

    done = ask(settings, make)
    if as_json:
        _print_json(done)
    elif done["before"] == done["after"]:
        click.echo("it is so already")
    else:
        click.echo(f"in force in every worker within 30 s, as configuration {done['config_id']}")


def _checked(settings: Settings, before: Entries, after: Entries) -> str | None:
    """The id of the configuration with the mapping; None if it has only mistakes that it had before."""
    found = with_mapping(settings, after)
    if isinstance(found, Settings):
        return found.config_id
    old = with_mapping(settings, before)
    known: list[MappingMistake] = [] if isinstance(old, Settings) else old
    if new := [mistake.text for mistake in found if mistake not in known]:
        raise click.ClickException("not changed:\n" + "\n".join(new))
    return None


def _giving(entries: Entries, target: str, target_field: str) -> list[dict[str, str]]:
    return [
        {"source_field": one.source_field, "transformation": one.transformation}
        for one in entries.get(target, [])
        if one.target_field == target_field
    ]


async def _seed(connection: Any, settings: Settings) -> None:
    await table.seed(connection, mapping_entries(settings), settings.config_id)


def _print_json(document: dict[str, Any]) -> None:
    click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2, default=str))
