"""`sitehub audit`: what was done by whom, and whether its log is what was written."""

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import msgspec

from sitehub.agents.audit_origin import AuditOrigin
from sitehub.cli.database_question import ask
from sitehub.rules.audit_chain import Head
from sitehub.rules.audit_check import Check, Place
from sitehub.rules.times import instant
from sitehub.settings import load_settings
from sitehub.stores.postgres.audit_log import Wanted, check, newest
from sitehub.stores.postgres.audit_rows import audit_text
from sitehub.topics.declared import names_of
from sitehub.wiring import kafka_client

SHOWN = 20
WIDTH = 100


class Report(msgspec.Struct, frozen=True):
    """What `verify` prints; a later run can be told to find its chains again."""

    rows: int
    expired_rows: int
    records: int
    """That the rows were compared with."""
    found: int
    findings: list[dict[str, Any]]
    heads: list[dict[str, Any]]


class Moment(click.ParamType):
    """A time with its zone, or a date, which begins at midnight UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment."""
        try:
            if len(value) == len("2026-11-24"):
                return datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC)
            return instant(value)
        except ValueError:
            self.fail(f"{value!r} is neither a date like 2026-11-24 nor a time like 2026-11-24T12:00:00Z", param, ctx)


@click.group()
def audit() -> None:
    """Who did what: applied events, ends of commands, changes by operators."""


@audit.command(name="list")
@click.option("--site", help="Only about this site.")
@click.option("--actor", help="Only of this actor, like operator:ann, or of a kind: event, delivery, operator.")
@click.option("--action", help="Only of this action, like site_updated or command_rejected.")
@click.option("--since", type=Moment(), help="From this time or date on.")
@click.option("--until", type=Moment(), help="Before this time or date.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="The newest of them, at most.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_command(  # noqa: PLR0917 -- click hands options by name
    site: str | None,
    actor: str | None,
    action: str | None,
    since: datetime | None,
    until: datetime | None,
    limit: int,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Print records of the audit log, the newest last."""
    wanted = Wanted(None if site is None else audit_text(site), actor, action, since, until, limit)
    rows = [_shown(row) for row in ask(load_settings(), lambda connection: newest(connection, wanted))]
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        about = f"{row['entity_type']} {row['entity_id']}"
        about += f" of {row['site_id']}" if row["site_id"] not in {None, row["entity_id"]} else ""
        click.echo(_plain(f"{row['at']}  {row['actor']:24} {row['action']:20} {about}"))
        click.echo(_plain(f"    {_short(row['before'])} -> {_short(row['after'])}"))
    click.echo(f"{len(rows)} records", err=True)


@audit.command()
@click.option(
    "--against",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A report that an earlier `verify --json` printed: what it saw must still be there.",
)
@click.option(
    "--origin", is_flag=True, help="Compare the rows with the records in Kafka too, as far back as they are kept."
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON document, with each chain's end.")
def verify(against: Path | None, origin: bool, as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Look whether every row is the one that was written: none changed, deleted, inserted or moved.

    Exit code 0: all are; 1: each that is not is named. Days that are kept no longer are counted, not missed.
    """
    settings, known = load_settings(), _known(against)
    topic = names_of(settings).audit_log

    records = 0

    async def look(connection: Any) -> tuple[Check, list[Head]]:
        with _bar("rows", quiet=as_json) as bar:

            def progress(done: int, of: int) -> None:
                bar.length = max(of, 1)
                bar.update(done - bar.pos)

            checked, heads = await check(connection, topic, known, progress)
        if origin:
            with _bar("records", quiet=as_json) as bar:

                def compared(number: int) -> None:
                    nonlocal records
                    records += number
                    bar.length = max(records, 1)
                    bar.update(number)

                checked.add(await AuditOrigin(kafka_client(settings), topic).compare(connection, compared))
        return checked, heads

    checked, heads = ask(settings, look)
    if as_json:
        click.echo(json.dumps(msgspec.to_builtins(_report(checked, heads, records)), indent=2))
    else:
        _print(checked, heads, records)
    if checked.found:
        raise SystemExit(1)


def _bar(label: str, *, quiet: bool) -> Any:
    return click.progressbar(length=1, label=label, hidden=quiet, show_pos=True, file=sys.stderr)


def _report(checked: Check, heads: list[Head], records: int) -> Report:
    findings = [msgspec.to_builtins(finding) for finding in checked.findings]
    ends = [
        {"day": head.day.isoformat(), "chain": head.chain, "rows": head.rows, "hash": head.hash.hex()}
        for head in sorted(heads, key=lambda head: (head.day, head.chain))
    ]
    return Report(checked.rows, checked.expired_rows, records, checked.found, findings, ends)


def _known(path: Path | None) -> dict[Place, bytes]:
    """Hashes that an earlier report has."""
    if path is None:
        return {}
    try:
        report = msgspec.json.decode(path.read_bytes(), type=Report)
        return {
            (date.fromisoformat(head["day"]), head["chain"], head["rows"]): bytes.fromhex(head["hash"])
            for head in report.heads
        }
    except (msgspec.MsgspecError, KeyError, TypeError, ValueError) as error:
        raise click.ClickException(f"{path} is no report of `sitehub audit verify --json`: {error}") from None


def _print(checked: Check, heads: list[Head], records: int) -> None:
    click.echo(
        f"{checked.rows:,} rows in {len(heads):,} chains, {checked.expired_rows:,} rows kept no longer, "
        f"{records:,} records compared: {checked.found} findings"
    )
    for one in checked.findings[:SHOWN]:
        offset = "" if one.log_offset is None else f" (offset {one.log_offset})"
        click.echo(f"{one.kind}: {one.day}, partition {one.chain}, row {one.position}{offset}: {one.text}")
    if checked.found > SHOWN:
        click.echo(f"and {checked.found - SHOWN} more", err=True)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    times = {"at": row["at"].isoformat().replace("+00:00", "Z"), "day": row["day"].isoformat()}
    return {**row, **times, "before": json.loads(row["before"]), "after": json.loads(row["after"])}


def _short(values: dict[str, Any]) -> str:
    text = json.dumps(values, ensure_ascii=False)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _plain(text: str) -> str:
    """The text without what a terminal would obey: it may be anybody's."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
