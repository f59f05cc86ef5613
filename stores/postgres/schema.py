"""The schema as the configuration wants it: steps, retention, rights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from sitehub.stores.postgres.migrate import MigrationError, carried, migrate, pending
from sitehub.stores.postgres.sql import statement


@dataclass(frozen=True, slots=True)
class Schema:
    """What the schema depends on."""

    application: str
    """Role of the workers."""
    reader: str
    """Role of those who only read."""
    retention: Mapping[str, str] = field(default_factory=dict)
    """How long partitions are kept, in PostgreSQL's words, by table of the schema `integration`."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was done: steps that were applied, roles that have their rights."""

    applied: list[str]
    roles: list[str]


async def prepare(connection: Any, schema: Schema) -> Prepared:
    """Migrate, set how long things are kept, and give the roles their rights. Several may run at once."""
    names = await migrate(connection, carried())
    async with connection.transaction():
        for table, keep in schema.retention.items():
            await connection.execute(statement("set_retention"), table, keep)
        roles = await connection.fetch("SELECT integration.grant_rights($1, $2)", schema.application, schema.reader)
    return Prepared(names, sorted(role[0] for role in roles))


async def prepare_if_lacking(connection: Any, schema: Schema) -> list[str]:
    """Steps that were applied because the database lacked them.

    A worker that may not change the schema finds it as its owner has made it; else MigrationError tells what the owner
    must do.
    """
    try:
        if not await pending(connection, carried()):
            return []
        return (await prepare(connection, schema)).applied
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationError(f"{error}: run sitehub database migrate as the owner of the schema") from error
