"""Where a server is and who logs in."""

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
    password: str = field(repr=False)
    ssl_mode: str
    connect_seconds: float

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
            "ssl": self.ssl_mode,
            "timeout": self.connect_seconds,
            "server_settings": {"application_name": APPLICATION},
        }


async def connect(address: Address | str) -> Any:
    """A connection to an address or DSN; raises what `asyncpg.connect` does, see `Unreachable`."""
    if isinstance(address, str):
        return await asyncpg.connect(address, server_settings={"application_name": APPLICATION})
    return await asyncpg.connect(**address.options)


Unreachable = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError)
"""What is raised while a server is away."""
