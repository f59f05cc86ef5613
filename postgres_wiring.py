"""From settings to what the parts that use PostgreSQL take."""

from functools import partial
from typing import Any, Literal

from sitehub.agents.read_model import ReadModel
from sitehub.rules.audit_chain import Head
from sitehub.settings import Settings
from sitehub.stores.postgres.address import Address
from sitehub.stores.postgres.audit_rows import AuditRows
from sitehub.stores.postgres.pool import Pool, Pools
from sitehub.stores.postgres.result_rows import ResultRows
from sitehub.stores.postgres.schema import Schema, prepare_if_lacking
from sitehub.stores.postgres.sink import Sink
from sitehub.stores.postgres.site_rows import SiteRows
from sitehub.telemetry.logs import log
from sitehub.telemetry.metrics import Metrics
from sitehub.topics.declared import names_of
from sitehub.wiring import kafka_client

SAMPLES_KEPT = "30 days"


def database_address(settings: Settings, server: Literal["primary", "read_replica"]) -> Address | str:
    """A configured server, or why it can't be used."""
    block = settings.configuration.database_config
    at = getattr(block, server, None)
    if at is None:
        return f"there is no database_config.{server}"
    password = settings.live_secret("database_config", server, "password")
    if password is None:
        return f"the secret of database_config.{server}.password is missing"
    return Address(
        at.host,
        at.port,
        at.database,
        at.username,
        password,
        at.ssl_mode,
        at.connection_pool.connection_timeout / 1000,
        at.ssl_root_cert,
    )


def database_pools(settings: Settings, metrics: Metrics) -> Pools | str:
    """The configured pools, not yet open, or why there are none."""
    primary = _pool(settings, "primary")
    if isinstance(primary, str):
        return primary
    replica = _pool(settings, "read_replica")
    metrics.replica_up.set(0)
    return Pools(primary, None if isinstance(replica, str) else replica, metrics.replica_up.set)


def _pool(settings: Settings, server: Literal["primary", "read_replica"]) -> Pool | str:
    address, block = database_address(settings, server), settings.configuration.database_config
    if isinstance(address, str) or block is None:
        return str(address)
    size = (block.primary if server == "primary" else block.read_replica or block.primary).connection_pool
    return Pool(address, size.min_connections, size.max_connections, size.idle_timeout / 1000)


def database_schema(settings: Settings) -> Schema:
    """What the configuration wants of the schema. There must be a `database_config`."""
    block, monitoring = settings.configuration.database_config, settings.configuration.performance_monitoring
    assert block is not None  # noqa: S101 -- the caller's duty
    replica = block.read_replica or block.primary
    retention = {
        "audit_log": _interval(block.retention.audit_log),
        "command_attempts": _interval(block.retention.command_attempts),
        "metric_samples": _interval(monitoring.retention_period) if monitoring is not None else SAMPLES_KEPT,
    }
    return Schema(block.primary.username, replica.username, retention)


def read_model(settings: Settings, pools: Pools, metrics: Metrics) -> ReadModel:
    """What writes PostgreSQL."""
    names, schema = names_of(settings), database_schema(settings)
    sinks: dict[str, Sink[Any]] = {
        names.changelog("sites"): SiteRows(),
        names.sync_results: ResultRows(),
        names.audit_log: AuditRows(_log_closed),
    }

    return ReadModel(
        client=kafka_client(settings),
        consumer=f"{settings.app_id}-read-model",
        sinks=sinks,
        pools=pools,
        prepare=partial(prepare_if_lacking, schema=schema),
        metrics=metrics,
    )


def _log_closed(head: Head) -> None:
    """What an audit log that was made anew can be told from stands in another place too."""
    log("audit_chain_closed", day=f"{head.day}", chain=head.chain, rows=head.rows, hash=head.hash.hex())


def _interval(period: str) -> str:
    return period.replace("_", " ")
