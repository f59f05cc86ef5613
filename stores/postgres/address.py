"""Where a server is and who logs in."""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import asyncpg

APPLICATION = "sitehub"
"""What the server's own views call our connections."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server, a database and a login."""

    host: str
    port: int
    database: str
    user: str
    password: str | Callable[[], str] = field(repr=False)
    """Asked for each connection anew if it is a function."""
    ssl_mode: str
    connect_seconds: float
    """To wait for a connection."""
    root_cert: str | None = None
    """File with the certificates of authorities that `verify-ca` and `verify-full` trust; default: the system's."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def options(self) -> dict[str, Any]:
        """Keyword arguments of asyncpg's connections and pools."""
        return {
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "user": self.user,
            "password": self.password,
            "ssl": self._tls(),
            "timeout": self.connect_seconds,
            "server_settings": {"application_name": APPLICATION},
        }

    def _tls(self) -> str | ssl.SSLContext:
        if self.ssl_mode not in ("verify-ca", "verify-full"):
            return self.ssl_mode
        context = ssl.create_default_context(cafile=self.root_cert)
        context.check_hostname = self.ssl_mode == "verify-full"
        return context


async def connect(address: Address | str) -> Any:
    """A connection to an address or DSN; raises what `asyncpg.connect` does, see `Unreachable`."""
    if isinstance(address, str):
        return await asyncpg.connect(address, server_settings={"application_name": APPLICATION})
    return await asyncpg.connect(**address.options)


Unreachable = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,  # it starts, stops, or has crashed
    asyncpg.exceptions.InsufficientResourcesError,
)
"""What is raised while a server is away, or has no room for us."""
