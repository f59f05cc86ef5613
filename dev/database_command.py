"""`sitehub database run`: the embedded PostgreSQL in the foreground."""

import json
import signal
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from sitehub.dev.postgres import DEFAULT_PORT, EmbeddedPostgres, EmbeddedPostgresError


@click.command()
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Port on 127.0.0.1.",
)
@click.option(
    "--data",
    default=Path(".sitehub/postgres"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the databases; kept when the server stops.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the ready line as JSON.")
def run(port: int, data: Path, as_json: bool) -> None:  # noqa: FBT001 - click hands options by name
    """Run PostgreSQL until SIGTERM or Ctrl-C. Prints `ready DSN` once clients can connect.

    It has an empty database `customer_sites`, and trusts everybody on this machine.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    postgres = EmbeddedPostgres(data, port)
    try:
        postgres.start()
        ready = {"ready": postgres.dsn, "pid": postgres.pid, "data": str(data.absolute())}
        click.echo(json.dumps(ready) if as_json else f"ready {postgres.dsn}")
        status = postgres.wait()
    except EmbeddedPostgresError as error:
        raise click.ClickException(str(error)) from None
    finally:
        postgres.stop()
    raise click.ClickException(f"PostgreSQL ended by itself with status {status}; see {data}/postgres.log")


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
