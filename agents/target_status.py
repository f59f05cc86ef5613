"""A target as JSON: how its deliveries in this worker stand."""

from typing import Any

import msgspec

from sitehub.agents.gate import TargetGate
from sitehub.agents.target_delivery import Delivery


def target_document(delivery: Delivery, gate: TargetGate, waiting: int, now: float) -> dict[str, Any]:
    """Of this worker's partitions: the hub's is the sum over its workers.

    `waiting` counts rules that lack a name; `dead_letters` every command that was given up, whatever became of its
    letter since.
    """
    account = delivery.account
    return {
        "name": delivery.target,
        "state": "running",
        "breaker": gate.breaker.state.name.lower(),
        "in_flight": delivery.dispatcher.in_flight,
        "pending": account.pending,
        "parked": account.parked,
        "waiting": waiting,
        "dead_letters": account.rejected,
        "oldest_seconds": round(delivery.oldest_seconds(now), 3),
        "calls_per_second": gate.pace.seen_per_second(now),
        "accounting": {**msgspec.structs.asdict(account), "difference": account.difference},
    }
