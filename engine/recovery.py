"""Recovery of tables, in place of Faust's, which never ends on a changelog that was written in transactions."""

from typing import TYPE_CHECKING

from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import RebalanceAgain, ServiceStopped
from faust.tables.recovery import Recovery as FaustRecovery
from mode import Service

from sitehub.engine.partition import TopicPartition

if TYPE_CHECKING:
    from sitehub.engine.app import EngineApp


class Recovery(FaustRecovery):
    """Tells the engine what was assigned, then lets the agents' streams flow."""

    app: "EngineApp"
    _last_generation = 0

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                return
            self.signal_recovery_start.clear()
            try:
                await self._assign(self._generation_id)
            except RebalanceAgain:
                self.log.info("rebalance during recovery")
            except ServiceStopped:
                return
            except Exception as error:  # noqa: BLE001 -- Faust ends the worker with it
                await self.crash(error)

    async def _assign(self, generation: int) -> None:
        # Of a generation that this worker was not in, another may have owned, and moved on, what it thinks it has.
        missed = generation != self._last_generation + 1
        self._last_generation = generation
        assignor = self.app.assignor
        actives = [TopicPartition(*tp) for tp in assignor.assigned_actives()]
        standbys = [TopicPartition(*tp) for tp in assignor.assigned_standbys()]
        if await self.app.engine.assign(actives, standbys, fresh=missed):
            await self._resume_streams(generation_id=generation)

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Nothing: changelogs are read by the engine's own consumers."""


class TableManager(FaustTableManager):
    """Faust's table manager with our recovery."""

    _recovery: Recovery | None

    @property
    def recovery(self) -> Recovery:
        """The recovery service, made when first asked for."""
        recovery: Recovery | None = self._recovery
        if recovery is None:
            recovery = self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return recovery
