"""Every topic of the hub: what it is called, how many partitions it has, how long it keeps what."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sitehub.settings import Settings

SITE_EVENTS = "customer-sites-events"
TERRITORY_EVENTS = "territory-events"

RECORD_BYTES = 1_048_588
"""A broker's own limit for a record batch."""
DEAD_LETTER_BYTES = 4 * RECORD_BYTES
"""A dead letter is the record and its headers: it must fit where the record did."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is to be created. Retention in milliseconds; None keeps the newest record of each key for ever."""

    name: str
    partitions: int
    replication_factor: int
    retention_ms: int | None
    compression_type: str = "producer"
    max_message_bytes: int = RECORD_BYTES

    @property
    def config(self) -> dict[str, str]:
        """The broker's names for it."""
        keep = (
            {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.3", "segment.ms": "3600000"}
            if self.retention_ms is None
            else {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}
        )
        return {**keep, "compression.type": self.compression_type, "max.message.bytes": str(self.max_message_bytes)}


@dataclass(frozen=True, slots=True)
class TopicNames:
    """What the topics are called on the cluster: with the configured prefix, if there is one."""

    prefix: str
    app_id: str

    def of(self, topic: str) -> str:
        """A topic of the configuration."""
        return self.prefix + topic

    @property
    def site_events(self) -> str:
        """What happens to sites."""
        return self.of(SITE_EVENTS)

    @property
    def sync_results(self) -> str:
        """What came of attempts at commands."""
        return self.of("sync-results")

    @property
    def audit_log(self) -> str:
        """Who did what."""
        return self.of("audit-log")

    @property
    def sync_metrics(self) -> str:
        """Workers' partial aggregates."""
        return self.of("sync-metrics")

    @property
    def territory_decisions(self) -> str:
        """What the one territory agent is asked."""
        return self.of("territory-decisions")

    def commands(self, target: str) -> str:
        """What a target must be told."""
        return self.of(f"{target}-commands")

    def changelog(self, table: str) -> str:
        """Rows of a table."""
        return f"{self.app_id}-{table}-changelog"


def dead_letters_of(topic: str) -> str:
    """Name of the topic that holds the dead letters of `topic`."""
    return f"{topic}.dead-letter"


def deliveries_of(target: str) -> str:
    """Name of the table with the deliveries to `target`: a table a target, so that no two sources share a changelog."""
    return f"deliveries-{target}"


def names_of(settings: Settings) -> TopicNames:
    """The names that the configuration gives."""
    return TopicNames(settings.configuration.kafka_config.topic_prefix, settings.app_id)


def declare(settings: Settings, targets: Iterable[str]) -> list[Topic]:
    """The topics that a worker needs, with the counts of the configuration.

    What the hub makes of site events has their topic's partitions and replication: it stays in the partition it came
    from.
    """
    names = names_of(settings)
    configured = {
        name: Topic(
            names.of(name), block.partitions, block.replication_factor, block.retention_ms, block.compression_type
        )
        for name, block in settings.configuration.kafka_config.topics.items()
    }
    events = configured[SITE_EVENTS]
    topics = [*configured.values()]
    topics += [_beside(topic, dead_letters_of(topic.name), size=DEAD_LETTER_BYTES) for topic in configured.values()]
    topics += [_beside(events, names.sync_results), _beside(events, names.audit_log, size=DEAD_LETTER_BYTES)]
    topics += [replace(_beside(events, name), partitions=1) for name in (names.sync_metrics, names.territory_decisions)]
    topics.append(_changelog(events, names.changelog("sites")))
    for target in targets:
        commands = names.commands(target)
        topics += [
            _beside(events, commands, size=DEAD_LETTER_BYTES),
            _beside(events, dead_letters_of(commands), size=DEAD_LETTER_BYTES),
            _changelog(events, names.changelog(deliveries_of(target))),
        ]
    return topics


def _beside(topic: Topic, name: str, size: int = RECORD_BYTES) -> Topic:
    return replace(topic, name=name, compression_type="producer", max_message_bytes=size)


def _changelog(topic: Topic, name: str) -> Topic:
    return replace(_beside(topic, name, DEAD_LETTER_BYTES), retention_ms=None)
