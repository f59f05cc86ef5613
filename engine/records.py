"""Records as aiokafka's C parser makes them: a ConsumerRecord costs more to build than a record costs to parse."""

from typing import Any

import aiokafka.consumer.fetcher as aiokafka_fetcher
from aiokafka import AIOKafkaConsumer

MAX_WAIT_MS = 500
"""A fetch waits this long at the broker for a first record; it comes back with it at once."""


def _lean(value: bytes | None) -> bytes | None:
    """Marks a consumer that wants its records lean; a deserializer, because that is what reaches the parser."""
    return value


class LeanPartitionRecords(aiokafka_fetcher.PartitionRecords):
    """Hands out bare records to those consumers that ask for it, aiokafka's own to all others."""

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        if self._key_deserializer is _lean:
            return record
        return super()._consumer_record(tp, record)


aiokafka_fetcher.PartitionRecords = LeanPartitionRecords


def lean_consumer(client: dict[str, Any], fetch_bytes: int) -> AIOKafkaConsumer:
    """A consumer without a group, of committed records; it raises where an offset is not in the log any more."""
    return AIOKafkaConsumer(
        **client,
        key_deserializer=_lean,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=fetch_bytes,
        fetch_max_wait_ms=MAX_WAIT_MS,
        retry_backoff_ms=50,
    )
