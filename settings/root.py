"""The whole configuration: every block of the guide and those that the hub adds."""

from pydantic import Field

from sitehub.settings.api import ApiAuthentication, ApiKey, Cors, Endpoint, OAuthConfig, RateLimiting
from sitehub.settings.audit import AuditConfig
from sitehub.settings.database import DatabaseConfig
from sitehub.settings.forecasting import ForecastingDataPipeline, MlModelConfig, PredictionPipeline
from sitehub.settings.integration import Integration
from sitehub.settings.kafka import EventSchema, KafkaConfig, SchemaRegistry
from sitehub.settings.model import Block
from sitehub.settings.monitoring import AlertRule, HealthCheck, NotificationChannels, PerformanceMonitoring
from sitehub.settings.shapes import Name, UrlPath
from sitehub.settings.sync import BatchSyncConfig, MappingConfig, RuleConfig
from sitehub.settings.territory import TerritoryAssignment


class Configuration(Block):
    """Blocks by their names; a part whose block is absent is off. Targets and their mappings are gathered by name."""

    api_name: Name = "customer-sites-api"
    """Name of the HTTP view."""
    version: Name = "v1"
    """Version of the HTTP view."""
    base_path: UrlPath = "/api/v1/customer-sites"
    """Path before every path of the HTTP view."""
    description: str = ""
    """What the HTTP view is, for people."""
    authentication: ApiAuthentication = ApiAuthentication(type="oauth2")
    """How callers of the HTTP view prove who they are."""
    rate_limiting: RateLimiting | None = None
    """How often a caller of the HTTP view may call; absent: as often as it likes."""
    cors: Cors | None = None
    """Which web pages may call the HTTP view; absent: those of its own origin."""
    endpoints: list[Endpoint] = []
    """Paths of the HTTP view and how long they may take."""
    oauth_config: OAuthConfig | None = None
    """Authorization server of the HTTP view; absent: no token is accepted."""
    api_keys: list[ApiKey] = []
    """Keys of calling systems."""
    database_config: DatabaseConfig | None = None
    """PostgreSQL; absent: no read model, no sync status, no batch sync."""
    audit: AuditConfig = AuditConfig()
    """The audit log."""
    kafka_config: KafkaConfig
    """Kafka, which the hub stands on."""
    event_schemas: dict[Name, EventSchema] = {}
    """JSON Schemas by event type, over those that the hub carries."""
    schema_registry: SchemaRegistry | None = None
    """Where Avro schemas are found; absent: Avro events are dead letters."""
    integrations: dict[str, Integration] = {}
    """Targets: the `<name>_integration` blocks by name."""
    data_mappings: dict[str, dict[Name, MappingConfig]] = {}
    """Mapped fields: the `<name>_data_mapping` blocks by the target's name."""
    realtime_sync_rules: list[RuleConfig] = []
    """What targets must be told at once."""
    batch_sync_config: BatchSyncConfig | None = None
    """What targets are told nightly; absent: nothing."""
    forecasting_data_pipeline: ForecastingDataPipeline | None = None
    """What the forecasting system is told; absent: nothing."""
    ml_model_config: MlModelConfig | None = None
    """Training data; absent: none are made."""
    prediction_pipeline: PredictionPipeline | None = None
    """Predictions; absent: none are asked for."""
    territory_assignment: TerritoryAssignment | None = None
    """How sites get their territory; absent: only by events."""
    health_checks: list[HealthCheck] = []
    """Addresses that are asked again and again."""
    performance_monitoring: PerformanceMonitoring | None = None
    """What is measured, with its limits; absent: limits are not watched."""
    alert_rules: list[AlertRule] = []
    """When somebody is called."""
    notification_channels: NotificationChannels = Field(default=NotificationChannels())
    """Ways to reach people."""
