"""Calls to one target for all partitions of a worker: how many at once, how fast, and whether at all."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from itertools import count
from typing import Any, Protocol

from sitehub.clients.answer import Answer, Unavailable
from sitehub.clients.http1 import WithheldError
from sitehub.clients.target import Target
from sitehub.rules.breaker import Doubt
from sitehub.rules.commands import Command


class Caller(Protocol):
    """A site whose next call is due; never offered again before that call has ended."""

    @property
    def owner(self) -> object:
        """What its calls end with."""
        ...

    @property
    def doubt(self) -> Doubt:
        """How likely it is that the call fails because of the site, not of the target."""
        ...

    def begin(self) -> tuple[Command, bool] | None:
        """The call, and whether it was made before; None if nothing is to be called any more."""
        ...

    def may_send(self) -> bool:
        """Asked right before the call's bytes are written."""
        ...

    def withheld(self) -> None:
        """The call was not made, because it might not be sent any more."""
        ...

    def ended(self, answer: Answer, seconds: float) -> None:
        """What came of the call, and how long it took."""
        ...

    def broke(self, bug: Exception) -> None:
        """One of the others raised: the partition must not go on as if nothing had happened."""
        ...


class Gate(Protocol):
    """Breaker and pace of a target. A permit is whatever the gate needs to know the call again."""

    @property
    def is_closed(self) -> bool:
        """Whether the target is known to work, or not known to fail."""
        ...

    def wait_seconds(self, now: float, doubt: Doubt) -> float:
        """0 if a call may begin; else look again after so long. `doubt` is the least of those who wait."""
        ...

    def enter(self, now: float, doubt: Doubt) -> Any:
        """A call begins; its permit."""
        ...

    def leave(self, permit: Any, answer: Answer | None, now: float, doubt: Doubt) -> None:
        """The call has ended; without an answer if it was cancelled. `doubt` is what there is by now."""
        ...


class Dispatcher:
    """Who is due waits here in turn, without a task of its own: 20,000 sites behind an open breaker cost little."""

    def __init__(self, target: Target, gate: Gate, max_in_flight: int, now: Callable[[], float]) -> None:
        self.gate = gate
        self._target = target
        self._max_in_flight = max_in_flight
        self._now = now
        self._due: dict[Doubt, deque[tuple[int, Caller]]] = {doubt: deque() for doubt in Doubt}
        self._offers = count()
        self._calls: dict[Caller, asyncio.Task[None]] = {}
        self._wake: asyncio.TimerHandle | None = None
        self._ended = asyncio.Event()
        self.worked_at = float("-inf")
        """When the target last took or refused a call, here or as another worker tells."""

    @property
    def in_flight(self) -> int:
        """Calls that have begun and not ended."""
        return len(self._calls)

    def has_worked_since(self, moment: float) -> bool:
        """Whether the target has taken or refused anything after `moment`: then it is no general outage."""
        return self.worked_at > moment

    def heard_that_it_worked(self, moment: float) -> None:
        """As another worker tells."""
        self.worked_at = max(self.worked_at, moment)

    def offer(self, caller: Caller) -> None:
        """Call for `caller` as soon as it is its turn."""
        self._due[caller.doubt].append((next(self._offers), caller))
        self.pump()

    async def drop(self, owner: object, seconds: float) -> None:
        """Forget what is due for `owner`; its calls in flight have so long to end, then they are cut."""
        self._due = {
            doubt: deque(one for one in queue if one[1].owner is not owner) for doubt, queue in self._due.items()
        }
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._calls_for(owner):
                    self._ended.clear()
                    await self._ended.wait()
        late = self._calls_for(owner)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
        self.pump()

    def _calls_for(self, owner: object) -> list[asyncio.Task[None]]:
        return [task for caller, task in self._calls.items() if caller.owner is owner]

    def pump(self) -> None:
        """Begin what may begin; asked again by itself once more may."""
        while (begun := self._next()) is not None:
            task = asyncio.create_task(self._work(*begun))
            self._calls[begun[0]] = task

    def _first(self) -> deque[tuple[int, Caller]] | None:
        """Where the one stands whose turn it is: who came first, or of least doubt while it is not sure who fails."""
        waiting = [queue for queue in self._due.values() if queue]
        if not waiting:
            return None
        return min(waiting, key=_turn) if self.gate.is_closed else waiting[0]

    def _next(self) -> tuple[Caller, Any, Command, bool] | None:
        """The next call, with its permit, if one may begin now."""
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        while len(self._calls) < self._max_in_flight and (queue := self._first()) is not None:
            doubt = queue[0][1].doubt
            wait = self.gate.wait_seconds(self._now(), doubt)
            if wait > 0:
                self._wake = asyncio.get_running_loop().call_later(wait, self.pump)
                return None
            _, caller = queue.popleft()
            try:
                begun = caller.begin()
            except Exception as bug:  # noqa: BLE001 -- told to its partition
                caller.broke(bug)
                continue
            if begun is not None:
                return caller, self.gate.enter(self._now(), doubt), *begun
        return None

    async def _work(self, caller: Caller, permit: Any, command: Command, repeated: bool) -> None:  # noqa: FBT001
        """Call for one after the other, as long as somebody is due: a task costs as much as a tenth of a call."""
        task = asyncio.current_task()
        following: tuple[Caller, Any, Command, bool] | None = caller, permit, command, repeated
        while following is not None and task is not None:
            caller, permit, command, repeated = following
            self._calls[caller] = task
            await self._call(caller, permit, command, repeated=repeated)
            following = self._next()

    async def _call(self, caller: Caller, permit: Any, command: Command, *, repeated: bool) -> None:
        began, answer = self._now(), None
        try:
            answer = await self._target.call(command, repeated=repeated, may_send=caller.may_send)
        except WithheldError:
            caller.withheld()
        except Exception as bug:  # noqa: BLE001 -- told to its partition
            caller.broke(bug)
        finally:
            now = self._now()
            self.gate.leave(permit, answer, now, caller.doubt)
            del self._calls[caller]
            self._ended.set()
        if answer is None:
            return
        if not isinstance(answer, Unavailable):
            self.worked_at = now
        try:
            caller.ended(answer, now - began)
        except Exception as bug:  # noqa: BLE001 -- told to its partition
            caller.broke(bug)


def _turn(queue: deque[tuple[int, Caller]]) -> int:
    return queue[0][0]
