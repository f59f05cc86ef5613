"""Composition root: wires settings, rules, engine, targets and HTTP view into one worker."""

import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import aiohttp
from mode import Service
from prometheus_client import CollectorRegistry
from yarl import URL

from sitehub.agents.batch_sync import BatchSync
from sitehub.agents.database import Database
from sitehub.agents.delivery import delivery_loop
from sitehub.agents.delivery_records import breaker_message
from sitehub.agents.gate import TargetGate
from sitehub.agents.hub_channel import HubChannel
from sitehub.agents.mapping_in_force import MappingInForce
from sitehub.agents.mapping_watch import MappingWatch
from sitehub.agents.read_model import ReadModel
from sitehub.agents.sites import RulesInForce
from sitehub.agents.target_delivery import Delivery
from sitehub.agents.target_keeper import TargetKeeper
from sitehub.agents.target_status import target_document
from sitehub.agents.web_server import WebServer
from sitehub.batch_wiring import batch_plan, batch_source, run_maker
from sitehub.clients.target import Target
from sitehub.engine.app import EngineApp
from sitehub.engine.source import Handover, Source, fold
from sitehub.postgres_wiring import database_address, database_pools, read_model
from sitehub.rules.times import rfc3339
from sitehub.settings import Settings
from sitehub.stores.kept_mapping import KeptMapping
from sitehub.stores.postgres.address import Address
from sitehub.stores.postgres.pool import Pools
from sitehub.stores.sites import SiteTables
from sitehub.telemetry.metrics import Metrics
from sitehub.topics.declared import SITE_EVENTS, deliveries_of, names_of
from sitehub.web.health import HealthView
from sitehub.web.server import web_application
from sitehub.web.sites import SiteView
from sitehub.wiring import (
    audit_trail,
    called_targets,
    delivery_of,
    engine_observer,
    kafka_client,
    mapping_entries,
    site_handler,
    sync_rules,
    target_gate,
    target_settings,
)

SESSION_SECONDS = 10.0
HEARTBEAT_SECONDS = 1.0
READ_AHEAD = 500
"""Commands that are taken from a partition at once."""
LOOPBACK = "127.0.0.1"


class HubApp(EngineApp):
    """A worker of the hub."""

    def __init__(self, settings: Settings, host: str, port: int) -> None:
        self.settings = settings
        self.metrics = Metrics(CollectorRegistry())
        self.off: dict[str, str] = {}
        """Parts that are off, and why."""
        self.targets: dict[str, Target] = {}
        self.deliveries: dict[str, Delivery] = {}
        self.gates: dict[str, TargetGate] = {}
        self.pools: Pools | None = None
        self.read_model: ReadModel | None = None
        self._names = names_of(settings)
        self._rules = RulesInForce(sync_rules(settings))
        self._database = database_address(settings, "primary")
        if isinstance(self._database, str):
            self.off["data mapping at run time"] = self._database
        self.mapping = MappingInForce(settings, self._rules, sync_rules, KeptMapping(settings.data), self.metrics)
        self._partitions = settings.configuration.kafka_config.topics[SITE_EVENTS].partitions
        super().__init__(
            settings.app_id,
            client=kafka_client(settings),
            directory=settings.data / "tables",
            observer=engine_observer(self.metrics),
            broker_session_timeout=SESSION_SECONDS,
            broker_heartbeat_interval=HEARTBEAT_SECONDS,
            topic_partitions=self._partitions,
            canonical_url=URL(f"http://{host}:{port}"),
            table_standby_replicas=1,
            consumer_group_instance_id=instance_id(settings.data),
        )
        self.channel = HubChannel(self.client, self._names.sync_metrics, instance_id(settings.data))
        self._add_sites()
        for name in called_targets(settings):
            self._add_target(name)
        self._add_database()
        self.metrics.recovery_seconds_left.set_function(lambda: self.engine.recovery.seconds_left or 0.0)
        self.batch = self._batch_sync()
        self._host, self._port = host, port

    def on_init_dependencies(self) -> Iterable[Any]:
        """The HTTP view and the targets' connections start before Kafka, and stop after it."""
        keeper = TargetKeeper(self.deliveries, self.gates, self.channel, self.metrics)
        batch = [self.batch] if self.batch is not None else []
        streams = [Connections(self), self.channel, keeper, *batch, *super().on_init_dependencies()]
        return [*self._mapping_watch(), *self._readers(), *streams]

    def _batch_sync(self) -> BatchSync | None:
        """Whoever has the first partition of the site events is the leader: a rebalance moves that."""
        settings, prefix = self.settings, "delivery to "
        off = {part.removeprefix(prefix): why for part, why in self.off.items() if part.startswith(prefix)}
        plan, source = batch_plan(settings, off), batch_source(settings)
        if isinstance(plan, str) or isinstance(source, str):
            self.off["batch sync"] = plan if isinstance(plan, str) else str(source)
            return None
        make_run = run_maker(
            settings, source, targets=self.targets, gates=self.gates, rules=self._rules, metrics=self.metrics
        )
        return BatchSync(
            plan,
            source.servers[-1],
            source,
            holder=self.channel.worker,
            is_leader=lambda: 0 in self._owned(),
            make_run=make_run,
            metrics=self.metrics,
        )

    def _mapping_watch(self) -> Iterable[Service]:
        """First of all: no batch is to be decided by the configuration's mapping if the database has another."""
        if isinstance(self._database, Address):
            trail = audit_trail(self.settings, f"worker:{self.channel.worker}")
            yield MappingWatch(self._database, self.mapping, mapping_entries(self.settings), trail)

    def _readers(self) -> Iterable[Service]:
        """What runs beside the streams and is never needed by them."""
        if self.pools is not None and self.read_model is not None:
            yield from (Database(self.pools), self.read_model)

    def _add_database(self) -> None:
        pools = database_pools(self.settings, self.metrics)
        if isinstance(pools, str):
            self.off["read model"] = pools
            return
        self.pools = pools
        self.read_model = read_model(self.settings, pools, self.metrics)

    def _add_sites(self) -> None:
        settings, names = self.settings, self._names
        handler = site_handler(settings, self.metrics, self._rules)
        source = Source(names.site_events, "sites", names.changelog("sites"), fold(handler), handler.sends)
        self.add_source(source, self._partitions)

    def _add_target(self, name: str) -> None:
        settings = target_settings(self.settings, name)
        if isinstance(settings, str):
            self.off[f"delivery to {name}"] = settings
            return
        names, target = self._names, Target(settings)
        self.targets[name] = target
        gate = self.gates[name] = target_gate(
            self.settings,
            name,
            self.channel,
            self.metrics,
            share=lambda: self._share(name),
            changed=lambda news: self.deliveries[name].note(breaker_message(name, news)),
        )
        delivery = delivery_of(self.settings, name, target, gate, self.metrics, lease_seconds=SESSION_SECONDS / 2)
        self.deliveries[name] = delivery
        table = deliveries_of(name)
        source = Source(
            names.commands(name),
            table,
            names.changelog(table),
            delivery_loop(delivery),
            delivery.sends,
            Handover.DRAIN,
            READ_AHEAD,
        )
        self.add_source(source, self._partitions)

    def web(self, client: aiohttp.ClientSession) -> Service:
        """The HTTP view of this worker."""
        deliveries = {name: deliveries_of(name) for name in self.targets}
        tables = SiteTables(self.engine.lookup, self.engine.lookup_stale, deliveries)
        sites = SiteView(
            tables.find,
            lambda site_id: tables.find_stale(site_id, time.time()),
            owned=self._owned,
            partitions=self._partitions,
            peers=self._peers,
            client=client,
        )
        health = HealthView(self._health, self._readiness, self.metrics.registry)
        base_path = self.settings.configuration.base_path
        return WebServer(web_application(base_path, sites, health), self._host, self._port)

    def _owned(self) -> set[int]:
        return {tp.partition for tp in self.engine.partitions if tp.topic == self._names.site_events}

    def _share(self, target: str) -> float:
        return len(self.deliveries[target].partitions) / self._partitions

    def _breakers(self) -> dict[str, Any]:
        return {
            name: {
                "state": gate.breaker.state.name.lower(),
                "since": rfc3339(gate.breaker.since) if gate.breaker.since else None,
                "reason": gate.breaker.reason,
            }
            for name, gate in self.gates.items()
        }

    def _peers(self, _site_id: str) -> list[str]:
        own = str(self.conf.canonical_url).rstrip("/")
        workers = {str(url).rstrip("/") for url in self.assignor.tables_metadata()}
        return sorted(url if "://" in url else f"http://{url}" for url in workers if url != own)

    def _targets(self) -> list[dict[str, Any]]:
        waiting = self.metrics.rules_waiting_for
        return [
            target_document(delivery, self.gates[name], waiting(name), time.time())
            for name, delivery in self.deliveries.items()
        ]

    def _health(self) -> dict[str, Any]:
        targets = self._targets()
        is_balanced = not any(target["accounting"]["difference"] for target in targets)
        troubles = {f"{tp.topic}-{tp.partition}": error for tp, error in self.engine.troubles.items()}
        kafka, postgres = self.broker_watch, self.read_model
        outages = [kafka.trouble, postgres.trouble if postgres is not None else None]
        is_batch_well = self.batch is None or self.batch.is_well
        is_well = is_balanced and is_batch_well and not (troubles or any(outages) or self.mapping.is_stale)
        return {
            "status": "ok" if is_well else "degraded",
            "app_id": self.settings.app_id,
            "config_id": self.mapping.settings.config_id,
            "mapping": self.mapping.report(),
            "ready": self.engine.ready,
            "partitions": sorted(f"{tp.topic}-{tp.partition}" for tp in self.engine.partitions),
            "standbys": sorted(f"{table}-{number}" for table, number in self.engine.tables.standbys),
            "troubles": troubles,
            "kafka": {"error": kafka.trouble, "since": rfc3339(kafka.since) if kafka.since else None},
            "postgres": {
                "replica": self.pools.replica_state if self.pools else "none",
                "error": postgres.trouble if postgres else None,
                "since": rfc3339(postgres.since) if postgres and postgres.since else None,
            },
            "breakers": self._breakers(),
            "batch": self.batch.report() if self.batch is not None else None,
            "targets": targets,
            "off": self.off,
        }

    def _readiness(self) -> dict[str, Any]:
        recovery = self.engine.recovery
        return {
            "ready": self.engine.ready,
            "recovered_rows": recovery.rows,
            "remaining_records": recovery.remaining,
            "seconds_left": recovery.seconds_left,
        }


class Connections(Service):
    """Opens and closes what the worker talks through beside Kafka."""

    def __init__(self, app: HubApp, **options: Any) -> None:
        super().__init__(**options)
        self._app = app

    async def on_start(self) -> None:
        """Open the targets' pools, then listen."""
        for target in self._app.targets.values():
            await self.add_async_context(target)
        client = await self.add_async_context(aiohttp.ClientSession())
        await self.add_runtime_dependency(self._app.web(client))


def instance_id(data: Path) -> str:
    """Name of this worker in its group, kept with its tables: who comes back with them gets its partitions back."""
    path = data / "instance-id"
    if not path.exists():
        data.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{uuid.uuid4()}\n")
    return path.read_text().strip()


def create_app(settings: Settings, host: str = LOOPBACK, port: int = 6066) -> HubApp:
    """A worker, not yet started; nothing is opened before it starts. Topics must be there: see `topics.create`."""
    return HubApp(settings, host, port)
