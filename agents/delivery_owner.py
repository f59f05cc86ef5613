"""What the commands about one site need of the partition that they come from."""

from typing import Protocol

from sitehub.agents.delivery_records import Attempt, Changes, Command, Work
from sitehub.agents.dispatcher import Caller, Dispatcher
from sitehub.codecs.results import Result
from sitehub.rules.delivery import ParkedCommand
from sitehub.rules.failure import Failure
from sitehub.rules.retry import RetryPolicy


class Owner(Protocol):
    """A partition of commands."""

    retry: RetryPolicy
    give_up_after_seconds: float
    parks_rejected: bool
    """Whether a rejected command parks its site."""
    target: str
    dispatcher: Dispatcher
    changes: Changes
    is_closing: bool

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def is_ours(self) -> bool:
        """Whether no other worker can own the partition."""
        ...

    def may_call(self, site: Caller) -> bool:
        """Whether `site` may be called for now; if not, and the partition is not given up, it is offered again."""
        ...

    def call_after_commit(self, site: Caller) -> None:
        """Offer `site` again once all of `changes` is committed."""
        ...

    def tell(self, result: Result) -> None:
        """Put `result` into the next transaction."""
        ...

    def parked(self, site: bytes, offset: int) -> Work:
        """A parked command, from the table."""
        ...

    def bury(self, record: ParkedCommand, failure: Failure, attempt: Attempt) -> None:
        """Make a dead letter of it."""
        ...

    def audit(self, command: Command, result: Result) -> None:
        """Tell the audit log of a command's end, or that it was parked."""
        ...

    def freed(self, command: Command) -> None:
        """The topic's records are needed for one command less."""
        ...

    def broke(self, bug: Exception) -> None:
        """Nothing may go on."""
        ...
