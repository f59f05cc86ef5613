"""Health checks, limits, alerts and whom they reach."""

from typing import Literal

from pydantic import Field

from sitehub.settings.model import Block
from sitehub.settings.shapes import AlertCondition, Escalation, HttpAddress, HttpBase, Name, Period, Port, Status


class HealthCheck(Block):
    """An address that is asked again and again."""

    name: Name
    """Name of the check."""
    endpoint: HttpAddress
    """Address that is asked."""
    interval: int = Field(gt=0)
    """Seconds between two questions."""
    timeout: int = Field(gt=0)
    """Seconds to wait for an answer."""
    expected_status: Status
    """HTTP status that means healthy."""


class MetricLimits(Block):
    """Limits of one metric."""

    name: Literal["api_response_time", "integration_error_rate", "data_sync_lag"]
    """Name of the metric."""
    threshold_warning: float = Field(ge=0)
    """Limit, in `unit`, from which it is worth a look."""
    threshold_critical: float = Field(ge=0)
    """Limit, in `unit`, from which it is bad."""
    unit: Literal["milliseconds", "seconds", "percentage"]
    """Unit of both limits."""


class PerformanceMonitoring(Block):
    """What is measured."""

    metrics: list[MetricLimits]
    """Metrics with their limits."""
    collection_interval: int = Field(gt=0)
    """Seconds of a tumbling window."""
    retention_period: Period
    """Number and unit of time that samples are kept, like `30_days`."""


class AlertRule(Block):
    """When somebody is called."""

    name: Name
    """Name of the rule."""
    condition: AlertCondition
    """Measure, comparison, number and unit: %, ms or s."""
    severity: Literal["info", "warning", "high", "critical"]
    """How bad it is."""
    notification_channels: list[Name] = Field(min_length=1)
    """Names of blocks of `notification_channels`."""
    escalation_policy: Escalation
    """At once, or when the condition has held for so many minutes."""


class Email(Block):
    """Mail, by SMTP with STARTTLS."""

    smtp_server: Name
    """Name or address of the server."""
    port: Port
    """TCP port."""
    username: Name
    """Who logs in and sends."""
    password: str
    """Secret of that user."""
    recipients: list[Name] = Field(min_length=1)
    """Mail addresses."""


class Slack(Block):
    """Chat, by incoming webhook."""

    webhook_url: HttpAddress
    """Address of the webhook: who knows it may post, so it is a secret."""
    channel: Name
    """Channel that shows the message."""
    username: Name
    """Name under which it is shown."""


class PagerDuty(Block):
    """Pager, by Events API v2."""

    integration_key: str
    """Secret of the service."""
    service_id: Name
    """Source that events name."""
    api_endpoint: HttpBase = "https://events.pagerduty.com"
    """Address of the API."""


class NotificationChannels(Block):
    """Ways to reach people; those that are absent are off."""

    email: Email | None = None
    """Mail; absent: off."""
    slack: Slack | None = None
    """Chat; absent: off."""
    pagerduty: PagerDuty | None = None
    """Pager; absent: off."""
