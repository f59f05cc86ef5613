"""PostgreSQL."""

from typing import Literal

from pydantic import Field

from sitehub.settings.model import Block
from sitehub.settings.shapes import Name, Period, Port


class ConnectionPool(Block):
    """Connections of one worker to one server."""

    min_connections: int = Field(ge=0)
    """Connections that are kept open."""
    max_connections: int = Field(gt=0)
    """Connections at most."""
    connection_timeout: int = Field(gt=0)
    """Milliseconds to wait for a connection."""
    idle_timeout: int = Field(gt=0)
    """Milliseconds after which an idle connection is closed."""


class Server(Block):
    """One PostgreSQL server."""

    host: Name
    """Name or address."""
    port: Port
    """TCP port."""
    database: Name
    """Name of the database."""
    username: Name
    """Role that logs in."""
    password: str
    """Secret of that role."""
    ssl_mode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]
    """Encryption and what is checked, as in libpq."""
    ssl_root_cert: str | None = None
    """File with the certificates of authorities that `verify-ca` and `verify-full` trust; absent: the system's."""
    connection_pool: ConnectionPool
    """Size of the pool and its time-outs."""


class Retention(Block):
    """How long tables that only grow keep their rows; samples: see `performance_monitoring.retention_period`."""

    audit_log: Period = "13_months"
    """Who did what."""
    command_attempts: Period = "90_days"
    """Every attempt of a call."""


class DatabaseConfig(Block):
    """Where the read model, sync status and audit are kept."""

    primary: Server
    """Server for writes."""
    read_replica: Server | None = None
    """Server for reads; absent or gone: the primary answers."""
    retention: Retention = Retention()
    """How long what only grows is kept."""
