"""Health checks, limits, alerts and whom they reach."""

from typing import Literal

from pydantic import Field

from sitehub.settings.model import Block


class HealthCheck(Block):
    """An address that is asked again and again."""

    name: str
    """Of the check."""
    endpoint: str
    """Address."""
    interval: int = Field(gt=0)
    """Seconds between two questions."""
    timeout: int = Field(gt=0)
    """Seconds to wait for an answer."""
    expected_status: int = Field(ge=100, le=599)
    """HTTP status of health."""


class MetricLimits(Block):
    """Limits of one metric, in its unit."""

    name: Literal["api_response_time", "integration_error_rate", "data_sync_lag"]
    """Which."""
    threshold_warning: float = Field(ge=0)
    """From here it is worth a look."""
    threshold_critical: float = Field(ge=0)
    """From here it is bad."""
    unit: Literal["milliseconds", "seconds", "percentage"]
    """Of both limits."""


class PerformanceMonitoring(Block):
    """What is measured."""

    metrics: list[MetricLimits]
    """With their limits."""
    collection_interval: int = Field(gt=0)
    """Seconds of a window."""
    retention_period: str = Field(pattern=r"^\d+_(hours|days|weeks|months)$")
    """Number and unit of time that samples are kept."""


class AlertRule(Block):
    """When somebody is called."""

    name: str
    """Of the rule."""
    condition: str = Field(pattern=r"^(error_rate|response_time|sync_lag) *(>|>=|<|<=) *[0-9.]+ *(%|ms|s)$")
    """Measure, comparison, number and unit."""
    severity: Literal["info", "warning", "high", "critical"]
    """How bad it is."""
    notification_channels: list[str] = Field(min_length=1)
    """Names of channels."""
    escalation_policy: str = Field(pattern=r"^(immediate|after_\d+_minutes)$")
    """At once, or when it has held that long."""


class Email(Block):
    """By SMTP with STARTTLS."""

    smtp_server: str
    """Name or address."""
    port: int = Field(gt=0, lt=65536)
    """TCP port."""
    username: str
    """Who logs in and sends."""
    password: str
    """Secret."""
    recipients: list[str] = Field(min_length=1)
    """Addresses."""


class Slack(Block):
    """By incoming webhook."""

    webhook_url: str
    """Address."""
    channel: str
    """Where it is shown."""
    username: str
    """Under which name."""


class PagerDuty(Block):
    """By Events API v2."""

    integration_key: str
    """Secret."""
    service_id: str
    """Source of the events."""
    api_endpoint: str = "https://events.pagerduty.com"
    """Address of the API."""


class NotificationChannels(Block):
    """Ways to reach people; absent ones are off."""

    email: Email | None = None
    """Mail."""
    slack: Slack | None = None
    """Chat."""
    pagerduty: PagerDuty | None = None
    """Pager."""
