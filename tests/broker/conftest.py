"""One embedded Kafka for all tests of a session; names of its own for each test."""

from collections.abc import Iterator

import pytest

from sitehub.dev.kafka import EmbeddedKafka, free_port
from sitehub.dev.names import Names
from sitehub.dev.server_process import HOST
from sitehub.tests.broker.proxy import KafkaProxy
from sitehub.tests.postgres.conftest import owner, postgres, server

__all__ = ["owner", "postgres", "server"]

TRANSACTION_CLEANUP_MS = 200
"""A broker looks this often for transactions that have timed out; 10 s by default."""
CLEANER_MS = 500
"""And for logs to compact; 15 s by default."""


@pytest.fixture(scope="session")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmbeddedKafka, KafkaProxy]]:
    """A running broker, and the proxy before a listener of its own."""
    proxy = KafkaProxy(free_port(), free_port())
    extra = {
        "listeners": f"PROXIED://{HOST}:{proxy.upstream}",
        "advertised.listeners": f"PROXIED://{HOST}:{proxy.port}",
        "listener.security.protocol.map": "PROXIED:PLAINTEXT",
        "transaction.abort.timed.out.transaction.cleanup.interval.ms": TRANSACTION_CLEANUP_MS,
        "log.cleaner.backoff.ms": CLEANER_MS,
    }
    broker = EmbeddedKafka(tmp_path_factory.mktemp("kafka"), free_port(), extra)
    broker.start()
    proxy.start()
    yield broker, proxy
    proxy.stop()
    broker.resume()
    broker.stop()


@pytest.fixture(scope="session")
def kafka(proxied: tuple[EmbeddedKafka, KafkaProxy]) -> EmbeddedKafka:
    """A running broker. A test may stop, kill or pause it: the next test finds it running again."""
    return proxied[0]


@pytest.fixture
def proxy(proxied: tuple[EmbeddedKafka, KafkaProxy]) -> Iterator[KafkaProxy]:
    """A way to the broker that can be cut; harmless again after the test."""
    yield proxied[1]
    proxied[1].reset()


@pytest.fixture(autouse=True)
def running(kafka: EmbeddedKafka) -> None:
    kafka.resume()
    kafka.start()


@pytest.fixture
def names() -> Names:
    """`names.app_id` and `names.topic("events")`, unique to this test."""
    return Names()
