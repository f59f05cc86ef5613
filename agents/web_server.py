"""The HTTP view as a service of the worker: up before the tables are recovered, so that `/ready` can say so."""

from typing import Any

from aiohttp import web
from mode import Service


class WebServer(Service):
    """Serves an aiohttp application on one address."""

    def __init__(self, application: web.Application, host: str, port: int, **options: Any) -> None:
        super().__init__(**options)
        self._runner = web.AppRunner(application, access_log=None, handle_signals=False)
        self._host = host
        self._port = port

    async def on_start(self) -> None:
        """Listen."""
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()

    async def on_stop(self) -> None:
        """Let open requests end, then close."""
        await self._runner.cleanup()
