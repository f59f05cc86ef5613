"""`sitehub publish FILE`: send any file of events."""

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from sitehub.dev.publish import PublishError, Report, publish

DEFAULT_TOPIC = "customer-sites-events"
PROGRESS_STEP_BYTES = 1 << 16


def publish_command(client_options: Callable[[], Mapping[str, Any]]) -> click.Command:
    """Return the command; `client_options` gives an aiokafka client's keyword arguments."""

    @click.command(name="publish")
    @click.argument("file", type=click.File("rb"))
    @click.option("--topic", default=DEFAULT_TOPIC, show_default=True)
    @click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
    def command(file: BinaryIO, topic: str, as_json: bool) -> None:  # noqa: FBT001 - click hands options by name
        """Send FILE (one JSON event a line; - is standard input) and report rate and failures.

        The key of a record is the event's site_id, else its territory_id. Lines that are no JSON are sent too, without
        a key: the hub dead-letters them. Exit code 1 if Kafka refused a line.
        """
        try:
            report = _publish(file, topic, client_options())
        except PublishError as error:
            raise click.ClickException(str(error)) from None
        _print_report(report, file.name, topic, as_json=as_json)
        if report.failed:
            sys.exit(1)

    return command


def _publish(file: BinaryIO, topic: str, client: Mapping[str, Any]) -> Report:
    path = Path(file.name)
    size_bytes = path.stat().st_size if path.is_file() else None
    hidden = size_bytes is None or not sys.stderr.isatty()
    with click.progressbar(
        length=size_bytes or 0,
        label=f"Sending {path.name}",
        file=sys.stderr,
        hidden=hidden,
        update_min_steps=PROGRESS_STEP_BYTES,
    ) as bar:
        return asyncio.run(publish(file, topic, client, bar.update))


def _print_report(report: Report, name: str, topic: str, *, as_json: bool) -> None:
    rate = round(report.events_per_second, 1)
    if as_json:
        fields = {"sent": report.sent, "failed": report.failed, "seconds": round(report.seconds, 3)}
        failures = msgspec.to_builtins(report.failures)
        click.echo(
            json.dumps({"file": name, "topic": topic, **fields, "events_per_second": rate, "failures": failures})
        )
        return
    click.echo(
        f"{report.sent:,} events sent to {topic} in {report.seconds:.1f} s ({rate:,.0f} a second), "
        f"{report.failed:,} failed",
    )
    for failure in report.failures:
        click.echo(f"line {failure.line}: {failure.error}")
    if (more := report.failed - len(report.failures)) > 0:
        click.echo(f"and {more:,} more")
