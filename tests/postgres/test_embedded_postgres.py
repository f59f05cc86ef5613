"""The embedded server as its users meet it: by command line, and as a part of a process."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from sitehub.dev.kafka import free_port
from sitehub.dev.postgres import EmbeddedPostgres, EmbeddedPostgresError
from sitehub.stores.postgres.address import connect
from sitehub.tests.broker.test_embedded_kafka import await_end
from sitehub.tests.postgres.conftest import SECRETS, Database

SITEHUB = [sys.executable, "-m", "sitehub.cli", "database"]


def database(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*SITEHUB, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


async def test_what_was_committed_is_there_after_a_kill(postgres: Database) -> None:
    connection = await connect(postgres.owner_dsn)
    await connection.execute("INSERT INTO integration.watermarks VALUES ('x')")
    postgres.server.kill()
    assert postgres.server.pid is None
    with pytest.raises(ConnectionError):
        await connect(postgres.owner_dsn)
    postgres.server.start()

    connection = await connect(postgres.owner_dsn)
    assert await connection.fetchval("SELECT operation FROM integration.watermarks") == "x"
    await connection.close()


def test_the_command_prints_a_ready_line_migrates_and_sigterm_stops_all_of_it(tmp_path: Path) -> None:
    port = free_port()
    with database("run", "--port", str(port), "--data", str(tmp_path), "--json") as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] == f"postgresql://postgres@127.0.0.1:{port}/customer_sites"
        with database("status", "--dsn", ready["ready"], "--json", **SECRETS) as status:
            assert json.loads(status.communicate()[0])["applied"] == []
        assert status.returncode == 1
        with database("migrate", "--dsn", ready["ready"], **SECRETS) as migrated:
            output, errors = migrated.communicate()
        assert (migrated.returncode, output.splitlines()[1]) == (0, "applied 0001_guide")
        assert errors.startswith("the role app_user does not exist")
        with database("status", "--dsn", ready["ready"], "--json", **SECRETS) as status:
            assert json.loads(status.communicate()[0])["pending"] == []
        assert status.returncode == 0
        server = psutil.Process(ready["pid"])
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert not server.is_running()


def test_the_server_ends_with_a_killed_command(tmp_path: Path) -> None:
    with database("run", "--port", str(free_port()), "--data", str(tmp_path), "--json") as process:
        assert process.stdout is not None
        pid = json.loads(process.stdout.readline())["pid"]
        process.kill()
        process.wait()
    assert await_end(pid)


def test_a_port_in_use_is_one_line_that_says_what_to_do(server: EmbeddedPostgres, tmp_path: Path) -> None:
    with database("run", "--port", str(server.port), "--data", str(tmp_path)) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (1, "")
    assert errors.splitlines() == [
        f"Error: port {server.port} is in use: stop the program that has it, or choose another with --port",
    ]


def test_a_folder_in_use_is_refused(server: EmbeddedPostgres) -> None:
    with pytest.raises(EmbeddedPostgresError, match="lock file"):
        EmbeddedPostgres(server.data_dir, free_port()).start()


@pytest.mark.parametrize(
    ("options", "environment", "told"),
    [
        (["--dsn", "postgresql://127.0.0.1:1/x"], SECRETS, "PostgreSQL at postgresql://127.0.0.1:1/x: "),
        (["--dsn", "nonsense"], SECRETS, "PostgreSQL at nonsense: invalid DSN"),
        ([], {}, "the secret of database_config.primary.password is missing; or log in with --dsn"),
    ],
)
def test_a_server_that_can_not_be_reached_is_told_in_one_line(
    options: list[str], environment: dict[str, Any], told: str
) -> None:
    with database("status", *options, **environment) as process:
        output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (1, "")
    assert errors.startswith(f"Error: {told}"), errors
