"""Bring stores up to the end of their changelogs: committed records only."""

from collections.abc import Callable, Mapping
from typing import Any

import aiokafka
from aiokafka import AIOKafkaConsumer

from sitehub.engine.store import Store

FETCH_BYTES = 4 << 20
POLL_MS = 50

Progress = Callable[[int, int], None]
"""Called with rows applied since the last call, and offsets that remain."""


async def restore(
    client: Mapping[str, Any],
    stores: Mapping[tuple[str, int], Store],
    *,
    cancelled: Callable[[], bool],
    progress: Progress,
) -> None:
    """Apply each store's changelog partition, from what the store holds to the last stable offset.

    Ends when every partition's position has passed the offset that was the end at the start: markers and aborted
    records take offsets too, so records are no measure. A store that is ahead of its changelog, or whose position the
    changelog has already dropped, is emptied and built anew.
    """
    if not stores:
        return
    consumer = AIOKafkaConsumer(
        **client,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
        fetch_max_wait_ms=POLL_MS,
    )
    await consumer.start()
    try:
        await _catch_up(consumer, dict(stores), cancelled, progress)
    finally:
        await consumer.stop()


async def _catch_up(
    consumer: AIOKafkaConsumer,
    stores: dict[tuple[str, int], Store],
    cancelled: Callable[[], bool],
    progress: Progress,
) -> None:
    lagging = {aiokafka.TopicPartition(topic, number): store for (topic, number), store in stores.items()}
    consumer.assign(list(lagging))
    ends = await consumer.end_offsets(list(lagging))  # of a read_committed consumer: the last stable offsets
    beginnings = await consumer.beginning_offsets(list(lagging))
    for tp, store in lagging.items():
        position = store.position
        if position > ends[tp] or 0 < position < beginnings[tp]:
            store.reset()
            position = 0
        consumer.seek(tp, max(position, beginnings[tp]))
    while lagging and not cancelled():
        applied = 0
        fetched = await consumer.getmany(*lagging, timeout_ms=POLL_MS)
        for tp, records in fetched.items():
            lagging[tp].write([(record.key, record.value) for record in records], records[-1].offset + 1)
            applied += len(records)
        remaining = {tp: ends[tp] - await consumer.position(tp) for tp in lagging}
        lagging = {tp: store for tp, store in lagging.items() if remaining[tp] > 0}
        progress(applied, sum(count for count in remaining.values() if count > 0))
