"""Whether the brokers answer: idle partitions and clients that retry in silence would not tell."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from mode import Service

log = logging.getLogger(__name__)

EVERY_SECONDS = 3.0
PATIENCE_SECONDS = 5.0
"""A broker that takes longer for its metadata is in trouble, even if it takes connections."""


class BrokerWatch(Service):
    """Connects and asks for metadata now and then."""

    def __init__(self, client: Mapping[str, Any], returned: Callable[[], Awaitable[None]], **options: Any) -> None:
        """`client` holds the keyword arguments of an aiokafka client; `returned` is called after an outage."""
        super().__init__(**options)
        self.trouble: str | None = None
        """Why no broker answers; None while one does."""
        self.since: float | None = None
        """Since when none does, in seconds since 1970."""
        self._client = dict(client)
        self._returned = returned

    @Service.task
    async def _watch(self) -> None:
        while not self.should_stop:
            if self._note(await self._ask()):
                self.add_future(self._returned())  # it may meet the next outage, and this must still be watched
            await self.sleep(EVERY_SECONDS)

    def _note(self, trouble: str | None) -> bool:
        """Whether this ends an outage."""
        ends = trouble is None and self.since is not None
        if trouble is not None and self.trouble is None:
            self.since = time.time()
            log.warning("kafka_unreachable %s", trouble)
        elif ends:
            log.info("kafka_answers_again after %.1f s", time.time() - (self.since or 0.0))
            self.since = None
        self.trouble = trouble
        return ends

    async def _ask(self) -> str | None:
        client = AIOKafkaClient(**self._client)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await client.bootstrap()
        except TimeoutError:
            return f"no answer within {PATIENCE_SECONDS:g} s"
        except (KafkaError, OSError) as error:
            return repr(error)
        finally:
            await client.close()
        return None
