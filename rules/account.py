"""Whether every command that was made is accounted for."""

import msgspec


class Account(msgspec.Struct, frozen=True):
    """Commands of one target that were read from their topic, and what became of them.

    `made` is counted by the topic's offsets, the others by results and queues: a command that gets lost between the
    two, or ends twice, shows as a difference.
    """

    made: int = 0
    delivered: int = 0
    superseded: int = 0
    rejected: int = 0
    parked: int = 0
    pending: int = 0

    def __add__(self, other: "Account") -> "Account":
        """Of both together."""
        return Account(*map(sum, zip(msgspec.structs.astuple(self), msgspec.structs.astuple(other), strict=True)))

    @property
    def difference(self) -> int:
        """Commands that nobody knows about; below zero if some are counted twice. Zero when all is well."""
        return self.made - self.delivered - self.superseded - self.rejected - self.parked - self.pending
