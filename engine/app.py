"""A Faust application whose agents get partition batches, exactly once."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import faust
from faust.app.base import BootStrategy
from faust.topics import Topic
from faust.types import TP

from sitehub.engine.engine import Engine, Observer
from sitehub.engine.partition import TopicPartition
from sitehub.engine.recovery import TableManager
from sitehub.engine.source import Source
from sitehub.engine.transport import Fetch, Transport

RAW = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}


class FetchTopic(Topic):
    """A topic whose messages are whole fetches: there is nothing to decode."""

    async def decode(self, message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG002 -- Faust's signature
        """The list of records as it is."""
        return self._create_event(None, message.value, headers=None, message=message)


class ConsumingOnly(BootStrategy):
    """Faust's own producer stays off: each partition has a transactional one."""

    enable_kafka_producer = False
    enable_web = False


class EngineApp(faust.App):
    """Faust's membership, agents, routing and timers; the engine's batches, transactions and recovery."""

    BootStrategy = ConsumingOnly

    def __init__(
        self, app_id: str, *, client: Mapping[str, Any], directory: Path, observer: Observer, **options: Any
    ) -> None:
        (directory / "faust").mkdir(parents=True, exist_ok=True)
        bootstrap = client["bootstrap_servers"]
        servers = bootstrap if isinstance(bootstrap, str) else ",".join(bootstrap)
        super().__init__(
            app_id,
            broker=[f"kafka://{server}" for server in servers.split(",")],
            store="memory://",
            datadir=directory / "faust",
            Topic=FetchTopic,
            TableManager=TableManager,
            web_enabled=False,
            topic_disable_leader=True,
            table_standby_replicas=0,
            stream_wait_empty=False,
            **options,
        )
        self.client = client
        self.transport = Transport(self.conf.broker, self)
        self.engine = Engine(
            app_id=app_id,
            client=client,
            directory=directory,
            session_timeout_seconds=self.conf.broker_session_timeout,
            seek=self._seek,
            observer=observer,
        )

    def add_source(self, source: Source, partitions: int) -> None:
        """Handle `source`: its table is known to the router and the assignor, its agent feeds the engine."""
        self.engine.add(source)
        self.Table(
            source.table,
            partitions=partitions,
            key_type=bytes,
            value_type=bytes,
            changelog_topic=self.topic(source.changelog, **RAW, partitions=partitions, acks=False),
        )
        # Without acks the topic stays out of Faust's ack, gap and commit machinery: offsets belong to the transactions.
        topic = self.topic(source.topic, **RAW, partitions=partitions, acks=False)
        self.agent(topic, name=source.topic)(self._feed)

    async def _feed(self, stream: Any) -> None:
        async for event in stream.events():
            message = event.message
            fetch: Fetch = message.value
            # Only what was fetched for this very life of the partition: after a failure it starts anew elsewhere.
            current = message.generation_id == self.consumer_generation_id
            if current and self.engine.partitions.get(fetch.partition.tp) is fetch.partition:
                fetch.partition.offer(fetch.records)

    async def _seek(self, tp: TopicPartition, offset: int) -> None:
        await self.consumer.seek(TP(*tp), offset)

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        """At revocation and at stop: the last moment to end a transaction."""
        await self.engine.revoke()
        await super()._consumer_wait_empty(consumer, logger)
