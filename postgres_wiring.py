"""From settings to what the parts that use PostgreSQL take."""

from typing import Literal

from sitehub.settings import Settings
from sitehub.stores.postgres.address import Address
from sitehub.stores.postgres.schema import Schema

SAMPLES_KEPT = "30 days"


def database_address(settings: Settings, server: Literal["primary", "read_replica"]) -> Address | str:
    """A configured server, or why it can't be used."""
    block = settings.configuration.database_config
    at = getattr(block, server, None)
    if at is None:
        return f"there is no database_config.{server}"
    password = settings.secret("database_config", server, "password")
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
    )


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
