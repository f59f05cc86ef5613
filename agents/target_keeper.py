"""What is done for all targets now and then: news of the breakers, calls that may begin again, the accounting."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from mode import Service

from sitehub.agents.gate import TOO_MANY_CALLS, TargetGate
from sitehub.agents.hub_channel import HubChannel
from sitehub.agents.target_delivery import Delivery
from sitehub.rules.breaker import BreakerNews
from sitehub.telemetry.logs import log
from sitehub.telemetry.metrics import Metrics

EVERY_SECONDS = 1.0
WORKED = "worked"
"""Kind of the message that a `target` took or refused a call, `at` in seconds since 1970."""
GIVE_UP = "give_up"
"""Kind of the message by which an operator gives up a site's parked command: its content names `target` and `site`."""
WINDOW_SECONDS = 60.0
"""The accounting is checked each window."""


class TargetKeeper(Service):
    """Ticks each target's gate, and hands it what other workers say."""

    def __init__(
        self,
        deliveries: Mapping[str, Delivery],
        gates: Mapping[str, TargetGate],
        channel: HubChannel,
        metrics: Metrics,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._deliveries, self._gates, self._metrics = deliveries, gates, metrics
        self._channel = channel
        self._told_at: dict[str, float] = {}
        self._check_at = time.time() + WINDOW_SECONDS
        channel.on_message("breaker", self._heard)
        channel.on_message(TOO_MANY_CALLS, self._heard_too_many)
        channel.on_message(WORKED, self._heard_worked)
        channel.on_message(GIVE_UP, self._give_up)

    @Service.task  # type: ignore[untyped-decorator]
    async def _tick_for_ever(self) -> None:
        while not self.should_stop:
            self.tick(time.time())
            await self.sleep(EVERY_SECONDS)

    def tick(self, now: float) -> None:
        """What is to be done now and then."""
        if now >= self._check_at:
            self._check_at = now + WINDOW_SECONDS
            self.check()
        for name, gate in self._gates.items():
            gate.tick(now)
            self._deliveries[name].dispatcher.pump()
            self._tell_that_it_works(name, self._deliveries[name].dispatcher.worked_at)

    def _tell_that_it_works(self, target: str, worked_at: float) -> None:
        """Another worker may have a bad site only: without this it would take its failures for the target's."""
        if worked_at > self._told_at.get(target, 0.0):
            self._told_at[target] = worked_at
            self._channel.say(WORKED, {"target": target, "at": worked_at})

    def check(self) -> None:
        """Show the accounting of each target; a command that is missing in it is an error."""
        for name, delivery in self._deliveries.items():
            account = delivery.account
            for state, number in msgspec.structs.asdict(account).items():
                self._metrics.accounting.labels(name, state).set(number)
            self._metrics.accounting_difference.labels(name).set(account.difference)
            if account.difference:
                told = msgspec.structs.asdict(account)
                log("accounting_mismatch", target=name, difference=account.difference, account=told)

    def _give_up(self, operator: str, content: dict[str, Any]) -> None:
        """Somebody wants a parked command to be a dead letter; the worker that has the site does it."""
        delivery, site = self._deliveries.get(str(content.get("target"))), content.get("site")
        if delivery is None or not isinstance(site, str):
            return
        for partition in delivery.partitions:
            if partition.give_up(site.encode(), operator):
                log("given_up_by_hand", target=delivery.target, site=site, by=operator)

    def _heard_worked(self, _worker: str, content: dict[str, Any]) -> None:
        match content:
            case {"target": str(target), "at": float(at)} if target in self._gates:
                moment = min(at, time.time())
                self._told_at[target] = max(self._told_at.get(target, 0.0), moment)
                self._deliveries[target].dispatcher.heard_that_it_worked(moment)
                self._gates[target].breaker.worked(moment)

    def _heard_too_many(self, _worker: str, content: dict[str, Any]) -> None:
        match content:
            case {"target": str(target), "pause_seconds": float() | int() | None as pause} if target in self._gates:
                self._gates[target].heard_too_many(pause, time.time())

    def _heard(self, _worker: str, content: dict[str, Any]) -> None:
        try:
            target, news = content["target"], msgspec.convert(content["news"], BreakerNews)
        except (KeyError, msgspec.ValidationError):
            return  # of a worker of another version
        if target in self._gates:
            self._gates[target].heard(news, time.time())
            self._deliveries[target].dispatcher.pump()
