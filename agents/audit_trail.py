"""What is done apart from events, put into the audit log by whoever does it."""

import getpass
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer

from sitehub.codecs.audit import encode_audit
from sitehub.rules.audit import AuditRecord, Masks, Values
from sitehub.rules.times import rfc3339

REQUEST_TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class AuditTrail:
    """Writes records of one actor."""

    client: Mapping[str, Any]
    """Keyword arguments of an aiokafka client."""
    topic: str
    config_id: str
    masks: Masks
    now: Callable[[], float]
    actor: str

    async def record(
        self,
        action: str,
        entity_type: str,
        entity_id: str,
        *,
        before: Values,
        after: Values,
        source: str,
        site_id: str | None = None,
    ) -> None:
        """Return once the record is safe in the topic; raises KafkaError if it is not known to be.

        `source` says how the request came: `cli`, or method and path of HTTP. Call it before what is done takes
        effect (before the commit, where it is a transaction): then nothing is done without a record of it.
        """
        record = AuditRecord(
            actor=self.actor,
            at=rfc3339(self.now()),
            action=action,
            entity_type=entity_type,
            entity_id=entity_id,
            site_id=site_id,
            before=self.masks(before),
            after=self.masks(after),
            correlation_id=str(uuid.uuid4()),
            source=source,
            config_id=self.config_id,
        )
        producer = AIOKafkaProducer(**self.client, enable_idempotence=True, request_timeout_ms=REQUEST_TIMEOUT_MS)
        async with producer:
            await producer.send_and_wait(self.topic, encode_audit(record), key=(site_id or entity_id).encode())


def operator() -> str:
    """Who runs this process."""
    return f"operator:{getpass.getuser()}"
