"""Settings of the embedded Kafka: those of a small single broker, else Kafka's defaults."""

from collections.abc import Mapping
from pathlib import Path

from sitehub.dev.server_process import HOST

LISTS = frozenset({"listeners", "advertised.listeners", "listener.security.protocol.map"})
RECORD_BYTES = 2 << 20  # above the 1 MiB that an event may have, so that larger ones reach the dead letters


def server_properties(data_dir: Path, port: int, controller_port: int, extra: Mapping[str, object]) -> str:
    """Return the text of `server.properties` for one process that is broker and controller.

    `extra` overrides; lists of listeners in it are added to those that are there.
    """
    settings: dict[str, object] = {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": data_dir.absolute() / "log",
        "num.partitions": 1,
        "auto.create.topics.enable": "false",
        # One broker: nothing to replicate to.
        "offsets.topic.num.partitions": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.num.partitions": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Workers start together and are killed in tests: no waiting for members, short sessions allowed.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # A killed broker may register again after this long.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        "message.max.bytes": RECORD_BYTES,
        "replica.fetch.max.bytes": RECORD_BYTES,
        # Memory: few threads, a small cleaner, index files that start small.
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 4,
        "log.cleaner.dedupe.buffer.size": 16 << 20,
        "log.index.size.max.bytes": 1 << 20,
    }
    for name, value in extra.items():
        settings[name] = f"{settings[name]},{value}" if name in LISTS else value
    return "".join(f"{name}={value}\n" for name, value in settings.items())
