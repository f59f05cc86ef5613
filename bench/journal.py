"""A worker's notes of what happened when, for a benchmark that watches it from outside."""

import time
from pathlib import Path
from typing import Any

from sitehub.engine.observer import Observer, State
from sitehub.engine.transport import RebalanceListener


def observer(path: Path | None) -> Observer:
    """Notes partitions' states, and when the group has settled; lines of time, word, partition."""
    if path is None:
        return Observer()
    file = path.open("a", buffering=1)

    def state(tp: Any, found: State | None) -> None:
        file.write(f"{time.time()} {found.name.lower() if found is not None else 'gone'} {tp[0]}-{tp[1]}\n")

    settled = RebalanceListener.on_partitions_assigned

    async def on_partitions_assigned(self: RebalanceListener, assigned: Any) -> None:
        file.write(f"{time.time()} assigned\n")
        await settled(self, assigned)

    RebalanceListener.on_partitions_assigned = on_partitions_assigned  # type: ignore[method-assign]
    return Observer(state=state)
