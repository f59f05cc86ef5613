"""One embedded Kafka for all tests of a session; names of its own for each test."""

import socket
from collections.abc import Iterator

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    """A running broker. A test may stop, kill or pause it: the next test finds it running again."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    broker = EmbeddedKafka(tmp_path_factory.mktemp("kafka"), port)
    broker.start()
    yield broker
    broker.resume()
    broker.stop()


@pytest.fixture(autouse=True)
def running(kafka: EmbeddedKafka) -> None:
    kafka.resume()
    kafka.start()


@pytest.fixture
def names() -> Names:
    """`names.app_id` and `names.topic("events")`, unique to this test."""
    return Names()
