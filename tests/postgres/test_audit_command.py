"""`sitehub audit` against a real server."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sitehub.cli import main
from sitehub.stores.postgres.address import connect
from sitehub.tests.postgres.conftest import SECRETS, Database
from sitehub.tests.postgres.test_audit_log import NOW, record, tamper, write

CONFIG = Path(__file__).parents[2] / "config"
Run = Callable[..., Result]


@pytest.fixture
def run(postgres: Database, tmp_path: Path) -> Run:
    """The command, with ten records of three partitions in the log."""
    overlay = tmp_path / "overlay.json"
    overlay.write_text(json.dumps(postgres.overlay))
    environment = {"SITEHUB_CONFIG": f"{CONFIG}:{overlay}", **SECRETS}
    as_who(postgres.dsn, lambda connection: write(connection, [record(offset, offset % 3) for offset in range(10)]))

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(main, ["audit", *arguments], env=environment)

    return invoke


def as_who(dsn: str, doing: Callable[[Any], Any]) -> None:
    async def do() -> None:
        connection = await connect(dsn)
        await doing(connection)
        await connection.close()

    asyncio.run(do())


def test_a_good_log_is_told_so_with_the_end_of_each_chain(run: Run) -> None:
    done = run("verify", "--json")

    report = json.loads(done.output)
    assert (done.exit_code, report["rows"], report["found"], report["findings"]) == (0, 10, 0, [])
    assert [(head["day"], head["chain"], head["rows"]) for head in report["heads"]] == [
        (f"{NOW:%Y-%m-%d}", chain, rows) for chain, rows in ((0, 4), (1, 3), (2, 3))
    ]
    assert "10 rows in 3 chains, 0 rows kept no longer, 0 records compared: 0 findings" in run("verify").output


def test_a_changed_row_is_named_and_the_exit_code_says_so(run: Run, postgres: Database) -> None:
    change = "UPDATE integration.audit_log SET action = 'site_created' WHERE log_offset = 4"
    as_who(postgres.owner_dsn, lambda owner: tamper(owner, change))

    done = run("verify")
    assert done.exit_code == 1
    assert f"changed: {NOW:%Y-%m-%d}, partition 1, row 2 (offset 4): its content is not what" in done.output
    (finding,) = json.loads(run("verify", "--json").output)["findings"]
    assert (finding["kind"], finding["chain"], finding["position"]) == ("changed", 1, 2)


def test_what_an_earlier_report_saw_must_still_be_there(run: Run, postgres: Database, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.json"
    earlier.write_text(run("verify", "--json").output)
    assert run("verify", "--against", str(earlier)).exit_code == 0

    async def forge(owner: Any) -> None:
        """Make all of one chain anew, and everything in the database that tells of it."""
        await tamper(owner, "DELETE FROM integration.audit_log WHERE chain = 2")
        await tamper(owner, "DELETE FROM integration.audit_heads WHERE chain = 2")
        await tamper(owner, "DELETE FROM integration.consumer_offsets WHERE partition = 2")
        await write(owner, [record(offset, 2, actor="event:nobody") for offset in (2, 5, 8)])

    as_who(postgres.owner_dsn, forge)

    assert run("verify").exit_code == 0
    done = run("verify", "--against", str(earlier))
    assert (done.exit_code, "the chain made anew" in done.output) == (1, True)


def test_a_file_that_is_no_report_is_refused(run: Run, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")

    done = run("verify", "--against", str(other))
    assert (done.exit_code, "is no report of" in done.output) == (1, True)


def test_records_are_listed_for_people_and_programs(run: Run) -> None:
    listed = json.loads(run("list", "--site", "s4", "--json").output)
    assert [(one["entity_id"], one["before"], one["after"]) for one in listed] == [
        ("s4", {"version": 4}, {"version": 5})
    ]
    assert listed[0]["at"] == "2026-11-24T12:00:00.004000Z"

    text = run("list", "--actor", "event", "--since", "2026-11-24", "--until", "2026-11-24T12:00:00.002Z").output
    assert "2026-11-24T12:00:00Z  event:crm" in text
    assert "2 records" in text


def test_a_listed_text_can_not_command_the_terminal(run: Run, postgres: Database) -> None:
    evil = "\x1b[2J\u202e"
    as_who(postgres.dsn, lambda connection: write(connection, [record(20, entity_id=evil, after={evil: evil})]))

    assert not set(run("list").output) & set(evil.replace("[2J", ""))
    assert json.loads(run("list", "--limit", "1", "--json").output)[0]["entity_id"] == evil


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("--since", "yesterday"), "neither a date like"), (("--limit", "0"), "not in the range")],
)
def test_bad_input_is_told(run: Run, arguments: tuple[str, ...], told: str) -> None:
    done = run("list", *arguments)

    assert (done.exit_code, told in done.output) == (2, True)


def test_a_database_that_is_not_there_and_one_without_the_schema_are_told_in_a_line(
    empty: Database, tmp_path: Path
) -> None:
    overlay = tmp_path / "overlay.json"
    environment = {"SITEHUB_CONFIG": f"{CONFIG}:{overlay}", **SECRETS}

    overlay.write_text(json.dumps(empty.overlay))
    bare = CliRunner().invoke(main, ["audit", "verify"], env=environment)
    assert (bare.exit_code, "sitehub database migrate" in bare.output) == (1, True)

    at = {"host": "127.0.0.1", "port": 1, "ssl_mode": "disable"}
    overlay.write_text(json.dumps({"database_config": {"primary": at}}))
    gone = CliRunner().invoke(main, ["audit", "list"], env=environment)
    assert (gone.exit_code, "PostgreSQL at 127.0.0.1:1:" in gone.output) == (1, True)
