"""The `sitehub` command."""

import os
from typing import Any

import click

from sitehub.cli.audit import audit
from sitehub.cli.database import database
from sitehub.cli.dead_letters import dead_letters
from sitehub.cli.mapping import mapping_group
from sitehub.cli.status import status
from sitehub.cli.sync import sync
from sitehub.cli.target import target
from sitehub.cli.verify import verify
from sitehub.cli.worker import worker
from sitehub.dev.broker_command import broker
from sitehub.dev.feed_command import feed
from sitehub.dev.local_hub import adopt
from sitehub.dev.publish_command import publish_command
from sitehub.dev.targets_command import targets
from sitehub.dev.up_command import up
from sitehub.settings import ConfigurationError, load_settings
from sitehub.settings.command import check_config
from sitehub.wiring import kafka_client

ASKING = frozenset({"audit", "database", "dead-letters", "mapping", "publish", "status", "sync", "target", "verify"})
"""Commands that ask a hub, or tell it something: they find the one that `sitehub up` runs in SITEHUB_DATA."""


def client_options() -> dict[str, Any]:
    """Keyword arguments of a Kafka client, from the configuration."""
    return kafka_client(load_settings())


class HubGroup(click.Group):
    """Tells the mistakes of a configuration in place of a trace."""

    def invoke(self, ctx: click.Context) -> Any:
        """As click does."""
        try:
            return super().invoke(ctx)
        except ConfigurationError as error:
            raise click.ClickException(f"the configuration has mistakes:\n{error}") from None


@click.group(cls=HubGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="sitehub")
@click.pass_context
def main(ctx: click.Context) -> None:
    """The customer sites integration hub.

    Configuration: SITEHUB_CONFIG, else what `sitehub up` left in SITEHUB_DATA, else the packaged guide.
    """
    if ctx.invoked_subcommand in ASKING:
        adopt(os.environ)


for command in (
    audit,
    broker,
    check_config,
    database,
    dead_letters,
    feed,
    mapping_group,
    sync,
    target,
    targets,
    worker,
    publish_command(client_options),
    status,
    up,
    verify,
):
    main.add_command(command)
