"""`sitehub verify`: whether the tables are what the log says."""

import asyncio

import click
import msgspec
from aiokafka.errors import KafkaError
from prometheus_client import CollectorRegistry

from sitehub.agents.refold import Refold, Report
from sitehub.settings import load_settings
from sitehub.settings.transformations import transformations
from sitehub.telemetry.metrics import Metrics
from sitehub.topics.declared import SITE_EVENTS, names_of
from sitehub.wiring import kafka_client, site_handler

SHOWN = 20


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON document.")
def verify(as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Fold the log again with the pure rules and compare with tables, commands, dead letters and audit records.

    A running hub is compared as of each partition's last transaction. Exit code 0: no difference; 1: differences, or
    the log no longer holds all that the tables were made of.
    """
    settings = load_settings()
    names = names_of(settings)
    refold = Refold(
        client=kafka_client(settings),
        handler=site_handler(settings, Metrics(CollectorRegistry())),
        source=names.site_events,
        changelog=names.changelog("sites"),
        transformations=transformations(),
        commands=names.commands,
    )
    partitions = settings.configuration.kafka_config.topics[SITE_EVENTS].partitions
    try:
        report = asyncio.run(_run(refold, partitions, quiet=as_json))
    except KafkaError as error:
        servers = ", ".join(settings.configuration.kafka_config.bootstrap_servers)
        raise click.ClickException(f"Kafka at {servers}: {error}") from None
    if as_json:
        click.echo(msgspec.json.encode(report))
    else:
        _print(report)
    if report.differences or report.cut_partitions:
        raise SystemExit(1)


async def _run(refold: Refold, partitions: int, *, quiet: bool) -> Report:
    with click.progressbar(length=partitions, label="partitions", hidden=quiet) as bar:
        report = Report()
        for number in range(partitions):
            await refold.compare(number, report)
            bar.update(1)
        return report


def _print(report: Report) -> None:
    click.echo(
        f"{report.events:,} events, {report.sites:,} sites, {report.commands:,} commands, "
        f"{report.dead_letters:,} dead letters, {report.audits:,} audit records: {len(report.differences)} differences"
    )
    if len(report.configurations) > 1:
        click.echo(f"decided under {len(report.configurations)} configurations: {', '.join(report.configurations)}")
    for one in report.differences[:SHOWN]:
        click.echo(
            f"partition {one.partition}, {one.kind} {one.key}:\n  the log says {one.expected}\n  there is {one.found}"
        )
    if report.cut_partitions:
        click.echo(f"not compared, because retention has cut their log: partitions {report.cut_partitions}", err=True)
