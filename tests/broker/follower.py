"""Reads a topic again and again, each record once."""

from dataclasses import dataclass, field

from confluent_kafka import Consumer, Message, TopicPartition

from sitehub.tests.broker.hub import PARTITIONS, Hub, header


@dataclass
class Follower:
    """All committed records of a topic so far, each partition in its order."""

    hub: Hub
    topic: str
    messages: list[Message] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": self.hub.bootstrap,
                "group.id": f"{self.hub.prefix}follower",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 50,
            }
        )
        self._partitions = [TopicPartition(self.hub.topic(self.topic), number, 0) for number in range(PARTITIONS)]
        self._consumer.assign(self._partitions)
        self._seen: dict[int | None, int] = {}

    def read(self) -> list[Message]:
        """What is there now, to the end as it is when this is called."""
        ends = {one.partition: self._consumer.get_watermark_offsets(one, 10)[1] for one in self._partitions}
        while any(self._seen.get(number, 0) < end for number, end in ends.items()):
            for message in self._consumer.consume(5000, 0.05):
                if message.error() is None:
                    self.messages.append(message)
                else:  # the end, behind the markers of transactions
                    self._seen[message.partition()] = message.offset() or 0
        return self.messages

    def of_sites(self, prefixes: tuple[str, ...]) -> list[Message]:
        """Those whose site begins with one of these."""
        wanted = tuple(prefix.encode() for prefix in prefixes)
        return [message for message in self.read() if (message.key() or b"").startswith(wanted)]

    def close(self) -> None:
        self._consumer.close()


def commands_of(messages: list[Message]) -> list[str]:
    return [header(message, "command_id") for message in messages]
