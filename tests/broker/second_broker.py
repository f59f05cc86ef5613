"""A second broker in the cluster of an embedded Kafka: it may die while the first, the controller, lives."""

from dataclasses import dataclass

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.server_process import HOST

NODE = 2


@dataclass(slots=True)
class SecondBroker(EmbeddedKafka):
    """Joins `first`, which must run."""

    first: EmbeddedKafka | None = None

    def _properties(self) -> str:
        assert self.first is not None
        settings = dict(
            line.split("=", 1) for line in (self.first.data_dir / "server.properties").read_text().splitlines()
        )
        settings |= {
            "process.roles": "broker",
            "node.id": str(NODE),
            "listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "advertised.listeners": f"PLAINTEXT://{HOST}:{self.port}",
            "log.dirs": str(self.data_dir.absolute() / "log"),
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def _cluster_id(self) -> str:
        assert self.first is not None
        meta = (self.first.data_dir / "log" / "meta.properties").read_text()
        return next(line.partition("=")[2] for line in meta.splitlines() if line.startswith("cluster.id="))
