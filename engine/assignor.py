"""Assignment that gives a worker back the partitions whose tables it has on its disk."""

import json
import logging
from collections import defaultdict
from pathlib import Path
from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from faust.assignor.client_assignment import ClientAssignment, ClientMetadata
from faust.assignor.partition_assignor import PartitionAssignor

log = logging.getLogger(__name__)

Members = dict[str, ConsumerProtocolMemberMetadata]


class StickyAssignor(PartitionAssignor):
    """Faust's assignor, which keeps what members say they have; what several say to have is settled beforehand."""

    def __init__(self, app: Any, replicas: int = 0) -> None:
        """What this worker had when it last ran is its first claim."""
        super().__init__(app, replicas)
        self._memory: Path = app.engine.directory / "assignment.json"
        self._assignment = self._remembered()

    def on_assignment(self, assignment: Any) -> None:
        """The group has settled: remember what came of it."""
        super().on_assignment(assignment)
        self._remember()

    def _remember(self) -> None:
        found = {"actives": self._assignment.actives, "standbys": self._assignment.standbys}
        partial = self._memory.with_suffix(".partial")
        try:
            partial.write_text(json.dumps(found))
            partial.replace(self._memory)
        except OSError as error:  # a full disk costs the memory, not the membership
            log.warning("assignment_not_remembered %s", error)

    def _remembered(self) -> ClientAssignment:
        try:
            found = json.loads(self._memory.read_text())
            return ClientAssignment(actives=found["actives"], standbys=found["standbys"])
        except (OSError, ValueError, KeyError, TypeError):  # the first start, or a crash while it was written
            return ClientAssignment(actives={}, standbys={})

    def assign(self, cluster: Any, member_metadata: Members) -> Any:
        """As Faust does, once each partition is claimed by one member at most."""
        return super().assign(cluster, settle(member_metadata))


def settle(members: Members) -> Members:
    """Of all members that claim a partition the one that claims fewest keeps it.

    So a worker that took over all of another's partitions keeps its own, and the one that comes back gets its own.
    """
    claims = {name: ClientMetadata.loads(member.user_data) for name, member in members.items()}
    sizes = {name: sum(map(len, claim.assignment.actives.values())) for name, claim in claims.items()}
    claimants: dict[tuple[str, int], list[str]] = defaultdict(list)
    for name in sorted(claims, key=lambda name: (sizes[name], name)):
        for topic, partitions in claims[name].assignment.actives.items():
            for partition in partitions:
                claimants[topic, partition].append(name)
    for (topic, partition), (_keeper, *others) in claimants.items():
        for name in others:
            claims[name].assignment.actives[topic].remove(partition)
    return {
        name: ConsumerProtocolMemberMetadata(member.version, member.subscription, claims[name].dumps())
        for name, member in members.items()
    }
