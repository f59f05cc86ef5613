"""Every metric of the hub, declared once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
LAG_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 86400)
TRANSACTION_BUCKETS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """The metrics of one worker, on a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._declare_events()
        self._declare_calls()
        self._declare_batch()
        self._declare_engine()
        self._declare_postgres()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        """Prometheus puts `_total` behind the name."""
        return Counter(f"sitehub_{name}", text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"sitehub_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"sitehub_{name}", text, labels, registry=self.registry, buckets=buckets)

    def _declare_events(self) -> None:
        self.events_applied = self._counter("events_applied", "Events that were folded into a site's state")
        self.events_duplicate = self._counter("events_duplicate", "Events that were seen before and skipped")
        self.events_out_of_order = self._counter(
            "events_out_of_order", "Events applied that are older than the state they met"
        )
        self.dead_letters = self._counter(
            "dead_letters", "Records that could not be applied or delivered", "topic", "stage", "reason"
        )
        self.commands = self._counter("commands", "Commands made for a target", "target")
        self.mapping_mistakes = self._gauge(
            "mapping_mistakes", "Why the database's mapping is not in force: its mistakes, 0 if it is", "reason"
        )
        self.mapping_changes = self._counter("mapping_changes", "Times another mapping took effect")
        self.rules_waiting = self._gauge(
            "rules_waiting", "Rules that came to wait less those that went on, since the start", "target"
        )

    def rules_waiting_for(self, target: str) -> int:
        """What the gauge of that name shows."""
        return int(self.registry.get_sample_value("sitehub_rules_waiting", {"target": target}) or 0)

    def _declare_calls(self) -> None:
        self.calls = self._counter("calls", "Attempts at a target, by what came of them", "target", "status")
        self.call_duration = self._histogram("call_duration_seconds", "Time of one attempt", CALL_BUCKETS, "target")
        self.commands_ended = self._counter(
            "commands_ended", "Commands by how they ended: delivered, superseded, rejected", "target", "status"
        )
        self.delivery_lag = self._histogram(
            "delivery_lag_seconds", "From the event's timestamp to its delivery", LAG_BUCKETS, "target"
        )
        self.sync_lag = self._gauge("sync_lag_seconds", "From the event's timestamp to its delivery, newest", "target")
        self.error_rate = self._gauge("error_rate_percent", "Failed attempts of the last window", "target")
        self.allowed_pace = self._gauge(
            "allowed_calls_per_second",
            "Pace at which this worker may call a target now, +Inf without a limit",
            "target",
        )
        self._declare_breakers()
        self.accounting = self._gauge(
            "accounting_commands",
            "Commands of this worker's partitions: made, delivered, superseded, rejected, parked, pending",
            "target",
            "state",
        )
        self.accounting_difference = self._gauge(
            "accounting_difference",
            "Commands made less those whose whereabouts are known: 0 when all is well",
            "target",
        )

    def _declare_breakers(self) -> None:
        self.breaker_state = self._gauge("breaker_state", "Circuit breaker: 0 closed, 1 half-open, 2 open", "target")
        self.breaker_since = self._gauge(
            "breaker_since_seconds", "When the breaker's state began, in seconds since 1970", "target"
        )
        self.breaker_reason = self._gauge("breaker_reason", "1 while it is why the breaker is open", "target", "reason")

    def _declare_batch(self) -> None:
        self.batch_rows = self._counter("batch_rows", "Rows of a batch that are done with", "operation")
        self.batch_rejected = self._counter(
            "batch_rejected_rows", "Rows of a batch that became dead letters", "operation"
        )
        self.batch_failures = self._counter("batch_failures", "Calls of a batch that were made again", "operation")
        self.batch_completed = self._gauge(
            "batch_completed_timestamp_seconds", "When a run of this worker last ended well", "operation"
        )

    def _declare_engine(self) -> None:
        self.transactions = self._counter("transactions", "Partition batches that were committed", "topic")
        self.transaction_duration = self._histogram(
            "transaction_seconds", "From the start of a transaction to its commit", TRANSACTION_BUCKETS, "topic"
        )
        self.partition_state = self._gauge(
            "partition_state", "0 recovering, 1 running, 2 given up and tried again", "topic", "partition"
        )
        self.partition_failures = self._counter(
            "partition_failures", "Times a partition was given up and recovered", "topic"
        )
        self.recovered_rows = self._counter("recovery_rows", "Rows read from changelogs to recover tables")
        self.recovery_remaining = self._gauge(
            "recovery_remaining_rows", "Changelog offsets still to be read, markers of transactions among them"
        )
        self.recovery_seconds_left = self._gauge(
            "recovery_seconds_left", "Until the restore under way ends, at its rate so far"
        )

    def _declare_postgres(self) -> None:
        self.read_model_rows = self._counter("read_model_rows", "Records that were written to PostgreSQL", "topic")
        self.read_model_refused = self._counter(
            "read_model_refused", "Records that PostgreSQL can't hold; the log names each", "topic"
        )
        self.read_model_lag = self._gauge(
            "read_model_lag_records", "Offsets of this worker's share that are not in PostgreSQL yet", "topic"
        )
        self.replica_up = self._gauge("replica_up", "Whether the read replica answers; if not, the primary is read")
