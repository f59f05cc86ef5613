"""The whole configuration: every block of the guide and those that the hub adds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from sitehub.settings.api import ApiAuthentication, ApiKey, Cors, Endpoint, OAuthConfig, RateLimiting
from sitehub.settings.database import DatabaseConfig
from sitehub.settings.forecasting import ForecastingDataPipeline, MlModelConfig, PredictionPipeline
from sitehub.settings.integration import BatchSyncConfig, Integration, MappingConfig, RuleConfig
from sitehub.settings.kafka import EventSchema, KafkaConfig, SchemaRegistry
from sitehub.settings.model import Block
from sitehub.settings.monitoring import AlertRule, HealthCheck, NotificationChannels, PerformanceMonitoring
from sitehub.settings.territory import TerritoryAssignment

SUFFIX = "_integration"
MAPPING_SUFFIX = "_data_mapping"


class Configuration(Block):
    """Blocks by their names; a part whose block is absent is off. Targets and their mappings are gathered by name."""

    api_name: str = "customer-sites-api"
    """Of the HTTP view."""
    version: str = "v1"
    """Of the HTTP view."""
    base_path: str = "/api/v1/customer-sites"
    """Before every path of the HTTP view."""
    description: str = ""
    """For people."""
    authentication: ApiAuthentication = ApiAuthentication(type="oauth2")
    """Of the HTTP view."""
    rate_limiting: RateLimiting | None = None
    """Of the HTTP view."""
    cors: Cors | None = None
    """Of the HTTP view."""
    endpoints: list[Endpoint] = []
    """Of the HTTP view."""
    oauth_config: OAuthConfig | None = None
    """Authorization server of the HTTP view."""
    api_keys: list[ApiKey] = []
    """Of calling systems."""
    database_config: DatabaseConfig | None = None
    """PostgreSQL."""
    kafka_config: KafkaConfig
    """Kafka."""
    event_schemas: dict[str, EventSchema] = {}
    """JSON Schema by event type."""
    schema_registry: SchemaRegistry | None = None
    """For Avro events."""
    integrations: dict[str, Integration] = {}
    """Targets: the `<name>_integration` blocks by name."""
    data_mappings: dict[str, dict[str, MappingConfig]] = {}
    """The `<name>_data_mapping` blocks by the target's name."""
    realtime_sync_rules: list[RuleConfig] = []
    """What targets must be told at once."""
    batch_sync_config: BatchSyncConfig | None = None
    """What they are told nightly."""
    forecasting_data_pipeline: ForecastingDataPipeline | None = None
    """What forecasting is told."""
    ml_model_config: MlModelConfig | None = None
    """Training data."""
    prediction_pipeline: PredictionPipeline | None = None
    """Predictions."""
    territory_assignment: TerritoryAssignment | None = None
    """How sites get their territory."""
    health_checks: list[HealthCheck] = []
    """Addresses that are asked."""
    performance_monitoring: PerformanceMonitoring | None = None
    """What is measured."""
    alert_rules: list[AlertRule] = []
    """When somebody is called."""
    notification_channels: NotificationChannels = Field(default=NotificationChannels())
    """Ways to reach people."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration of one process, with what its environment adds."""

    configuration: Configuration
    document: dict[str, Any]
    """The effective configuration as JSON, placeholders in place of secrets."""
    config_id: str
    """Of the document: recorded with each decision."""
    secrets: dict[tuple[str, ...], str]
    """By the keys from the root; what is not there is missing."""
    missing_secrets: tuple[tuple[str, ...], ...]
    """Placeholders that the environment gives no value for: what needs them is off."""
    app_id: str
    """Consumer group, and prefix of changelogs."""
    data: Path
    """Folder of this worker."""

    def secret(self, *path: str) -> str | None:
        """A secret, or the value itself if it is written in the configuration; None if it is missing or absent."""
        value: Any = self.document
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if path in self.secrets:
            return self.secrets[path]
        return None if value is None or is_placeholder(value) else str(value)


def is_placeholder(value: object) -> bool:
    """Whether a value stands for a secret that the environment gives, like `[encrypted_api_key]`."""
    return isinstance(value, str) and value.startswith("[encrypted_") and value.endswith("]")
