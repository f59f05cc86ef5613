"""Every topic of the hub: what it is called, how many partitions it has, how long it keeps what."""

from collections.abc import Iterable
from dataclasses import dataclass

from sitehub.settings import Settings

SITE_EVENTS = "customer-sites-events"
TERRITORY_EVENTS = "territory-events"
SYNC_RESULTS = "sync-results"
AUDIT_LOG = "audit-log"
SYNC_METRICS = "sync-metrics"
TERRITORY_DECISIONS = "territory-decisions"

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


def dead_letters_of(topic: str) -> str:
    """Name of the topic that holds the dead letters of `topic`."""
    return f"{topic}.dead-letter"


def commands_of(target: str) -> str:
    """Name of the topic that holds the commands for `target`."""
    return f"{target}-commands"


def changelog_of(app_id: str, table: str) -> str:
    """Name of the changelog of `table`."""
    return f"{app_id}-{table}-changelog"


def deliveries_of(target: str) -> str:
    """Name of the table with the deliveries to `target`: a table a target, so that no two sources share a changelog."""
    return f"deliveries-{target}"


def declare(settings: Settings, targets: Iterable[str]) -> list[Topic]:
    """The topics that a worker needs, with the counts of the configuration.

    What the hub makes of site events has their topic's partitions and replication: it stays in the partition it came
    from.
    """
    configured = {
        name: Topic(name, block.partitions, block.replication_factor, block.retention_ms, block.compression_type)
        for name, block in settings.configuration.kafka_config.topics.items()
    }
    events = configured[SITE_EVENTS]
    copies, keep, app_id = events.replication_factor, events.retention_ms, settings.app_id

    def beside(topic: Topic, name: str, retention_ms: int | None = keep, size: int = RECORD_BYTES) -> Topic:
        return Topic(name, topic.partitions, copies, retention_ms, max_message_bytes=size)

    topics = list(configured.values())
    topics += [beside(topic, dead_letters_of(topic.name), size=DEAD_LETTER_BYTES) for topic in configured.values()]
    topics += [beside(events, SYNC_RESULTS), beside(events, AUDIT_LOG)]
    topics += [Topic(name, 1, copies, keep) for name in (SYNC_METRICS, TERRITORY_DECISIONS)]
    topics.append(beside(events, changelog_of(app_id, "sites"), None, DEAD_LETTER_BYTES))
    for target in targets:
        commands = beside(events, commands_of(target), size=DEAD_LETTER_BYTES)
        topics += [
            commands,
            beside(events, dead_letters_of(commands.name), size=DEAD_LETTER_BYTES),
            beside(events, changelog_of(app_id, deliveries_of(target)), None),
        ]
    return topics
