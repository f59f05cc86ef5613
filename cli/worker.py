"""`sitehub worker`: one worker in the foreground."""

import asyncio
import gc
import ipaddress
import socket
from logging.config import dictConfig

import click
from aiokafka.errors import KafkaConnectionError, KafkaError
from faust import Worker
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from sitehub.app import create_app
from sitehub.codecs.avro_events import AvroSchemaError
from sitehub.settings import Settings, load_settings
from sitehub.telemetry.log_config import logging_config
from sitehub.telemetry.logs import log
from sitehub.topics.create import TopicCreationError, TopicMismatchError, create_missing
from sitehub.topics.declared import declare
from sitehub.wiring import called_targets, kafka_client

KAFKA_SECONDS = 60
KAFKA_PAUSE_SECONDS = 2
GC_ALLOCATIONS = 100_000
"""Between two looks for cycles; with Python's 700 a quarter of the time goes there."""


@click.command()
@click.option("--web-host", default="127.0.0.1", show_default=True, help="Address of the HTTP view.")
@click.option("--web-port", default=6066, show_default=True, type=click.IntRange(1, 65535), help="Its port.")
@click.option(
    "--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning", "error"])
)
def worker(web_host: str, web_port: int, log_level: str) -> None:
    """Run a worker until SIGTERM or Ctrl-C; several may run, each with a SITEHUB_DATA and a port of its own."""
    settings = load_settings()
    _check(settings, web_host, web_port)
    logs = logging_config(log_level)
    dictConfig(logs)
    _create_topics(settings)
    try:
        app = create_app(settings, web_host, web_port)
    except AvroSchemaError as error:
        raise click.ClickException(str(error)) from None
    log("worker_starting", app_id=settings.app_id, config_id=settings.config_id, url=f"http://{web_host}:{web_port}")
    for part, why in app.off.items():
        log("part_off", part=part, why=why)
    gc.freeze()  # what is there now stays; a batch makes 10,000s of short-lived objects without cycles
    gc.set_threshold(GC_ALLOCATIONS, 20, 100)
    try:
        options = {"loglevel": log_level, "logging_config": logs, "redirect_stdouts": False, "quiet": True}
        Worker(app, **options).execute_from_commandline()
    finally:
        log("worker_stopped")


def _create_topics(settings: Settings) -> None:
    """Create what is missing; wait for a Kafka that is not there yet."""
    client, topics = kafka_client(settings), declare(settings, called_targets(settings))
    servers = settings.configuration.kafka_config.bootstrap_servers
    waiting = Retrying(
        retry=retry_if_exception_type((KafkaConnectionError, OSError)),
        wait=wait_fixed(KAFKA_PAUSE_SECONDS),
        stop=stop_after_delay(KAFKA_SECONDS),
        before_sleep=lambda state: log(
            "kafka_unreachable", servers=servers, error=str(state.outcome.exception() if state.outcome else "")
        ),
        reraise=True,
    )
    try:
        created = waiting(lambda: asyncio.run(create_missing(client, topics)))
    except (TopicMismatchError, TopicCreationError) as error:
        raise click.ClickException(str(error)) from None
    except (KafkaError, OSError) as error:
        raise click.ClickException(
            f"no Kafka at {', '.join(servers)}, or it refuses the login (see the log): {error}"
        ) from None
    if created:
        log("topics_created", topics=created)


def _check(settings: Settings, host: str, port: int) -> None:
    if settings.configuration.authentication.type == "none" and not ipaddress.ip_address(host).is_loopback:
        raise click.ClickException("authentication.type none is allowed on a loopback address only: set --web-host")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(f"{host}:{port}: {error.strerror}; choose another --web-port") from None
