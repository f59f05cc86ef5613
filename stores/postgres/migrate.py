"""Bring the schema to what this version needs: numbered SQL files, each applied once, in order, never taken back."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

import asyncpg

from sitehub.stores.postgres.sql import statement

LOCK = 0x5173_4855_4201
"""Of the advisory lock: workers that start at once wait for each other."""


class MigrationError(Exception):
    """The database can't be brought to this version. One line that says why and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A step as this version carries it, with the checksum of its text."""

    version: int
    name: str
    sql: str
    checksum: str


def carried() -> list[Migration]:
    """The steps of this version, in order."""
    files = [file for file in resources.files("sitehub.stores.postgres.migrations").iterdir() if ".sql" in file.name]
    texts = {file.name: file.read_text(encoding="utf-8") for file in sorted(files, key=lambda file: file.name)}
    return [
        Migration(int(name[:4]), name.removesuffix(".sql"), sql, hashlib.sha256(sql.encode()).hexdigest())
        for name, sql in texts.items()
    ]


async def applied(connection: Any) -> list[dict[str, Any]]:
    """The steps that the database has: version, name, checksum, applied_at."""
    if await connection.fetchval("SELECT to_regclass('integration.migrations')") is None:
        return []
    return [dict(row) for row in await connection.fetch(statement("applied_migrations"))]


async def pending(connection: Any, steps: Sequence[Migration]) -> list[Migration]:
    """Those that the database lacks; raises MigrationError if one was applied with another text."""
    checksums = {row["version"]: row["checksum"] for row in await applied(connection)}
    for step in steps:
        if checksums.get(step.version, step.checksum) != step.checksum:
            raise MigrationError(f"{step.name} was applied with another text: restore the file, and add a new step")
    return [step for step in steps if step.version not in checksums]


async def migrate(connection: Any, steps: Sequence[Migration]) -> list[str]:
    """Apply what is missing, all or nothing; the names of what was applied. Several may run at once."""
    async with connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        missing = await pending(connection, steps)
        for step in missing:
            try:
                await connection.execute(step.sql)
            except asyncpg.InsufficientPrivilegeError:
                raise
            except asyncpg.PostgresError as error:
                raise MigrationError(f"{step.name}: {error}") from error
            await connection.execute(statement("record_migration"), step.version, step.name, step.checksum)
        return [step.name for step in missing]
