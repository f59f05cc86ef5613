"""Bad rows of a batch as dead letters of their target's commands: each one the call that would be made for it alone."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer

from sitehub.agents.batch_calls import BatchCall, Rejected
from sitehub.codecs.commands import command_headers, encode_command
from sitehub.codecs.dead_letters import dead_letter_headers
from sitehub.rules.commands import Command
from sitehub.rules.failure import Failure
from sitehub.rules.times import rfc3339

REQUEST_TIMEOUT_MS = 10_000
ORIGIN = "batch/"
"""Begins what stands in place of a topic: a row of a batch comes from none."""


@dataclass(frozen=True, slots=True)
class BatchDeadLetters:
    """Writes to one topic."""

    client: Mapping[str, Any]
    """Keyword arguments of an aiokafka client."""
    topic: str
    target: str
    config_id: Callable[[], str]

    async def bury(self, call: BatchCall, rejected: list[Rejected]) -> None:
        """Return once all are safe in the topic; raises KafkaError. A run that is resumed may bury a row again."""
        producer = AIOKafkaProducer(**self.client, enable_idempotence=True, request_timeout_ms=REQUEST_TIMEOUT_MS)
        async with producer:
            for one in rejected:
                command = self._command(call, one)
                headers = dead_letter_headers(
                    Failure("delivery", "rejected", one.answer),
                    topic=ORIGIN + call.operation,
                    partition=0,
                    offset=0,
                    time=rfc3339(time.time()),
                    attempts=1,
                    target=self.target,
                )
                value, key = encode_command(command), one.row.position.key.encode()
                await producer.send_and_wait(self.topic, value, key=key, headers=[*command_headers(command), *headers])

    def _command(self, call: BatchCall, rejected: Rejected) -> Command:
        row = rejected.row
        body = {"operation": call.operation, "watermark": call.watermark, "records": [row.record]}
        return Command(
            command_id=rejected.key,
            target=self.target,
            action=call.operation,
            site_id=row.position.key,
            method=call.method,
            path=call.path,
            body=body,
            event_id=call.run_id,
            event_timestamp=rfc3339(row.position.time.timestamp()),
            config_id=self.config_id(),
            source_topic=ORIGIN + call.operation,
            source_partition=0,
            source_offset=0,
        )
