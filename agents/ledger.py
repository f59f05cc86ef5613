"""The accounting of one partition of commands, which survives restarts: its row is part of each transaction."""

from collections import Counter

from sitehub.agents.prefix import Prefix
from sitehub.rules.account import Account
from sitehub.rules.delivery import LedgerRow


class Ledger:
    """Counts commands by offsets on one side and by results on the other."""

    def __init__(self, prefix: Prefix, stored: LedgerRow) -> None:
        """`prefix` holds the offsets that are read from now on; `stored` is what was before."""
        self._prefix = prefix
        self._stored = stored
        self._ahead = stored.ahead
        self._ends: Counter[str] = Counter(
            delivered=stored.delivered, superseded=stored.superseded, rejected=stored.rejected
        )

    @property
    def row(self) -> LedgerRow:
        """To be committed with the offset that the prefix gives, and with all results that were counted."""
        prefix = self._prefix
        return LedgerRow(self._stored.passed + prefix.passed, self._ahead + prefix.ahead, **self._ends)

    def ended(self, status: str) -> None:
        """A result says how a command ended."""
        self._ends[status] += 1

    def read_again(self) -> None:
        """A command was read that the topic had not been needed for before this worker had the partition."""
        self._ahead -= 1

    def account(self, *, parked: int, pending: int) -> Account:
        """With what lies in the queues."""
        made = self._stored.passed + self._prefix.passed + len(self._prefix) + self._ahead
        return Account(made, **self._ends, parked=parked, pending=pending)
