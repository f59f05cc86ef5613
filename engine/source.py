"""What the engine is told about a topic that it shall handle."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sitehub.engine.batch import Handler

if TYPE_CHECKING:
    from sitehub.engine.partition import Partition

Loop = Callable[["Partition"], Awaitable[None]]
"""Handles one partition's records for ever: take, decide, commit."""


@dataclass(frozen=True, slots=True)
class Source:
    """A topic, the table that its handler keeps, and the loop that handles each of its partitions.

    Topic and changelog have the same number of partitions. No two sources share a
    table: its changelog holds the offset.
    """

    topic: str
    table: str
    changelog: str
    run: Loop
    max_batch_records: int = 4_000
    max_pending_bytes: int = 4 << 20


def fold(handler: Handler) -> Loop:
    """Make the loop of a pure handler: a batch, a transaction."""

    async def run(partition: "Partition") -> None:
        while True:
            batch = await partition.take()
            outcome = handler(batch, partition.get)
            await partition.commit(outcome, batch.last_offset + 1)

    return run
