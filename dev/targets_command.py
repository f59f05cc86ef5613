"""`sitehub targets run`: the stand-in targets in the foreground."""

import asyncio
import json
import signal
from pathlib import Path

import click
from aiohttp import web

from sitehub.dev.server_process import HOST
from sitehub.dev.target_journal import Journal
from sitehub.dev.targets import Target, create_targets

DEFAULT_PORT = 18080
API_KEY_VARIABLE = "SITEHUB_SECRET_BILLING_INTEGRATION__AUTHENTICATION__API_KEY"
SHUTDOWN_SECONDS = 2.0


@click.group()
def targets() -> None:
    """Stand-in target systems for development and tests."""


@targets.command()
@click.option(
    "--port", default=DEFAULT_PORT, show_default=True, type=click.IntRange(0, 65535), help="Port on 127.0.0.1."
)
@click.option(
    "--api-key", envvar=API_KEY_VARIABLE, show_envvar=True, default="development", help="Key that calls must carry."
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that keeps the customers; without it they are forgotten.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the ready line as JSON.")
def run(port: int, api_key: str, data: Path | None, as_json: bool) -> None:  # noqa: FBT001 - click hands options by name
    """Serve the billing system's endpoints until SIGTERM or Ctrl-C. Prints `ready HOST:PORT`.

    POST /_control sets the behaviour, for example {"mode": "fail", "status": 503, "fail_rate": 0.2},
    {"mode": "slow", "latency_ms": 500}, {"mode": "down"} or {"mode": "ok"}, or a list of such. GET /_stats,
    /_calls?since=N and /_customers tell what came in.
    """
    journal = Journal(data / "billing.ndjson") if data else None
    target = Target(api_key, journal)
    try:
        asyncio.run(_serve(target, port, as_json=as_json))
    except OSError as error:
        raise click.ClickException(f"port {port}: {error.strerror}; choose another with --port") from None
    finally:
        if journal:
            journal.close()


async def _serve(target: Target, port: int, *, as_json: bool) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    runner = web.AppRunner(
        create_targets(target), access_log=None, handler_cancellation=True, shutdown_timeout=SHUTDOWN_SECONDS
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, port).start()
        address = f"{HOST}:{runner.addresses[0][1]}"
        click.echo(json.dumps({"ready": address}) if as_json else f"ready {address}")
        await stopping.wait()
    finally:
        await runner.cleanup()
