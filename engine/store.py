"""One partition of a table on disk: RocksDB, with the changelog's position in the same write as the rows."""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from rocksdict import Options, Rdict, WriteBatch, WriteOptions

from sitehub.engine.batch import Row
from sitehub.engine.cache import RowCache

POSITION_KEY = b"\x00position"
"""Where the store stands in its changelog. Kept here only."""
OFFSET_KEY = b"\x00offset"
"""Next offset of the source whose handler keeps this table. Travels through the changelog."""


class Position(NamedTuple):
    """All of the changelog before `offset` is in the store; `timestamp` (ms) is of the record just before it.

    The timestamp tells a changelog that was deleted and made anew from the one that the store was filled from.
    """

    offset: int
    timestamp: int


START = Position(0, 0)
LOCKED = ("IO error: While lock file:", "IO error: lock hold by current process")
"""How RocksDB begins to say that somebody else, or this process, has a store open."""


def database_options() -> Options:
    """How RocksDB keeps a store."""
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    return options


class CorruptedStoreError(LookupError):
    """What is on disk can't be read: whoever keeps the store must rebuild it from the changelog."""


class Store:
    """Rows of one table partition. Keys that begin with NUL are the engine's own.

    There is no write-ahead log: the changelog is the log. A memtable that a crash loses takes its position along, so
    that the restore reads those rows again.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._unlogged = WriteOptions()
        self._unlogged.disable_wal = True
        self._db = self._open()
        self._cache = RowCache()
        self.current_at = 0.0
        """When, in seconds since 1970, it was last known to hold all that its changelog had; 0 if it never was."""
        self.is_corrupted = False
        """Whether it gives and takes nothing until `reset`."""
        self._has_failed = False

    def _open(self) -> Rdict:
        options = database_options()
        try:
            return Rdict(str(self._path), options)
        except Exception as error:
            if str(error).startswith(LOCKED):
                raise
            shutil.rmtree(self._path)  # corrupted: the changelog has it all
            return Rdict(str(self._path), options)

    @property
    def position(self) -> Position:
        """Where the restore goes on in the changelog."""
        with self._whole():
            offset, _, timestamp = (self._db.get(POSITION_KEY) or b"0:0").partition(b":")
        return Position(int(offset), int(timestamp))

    @property
    def source_offset(self) -> int:
        """Next offset of the source; 0 if nothing was ever applied."""
        with self._whole():
            return int(self._db.get(OFFSET_KEY) or 0)

    def get(self, keys: list[bytes]) -> list[bytes | None]:
        """Values of `keys` in their order; None where there is no row."""
        with self._whole():
            return self._cache.get(keys, self._db.get)

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows whose keys begin with `prefix`, in the order of their bytes."""
        with self._whole():
            for key, value in self._db.items(from_key=prefix):
                if not key.startswith(prefix):
                    return
                yield key, value

    def write(self, rows: Iterable[Row], position: Position) -> None:
        """Apply `rows` and move the position, both or neither; what was cached is forgotten."""
        self._cache.clear()
        self._write(rows, position)

    def update(self, rows: list[Row], position: Position) -> None:
        """As `write`, for rows that are likely to be read soon."""
        self._write(rows, position)
        self._cache.put(rows)

    def reset(self) -> None:
        """Forget everything: what is on disk is not a prefix of the changelog any more."""
        self._let_go()
        shutil.rmtree(self._path, ignore_errors=True)
        self._db = self._open()
        self._cache.clear()
        self.current_at = 0.0
        self.is_corrupted = self._has_failed = False

    def mend(self) -> None:
        """Open it anew if a write failed: RocksDB takes none any more, though there may be room on the disk again.

        What was not flushed is lost, and the position with it.
        """
        if self._has_failed:
            self._let_go()
            self._cache.clear()
            self._db = self._open()
            self._has_failed = False

    def close(self) -> None:
        """Flush the memtable, so that a restart reads only what comes after, and let go of the lock."""
        if not self._has_failed:
            self._db.flush()
        self._let_go()

    def _let_go(self) -> None:
        with suppress(Exception):  # after a failure it tries to flush once more, in vain; closed it is
            self._db.close()

    def _write(self, rows: Iterable[Row], position: Position) -> None:
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, value in rows:
            if value is None:
                delete(key)
            else:
                put(key, value)
        put(POSITION_KEY, b"%d:%d" % position)
        self._has_failed = True  # until it has not
        with self._whole():
            self._db.write(batch, self._unlogged)
        self._has_failed = False

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """A block whose checksum is wrong is noticed when it is read: then nothing of the store is trusted any more."""
        if self.is_corrupted:
            raise CorruptedStoreError(f"{self._path} is corrupted and not rebuilt yet")
        try:
            yield
        except Exception as error:
            if "corruption" not in str(error).lower():
                raise
            self.is_corrupted = True
            raise CorruptedStoreError(f"{self._path}: {error}") from error
