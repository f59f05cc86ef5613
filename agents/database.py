"""The pools of the worker: watched while it runs, closed after all that use them have stopped."""

from typing import Any

from mode import Service

from sitehub.stores.postgres.pool import Pools


class Database(Service):
    """Keeps asking the replica; start it before whatever uses the pools."""

    def __init__(self, pools: Pools, **options: Any) -> None:
        super().__init__(**options)
        self._pools = pools

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch(self) -> None:
        await self._pools.watch()

    async def on_shutdown(self) -> None:
        """Close the connections."""
        await self._pools.close()
