"""PostgreSQL."""

from typing import Literal

from pydantic import Field

from sitehub.settings.model import Block


class ConnectionPool(Block):
    """Connections of one worker."""

    min_connections: int = Field(ge=0)
    """Kept open."""
    max_connections: int = Field(gt=0)
    """At most."""
    connection_timeout: int = Field(gt=0)
    """Milliseconds to get one."""
    idle_timeout: int = Field(gt=0)
    """Milliseconds after which an idle one is closed."""


class Server(Block):
    """One PostgreSQL server."""

    host: str
    """Name or address."""
    port: int = Field(gt=0, lt=65536)
    """TCP port."""
    database: str
    """Name of the database."""
    username: str
    """Role."""
    password: str
    """Secret."""
    ssl_mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
    """As in libpq."""
    connection_pool: ConnectionPool
    """Its size and time-outs."""


class DatabaseConfig(Block):
    """Where state is read and written."""

    primary: Server
    """For writes."""
    read_replica: Server | None = None
    """For reads; absent or gone: the primary answers."""
