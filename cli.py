"""The `sitehub` command."""

from typing import Any

import click

from sitehub.audit_command import audit
from sitehub.database_command import database
from sitehub.dead_letters_command import dead_letters
from sitehub.dev.broker_command import broker
from sitehub.dev.feed_command import feed
from sitehub.dev.publish_command import publish_command
from sitehub.dev.targets_command import targets
from sitehub.dev.up_command import up
from sitehub.mapping_command import mapping_group
from sitehub.settings import ConfigurationError, load_settings
from sitehub.settings.command import check_config
from sitehub.status_command import status
from sitehub.target_command import target
from sitehub.verify_command import verify
from sitehub.wiring import kafka_client
from sitehub.worker_command import worker


def client_options() -> dict[str, Any]:
    """Keyword arguments of a Kafka client, from the configuration."""
    try:
        return kafka_client(load_settings())
    except ConfigurationError as error:
        raise click.ClickException(f"the configuration has mistakes:\n{error}") from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sitehub")
def main() -> None:
    """The customer sites integration hub."""


for command in (
    audit,
    broker,
    check_config,
    database,
    dead_letters,
    feed,
    mapping_group,
    target,
    targets,
    worker,
    publish_command(client_options),
    status,
    up,
    verify,
):
    main.add_command(command)

if __name__ == "__main__":
    main()
