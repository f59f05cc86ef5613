"""`sitehub target give-up`: a parked command becomes a dead letter by hand."""

import asyncio
from collections.abc import Mapping
from typing import Any

import click
import msgspec
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from sitehub.agents.audit_trail import operator
from sitehub.agents.target_keeper import GIVE_UP
from sitehub.codecs.results import Result, decode_result
from sitehub.settings import Settings, load_settings
from sitehub.topics.declared import SITE_EVENTS, names_of
from sitehub.wiring import audit_trail, kafka_client

WAIT_SECONDS = 40.0
"""By default: a call of the site that is under way may take its whole time-out."""
POLL_MS = 200


@click.command(name="give-up")
@click.argument("name")
@click.option("--site", required=True, help="Id of the site whose command is parked.")
@click.option("--wait", "wait_seconds", default=WAIT_SECONDS, show_default=True, help="Seconds to wait for it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def give_up(name: str, site: str, wait_seconds: float, as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Make a dead letter of the command that keeps SITE parked for target NAME; the site's next one is tried then.

    Exit code 1 if no worker has such a command.
    """
    settings = load_settings()
    if name not in (known := sorted(settings.configuration.integrations)):
        raise click.UsageError(f"the configuration has no {name}_integration; targets: {', '.join(known)}")
    try:
        result = asyncio.run(_give_up(settings, name, site, wait_seconds))
    except KafkaError as error:
        servers = ", ".join(settings.configuration.kafka_config.bootstrap_servers)
        raise click.ClickException(f"no Kafka at {servers}: {error}") from None
    if result is None:
        raise click.ClickException(f"no worker has a parked command of {site} for {name}: see its sync state")
    if as_json:
        click.echo(orjson.dumps(msgspec.to_builtins(result), option=orjson.OPT_INDENT_2))
    else:
        click.echo(f"{result.command_id} is a dead letter: sitehub dead-letters list --site {site}")


async def _give_up(settings: Settings, target: str, site: str, wait_seconds: float) -> Result | None:
    """What became of the site's command; None if nothing did."""
    client, names = kafka_client(settings), names_of(settings)
    async with AIOKafkaConsumer(**client, isolation_level="read_committed", enable_auto_commit=False) as consumer:
        count = settings.configuration.kafka_config.topics[SITE_EVENTS].partitions
        partitions = [TopicPartition(names.sync_results, number) for number in range(count)]
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        for tp in partitions:
            await consumer.position(tp)  # so that what comes from now on is seen
        await audit_trail(settings).record(
            "command.give_up", "site", site, before={}, after={"target": target}, source="cli", site_id=site
        )
        await _ask(client, names.sync_metrics, {"target": target, "site": site})
        try:
            async with asyncio.timeout(wait_seconds):
                return await _rejected(consumer, target, site)
        except TimeoutError:
            return None


async def _ask(client: Mapping[str, Any], topic: str, content: Mapping[str, str]) -> None:
    message = orjson.dumps({"kind": GIVE_UP, "worker": operator(), "content": content})
    async with AIOKafkaProducer(**client, enable_idempotence=True) as producer:
        await producer.send_and_wait(topic, message, key=operator().encode(), partition=0)


async def _rejected(consumer: AIOKafkaConsumer, target: str, site: str) -> Result:
    while True:
        for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
            for record in records:
                headers = dict(record.headers)
                if record.key == site.encode() and headers.get("status") == b"rejected":
                    result = decode_result(record.value)
                    if result.target == target:
                        return result
