"""`sitehub worker`: one worker in the foreground."""

import asyncio
import ipaddress
import logging
import socket

import click
from aiokafka.errors import KafkaError
from faust import Worker

from sitehub.app import create_app
from sitehub.settings import ConfigurationError, Settings, load_settings
from sitehub.topics.create import TopicCreationError, TopicMismatchError, create_missing
from sitehub.topics.declared import declare
from sitehub.wiring import kafka_client, sync_rules


@click.command()
@click.option("--web-host", default="127.0.0.1", show_default=True, help="Address of the HTTP view.")
@click.option("--web-port", default=6066, show_default=True, type=click.IntRange(1, 65535), help="Its port.")
@click.option(
    "--log-level", default="info", show_default=True, type=click.Choice(["debug", "info", "warning", "error"])
)
def worker(web_host: str, web_port: int, log_level: str) -> None:
    """Run a worker until SIGTERM or Ctrl-C; several may run, each with a SITEHUB_DATA and a port of its own."""
    try:
        settings = load_settings()
    except ConfigurationError as error:
        raise click.ClickException(f"the configuration has mistakes:\n{error}") from None
    _check(settings, web_host, web_port)
    try:
        asyncio.run(create_missing(kafka_client(settings), declare(settings, sync_rules(settings).targets)))
    except (TopicMismatchError, TopicCreationError) as error:
        raise click.ClickException(str(error)) from None
    except (KafkaError, OSError) as error:
        servers = ", ".join(settings.configuration.kafka_config.bootstrap_servers)
        raise click.ClickException(f"no Kafka at {servers}: {error}") from None
    app = create_app(settings, web_host, web_port)
    for part, why in app.off.items():
        logging.getLogger("sitehub").warning("%s is off: %s", part, why)
    Worker(app, loglevel=log_level, redirect_stdouts=False).execute_from_commandline()


def _check(settings: Settings, host: str, port: int) -> None:
    if settings.configuration.authentication.type == "none" and not ipaddress.ip_address(host).is_loopback:
        raise click.ClickException("authentication.type none is allowed on a loopback address only: set --web-host")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(f"{host}:{port}: {error.strerror}; choose another --web-port") from None
