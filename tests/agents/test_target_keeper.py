"""Workers that tell each other how a target does: whose calls are made, whatever the others have to call."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from sitehub.agents import target_keeper
from sitehub.agents.dispatcher import Dispatcher
from sitehub.agents.gate import TargetGate
from sitehub.agents.hub_channel import HubChannel
from sitehub.agents.target_keeper import WINDOW_SECONDS, TargetKeeper
from sitehub.clients.answer import Answer, Delivered, Unavailable
from sitehub.rules.account import Account
from sitehub.rules.breaker import Breaker, BreakerPolicy, Doubt, State
from sitehub.rules.pace import Pace
from sitehub.telemetry.metrics import Metrics

START = 1000.0
DOWN = Unavailable("HTTP 503", 503)
OK = Delivered(200)
POLICY = BreakerPolicy(failure_threshold=5, recovery_timeout_seconds=60, half_open_max_calls=3)


class Channel:
    """Hands each message to all others at once, as JSON would bring it."""

    def __init__(self, worker: str, hub: "Hub") -> None:
        self.worker = worker
        self.said: list[tuple[str, dict[str, Any]]] = []
        self._receivers: dict[str, Callable[[str, dict[str, Any]], None]] = {}
        self._hub = hub

    def on_message(self, kind: str, receive: Callable[[str, dict[str, Any]], None]) -> None:
        self._receivers[kind] = receive

    def say(self, kind: str, content: dict[str, Any]) -> None:
        self.said.append((kind, content))
        for other in self._hub.workers.values():
            if other.channel is not self:
                other.channel._receivers[kind](self.worker, content)


class Worker:
    """One worker's gate of one target, and what keeps it."""

    def __init__(self, name: str, hub: "Hub") -> None:
        self.channel = Channel(name, hub)
        self.hub = hub
        self.metrics = Metrics(CollectorRegistry())
        channel = cast("HubChannel", self.channel)
        self.gate = TargetGate("t", Breaker(POLICY, name), Pace(), channel, self.metrics, share=lambda: 0.5)
        self.dispatcher = Dispatcher(cast("Any", None), self.gate, 64, lambda: hub.now)
        self.account = Account()
        delivery: Any = SimpleNamespace(dispatcher=self.dispatcher, target="t", partitions=set(), account=self.account)
        self.keeper = TargetKeeper({"t": delivery}, {"t": self.gate}, channel, self.metrics)

    def call(self, answer: Answer, doubt: Doubt = Doubt.NONE) -> bool:
        """Make one if it may begin."""
        if self.gate.wait_seconds(self.hub.now, doubt) > 0:
            return False
        self.gate.leave(self.gate.enter(self.hub.now, doubt), answer, self.hub.now, doubt)
        if not isinstance(answer, Unavailable):
            self.dispatcher.worked_at = self.hub.now
        return True

    def tick(self) -> None:
        self.keeper.tick(self.hub.now)


class Hub:
    """Two workers."""

    def __init__(self) -> None:
        self.now = START
        self.workers: dict[str, Worker] = {}
        for name in "ab":
            self.workers[name] = Worker(name, self)

    def pass_second(self) -> None:
        self.now += 1
        for worker in self.workers.values():
            worker.tick()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Hub:
    made: list[Hub] = []
    monkeypatch.setattr(target_keeper, "time", SimpleNamespace(time=lambda: made[0].now if made else START))
    made.append(Hub())
    return made[0]


@pytest.mark.parametrize("commands", [0, 1])
def test_the_worker_that_opened_the_breaker_and_has_little_to_call_shuts_nobody_out(hub: Hub, commands: int) -> None:
    one, other = hub.workers["a"], hub.workers["b"]
    for _ in range(5):
        one.call(DOWN)
    called = 0
    for _ in range(90):
        hub.pass_second()
        commands -= commands > 0 and one.call(OK)
        called += other.call(OK)

    assert [one.gate.breaker.state, other.gate.breaker.state] == [State.CLOSED] * 2
    assert called >= 20


def test_a_worker_with_a_bad_site_only_opens_nothing_while_another_is_served(hub: Hub) -> None:
    one, other = hub.workers["a"], hub.workers["b"]
    called = 0
    for second in range(300):
        hub.pass_second()
        called += other.call(OK)
        if second % 2:
            one.call(DOWN, Doubt.NONE)
    assert called == 300
    assert one.dispatcher.has_worked_since(hub.now - 2)


def test_after_an_outage_that_a_bad_site_outlasts_the_others_are_called(hub: Hub) -> None:
    """What opened the breaker is a bad site, before anybody else had anything to call."""
    one, other = hub.workers["a"], hub.workers["b"]
    for _ in range(5):
        one.call(DOWN, Doubt.TRIED)
    called = 0
    for _ in range(120):
        hub.pass_second()
        one.call(DOWN, Doubt.TRIED)
        called += other.call(OK)
    assert called >= 50


def test_a_429_slows_down_all_workers_and_pauses_them_as_long_as_the_target_asks(hub: Hub) -> None:
    one, other = hub.workers["a"], hub.workers["b"]
    for _ in range(5):
        one.call(OK)
        other.call(OK)
    one.call(Unavailable("HTTP 429", 429, "", 30.0))

    assert [worker.gate.wait_seconds(hub.now) for worker in (one, other)] == [30.0, 30.0]
    hub.pass_second()
    paces = [
        worker.metrics.registry.get_sample_value("sitehub_allowed_calls_per_second", {"target": "t"})
        for worker in (one, other)
    ]
    assert all(pace is not None and pace < 10 for pace in paces), paces
    assert "too_many_calls" not in [kind for kind, _ in other.channel.said], "what is heard is not told again"


def test_after_an_outage_the_pace_ramps_up(hub: Hub) -> None:
    one = hub.workers["a"]
    for _ in range(5):
        one.call(DOWN)
    for _ in range(64):
        hub.pass_second()
    while one.gate.breaker.state is not State.CLOSED:
        hub.now += 0.1
        one.call(OK)
    at_once = 0
    while one.call(OK):
        at_once += 1
    assert at_once < 64
    hub.now += 5
    assert sum(one.call(OK) for _ in range(1000)) == 1000


def test_news_of_an_open_breaker_are_repeated_so_that_none_is_needed(hub: Hub) -> None:
    one, other = hub.workers["a"], hub.workers["b"]
    del hub.workers["b"]
    for _ in range(5):
        one.call(DOWN)
    states = [other.gate.breaker.state]
    hub.workers["b"] = other
    hub.pass_second()
    states.append(other.gate.breaker.state)
    assert states == [State.CLOSED, State.OPEN]


def test_that_a_breaker_was_opened_again_shows_in_the_metrics_of_all(hub: Hub) -> None:
    one, other = hub.workers["a"], hub.workers["b"]
    for _ in range(5):
        one.call(DOWN)
    for _ in range(70):
        hub.pass_second()
        one.call(Unavailable("HTTP 500", 500))
    value = other.metrics.registry.get_sample_value
    assert value("sitehub_breaker_reason", {"target": "t", "reason": "HTTP 500"}) == 1
    assert value("sitehub_breaker_since_seconds", {"target": "t"}) == one.gate.breaker.since > 1050


def test_the_accounting_is_checked_and_shown_each_window(hub: Hub) -> None:
    one = hub.workers["a"]
    one.keeper._deliveries["t"].account = Account(made=3, delivered=1)  # type: ignore[misc]
    one.keeper.tick(hub.now)
    value = one.metrics.registry.get_sample_value
    assert value("sitehub_accounting_difference", {"target": "t"}) is None

    hub.now += WINDOW_SECONDS
    one.keeper.tick(hub.now)

    assert value("sitehub_accounting_difference", {"target": "t"}) == 2


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("worked", {}),
        ("worked", {"target": "t", "at": "noon"}),
        ("worked", {"target": "x", "at": 1.0}),
        ("too_many_calls", {"target": "t"}),
        ("too_many_calls", {"target": "t", "pause_seconds": "long"}),
        ("too_many_calls", {"target": "x", "pause_seconds": 1}),
        ("breaker", {"target": "t", "news": 7}),
    ],
)
def test_messages_of_other_versions_are_passed_over(hub: Hub, kind: str, content: dict[str, Any]) -> None:
    hub.workers["a"].channel.say(kind, content)
    assert hub.workers["b"].call(OK)
