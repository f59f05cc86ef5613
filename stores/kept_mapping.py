"""The mapping that a worker had last, in its own folder: what holds while the database is away at a start."""

import contextlib
from pathlib import Path

import msgspec

from sitehub.rules.mapping import MappingEntry

NAME = "mapping.json"
Entries = dict[str, list[MappingEntry]]


class KeptMapping:
    """One file, replaced as a whole."""

    def __init__(self, data: Path) -> None:
        self._path = data / NAME

    def read(self) -> Entries | None:
        """What was written last; None if nothing was, or it is no longer whole."""
        with contextlib.suppress(OSError, msgspec.MsgspecError):
            return msgspec.json.decode(self._path.read_bytes(), type=Entries)
        return None

    def write(self, entries: Entries) -> None:
        """Keep it; raises OSError if the disk takes nothing."""
        new = self._path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(entries))
        new.replace(self._path)
