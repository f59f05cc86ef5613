"""Membership of the group: Faust's consumer, which reads nothing of what the engine reads itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import aiokafka
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

if TYPE_CHECKING:
    from sitehub.engine.app import EngineApp

IDLE_SECONDS = 0.2
"""Between two looks while there is nothing for agents to read."""
FOR_EVER_MS = 2**31 - 1


class RebalanceListener(driver.ConsumerRebalanceListener):
    """Pauses what the engine reads, so that nothing is fetched twice."""

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Called in the consumer's thread when the group has settled."""
        app: EngineApp = self._thread.consumer.app
        self._thread._consumer.pause(*(tp for tp in assigned if app.is_engines(tp)))  # noqa: SLF001 -- Faust's own
        await super().on_partitions_assigned(assigned)


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Its own thread and loop: a long fold never keeps a heartbeat waiting."""

    def _create_worker_consumer(self, transport: "Transport") -> aiokafka.AIOKafkaConsumer:
        app: EngineApp = transport.app
        conf = app.conf
        self._assignor = app.assignor
        return aiokafka.AIOKafkaConsumer(
            **app.client,
            group_id=conf.id,
            group_instance_id=conf.consumer_group_instance_id,
            partition_assignment_strategy=[app.assignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            max_poll_interval_ms=FOR_EVER_MS,  # the engine polls elsewhere: silence here is no sign of death
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
        )

    async def on_thread_stop(self) -> None:
        """Leave the group, a static member too: its partitions go on elsewhere at once, not after the time-out."""
        if self._consumer is not None and (coordinator := self._consumer._coordinator) is not None:  # noqa: SLF001
            coordinator._group_instance_id = None  # noqa: SLF001 -- aiokafka lets only dynamic members leave
        await super().on_thread_stop()


class Consumer(driver.Consumer):
    """Faust's consumer for the topics of agents, if there are any."""

    app: "EngineApp"
    RebalanceListener = RebalanceListener

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def create_topic(self, topic: str, partitions: int, replication: int, **_options: Any) -> None:
        """Topics are declared before the worker starts, with the counts of the configuration; never by Faust."""

    async def getmany(
        self,
        timeout: float,  # noqa: ASYNC109 -- Faust's signature
    ) -> AsyncIterator[tuple[TP, Any]]:
        """What agents read; the engine's topics and changelogs are not among it."""
        if all(self.app.is_engines(tp) for tp in self._get_active_partitions()):
            await asyncio.sleep(IDLE_SECONDS)
            return
        async for tp, message in super().getmany(timeout):
            yield tp, message

    def _get_active_partitions(self) -> set[TP]:
        return {tp for tp in super()._get_active_partitions() if not self.app.is_engines(tp)}

    async def perform_seek(self) -> None:
        """Seek the agents' topics; the engine has its own offsets."""
        if self._get_active_partitions():
            await super().perform_seek()


class Transport(driver.Transport):
    """Faust's Kafka transport with our consumer."""

    Consumer = Consumer
