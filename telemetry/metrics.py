"""Every metric of the hub, declared once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAG_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 86400)


class Metrics:
    """The metrics of one worker, on a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.events_applied = Counter(
            "sitehub_events_applied", "Events that were folded into a site's state", registry=registry
        )
        self.events_duplicate = Counter(
            "sitehub_events_duplicate", "Events that were seen before and skipped", registry=registry
        )
        self.events_out_of_order = Counter(
            "sitehub_events_out_of_order", "Events applied that are older than the state they met", registry=registry
        )
        self.dead_letters = Counter(
            "sitehub_dead_letters",
            "Records that could not be applied or delivered",
            ["topic", "stage", "reason"],
            registry=registry,
        )
        self.commands = Counter("sitehub_commands", "Commands made for a target", ["target"], registry=registry)
        self.calls = Counter(
            "sitehub_calls", "Attempts at a target, by what came of them", ["target", "status"], registry=registry
        )
        self.call_duration = Histogram(
            "sitehub_call_duration_seconds", "Time of one attempt", ["target"], buckets=CALL_BUCKETS, registry=registry
        )
        self.delivery_lag = Histogram(
            "sitehub_delivery_lag_seconds",
            "From the event's timestamp to its delivery",
            ["target"],
            buckets=LAG_BUCKETS,
            registry=registry,
        )
        self.sync_lag = Gauge(
            "sitehub_sync_lag_seconds",
            "From the event's timestamp to its delivery, newest",
            ["target"],
            registry=registry,
        )
        self.rules_waiting = Gauge(
            "sitehub_rules_waiting",
            "Rules that came to wait less those that went on, since the start",
            ["target"],
            registry=registry,
        )
        self.recovered_rows = Counter(
            "sitehub_recovered_rows", "Rows read from changelogs to recover tables", registry=registry
        )
        self.recovery_remaining = Gauge(
            "sitehub_recovery_remaining_records", "Changelog offsets still to be read", registry=registry
        )
        self.partition_failures = Counter(
            "sitehub_partition_failures", "Times a partition was given up and recovered", ["topic"], registry=registry
        )
