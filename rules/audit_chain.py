"""The chains of the audit log: each row names the one before it by its hash."""

import hashlib
from collections.abc import Iterable
from datetime import date, datetime
from typing import NamedTuple

import msgspec

NOTHING = bytes(32)
"""What the very first row of a partition names."""

_encode = msgspec.json.Encoder().encode


class Content(NamedTuple):
    """The columns of a row that its hash is over, in this order."""

    day: date
    chain: int
    """Partition of the topic."""
    log_offset: int
    at: datetime
    """In UTC, as `day` is."""
    actor: str
    action: str
    entity_type: str
    entity_id: str
    site_id: str | None
    before: str
    """JSON."""
    after: str
    correlation_id: str
    source: str
    config_id: str


class Row(NamedTuple):
    """A row and its place in the chain of its day."""

    content: Content
    position: int
    """From 1 on."""
    previous_hash: bytes
    hash: bytes


class Head(msgspec.Struct, frozen=True):
    """Where the chain of a day and a partition ends, and what it follows."""

    chain: int
    day: date
    number: int
    """Of the partition's chains, in the order in which they began, from 1 on."""
    rows: int
    hash: bytes
    """Of the last row."""
    last_offset: int
    begins: bytes
    """What the first row names: the last hash of the partition's former chain when this one began."""
    after_day: date | None
    """Day of the former chain; None if there was none."""
    after_rows: int
    """Rows that it had."""


def row_hash(previous: bytes, content: Content) -> bytes:
    """SHA-256 over the former row's hash and the columns as a JSON array: times in RFC 3339, documents as texts."""
    return hashlib.sha256(previous + _encode(content)).digest()


class Chains:
    """The open ends of one partition's chains, to which rows are added in the order of the topic."""

    def __init__(self, chain: int, heads: Iterable[Head]) -> None:
        """`heads` are the newest of the partition, and that of each day that is added to, if there is one."""
        self._chain = chain
        self._heads = {head.day: head for head in heads}
        self._newest = max(self._heads.values(), key=lambda head: head.number, default=None)
        self._changed: set[date] = set()
        self.closed: list[Head] = []
        """Heads that are followed by a chain that was begun here."""

    def add(self, contents: Iterable[Content]) -> list[Row]:
        """The rows, each behind the last one of its day."""
        rows = []
        for content in contents:
            head = self._heads.get(content.day) or self._begun(content.day)
            row = Row(content, head.rows + 1, head.hash, row_hash(head.hash, content))
            rows.append(row)
            head = msgspec.structs.replace(head, rows=row.position, hash=row.hash, last_offset=content.log_offset)
            self._heads[content.day] = head
            self._changed.add(content.day)
            if self._newest is None or head.number >= self._newest.number:
                self._newest = head
        return rows

    @property
    def changed(self) -> list[Head]:
        """The heads that rows were added to."""
        return [self._heads[day] for day in sorted(self._changed)]

    def _begun(self, day: date) -> Head:
        former = self._newest
        if former is None:
            return Head(self._chain, day, 1, 0, NOTHING, -1, NOTHING, None, 0)
        self.closed.append(former)
        return Head(self._chain, day, former.number + 1, 0, former.hash, -1, former.hash, former.day, former.rows)
