"""What is wrong with a configuration, all of it at once."""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches

KeyPath = tuple[str | int, ...]
"""Keys and places in lists, from the root."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """One fault."""

    file: str
    """File that holds it; all files if it is what none of them has."""
    path: str
    """Keys from the root, joined by dots; of a text that is no JSON its line and column."""
    found: str
    allowed: str
    suggestion: str | None = None
    """Nearest known name, if one is near."""

    def __str__(self) -> str:
        hint = f"; did you mean {self.suggestion!r}?" if self.suggestion else ""
        return f"{self.file}: {self.path or '(root)'}: found {self.found}, allowed: {self.allowed}{hint}"


class ConfigurationError(Exception):
    """The configuration can't be used; `mistakes` are all that is wrong with it."""

    def __init__(self, mistakes: list[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


def dotted(path: KeyPath) -> str:
    """The path as people write it."""
    return ".".join(map(str, path))


def nearest(name: str, known: Iterable[str], likeness: float = 0.5) -> str | None:
    """The known name that was probably meant: the most alike, if it is at least so much alike (0 to 1)."""
    matches = get_close_matches(name, sorted(known), n=1, cutoff=likeness)
    return matches[0] if matches else None
