"""Create the declared topics that are missing, and refuse to run on others than those declared."""

from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from sitehub.topics.declared import Topic


class TopicMismatchError(Exception):
    """An existing topic has another partition count: keys would move to other partitions."""


class TopicCreationError(Exception):
    """The broker refused to create a topic."""


async def create_missing(client: Mapping[str, Any], topics: Iterable[Topic]) -> list[str]:
    """Create what is missing; the names of what was created.

    Raises TopicMismatchError before anything is created if an existing topic has another number of partitions. Other
    settings of existing topics are left as their owner made them.
    """
    admin = AIOKafkaAdminClient(**client)
    await admin.start()
    try:
        declared = {topic.name: topic for topic in topics}
        existing = set(await admin.list_topics()) & set(declared)
        _check(declared, await admin.describe_topics(sorted(existing)) if existing else [])
        missing = [topic for name, topic in declared.items() if name not in existing]
        if missing:
            _raise_errors(await admin.create_topics([_new(topic) for topic in missing]))
        return [topic.name for topic in missing]
    finally:
        await admin.close()


def _new(topic: Topic) -> NewTopic:
    return NewTopic(
        name=topic.name,
        num_partitions=topic.partitions,
        replication_factor=topic.replication_factor,
        topic_configs=topic.config,
    )


def _check(declared: Mapping[str, Topic], described: Iterable[Mapping[str, Any]]) -> None:
    wrong = [
        f"topic {topic['topic']} has {len(topic['partitions'])} partitions, the configuration says "
        f"{declared[topic['topic']].partitions}: keys would move; set kafka_config.topics to what is there, "
        "or make a new topic and copy the records"
        for topic in described
        if len(topic["partitions"]) != declared[topic["topic"]].partitions
    ]
    if wrong:
        raise TopicMismatchError("; ".join(wrong))


def _raise_errors(response: Any) -> None:
    refused = [
        f"{name}: {message or for_code(code).__name__}"
        for name, code, message in response.topic_errors
        if code not in (0, TopicAlreadyExistsError.errno)  # another worker was quicker
    ]
    if refused:
        raise TopicCreationError("; ".join(refused))
