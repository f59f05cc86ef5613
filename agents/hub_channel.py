"""What workers tell each other: short messages over `sync-metrics`, none of which may be needed to be right."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any

import aiokafka
import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaError
from mode import Service

log = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0
POLL_MS = 200
WAITING = 1_000
"""Messages that wait for a broker that is away; older ones are dropped, since news are repeated."""

Receive = Callable[[str, dict[str, Any]], None]
"""Called with a message's kind and content, for those of other workers only."""


class HubChannel(Service):
    """Sends to all other workers and hears them; messages may get lost or come late while the broker is away."""

    def __init__(self, client: Mapping[str, Any], topic: str, worker: str, **options: Any) -> None:
        """`worker` is this worker's name, unique in the hub."""
        super().__init__(**options)
        self.worker = worker
        self._client = dict(client)
        self._at = aiokafka.TopicPartition(topic, 0)
        self._outbox: asyncio.Queue[bytes] = asyncio.Queue(WAITING)
        self._receivers: dict[str, Receive] = {}

    def on_message(self, kind: str, receive: Receive) -> None:
        """Hand messages of `kind` to `receive`."""
        self._receivers[kind] = receive

    def say(self, kind: str, content: Mapping[str, Any]) -> None:
        """Send soon, if the broker is there."""
        if self._outbox.full():
            self._outbox.get_nowait()
        self._outbox.put_nowait(msgspec.json.encode({"kind": kind, "worker": self.worker, "content": content}))

    @Service.task  # type: ignore[untyped-decorator]
    async def _send(self) -> None:
        await self._for_ever(self._send_until_failure)

    @Service.task  # type: ignore[untyped-decorator]
    async def _hear(self) -> None:
        await self._for_ever(self._hear_until_failure)

    async def _for_ever(self, work: Callable[[], Any]) -> None:
        while not self.should_stop:
            try:
                await work()
            except (KafkaError, OSError, AssertionError) as error:
                log.info("hub_channel_interrupted %r", error)
                await self.sleep(AGAIN_SECONDS)

    async def _send_until_failure(self) -> None:
        producer = AIOKafkaProducer(**self._client, acks=1)
        await producer.start()
        try:
            while True:
                message = await self._outbox.get()
                await producer.send_and_wait(self._at.topic, message, key=self.worker.encode(), partition=0)
        finally:
            await producer.stop()

    async def _hear_until_failure(self) -> None:
        consumer = AIOKafkaConsumer(**self._client, enable_auto_commit=False, auto_offset_reset="latest")
        await consumer.start()
        try:
            consumer.assign([self._at])
            await consumer.seek_to_end(self._at)
            while True:
                for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                    for record in records:
                        self._receive(record.value)
        finally:
            await consumer.stop()

    def _receive(self, value: bytes | None) -> None:
        try:
            message = msgspec.json.decode(value or b"")
            kind, worker, content = message["kind"], message["worker"], message["content"]
        except (msgspec.MsgspecError, KeyError, TypeError):
            return  # others may write to this topic too
        if worker != self.worker and isinstance(content, dict) and kind in self._receivers:
            self._receivers[kind](worker, content)
