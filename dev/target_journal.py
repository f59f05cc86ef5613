"""What a stand-in target has accepted, on disk, so that it knows its customers after a restart."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from sitehub.dev.target_billing import Change

_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Change)


@dataclass(slots=True)
class Journal:
    """One JSON line a change. A line that a crash cut short is left out when reading."""

    path: Path
    _file: BinaryIO | None = field(default=None, init=False)

    def changes(self) -> Iterator[Change]:
        """Yield the changes of former runs in order."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield _DECODER.decode(line)

    def append(self, change: Change) -> None:
        """Add a change; it has left this process when this returns."""
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
            self._file.truncate(self._whole_bytes())
        self._file.write(_ENCODER.encode(change) + b"\n")

    def _whole_bytes(self) -> int:
        with self.path.open("rb") as file:
            return sum(len(line) for line in file if line.endswith(b"\n"))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
