"""What the engine is told about a topic that it shall handle."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from sitehub.engine.batch import Handler

if TYPE_CHECKING:
    from sitehub.engine.partition import Partition

Loop = Callable[["Partition"], Awaitable[None]]
"""Handles one partition's records until `take` raises Draining: take, decide, commit."""


SMALL_BATCH = 500
"""A batch with fewer records is committed before the next is taken, which gets all that came meanwhile: folding so few
beside a commit gains less than the additional transaction costs."""


class Handover(Enum):
    """How a partition passes to another worker in a rebalance."""

    FENCE = "fence"
    """It runs on until the new owner shuts it out: partitions that stay never stop. For loops whose only effects are in
    the transaction."""
    DRAIN = "drain"
    """It ends what it has begun before the group goes on. For loops with effects outside Kafka, which fencing can't
    take back."""


@dataclass(frozen=True, slots=True)
class Source:
    """A topic, the table that its handler keeps, and the loop that handles each of its partitions.

    Topic and changelog have the same number of partitions. No two sources share a table: its changelog holds the
    offset.
    """

    topic: str
    table: str
    changelog: str
    run: Loop
    sends: frozenset[str] = frozenset()
    """Topics that its outcomes may send to."""
    handover: Handover = Handover.FENCE
    max_batch_records: int = 4_000
    fetch_bytes: int = 2 << 20


def fold(handler: Handler) -> Loop:
    """Make the loop of a pure handler: a batch, a transaction; the next batch is folded while the former commits."""

    async def run(partition: "Partition") -> None:
        pending: dict[bytes, bytes | None] = {}
        committing: asyncio.Task[None] | None = None

        def read(keys: list[bytes]) -> list[bytes | None]:
            stored = partition.get(keys)
            return [pending.get(key, row) for key, row in zip(keys, stored, strict=True)] if pending else stored

        try:
            while True:
                batch = await partition.take()
                outcome = handler(batch, read)
                if committing is not None:
                    await committing
                pending = dict(outcome.rows)
                committing = asyncio.create_task(partition.commit(outcome, batch.last_offset + 1))
                if len(batch.records) < SMALL_BATCH:
                    await committing
        except asyncio.CancelledError:
            if committing is not None:
                committing.cancel()
            raise
        finally:
            if committing is not None:
                await committing

    return run
