"""What a stand-in target saw: every call in order, counters, and calls about one site that overlapped."""

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import msgspec

KEPT_CALLS = 200_000
RATE_WINDOW_SECONDS = 5.0


class Call(msgspec.Struct):
    """One call. `status` 0: no answer was given. Times are seconds since the epoch."""

    number: int
    method: str
    path: str
    site_id: str | None
    idempotency_key: str | None
    correlation_id: str | None
    config_id: str | None
    body: Any
    started: float
    ended: float | None = None
    status: int = 0
    repeated: bool = False
    applied: bool = False


@dataclass(slots=True)
class CallLog:
    """The last 200,000 calls, and counters since the start.

    `overlaps` counts calls that began while another call about the same site was open.
    """

    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=KEPT_CALLS))
    counters: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int] = field(default_factory=Counter)
    open_sites: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    number: int = 0
    recent: deque[float] = field(default_factory=deque)

    def begin(self, call: Call) -> None:
        """Note that a call came in."""
        self.number += 1
        call.number = self.number
        self.calls.append(call)
        self.in_flight += 1
        if call.site_id is not None:
            self.counters["overlaps"] += self.open_sites[call.site_id] > 0
            self.open_sites[call.site_id] += 1

    def end(self, call: Call) -> None:
        """Note how a call ended."""
        call.ended = time.time()
        self.in_flight -= 1
        self.statuses[call.status] += 1
        self.counters[_outcome(call)] += 1
        self.counters["repeated"] += call.repeated
        self.recent.append(call.ended)
        self._forget(call.ended)
        if call.site_id is not None:
            self.open_sites[call.site_id] -= 1
            if not self.open_sites[call.site_id]:
                del self.open_sites[call.site_id]

    def since(self, number: int) -> list[Call]:
        """Return the calls that are kept and came after call `number`, in the order in which they came."""
        return [call for call in self.calls if call.number > number]

    def stats(self) -> dict[str, Any]:
        """Return the counters as JSON; `calls_per_second` is the mean of the last 5 s."""
        self._forget(time.time())
        names = ("delivered", "repeated", "rejected", "failed", "overlaps")
        return {
            "calls": self.number,
            **{name: self.counters[name] for name in names},
            "in_flight": self.in_flight,
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "calls_per_second": round(len(self.recent) / RATE_WINDOW_SECONDS, 1),
        }

    def _forget(self, now: float) -> None:
        while self.recent and self.recent[0] < now - RATE_WINDOW_SECONDS:
            self.recent.popleft()


def _outcome(call: Call) -> str:
    if HTTPStatus.OK <= call.status < HTTPStatus.MULTIPLE_CHOICES:
        return "delivered"
    return "rejected" if HTTPStatus.BAD_REQUEST <= call.status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed"
