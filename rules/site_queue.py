"""The commands about one site that have not ended: their order, and which of them a newer one makes needless."""

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Content = TypeVar("Content")


@dataclass(slots=True, eq=False)
class Queued(Generic[Content]):
    """A command in its site's queue."""

    offset: int
    command_id: str
    event_id: str
    event_timestamp: str
    action: str
    document: str | None
    """Path of the document that it replaces whole, so that a newer one says all that it says; None if it is none."""
    content: Content | None
    """What is to be sent; it may be let go of once a newer command carries it."""
    is_started: bool = False
    """Whether an attempt was made: it may have arrived, so it is made again until it ends."""
    parked_at: float | None = None
    """When it was taken into the table, in seconds since 1970; None while its topic keeps it."""
    carrier: "Queued[Content] | None" = None
    """The next newer command that carries its content."""

    @property
    def carrier_id(self) -> str | None:
        """Id of the newest command that carries its content; None if it is to be sent itself."""
        one = self
        while one.carrier is not None:
            one = one.carrier
        return one.command_id if one is not self else None


@dataclass(slots=True)
class SiteQueue(Generic[Content]):
    """In log order. A document's versions are coalesced; nothing is coalesced across what is no document."""

    items: deque[Queued[Content]] = field(default_factory=deque)
    _newest: dict[tuple[str, str], Queued[Content]] = field(default_factory=dict)

    def push(self, item: Queued[Content]) -> Queued[Content] | None:
        """Put `item` behind the others; the one whose content it carries now, if there is one.

        A create (or anything else that is no whole document) is never merged away, and no document that was asked for
        before it is sent after it.
        """
        superseded = None
        if item.document is not None:
            what = item.action, item.document
            earlier = self._newest.get(what)
            if earlier is not None and not earlier.is_started:
                earlier.carrier = item
                superseded = earlier
            self._newest[what] = item
        else:
            self._newest.clear()
        self.items.append(item)
        return superseded

    def pop(self) -> Queued[Content]:
        """Remove the one at the front: it has ended, and nothing newer can carry it any more."""
        head = self.items.popleft()
        if head.document is not None and self._newest.get((head.action, head.document)) is head:
            del self._newest[head.action, head.document]
        return head

    def take_superseded(self) -> list[Queued[Content]]:
        """Remove those at the front that need no call; what remains at the front, if anything, is to be sent."""
        taken = []
        while self.items and self.items[0].carrier is not None:
            taken.append(self.items.popleft())
        return taken

    def take_all_superseded(self) -> list[Queued[Content]]:
        """Remove all that need no call."""
        taken = [item for item in self.items if item.carrier is not None]
        if taken:
            self.items = deque(item for item in self.items if item.carrier is None)
        return taken
