"""The consumer that hands an agent one message a partition fetch instead of one a record."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import aiokafka
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from faust.types.tuples import ConsumerMessage

from sitehub.engine.partition import Partition

if TYPE_CHECKING:
    from sitehub.engine.app import EngineApp

FETCH_MAX_WAIT_MS = 50
"""Faust fixes 1,500: a partition that missed a fetch would wait that long for the next."""
PAUSE_SECONDS = 0.005
"""Between two looks while nothing may be fetched."""


class Fetch(NamedTuple):
    """What one fetch brought for a partition."""

    partition: Partition
    records: list[Any]


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Builds the consumer from the application's own client settings, reading committed records only."""

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
            max_poll_records=None,
            max_poll_interval_ms=int(conf.broker_max_poll_interval * 1000),
            max_partition_fetch_bytes=conf.consumer_max_fetch_size,
            fetch_max_wait_ms=FETCH_MAX_WAIT_MS,
            session_timeout_ms=int(conf.broker_session_timeout * 1000),
            rebalance_timeout_ms=int(conf.broker_rebalance_timeout * 1000),
            heartbeat_interval_ms=int(conf.broker_heartbeat_interval * 1000),
        )


class Consumer(driver.Consumer):
    """Fetches the engine's sources; a partition whose queue is full is passed over until it has room."""

    app: "EngineApp"

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def create_topic(self, topic: str, partitions: int, replication: int, **_options: Any) -> None:
        """Topics are declared before the worker starts, with the counts of the configuration; never by Faust."""

    async def getmany(
        self,
        timeout: float,  # noqa: ASYNC109 -- Faust's signature
    ) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield one message a partition, whose value is the list of records."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        engine, generation = self.app.engine, self.app.consumer_generation_id
        full = engine.full()
        running = dict(engine.partitions)  # a partition recovered while we fetch is another object, sought elsewhere
        active = {tp for tp in self._get_active_partitions() if tp in running and tp not in full}
        if not active:
            await asyncio.sleep(PAUSE_SECONDS)
            return
        fetched: Mapping[TP, list[Any]] = await self._getmany(
            active_partitions=active, timeout=PAUSE_SECONDS if full else timeout
        )
        for tp, records in (fetched or {}).items():
            if not self.flow_active or self.app.consumer_generation_id != generation or self.should_stop:
                return
            if records:
                yield tp, _message(tp, Fetch(running[tp], records), generation)

    async def perform_seek(self) -> None:
        """Seek each source to what its changelog says; the group's committed offsets play no part."""
        for tp, partition in self.app.engine.partitions.items():
            await self.seek(TP(*tp), partition.next_offset)


def _message(tp: TP, fetch: "Fetch", generation: int) -> ConsumerMessage:
    last = fetch.records[-1]
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        last.offset,
        last.timestamp / 1000,
        last.timestamp_type,
        [],
        None,
        fetch,
        None,
        0,
        0,
        tp,
        generation_id=generation,
    )


class Transport(driver.Transport):
    """Faust's Kafka transport with our consumer."""

    Consumer = Consumer
