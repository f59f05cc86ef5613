"""`sitehub dead-letters`: what could not be applied or delivered, and why."""

import asyncio
import base64
from collections.abc import Awaitable
from typing import Any, TypeVar

import click
import orjson
from aiokafka.errors import KafkaError

from sitehub.codecs.commands import decode_command
from sitehub.settings import Settings, load_settings
from sitehub.stores.dead_letters import StoredLetter, read_letter, read_letters
from sitehub.topics.declared import dead_letters_of, names_of
from sitehub.wiring import kafka_client

T = TypeVar("T")
ERROR_WIDTH = 80


@click.group(name="dead-letters")
def dead_letters() -> None:
    """Records that could not be applied or delivered."""


@dead_letters.command(name="list")
@click.option("--topic", help="Only of this dead-letter topic, or of this topic's dead letters.")
@click.option("--reason", help="Only with this reason, for example schema_violation.")
@click.option("--stage", type=click.Choice(["decode", "validate", "rule", "delivery"]), help="Only of this stage.")
@click.option("--site", help="Only of this site.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="The newest of them, at most.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
def list_(  # noqa: PLR0917 -- click hands options by name
    topic: str | None,
    reason: str | None,
    stage: str | None,
    site: str | None,
    limit: int,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Print dead letters, the newest last."""
    settings = load_settings()
    topics = _topics(settings)
    if topic is not None:
        topics = [name for name in topics if name in (topic, dead_letters_of(topic))]
        if not topics:
            raise click.ClickException(f"{topic} has no dead letters by the configuration; known: {_topics(settings)}")

    async def gather() -> list[StoredLetter]:
        return [
            one
            async for one in read_letters(kafka_client(settings), topics)
            if reason in (None, one.letter.reason)
            and stage in (None, one.letter.stage)
            and (site is None or one.key == site.encode())
        ]

    letters = sorted(_run(settings, gather()), key=lambda one: (one.letter.time, one.name))[-limit:]
    if as_json:
        click.echo(orjson.dumps([_summary(one) for one in letters], option=orjson.OPT_INDENT_2))
        return
    for one in letters:
        letter = one.letter
        key = (one.key or b"").decode("utf-8", "replace")
        click.echo(f"{letter.time}  {letter.stage:8} {letter.reason:18} {key:20} {one.name}")
        click.echo(f"    {letter.error[:ERROR_WIDTH]}")
    click.echo(f"{len(letters)} dead letters", err=True)


@dead_letters.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def show(name: str, as_json: bool) -> None:  # noqa: FBT001 -- click hands options by name
    """Print the dead letter NAME: topic/partition/offset, as `list` prints it."""
    topic, _, place = name.partition("/")
    partition, _, offset = place.partition("/")
    if not (partition.isdigit() and offset.isdigit()):
        raise click.ClickException(f"{name!r} is no name of a dead letter: it has the form topic/partition/offset")
    settings = load_settings()
    found = _run(settings, read_letter(kafka_client(settings), topic, int(partition), int(offset)))
    if found is None:
        raise click.ClickException(f"there is no dead letter {name}")
    document = {**_summary(found), "headers": [[key, _text(value)] for key, value in found.headers], **_value(found)}
    if as_json:
        click.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2))
        return
    for field, value in document.items():
        click.echo(f"{field}: {value if isinstance(value, str) else orjson.dumps(value).decode()}")


def _topics(settings: Settings) -> list[str]:
    names = names_of(settings)
    configuration = settings.configuration
    sources = [names.of(topic) for topic in configuration.kafka_config.topics]
    sources += [names.commands(target) for target in configuration.integrations]
    return [dead_letters_of(source) for source in sources]


def _run(settings: Settings, reading: Awaitable[T]) -> T:
    async def run() -> T:
        return await reading

    try:
        return asyncio.run(run())
    except KafkaError as error:
        servers = ", ".join(settings.configuration.kafka_config.bootstrap_servers)
        raise click.ClickException(f"no Kafka at {servers}: {error}") from None


def _summary(one: StoredLetter) -> dict[str, Any]:
    letter = one.letter
    return {
        "name": one.name,
        "time": letter.time,
        "stage": letter.stage,
        "reason": letter.reason,
        "error": letter.error,
        "key": _text(one.key),
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "attempts": letter.attempts,
        "target": letter.target,
    }


def _value(one: StoredLetter) -> dict[str, Any]:
    """The record's value as text, or as base64 where it is none; a command besides decoded."""
    if one.letter.stage == "delivery" and one.value is not None:
        command = decode_command(one.value)
        call = {"command_id": command.command_id, "method": command.method, "path": command.path, "body": command.body}
        return {"command": call, "value_base64": base64.b64encode(one.value).decode()}
    try:
        return {"value": None if one.value is None else one.value.decode()}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(one.value or b"").decode()}


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "backslashreplace")
