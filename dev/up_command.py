"""`sitehub up`: everything on this machine, with a line that shows what happens."""

import asyncio
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import aiohttp
import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from sitehub.dev.feed_pump import FeedPump, live_feed
from sitehub.dev.figures import Figures, gather
from sitehub.dev.kafka import EmbeddedKafkaError
from sitehub.dev.kafka_jars import JarsUnavailableError
from sitehub.dev.postgres import EmbeddedPostgresError
from sitehub.dev.publish import publish
from sitehub.dev.up import Hub, Plan, UpError
from sitehub.settings.loader import packaged_configuration

TOPIC = "customer-sites-events"
REFRESH_SECONDS = 1.0
PLAIN_SECONDS = 5.0
EVENTS_PER_SECOND = 50.0
SITES = 2000
SEED = 7


@click.command()
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 16), help="Worker processes.")
@click.option("--port", default=6066, show_default=True, help="HTTP view of the first worker; the next take the next.")
@click.option("--kafka-port", default=19092, show_default=True, help="Port of the embedded Kafka.")
@click.option("--targets-port", default=18080, show_default=True, help="Port of the stand-in targets.")
@click.option("--database-port", default=15432, show_default=True, help="Port of the embedded PostgreSQL.")
@click.option("--config", default="", help="Files or folders separated by colons, over the packaged guide.")
@click.option("--no-generator", is_flag=True, help="Without the feed of real places.")
@click.option("--events", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Send this file's events.")
@click.option("--rate", default=EVENTS_PER_SECOND, show_default=True, help="Events of the feed a second.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line instead of the table.")
def up(  # noqa: PLR0917 -- click hands options by name
    workers: int,
    port: int,
    kafka_port: int,
    targets_port: int,
    database_port: int,
    config: str,
    no_generator: bool,  # noqa: FBT001
    events: Path | None,
    rate: float,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Run Kafka, PostgreSQL, stand-in targets, workers and a feed of real places until Ctrl-C.

    State is kept in SITEHUB_DATA.
    """
    data = Path(os.environ.get("SITEHUB_DATA", ".sitehub"))
    configuration = ":".join(filter(None, (str(packaged_configuration()), config)))
    plan = Plan(data, workers, port, kafka_port, targets_port, database_port, configuration)
    signal.signal(signal.SIGTERM, _interrupt)
    (data / "log").mkdir(parents=True, exist_ok=True)
    logging.basicConfig(filename=data / "log" / "up.log", format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        with Hub(plan) as hub, suppress(KeyboardInterrupt):
            _say(plan, as_json=as_json)
            source = None if no_generator else data / "feed.json"
            asyncio.run(_Watch(hub, events, source, rate, _printer(as_json=as_json)).run())
    except (UpError, EmbeddedKafkaError, EmbeddedPostgresError, JarsUnavailableError) as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        pass  # while starting: all that had started is stopped


class _Watch:
    """Feeds the hub and shows its figures until it is cancelled or a process ends."""

    def __init__(
        self, hub: Hub, events: Path | None, position: Path | None, rate: float, show: Callable[[Figures], None]
    ) -> None:
        self._hub = hub
        self._events = events
        self._position = position
        self._rate = rate
        self._show = show

    async def run(self) -> None:
        """Raises UpError if a process ends by itself."""
        async with asyncio.TaskGroup() as group, aiohttp.ClientSession() as session:
            fed = False
            while True:
                for name, status in self._hub.ended():
                    log = self._hub.plan.data / "log" / f"{name}.log"
                    raise UpError(f"{name} ended by itself with status {status}: see {log}")
                figures = await gather(session, self._hub.plan.urls)
                if not fed and "ready" in figures.health.values():  # then the topics are there
                    fed = True
                    group.create_task(self._feed())
                self._show(figures)
                await asyncio.sleep(REFRESH_SECONDS)

    async def _feed(self) -> None:
        client = {"bootstrap_servers": self._hub.kafka.bootstrap}
        if self._events is not None:
            with self._events.open("rb") as lines:
                await publish(lines, TOPIC, client)
        if self._position is not None:
            await FeedPump(live_feed(SEED, SITES), TOPIC, self._rate, self._position).run(client)


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _say(plan: Plan, *, as_json: bool) -> None:
    log = plan.data / "log"
    if as_json:
        click.echo(json.dumps({"urls": plan.urls, "log": str(log)}))
        return
    click.echo(f"HTTP view  {plan.urls[0]}/api/v1/customer-sites  (health: {plan.urls[0]}/health)")
    click.echo(f"log        {log}")


def _printer(*, as_json: bool) -> Callable[[Figures], None]:
    """Show figures as JSON lines, as a live table on a terminal, or now and then as a line."""
    if as_json:
        return lambda figures: click.echo(json.dumps(figures.as_json()))
    if not sys.stdout.isatty():
        return _Lines()
    live = Live(console=Console(), auto_refresh=False)
    live.start()
    return lambda figures: live.update(_table(figures), refresh=True)


class _Lines:
    """For a file or a pipe: a line every few seconds."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, figures: Figures) -> None:
        """Print the line if it is time."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + PLAIN_SECONDS
            click.echo("  ".join(f"{name} {value}" for name, value in figures.cells()))


def _table(figures: Figures) -> Table:
    table = Table(box=None, pad_edge=False)
    cells = figures.cells()
    for name, _ in cells:
        table.add_column(name, justify="right")
    table.add_row(*(value for _, value in cells))
    return table
