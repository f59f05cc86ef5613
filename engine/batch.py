"""What goes into a partition's handler and what comes out of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

Headers = list[tuple[str, bytes]]
Row = tuple[bytes, bytes | None]
"""Key and value of a table's row; None deletes it."""
Message = tuple[bytes | None, bytes | None, Headers]
"""Key, value and headers of a record to be sent."""
ReadRows = Callable[[list[bytes]], list[bytes | None]]
"""Values of the given keys, in their order; None where there is no row."""


class Record(Protocol):
    """A record as the consumer read it."""

    @property
    def offset(self) -> int:
        """In the partition."""
        ...

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970."""
        ...

    @property
    def key(self) -> bytes | None:
        """As sent."""
        ...

    @property
    def value(self) -> bytes | None:
        """As sent."""
        ...

    @property
    def headers(self) -> Headers:
        """As sent, in their order."""
        ...


class PartitionBatch(NamedTuple):
    """Consecutive records of one partition: the unit of work. Never empty."""

    topic: str
    partition: int
    records: Sequence[Record]

    @property
    def first_offset(self) -> int:
        """Offset of the first record."""
        return self.records[0].offset

    @property
    def last_offset(self) -> int:
        """Offset of the last record; transaction markers may lie between the two."""
        return self.records[-1].offset


@dataclass(slots=True)
class Outcome:
    """Everything that one transaction holds: rows of the table, and records by topic.

    Records go to the partition with the number of the source's partition, so every topic that is sent to has as many
    partitions as the source. Keys keep their order.
    """

    rows: list[Row] = field(default_factory=list)
    sends: Mapping[str, Sequence[Message]] = field(default_factory=dict)
    committed: Callable[[], None] = lambda: None
    """Called once the transaction is through: the place to count."""


Handler = Callable[[PartitionBatch, ReadRows], Outcome]
"""Folds a batch into the rows that were there; pure: after a failure the batch may be handed in again."""
