"""How far a consumer has come, kept in the transactions that hold what it wrote: each record counts exactly once."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from sitehub.stores.postgres.sql import statement


class At(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int


class StaleConsumerError(Exception):
    """Another consumer has written from the same partition since: what this one has is not to be written."""


async def load_positions(connection: Any, consumer: str, partitions: Iterable[At]) -> dict[At, int]:
    """The offset of the next record of each partition, 0 for one that was never read."""
    wanted = list(partitions)
    rows = await connection.fetch(
        statement("load_positions"), consumer, [at.topic for at in wanted], [at.partition for at in wanted]
    )
    return {At(row["topic"], row["partition"]): row["next_offset"] for row in rows}


async def advance(connection: Any, consumer: str, moves: Mapping[At, tuple[int, int]]) -> None:
    """Move each partition from one offset to another, in the transaction that holds the records between.

    Raises StaleConsumerError, and nothing may be committed, if a partition is not where the move begins.
    """
    ordered = sorted(moves)
    moved = await connection.fetch(
        statement("advance_positions"),
        consumer,
        [at.topic for at in ordered],
        [at.partition for at in ordered],
        [moves[at][0] for at in ordered],
        [moves[at][1] for at in ordered],
    )
    if len(moved) != len(ordered):
        raise StaleConsumerError
