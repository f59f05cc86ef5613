"""`sitehub broker run`: the embedded Kafka in the foreground."""

import json
import signal
from pathlib import Path
from types import FrameType
from typing import NoReturn

import click

from sitehub.dev.kafka import DEFAULT_PORT, EmbeddedKafka, EmbeddedKafkaError
from sitehub.dev.kafka_jars import JarsUnavailableError


@click.group()
def broker() -> None:
    """Embedded Kafka for development and tests."""


@broker.command()
@click.option(
    "--port",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Port on 127.0.0.1.",
)
@click.option(
    "--data",
    default=Path(".sitehub/kafka"),
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for the topics; kept when the broker stops.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the ready line as JSON.")
def run(port: int, data: Path, as_json: bool) -> None:  # noqa: FBT001 - click hands options by name
    """Run Apache Kafka until SIGTERM or Ctrl-C. Prints `ready HOST:PORT` once clients can connect."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    kafka = EmbeddedKafka(data, port)
    try:
        kafka.start()
        ready = {"ready": kafka.bootstrap, "pid": kafka.pid, "data": str(data.absolute())}
        click.echo(json.dumps(ready) if as_json else f"ready {kafka.bootstrap}")
        status = kafka.wait()
    except (EmbeddedKafkaError, JarsUnavailableError) as error:
        raise click.ClickException(str(error)) from None
    finally:
        kafka.stop()
    raise click.ClickException(f"Kafka ended by itself with status {status}; see {data}/kafka.log")


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)
