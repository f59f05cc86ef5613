"""Liveness, readiness and metrics."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest

Report = Callable[[], dict[str, Any]]


class HealthView:
    """What an orchestrator and Prometheus ask a worker."""

    def __init__(self, health: Report, readiness: Report, registry: CollectorRegistry) -> None:
        self._health = health
        self._readiness = readiness
        self._registry = registry

    async def health(self, _request: web.Request) -> web.Response:
        """200 while the process works, with its parts and troubles."""
        return web.Response(body=orjson.dumps(self._health()), content_type="application/json")

    async def ready(self, _request: web.Request) -> web.Response:
        """200 once the tables are recovered, 503 before."""
        report = self._readiness()
        status = HTTPStatus.OK if report["ready"] else HTTPStatus.SERVICE_UNAVAILABLE
        headers = {} if report["ready"] else {"Retry-After": "1"}
        return web.Response(body=orjson.dumps(report), status=status, content_type="application/json", headers=headers)

    async def metrics(self, _request: web.Request) -> web.Response:
        """Prometheus' text format."""
        return web.Response(body=generate_latest(self._registry), content_type="text/plain", charset="utf-8")
