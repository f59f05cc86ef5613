"""Pools of connections: writes go to the primary, reads to the replica while it answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from sitehub.stores.postgres.address import Address, Unreachable

STATEMENT_SECONDS = 60.0
"""A statement may take; who needs longer says so to asyncpg."""
LOOK_UP_SECONDS = 5.0
"""After this the primary is asked in the replica's place."""
WATCH_SECONDS = 1.0
PROBE_SECONDS = 2.0
CLOSE_SECONDS = 3.0
GONE = (*Unreachable, asyncpg.SerializationError)
"""What a replica raises that is not to be asked now; the last when recovery needs what the statement reads."""


@dataclass(slots=True)
class Pool:
    """Connections to one server, opened when they are first wanted: the server need not be there before."""

    address: Address
    min_connections: int
    max_connections: int
    idle_seconds: float
    _pool: Any = None
    _opening: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """A connection of asyncpg; raises one of `Unreachable`.

        A connection whose server has just died may still be handed out: its first statement raises the same.
        """
        pool = self._pool or await self._open()
        async with pool.acquire(timeout=self.address.connect_seconds) as connection:
            yield connection

    async def close(self) -> None:
        """Close all connections, by force if the server does not answer."""
        if self._pool is not None:
            pool, self._pool = self._pool, None
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await pool.close()
            except TimeoutError:
                pool.terminate()

    async def _open(self) -> Any:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    min_size=self.min_connections,
                    max_size=self.max_connections,
                    max_inactive_connection_lifetime=self.idle_seconds,
                    command_timeout=STATEMENT_SECONDS,
                    **self.address.options,
                )
            return self._pool


class Pools:
    """The configured servers. The replica counts as up when `watch` or `probe` has found that it answers."""

    def __init__(
        self, primary: Pool, replica: Pool | None, on_replica: Callable[[bool], None] = lambda _up: None
    ) -> None:
        """`on_replica` is told whether the replica answers, each time that this is known anew."""
        self.primary = primary
        self.replica = replica
        self.replica_is_up = False
        self._on_replica = on_replica
        self._asking: set[asyncio.Task[list[Any]]] = set()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Any]:
        """A connection to the primary."""
        async with self.primary.acquire() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Any]:
        """A connection to the replica, or to the primary if the replica does not answer; what fails later is raised.

        The replica may be behind the primary.
        """
        pool = self.replica if self.replica is not None and self.replica_is_up else self.primary
        async with pool.acquire() as connection:
            yield connection

    async def fetch(self, statement: str, *values: Any) -> list[Any]:
        """Rows of a statement that only reads. A replica that fails or hangs is left for the primary."""
        if self.replica is not None and self.replica_is_up:
            try:
                return await self._ask(self.replica, LOOK_UP_SECONDS, statement, *values)
            except GONE:
                self._mark(up=False)
        async with self.primary.acquire() as connection:
            return list(await connection.fetch(statement, *values))

    @property
    def replica_state(self) -> str:
        """`up`, `down`, or `none` if there is none."""
        if self.replica is None:
            return "none"
        return "up" if self.replica_is_up else "down"

    async def probe(self) -> bool:
        """Ask the replica, if there is one, whether it answers."""
        up = False
        if self.replica is not None:
            with contextlib.suppress(asyncpg.PostgresError, *GONE):
                up = bool(await self._ask(self.replica, PROBE_SECONDS, "SELECT true"))
        self._mark(up=up)
        return up

    async def _ask(self, pool: Pool, seconds: float, statement: str, *values: Any) -> list[Any]:
        """Rows, or TimeoutError in time: asyncpg, when it is cancelled, asks the server that hangs to agree first."""

        async def ask() -> list[Any]:
            async with pool.acquire() as connection:
                return list(await connection.fetch(statement, *values))

        asking = asyncio.create_task(ask())
        self._asking.add(asking)
        asking.add_done_callback(self._asked)
        await asyncio.wait({asking}, timeout=seconds)
        if asking.done():
            return asking.result()
        asking.cancel()
        raise TimeoutError

    def _asked(self, asking: asyncio.Task[list[Any]]) -> None:
        self._asking.discard(asking)
        if not asking.cancelled():
            asking.exception()  # of one that nobody waits for any more, it is told to nobody

    async def watch(self) -> None:
        """Keep asking the replica until cancelled."""
        while self.replica is not None:
            await self.probe()
            await asyncio.sleep(WATCH_SECONDS)

    async def close(self) -> None:
        """Close all connections."""
        for asking in self._asking:
            asking.cancel()
        for pool in filter(None, (self.primary, self.replica)):
            await pool.close()

    def _mark(self, *, up: bool) -> None:
        self.replica_is_up = up
        self._on_replica(up)
