"""Pages of a batch: how far a run has come, what a page's key is, which rows of a rejected page are the bad ones."""

import hashlib
from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

DIGEST_CHARACTERS = 16


class Position(NamedTuple):
    """Of a row in the order that runs go through them: its own time, then its key."""

    time: datetime
    key: str


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A row and what the target is told of it."""

    position: Position
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows for one call: a page, or a part of one that was rejected. The label tells which: `17`, `17.1`, `17.1.2`."""

    label: str
    rows: tuple[BatchRow, ...]


Search = Generator[Part, bool, list[BatchRow]]


def bad_rows(page: Part) -> Search:
    """Yield the parts to call for, the page first; send in whether each was taken; the bad rows are what is returned.

    A rejected part is split in halves until it is one row: k bad rows among n cost about 2 k log2(n / k) calls more.
    """
    bad: list[BatchRow] = []
    pending = [page]
    while pending:
        part = pending.pop()
        is_taken = yield part
        if is_taken:
            continue
        if len(part.rows) == 1:
            bad += part.rows
            continue
        middle = (len(part.rows) + 1) // 2
        pending += [Part(f"{part.label}.2", part.rows[middle:]), Part(f"{part.label}.1", part.rows[:middle])]
    return bad


def idempotency_key(operation: str, watermark: str, label: str, body: bytes) -> str:
    """The same for the same content of the same page, in whatever run.

    With the digest, since a page that is read again after a crash may have other rows by then: under its old key the
    target would take them for a repetition.
    """
    return f"{operation}:{watermark}:{label}:{hashlib.sha256(body).hexdigest()[:DIGEST_CHARACTERS]}"


@dataclass(slots=True)
class _Open:
    last: Position
    rows: int
    rejected: int = 0
    has_ended: bool = False


class DeliveredPrefix:
    """How far a run has come: pages may end in any order, the position moves over what has ended without a gap."""

    def __init__(self, position: Position | None = None, page: int = 0) -> None:
        """Where an earlier attempt at the run came to, and the number of the page that ended there."""
        self.position = position
        self.page = page
        """Pages are counted from 1; all up to this one have ended."""
        self.rows = 0
        """Of the pages that the position moved over since the start, and below: those among them that were bad."""
        self.rejected = 0
        self._begun = page
        self._open: dict[int, _Open] = {}

    @property
    def in_flight(self) -> int:
        """Pages that have begun and that the position has not moved over."""
        return len(self._open)

    def begin(self, last: Position, rows: int) -> int:
        """The number of the next page, whose last row is at `last`."""
        self._begun += 1
        self._open[self._begun] = _Open(last, rows)
        return self._begun

    def ended(self, page: int, rejected: int) -> bool:
        """All rows of the page are delivered or dead letters; whether the position has moved."""
        self._open[page].has_ended = True
        self._open[page].rejected = rejected
        before = self.page
        while (following := self._open.get(self.page + 1)) is not None and following.has_ended:
            self.page += 1
            self.position = following.last
            self.rows += following.rows
            self.rejected += following.rejected
            del self._open[self.page]
        return self.page > before
