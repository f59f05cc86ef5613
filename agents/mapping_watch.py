"""Follows `integration.data_mapping`: told by the database, and looking by itself in case nobody tells."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

import asyncpg
from aiokafka.errors import KafkaError
from mode import Service

from sitehub.agents.audit_trail import AuditTrail
from sitehub.agents.mapping_in_force import MappingInForce
from sitehub.rules.mapping import MappingEntry
from sitehub.settings import Settings
from sitehub.stores.postgres import mapping
from sitehub.stores.postgres.address import Address, Unreachable, connect

LOOK_SECONDS = 10.0
"""Between two looks: a change takes effect within this and `ANSWER_SECONDS`, whatever happened to the notice of it."""
ANSWER_SECONDS = 5.0
"""A database that is silent for longer is given up and connected to again."""
AGAIN_SECONDS = 2.0
START_SECONDS = 5.0
"""A start waits so long for the database; then what the worker had last holds."""
Found = TypeVar("Found")
GONE = (*Unreachable, asyncpg.PostgresError)


class MappingWatch(Service):
    """Keeps the mapping in force as the database has it. While that is away the last known one stays."""

    def __init__(
        self,
        address: Address,
        in_force: MappingInForce,
        configured: dict[str, list[MappingEntry]],
        trail: AuditTrail,
        **options: Any,
    ) -> None:
        """`configured` is put into the database for targets that were never there."""
        super().__init__(**options)
        self._address, self._in_force = address, in_force
        self._configured, self._trail = configured, trail
        self._known = asyncio.Event()

    async def on_start(self) -> None:
        """Before the first batch is decided: what the worker had last, then what the database has, if it answers."""
        self._in_force.recall()
        self.add_future(self._follow_for_ever())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(START_SECONDS):
                await self._known.wait()

    async def _follow_for_ever(self) -> None:
        while not self.should_stop:
            try:
                connection = await _within(ANSWER_SECONDS, connect(self._address))
                try:
                    await self._follow(connection)
                finally:
                    connection.terminate()
            except GONE as error:
                self._in_force.lost(f"{self._address}: {str(error) or type(error).__name__}")
                self._known.set()
            await self.sleep(AGAIN_SECONDS)

    async def _follow(self, connection: Any) -> None:
        changed = asyncio.Event()
        await _within(ANSWER_SECONDS, mapping.listen(connection, changed.set))
        await _within(ANSWER_SECONDS, mapping.seed(connection, self._configured, self._trail.config_id))
        while not self.should_stop:
            changed.clear()
            self._in_force.take(await _within(ANSWER_SECONDS, mapping.active(connection)))
            self._known.set()
            await self._record()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await changed.wait()

    async def _record(self) -> None:
        """When this worker began to decide by it; tried again at the next look if Kafka is away."""
        changes = self._in_force.unrecorded
        with contextlib.suppress(KafkaError, OSError):
            while changes:
                before, after = changes[0].before, changes[0].after
                await self._trail.record(
                    "mapping.in_force",
                    "configuration",
                    after.config_id,
                    before={"config_id": before.config_id, "mappings": _shown(before)},
                    after={"config_id": after.config_id, "mappings": _shown(after)},
                    source="integration.data_mapping",
                )
                del changes[0]


def _shown(settings: Settings) -> dict[str, Any]:
    blocks = settings.configuration.data_mappings.items()
    return {target: [entry.model_dump() for entry in block.values()] for target, block in blocks}


async def _within(seconds: float, asked: Coroutine[Any, Any, Found]) -> Found:
    """The answer, or TimeoutError in time: a call that is cancelled would first ask the silent server to agree."""
    asking = asyncio.create_task(asked)
    done, _ = await asyncio.wait({asking}, timeout=seconds)
    if not done:
        asking.cancel()
        asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        raise TimeoutError(f"no answer within {seconds:g} s")
    return asking.result()
