"""Lay one document over another, and remember which file gave what."""

from typing import Any

from sitehub.settings.mistakes import KeyPath, dotted


class Merged:
    """Documents laid over each other: objects key by key, everything else replaced."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = {}
        self.files: list[str] = []
        self._origins: dict[str, str] = {}

    def lay(self, block: dict[str, Any], file: str) -> None:
        """Lay `block` over what is there. The block is copied as far as it may be changed later."""
        if file not in self.files:
            self.files.append(file)
        self._lay(self.document, block, (), file)

    def file_of(self, path: KeyPath) -> str:
        """The file that gave the value at `path`, or the nearest one above it; all of them if none did."""
        for length in range(len(path), 0, -1):
            if (file := self._origins.get(dotted(path[:length]))) is not None:
                return file
        return ":".join(self.files)

    def _lay(self, into: dict[str, Any], block: dict[str, Any], path: KeyPath, file: str) -> None:
        for key, value in block.items():
            here = (*path, key)
            self._origins[dotted(here)] = file
            if isinstance(value, dict):
                if not isinstance(into.get(key), dict):
                    into[key] = {}
                self._lay(into[key], value, here, file)
            else:
                into[key] = value
