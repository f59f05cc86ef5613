"""Stores of a worker's table partitions: those it owns, and those it follows for others."""

import asyncio
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sitehub.engine.changelog import follow
from sitehub.engine.store import Store

log = logging.getLogger(__name__)

AGAIN_SECONDS = 0.5
Name = tuple[str, int]
"""Table and partition."""


class Tables:
    """Open stores by table and partition; a standby is followed until it is owned or another worker's to follow."""

    def __init__(self, directory: Path) -> None:
        self.stores: dict[Name, Store] = {}
        self.standbys: set[Name] = set()
        self.changelogs: dict[str, str] = {}
        """Topic by table."""
        self._directory = directory
        self._following: asyncio.Task[None] | None = None

    def keep(self, owned: set[Name], standbys: set[Name]) -> None:
        """Open the stores of both kinds, close all others."""
        self.standbys = standbys - owned
        for name in self.stores.keys() - owned - self.standbys:
            self.stores.pop(name).close()
        for table, number in (owned | self.standbys) - self.stores.keys():
            self.stores[table, number] = Store(self._directory / f"{table}-{number}")

    def find(self, table: str, key: bytes) -> bytes | None:
        """Value of the row in any partition that is not only followed."""
        for name, store in self.stores.items():
            if name[0] == table and name not in self.standbys:
                value = store.get([key])[0]
                if value is not None:
                    return value
        return None

    def find_stale(self, table: str, key: bytes, recovered: set[Name]) -> tuple[bytes, float] | None:
        """The row in a partition that is followed or not yet recovered, and when (since 1970) it was last current."""
        for name, store in self.stores.items():
            if name[0] == table and name not in recovered and store.current_at and not store.is_corrupted:
                value = store.get([key])[0]
                if value is not None:
                    return value, store.current_at
        return None

    def follow(self, client: Mapping[str, Any]) -> None:
        """Begin to follow the standbys, if there are any."""
        if self.standbys:
            self._following = asyncio.create_task(self._follow(client))

    async def stop_following(self) -> None:
        """Leave the standbys as they are."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            self._following = None

    async def _follow(self, client: Mapping[str, Any]) -> None:
        """Keep the standbys up to date, whatever fails."""
        stores = {(self.changelogs[table], number): self.stores[table, number] for table, number in self.standbys}
        while True:
            try:
                await follow(client, stores)
            except Exception:
                log.exception("standby_failed")
                await asyncio.sleep(AGAIN_SECONDS)
