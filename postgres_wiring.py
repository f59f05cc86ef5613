"""From settings to what the parts that use PostgreSQL take."""

from typing import Literal

from sitehub.settings import Settings
from sitehub.stores.postgres.address import Address
from sitehub.stores.postgres.pool import Pool, Pools
from sitehub.stores.postgres.schema import Schema
from sitehub.telemetry.metrics import Metrics

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


def _interval(period: str) -> str:
    return period.replace("_", " ")
