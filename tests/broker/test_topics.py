"""Topics as a worker creates them, and as it refuses them."""

from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.hub import PARTITIONS, Hub, eventually


@pytest.fixture
def hub(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Hub:
    return Hub(kafka.bootstrap, names.topic(""), tmp_path)


def existing(hub: Hub) -> dict[str, int]:
    topics = AdminClient({"bootstrap.servers": hub.bootstrap}).list_topics(timeout=10).topics
    return {name: len(topic.partitions) for name, topic in topics.items() if name.startswith(hub.prefix)}


def settings_of(hub: Hub, topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, hub.topic(topic))
    admin = AdminClient({"bootstrap.servers": hub.bootstrap})  # it must outlive what it is asked
    described = admin.describe_configs([resource])[resource].result(10)
    return {name: entry.value for name, entry in described.items()}


def test_a_worker_creates_what_is_missing_as_configured_and_two_at_once_agree(hub: Hub) -> None:
    hub.start_worker("one")
    hub.start_worker("two")
    try:
        hub.await_ready("one", "two")

        topics = existing(hub)
        assert topics[hub.topic("customer-sites-events")] == PARTITIONS
        assert topics[hub.topic("territory-events")] == 3
        assert topics[hub.topic("billing-commands")] == PARTITIONS
        assert topics[hub.topic("territory-decisions")] == 1
        events = settings_of(hub, "customer-sites-events")
        assert (events["retention.ms"], events["compression.type"]) == ("604800000", "snappy")
        assert settings_of(hub, "app-sites-changelog")["cleanup.policy"] == "compact"
    finally:
        hub.stop()


def test_another_partition_count_stops_the_worker_before_it_creates_anything(hub: Hub) -> None:
    admin, topic = AdminClient({"bootstrap.servers": hub.bootstrap}), hub.topic("customer-sites-events")
    admin.create_topics([NewTopic(topic, 4, 1)])[topic].result(10)
    eventually(lambda: existing(hub) == {topic: 4}, 10, "topic is there")

    ended = hub.run("worker", "--web-port", "1")

    assert ended.returncode == 1
    error = ended.stderr.decode().splitlines()[-1]
    assert f"topic {topic} has 4 partitions, the configuration says 6" in error
    assert existing(hub) == {topic: 4}
