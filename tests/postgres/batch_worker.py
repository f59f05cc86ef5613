"""What of a worker runs batches, a target that keeps what it is told, and the two around one database."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry

from sitehub.agents.batch_calls import BatchCall, Rejected
from sitehub.agents.batch_run import BatchRun
from sitehub.agents.batch_sync import BatchPlan, BatchSync
from sitehub.agents.hub_channel import HubChannel
from sitehub.agents.sites import RulesInForce
from sitehub.batch_wiring import batch_plan, batch_source, run_maker
from sitehub.clients.target import Target
from sitehub.settings import Settings, load_settings
from sitehub.stores.postgres.batch_ledger import Advance, BatchLedger, Lease, Run
from sitehub.stores.postgres.batch_source import BatchSource
from sitehub.stores.postgres.sql import statement
from sitehub.telemetry.metrics import Metrics
from sitehub.tests.postgres.conftest import SECRETS, Database
from sitehub.wiring import sync_rules, target_gate, target_settings

CONFIG = Path(__file__).parents[2] / "config"
OPERATION = "full_customer_sync"
KEY = {"SITEHUB_SECRET_BILLING_INTEGRATION__AUTHENTICATION__API_KEY": "key"}
NEVER = "0 3 29 2 *"


class Sink:
    """A target; `answer` decides the status of each call, and may do anything before."""

    def __init__(self) -> None:
        self.port = 0
        self.open = 0
        self.bodies: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.answer: Callable[[dict[str, Any]], Awaitable[int]] = self.take

    async def take(self, _body: dict[str, Any]) -> int:
        return 200

    async def call(self, request: web.Request) -> web.Response:
        self.open += 1
        body = orjson.loads(await request.read())
        try:
            status = await self.answer(body)
        finally:
            self.open -= 1
        if status == 200:
            self.bodies.append(body)
            self.keys.append(request.headers["Idempotency-Key"])
        return web.Response(status=status, text="told to")

    def names(self) -> dict[str, str]:
        """What the target knows of each site: the newest that it was told."""
        return {one["customer_id"]: one["customer_name"] for body in self.bodies for one in body["records"]}

    def told(self) -> Counter[str]:
        return Counter(one["customer_id"] for body in self.bodies for one in body["records"])


@asynccontextmanager
async def serving() -> AsyncIterator[Sink]:
    """A sink that listens."""
    sink, application = Sink(), web.Application()
    application.router.add_post("/{path:.*}", sink.call)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sink.port = runner.addresses[0][1]
    yield sink
    await runner.cleanup()


def settings_of(postgres: Database, sink: Sink, folder: Path, **batch: Any) -> Settings:
    overlay = {
        **postgres.overlay,
        "kafka_config": {"security_protocol": "PLAINTEXT"},
        "billing_integration": {
            "api_endpoint": f"http://127.0.0.1:{sink.port}",
            "retry_policy": {"initial_delay": 20},
            "circuit_breaker": {"recovery_timeout": 100},
        },
        "batch_sync_config": {"schedule": NEVER, "batch_size": 5, "parallel_workers": 3, **batch},
    }
    path = folder / "overlay.json"
    path.write_text(json.dumps(overlay))
    return load_settings([CONFIG, path], {**SECRETS, **KEY})


class Worker:
    """What of a worker runs batches."""

    def __init__(self, settings: Settings, name: str = "worker-1") -> None:
        plan, source = batch_plan(settings, {}), batch_source(settings)
        assert isinstance(plan, BatchPlan)
        assert isinstance(source, BatchSource)
        self.metrics = Metrics(CollectorRegistry())
        channel = HubChannel({}, "none", name)
        target = target_settings(settings, "billing")
        assert not isinstance(target, str)
        self.target = Target(target)
        gate = target_gate(settings, "billing", channel, self.metrics, share=lambda: 1.0, changed=lambda _news: None)
        self.plan, self.source, self.name = plan, source, name
        self.rules = RulesInForce(sync_rules(settings))
        self.settings, self.gate = settings, gate
        self.buried: list[Rejected] = []
        self.sync = BatchSync(
            plan,
            source.servers[-1],
            source,
            holder=name,
            is_leader=lambda: True,
            make_run=self.make,
            metrics=self.metrics,
        )

    def make(
        self, operation: Any, run: Run, lease: Lease, ledger: BatchLedger, done: Callable[[Advance], None]
    ) -> BatchRun:
        make = run_maker(
            self.settings,
            self.source,
            targets={"billing": self.target},
            gates={"billing": self.gate},
            rules=self.rules,
            metrics=self.metrics,
        )
        made = make(operation, run, lease, ledger, done)
        made.bury = self.bury
        return made

    async def bury(self, _call: BatchCall, rejected: list[Rejected]) -> None:
        self.buried += rejected

    async def run(self, connection: Any, since: datetime | None = None) -> None:
        """A run that was asked for, or what is left of one, here and now."""
        ledger = BatchLedger(connection, self.name)
        await ledger.state(OPERATION)
        if await ledger.next_run(OPERATION) is None:
            await connection.fetchval(statement("request_run"), OPERATION, "operator", "test", since)
        lease = await ledger.take(OPERATION)
        run = await ledger.next_run(OPERATION)
        assert lease is not None
        assert run is not None
        async with self.target:
            await self.make(self.plan.operations[0], run, lease, ledger, lambda _done: None).finish()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Worker"]:
        """Its service, at work."""
        async with self.target:
            await self.sync.start()
            yield self
            await self.sync.stop()


@dataclass(frozen=True)
class Scene:
    """A database with connections of its owner and of the application's role, and a target."""

    postgres: Database
    sink: Sink
    owner: Any
    application: Any
    folder: Path

    def settings(self, **batch: Any) -> Settings:
        return settings_of(self.postgres, self.sink, self.folder, **batch)

    def worker(self, name: str = "worker-1", **batch: Any) -> Worker:
        return Worker(self.settings(**batch), name)

    async def request(self, operation: str = OPERATION) -> None:
        await self.owner.fetchval(statement("request_run"), operation, "operator", "test", None)

    async def history(self) -> list[Any]:
        rows: list[Any] = await self.application.fetch(statement("batch_history"), None, 20)
        return rows


async def eventually(what: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not what():
            await asyncio.sleep(0.02)
