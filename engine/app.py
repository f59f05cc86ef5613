"""A Faust application in whose group the engine runs."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import faust
from faust.app.base import BootStrategy
from faust.topics import Topic

from sitehub.engine.assignor import StickyAssignor
from sitehub.engine.broker_watch import BrokerWatch
from sitehub.engine.engine import Engine
from sitehub.engine.observer import Observer
from sitehub.engine.recovery import TableManager
from sitehub.engine.source import Source
from sitehub.engine.transport import Transport

RAW = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}


class DeclaredTopic(Topic):
    """A topic that is there before the worker starts, with the counts of the configuration."""

    async def declare(self) -> None:
        """Nothing: Faust would start a producer of its own for it, with settings of its own."""


class ConsumingOnly(BootStrategy):
    """Faust's own producer stays off: each partition has a transactional one."""

    enable_kafka_producer = False
    enable_web = False


class EngineApp(faust.App):
    """Faust's membership, assignment, routing, agents and timers; the engine's batches, transactions and recovery."""

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
            Topic=DeclaredTopic,
            datadir=directory / "faust",
            TableManager=TableManager,
            PartitionAssignor=StickyAssignor,
            web_enabled=False,
            topic_disable_leader=True,
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
            observer=observer,
        )
        self.broker_watch = BrokerWatch(client, self.engine.mark)

    def on_init_dependencies(self) -> Iterable[Any]:
        """What runs beside Faust's own services."""
        return [self.broker_watch, *super().on_init_dependencies()]

    def add_source(self, source: Source, partitions: int) -> None:
        """Handle `source`: the group assigns its partitions, and its table's as actives and standbys beside them."""
        self.engine.add(source)
        changelog = self.topic(source.changelog, **RAW, partitions=partitions, acks=False)
        self.Table(source.table, partitions=partitions, key_type=bytes, value_type=bytes, changelog_topic=changelog)
        # Without acks the topic stays out of Faust's ack, gap and commit machinery: offsets belong to the transactions.
        self.topics.add(self.topic(source.topic, **RAW, partitions=partitions, acks=False))

    def is_engines(self, tp: Any) -> bool:
        """Whether the engine reads the partition, and Faust must not."""
        return tp.topic in self.engine.sources or tp.topic in self.tables.changelog_topics

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        """At revocation and at stop: the last moment to end what has effects outside Kafka."""
        if self.should_stop:
            await self.engine.stop()
        else:
            await self.engine.prepare()
        await super()._consumer_wait_empty(consumer, logger)
