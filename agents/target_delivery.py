"""The delivery to one target in this worker: what the loops of its partitions share, and what they have together."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from sitehub.agents.dispatcher import Dispatcher
from sitehub.agents.documents import OnNull
from sitehub.engine.batch import Message
from sitehub.rules.account import Account
from sitehub.rules.retry import RetryPolicy
from sitehub.telemetry.metrics import Metrics

MOST_NOTES = 1_000
"""That wait for a transaction, while no partition of the target runs here."""


class Running(Protocol):
    """A partition whose loop runs in this worker."""

    @property
    def number(self) -> int:
        """Of the partition."""
        ...

    @property
    def account(self) -> Account:
        """What became of its commands."""
        ...

    @property
    def oldest(self) -> float | None:
        """When, in seconds since 1970, the event happened whose command has waited longest; None if none waits."""
        ...

    def changed(self) -> None:
        """Commit soon."""
        ...

    def give_up(self, site: bytes, by: str) -> bool:
        """Make a dead letter of the site's parked command at the front; False if it has none here."""
        ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the loops of one target's partitions share."""

    target: str
    dispatcher: Dispatcher
    retry: RetryPolicy
    coalesced: frozenset[str]
    """Actions whose calls replace a whole document."""
    give_up_after_seconds: float
    parks_rejected: bool
    on_null: OnNull
    metrics: Metrics
    now: Callable[[], float]
    lease_seconds: float
    """So long after a commit the partition can't be another worker's: less than the group's session time-out."""
    results_topic: str
    dead_letter_topic: str
    audit_topic: str
    config_id: str
    partitions: set[Running] = field(default_factory=set)
    """Those that run in this worker."""
    notes: deque[Message] = field(default_factory=lambda: deque(maxlen=MOST_NOTES))
    """For `sync-results`, beside the results: whichever partition commits next takes them."""

    @property
    def sends(self) -> frozenset[str]:
        """Topics that its loops send to."""
        return frozenset({self.results_topic, self.dead_letter_topic, self.audit_topic})

    @property
    def account(self) -> Account:
        """What became of the commands in this worker's partitions."""
        return sum((running.account for running in self.partitions), Account())

    def oldest_seconds(self, now: float) -> float:
        """Age of the event whose command has waited longest; 0 if none waits."""
        return max((now - at for running in self.partitions if (at := running.oldest) is not None), default=0.0)

    def note(self, message: Message) -> None:
        """Put `message` into `sync-results` soon; twice, if the outcome of a transaction is not known."""
        self.notes.append(message)
        for running in sorted(self.partitions, key=lambda one: one.number)[:1]:
            running.changed()
