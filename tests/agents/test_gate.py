"""What the gate makes of answers."""

from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from sitehub.agents.gate import TargetGate
from sitehub.agents.hub_channel import HubChannel
from sitehub.clients.answer import Answer, Delivered, Unavailable
from sitehub.rules.breaker import Breaker, BreakerPolicy, State
from sitehub.rules.pace import Pace
from sitehub.telemetry.metrics import Metrics


class Silent:
    """A channel on which nobody listens."""

    worker = "w"

    def say(self, kind: str, news: dict[str, Any]) -> None: ...


@pytest.mark.parametrize(
    ("answers", "state"),
    [
        ([Unavailable("no token"), *[Unavailable("no token", counts=False)] * 63], State.CLOSED),
        ([Unavailable("HTTP 500", 500)] * 3, State.OPEN),
        ([Unavailable("HTTP 429", 429)] * 9, State.CLOSED),
        ([Unavailable("x"), Unavailable("x"), Delivered(200), Unavailable("x")], State.CLOSED),
    ],
    ids=["one token for many calls", "failures", "wishes", "a success between"],
)
def test_which_answers_open_the_breaker(answers: list[Answer], state: State) -> None:
    breaker = Breaker(BreakerPolicy(3, 60.0, 1), "w")
    channel, metrics = cast("HubChannel", Silent()), Metrics(CollectorRegistry())
    gate = TargetGate("t", breaker, Pace(None, 0), channel, metrics, share=lambda: 1.0)
    for answer in answers:
        gate.leave(gate.enter(0.0), answer, 0.0)
    assert breaker.state is state
