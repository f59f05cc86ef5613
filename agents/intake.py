"""How many of a partition's commands may lie in memory: enough to keep the pool busy, bounded by count and bytes."""

import asyncio
import contextlib
from typing import Protocol

from sitehub.agents.delivery_records import Command
from sitehub.agents.prefix import Prefix

MAX_HELD = 5_000
"""Commands of a partition that are to be sent and lie in memory only; beyond it no more are read."""
MAX_HELD_BYTES = 16 << 20
"""The same in bytes of their records."""
MAX_OPEN = 100_000
"""Commands from the first unfinished one on, those among them that a newer one has superseded."""
LOOK_SECONDS = 0.1
"""While no more are read, this often it is looked whether the partition is to be given up."""


class Reader(Protocol):
    """Who reads the partition."""

    @property
    def is_draining(self) -> bool:
        """Whether the partition is about to be given up."""
        ...


class Intake:
    """Counts what is held; what a newer command supersedes, and what the table has, takes no room."""

    def __init__(self, prefix: Prefix) -> None:
        """`prefix` holds the offsets that were read and have not ended."""
        self._prefix = prefix
        self._held = 0
        self._held_bytes = 0
        self._changed = asyncio.Event()

    def hold(self, command: Command) -> None:
        """A command was read that is to be sent."""
        self._held += 1
        self._held_bytes += _bytes(command)

    def free(self, command: Command) -> None:
        """It lies in memory no more, or in the table too."""
        self._held -= 1
        self._held_bytes -= _bytes(command)

    def look_again(self) -> None:
        """Something has ended: there may be room."""
        self._changed.set()

    async def room(self, reader: Reader) -> None:
        """Wait until more may be read, or the partition is to be given up."""
        while self._is_full and not reader.is_draining:
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._changed.wait()

    @property
    def _is_full(self) -> bool:
        return self._held >= MAX_HELD or self._held_bytes >= MAX_HELD_BYTES or len(self._prefix) >= MAX_OPEN


def _bytes(command: Command) -> int:
    return len(command.content.record.value) if command.content is not None else 0
