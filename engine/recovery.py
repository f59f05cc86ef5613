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
    """Lets the engine fence, restore and start what was assigned, then lets the streams flow."""

    app: "EngineApp"

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start):
                return
            self.signal_recovery_start.clear()
            generation = self._generation_id
            assigned = [TopicPartition(*tp) for tp in self.app.consumer.assignment()]
            try:
                if await self.app.engine.assign(assigned):
                    await self._resume_streams(generation_id=generation)
            except RebalanceAgain:
                self.log.info("rebalance during recovery")
            except ServiceStopped:
                return
            except Exception as error:  # noqa: BLE001 -- Faust ends the worker with it
                await self.crash(error)

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """Nothing: changelogs are read by the engine's own consumer."""


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
