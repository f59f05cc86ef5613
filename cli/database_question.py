"""What a command asks PostgreSQL, over a connection of its own; what fails becomes one line."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import asyncpg
import click
from aiokafka.errors import KafkaError

from sitehub.postgres_wiring import database_address
from sitehub.settings import Settings
from sitehub.stores.postgres.address import Address, Unreachable, connect

Found = TypeVar("Found")


async def over_connection(address: Address | str, question: Callable[[Any], Awaitable[Found]]) -> Found:
    """The answer over a connection of its own."""
    connection = await connect(address)
    try:
        return await question(connection)
    finally:
        await connection.close()


def ask(settings: Settings, question: Callable[[Any], Awaitable[Found]]) -> Found:
    """The answer of the primary; raises ClickException where it, its schema or Kafka is not there."""
    address = database_address(settings, "primary")
    if isinstance(address, str):
        raise click.ClickException(f"{address}: there is no database to ask")

    try:
        return asyncio.run(over_connection(address, question))
    except asyncpg.UndefinedTableError:
        raise click.ClickException(f"PostgreSQL at {address} lacks the schema: sitehub database migrate") from None
    except (*Unreachable, asyncpg.PostgresError) as error:
        raise click.ClickException(f"PostgreSQL at {address}: {str(error) or type(error).__name__}") from None
    except KafkaError as error:
        servers = ", ".join(settings.configuration.kafka_config.bootstrap_servers)
        raise click.ClickException(f"no Kafka at {servers}: {error}") from None
