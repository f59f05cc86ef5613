"""One embedded PostgreSQL for all tests of a session; a fresh database with the schema for each test."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from sitehub.dev.kafka import free_port
from sitehub.dev.names import Names
from sitehub.dev.postgres import EmbeddedPostgres
from sitehub.stores.postgres.address import connect
from sitehub.stores.postgres.schema import Schema, prepare

QUICK = {"fsync": "off", "wal_level": "replica"}
"""A killed server loses nothing by it, a machine without power would."""
TEMPLATE = "sitehub_template"
ROLES = ("app_user", "readonly_user")
"""As in the guide."""


@dataclass(frozen=True)
class Database:
    """A database of the test's own, with the schema; rights as `app_user` has them, or as its owner."""

    server: EmbeddedPostgres
    name: str

    @property
    def dsn(self) -> str:
        """As the application's role."""
        return self.server.dsn_of(self.name, "app_user")

    @property
    def owner_dsn(self) -> str:
        return self.server.dsn_of(self.name)

    @property
    def overlay(self) -> dict[str, Any]:
        """The guide's servers, both here."""
        at = {"host": "127.0.0.1", "port": self.server.port, "database": self.name, "ssl_mode": "disable"}
        return {"database_config": {"primary": at, "read_replica": at}}


SECRETS = {f"SITEHUB_SECRET_DATABASE_CONFIG__{name}__PASSWORD": "any" for name in ("PRIMARY", "READ_REPLICA")}
"""Of the overlay: on loopback everybody is trusted."""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A running server. A test may stop, kill or pause it: the next test finds it running again."""
    postgres = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"), free_port(), QUICK)
    postgres.start()
    asyncio.run(_make_template(postgres))
    yield postgres
    postgres.resume()
    postgres.stop()


@pytest.fixture
async def postgres(server: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A fresh database that has the schema."""
    server.resume()
    server.start()
    database = Database(server, Names().app_id)
    await _as_owner(server, f"CREATE DATABASE {database.name} TEMPLATE {TEMPLATE}")
    yield database
    server.resume()
    server.start()
    await _as_owner(server, f"DROP DATABASE {database.name} WITH (FORCE)")


@pytest.fixture
async def empty(server: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A fresh database without the schema."""
    database = Database(server, Names().app_id)
    await _as_owner(server, f"CREATE DATABASE {database.name}")
    yield database
    await _as_owner(server, f"DROP DATABASE {database.name} WITH (FORCE)")


@pytest.fixture
async def owner(postgres: Database) -> AsyncIterator[Any]:
    """A connection as the schema's owner, who may do anything."""
    connection = await connect(postgres.owner_dsn)
    yield connection
    await connection.close()


@pytest.fixture
async def application(postgres: Database) -> AsyncIterator[Any]:
    """A connection as the application's role."""
    connection = await connect(postgres.dsn)
    yield connection
    await connection.close()


async def _make_template(server: EmbeddedPostgres) -> None:
    for role in ROLES:
        await _as_owner(server, f"CREATE ROLE {role} LOGIN")
    await _as_owner(server, f"CREATE DATABASE {TEMPLATE}")
    connection = await connect(server.dsn_of(TEMPLATE))
    await prepare(connection, Schema(*ROLES))
    await connection.close()


async def _as_owner(server: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(server.dsn_of("postgres"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
