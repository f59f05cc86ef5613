"""What a read_committed reader sees."""

from aiokafka import AIOKafkaConsumer, TopicPartition


async def committed(client: dict[str, str], topic: str) -> list[bytes | None]:
    """Values of the topic's first partition, up to the last stable offset."""
    consumer = AIOKafkaConsumer(**client, isolation_level="read_committed", auto_offset_reset="earliest")
    await consumer.start()
    tp = TopicPartition(topic, 0)
    consumer.assign([tp])
    end, values = (await consumer.end_offsets([tp]))[tp], list[bytes | None]()
    while await consumer.position(tp) < end:
        values += [record.value for record in (await consumer.getmany(timeout_ms=200)).get(tp, [])]
    await consumer.stop()
    return values
