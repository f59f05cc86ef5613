"""Engines that are broken on purpose: what judges the good one must catch them."""

import os
import time
import uuid
from pathlib import Path
from typing import Any

import sitehub.engine.partition as partition_module
import sitehub.engine.supervisor as supervisor_module
from sitehub.engine.batch import Outcome
from sitehub.engine.partition import Partition
from sitehub.engine.producer import TransactionalProducer
from sitehub.tests.broker.counting import SESSION_SECONDS

MARKER = "it-has-happened"
DIES_AT = 300
"""Source offset."""
SLOW_SECONDS = 0.05
LONG_SECONDS = 2.5 * SESSION_SECONDS


def install(defects: set[str], folder: Path) -> None:
    """Patch the engine of this process."""
    marker = folder / MARKER

    class BrokenPartition(Partition):
        async def commit(self, outcome: Outcome, next_offset: int) -> None:
            if "slow" in defects:
                time.sleep(SLOW_SECONDS)
            if "computes_long" in defects and next_offset > DIES_AT and not marker.exists():
                marker.touch()
                ends = time.monotonic() + LONG_SECONDS
                while time.monotonic() < ends:  # not asleep: the interpreter is busy
                    pass
            if "acknowledges_first" in defects:
                await super().commit(Outcome(), next_offset)
            if "dies_once" in defects and next_offset > DIES_AT and not marker.exists():
                marker.touch()
                os._exit(9)
            await super().commit(outcome, next_offset)

    class UnfencedProducer(TransactionalProducer):
        def __init__(self, client: Any, transactional_id: str, transaction_timeout_ms: int = 60_000) -> None:
            super().__init__(client, f"{transactional_id}-{uuid.uuid4()}", transaction_timeout_ms)

    supervisor_module.Partition = BrokenPartition  # type: ignore[attr-defined]
    if "no_fence" in defects:
        partition_module.TransactionalProducer = UnfencedProducer  # type: ignore[attr-defined]
