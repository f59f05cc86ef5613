"""Rows that were read or written lately: a look into a dict costs a twentieth of a look into RocksDB."""

from collections.abc import Callable, Iterable

from sitehub.engine.batch import Row

LIMIT_BYTES = 8 << 20
"""Of keys and values that a partition's cache holds, twice: in a young and an old generation."""


class RowCache:
    """Two generations: what is used is in the young one; when that is full it takes the place of the old one."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit = limit_bytes
        self._young: dict[bytes, bytes | None] = {}
        self._old: dict[bytes, bytes | None] = {}
        self._size = 0

    def get(self, keys: list[bytes], read: Callable[[list[bytes]], list[bytes | None]]) -> list[bytes | None]:
        """Values of `keys` in their order; `read` is asked for those that are not here."""
        young, old = self._young, self._old
        absent = [key for key in keys if key not in young and key not in old]
        found = dict(zip(absent, read(absent), strict=True)) if absent else {}
        values = [young[key] if key in young else old[key] if key in old else found[key] for key in keys]
        self.put([(key, value) for key, value in zip(keys, values, strict=True) if key not in young])
        return values

    def put(self, rows: Iterable[Row]) -> None:
        """Remember rows as they are now; None for one that is not there."""
        young, size = self._young, self._size
        for key, value in rows:
            size += len(key) + len(value or b"")
            young[key] = value
        self._size = size
        if size > self._limit:
            self._old, self._young, self._size = young, {}, 0

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old, self._size = {}, {}, 0
