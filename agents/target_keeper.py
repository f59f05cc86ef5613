"""What is done for all targets now and then: news of the breakers, calls that may begin again."""

import time
from collections.abc import Mapping
from typing import Any

import msgspec
from mode import Service

from sitehub.agents.delivery import Delivery
from sitehub.agents.gate import TargetGate
from sitehub.agents.hub_channel import HubChannel
from sitehub.rules.breaker import BreakerNews

EVERY_SECONDS = 1.0


class TargetKeeper(Service):
    """Ticks each target's gate, and hands it what other workers say."""

    def __init__(
        self,
        deliveries: Mapping[str, Delivery],
        gates: Mapping[str, TargetGate],
        channel: HubChannel,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self._deliveries, self._gates = deliveries, gates
        channel.on_message("breaker", self._heard)

    @Service.task  # type: ignore[untyped-decorator]
    async def _tick(self) -> None:
        while not self.should_stop:
            for name, gate in self._gates.items():
                gate.tick(time.time())
                self._deliveries[name].dispatcher.pump()
            await self.sleep(EVERY_SECONDS)

    def _heard(self, _worker: str, content: dict[str, Any]) -> None:
        try:
            target, news = content["target"], msgspec.convert(content["news"], BreakerNews)
        except (KeyError, msgspec.ValidationError):
            return  # of a worker of another version
        if target in self._gates:
            self._gates[target].heard(news, time.time())
            self._deliveries[target].dispatcher.pump()
