"""What every test of a delivery starts from."""

import pytest
from prometheus_client import CollectorRegistry

from sitehub.agents import delivery
from sitehub.telemetry.metrics import Metrics


@pytest.fixture(autouse=True)
def quick_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results gather no longer than a turn of the event loop."""
    monkeypatch.setattr(delivery, "COMMIT_SECONDS", 0)


@pytest.fixture
def metrics() -> Metrics:
    """On a registry of their own."""
    return Metrics(CollectorRegistry())
