import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

from sitehub.telemetry.metrics import Metrics


def metrics() -> Metrics:
    return Metrics(CollectorRegistry())


def declared(of: Metrics) -> list[MetricWrapperBase]:
    return [value for value in vars(of).values() if isinstance(value, MetricWrapperBase)]


@pytest.mark.parametrize(
    ("attribute", "labels", "sample"),
    [
        ("events_applied", [], "sitehub_events_applied_total"),
        ("events_duplicate", [], "sitehub_events_duplicate_total"),
        ("events_out_of_order", [], "sitehub_events_out_of_order_total"),
        ("dead_letters", ["topic", "stage", "reason"], "sitehub_dead_letters_total"),
        ("commands", ["target"], "sitehub_commands_total"),
        ("rules_waiting", ["target"], "sitehub_rules_waiting"),
        ("calls", ["target", "status"], "sitehub_calls_total"),
        ("call_duration", ["target"], "sitehub_call_duration_seconds_bucket"),
        ("commands_ended", ["target", "status"], "sitehub_commands_ended_total"),
        ("recovery_seconds_left", [], "sitehub_recovery_seconds_left"),
        ("delivery_lag", ["target"], "sitehub_delivery_lag_seconds_bucket"),
        ("sync_lag", ["target"], "sitehub_sync_lag_seconds"),
        ("error_rate", ["target"], "sitehub_error_rate_percent"),
        ("allowed_pace", ["target"], "sitehub_allowed_calls_per_second"),
        ("breaker_state", ["target"], "sitehub_breaker_state"),
        ("breaker_since", ["target"], "sitehub_breaker_since_seconds"),
        ("breaker_reason", ["target", "reason"], "sitehub_breaker_reason"),
        ("accounting", ["target", "state"], "sitehub_accounting_commands"),
        ("accounting_difference", ["target"], "sitehub_accounting_difference"),
        ("transactions", ["topic"], "sitehub_transactions_total"),
        ("transaction_duration", ["topic"], "sitehub_transaction_seconds_bucket"),
        ("partition_state", ["topic", "partition"], "sitehub_partition_state"),
        ("partition_failures", ["topic"], "sitehub_partition_failures_total"),
        ("recovered_rows", [], "sitehub_recovery_rows_total"),
        ("recovery_remaining", [], "sitehub_recovery_remaining_rows"),
        ("read_model_rows", ["topic"], "sitehub_read_model_rows_total"),
        ("read_model_refused", ["topic"], "sitehub_read_model_refused_total"),
        ("read_model_lag", ["topic"], "sitehub_read_model_lag_records"),
        ("replica_up", [], "sitehub_replica_up"),
    ],
)
def test_each_metric_is_read_by_its_name_and_labels(attribute: str, labels: list[str], sample: str) -> None:
    hub = metrics()
    metric = getattr(hub, attribute)
    if labels:
        metric.labels(**dict.fromkeys(labels, "x"))

    samples = [one for family in hub.registry.collect() for one in family.samples if one.name == sample]

    assert samples
    assert {*samples[0].labels} - {"le"} == {*labels}


def test_every_metric_has_a_help_text_and_the_prefix() -> None:
    families = list(text_string_to_metric_families(generate_latest(metrics().registry).decode()))

    assert len(families) >= len(declared(metrics()))
    assert all(family.documentation and family.name.startswith("sitehub_") for family in families)


def test_two_workers_of_one_process_count_apart() -> None:
    one, other = metrics(), metrics()

    one.events_applied.inc(3)

    assert one.registry.get_sample_value("sitehub_events_applied_total") == 3
    assert other.registry.get_sample_value("sitehub_events_applied_total") == 0


def test_a_metric_that_code_reads_by_name_is_declared() -> None:
    """The live line reads other workers' metrics as text."""
    names = {family.name for family in metrics().registry.collect()}
    read = re.findall(
        r'"(sitehub_\w+?)(?:_total|_bucket)?"', (Path(__file__).parents[2] / "dev/figures.py").read_text()
    )

    assert read
    assert {*read} <= names
