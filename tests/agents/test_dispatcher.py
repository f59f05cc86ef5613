"""Whose turn it is to be called for."""

import asyncio
from typing import Any

import pytest

from sitehub.agents.dispatcher import Dispatcher
from sitehub.clients.answer import Answer
from sitehub.rules.breaker import Doubt
from sitehub.rules.commands import Command
from sitehub.tests.agents.delivery_fakes import FakeTarget, OpenGate, command, until


class Site:
    """Has one command to be called for."""

    def __init__(self, number: int, doubt: Doubt) -> None:
        self.owner = self
        self.doubt = doubt
        self._command = command(number)

    def begin(self) -> tuple[Command, bool] | None:
        return self._command, False

    def may_send(self) -> bool:
        return True

    def withheld(self) -> None: ...

    def ended(self, answer: Answer, seconds: float) -> None: ...

    def broke(self, bug: Exception) -> None:
        raise bug


class Gate(OpenGate):
    """Lets nobody through until it is opened; one call at a time."""

    def __init__(self, *, is_closed: bool) -> None:
        super().__init__()
        self.is_closed = is_closed
        self.is_shut = True
        self.asked: list[Doubt] = []

    def wait_seconds(self, now: float, doubt: Doubt) -> float:  # noqa: ARG002 -- as the protocol
        self.asked.append(doubt)
        return 1000.0 if self.is_shut else 0.0


@pytest.mark.parametrize(
    ("is_closed", "order"),
    [(True, ["e1", "e2", "e3", "e4", "e5"]), (False, ["e3", "e5", "e2", "e1", "e4"])],
    ids=["as they came", "of least doubt, while the breaker is not closed"],
)
async def test_whose_turn_it_is(is_closed: bool, order: list[str]) -> None:  # noqa: FBT001 -- a parameter
    gate, target = Gate(is_closed=is_closed), FakeTarget()
    dispatcher = Dispatcher(target, gate, 1, asyncio.get_running_loop().time)  # type: ignore[arg-type]
    doubts = [Doubt.OWN, Doubt.TRIED, Doubt.NONE, Doubt.OWN, Doubt.NONE]
    for number, doubt in enumerate(doubts, 1):
        dispatcher.offer(Site(number, doubt))
    assert gate.asked[-1] is (Doubt.OWN if is_closed else Doubt.NONE)
    gate.is_shut = False
    dispatcher.pump()
    await until(lambda: len(target.calls) == 5)
    assert target.calls == order


async def test_the_gate_is_told_what_doubt_there_is_when_the_call_ends() -> None:
    told: list[Any] = []

    class Telling(OpenGate):
        def leave(self, permit: None, answer: Answer | None, now: float, doubt: Doubt) -> None:  # noqa: ARG002
            told.append(doubt)

    target = FakeTarget()
    target.gate.clear()
    site = Site(1, Doubt.TRIED)
    dispatcher = Dispatcher(target, Telling(), 1, asyncio.get_running_loop().time)  # type: ignore[arg-type]
    dispatcher.offer(site)
    await until(lambda: target.open_sites)
    site.doubt = Doubt.OWN
    target.gate.set()
    await until(lambda: told)
    assert told == [Doubt.OWN]
