"""Look into a document whose shape is not yet known to be right: what is not there is passed over."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sitehub.settings.mistakes import KeyPath, nearest


@dataclass(frozen=True, slots=True)
class Fault:
    """A mistake before it is known which file made it."""

    path: KeyPath
    found: str
    allowed: str
    suggestion: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A value and where it stands."""

    path: KeyPath
    value: Any

    def __truediv__(self, key: str | int) -> "Place":
        """What stands at `key`; None if nothing does."""
        inner = self.value.get(key) if isinstance(self.value, dict) else None
        return Place((*self.path, key), inner)

    def __iter__(self) -> Iterator["Place"]:
        """All entries of an object or a list."""
        match self.value:
            case dict():
                entries = list(self.value.items())
            case list():
                entries = list(enumerate(self.value))
            case _:
                entries = []
        return (Place((*self.path, key), value) for key, value in entries)

    def text(self, default: str | None = None) -> str | None:
        """The text that stands there; the default if nothing does; None if it is no text."""
        if self.value is None:
            return default
        return self.value if isinstance(self.value, str) else None

    def number(self) -> float | None:
        """The number that stands there."""
        return self.value if isinstance(self.value, int | float) and not isinstance(self.value, bool) else None

    def fault(self, found: str, allowed: str, suggestion: str | None = None) -> Fault:
        """A mistake that stands here."""
        return Fault(self.path, found, allowed, suggestion)

    def unknown(self, known: set[str], kind: str) -> Iterator[Fault]:
        """A mistake if the text that stands here is none of the known ones."""
        name = self.text()
        if name is not None and name not in known:
            allowed = f"one of {', '.join(sorted(known))}" if known else f"a {kind}, and none is configured"
            yield self.fault(f"the unknown {kind} {name!r}", allowed, nearest(name, known))
