"""Kafka: how to reach it, which topics there are, and what events look like."""

from typing import Any, Literal

from pydantic import Field

from sitehub.settings.model import Block
from sitehub.settings.shapes import HostPort, HttpAddress, Name, TopicName


class TopicConfig(Block):
    """A topic as it is created if it is missing."""

    partitions: int = Field(gt=0)
    """Number of partitions; it can't be changed later without moving keys."""
    replication_factor: int = Field(gt=0)
    """Copies of each partition."""
    retention_ms: int = Field(ge=-1)
    """Milliseconds that records are kept; -1 is for ever."""
    compression_type: Literal["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] = "producer"
    """Compression of record batches on the broker; `producer` keeps what the producer chose."""


class KafkaConfig(Block):
    """The cluster."""

    bootstrap_servers: list[HostPort] = Field(min_length=1)
    """`host:port` of some brokers."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Encryption and login."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """How to log in, if the protocol is SASL_*."""
    sasl_username: str | None = None
    """Who logs in; needed by SASL_*."""
    sasl_password: str | None = None
    """Secret of that user; needed by SASL_*."""
    ssl_cafile: str | None = None
    """PEM file of the authorities to trust; absent: those of the system."""
    ssl_certfile: str | None = None
    """PEM file of the client's certificate, for mutual TLS; absent: none is shown."""
    ssl_keyfile: str | None = None
    """PEM file of the client's key; absent: it is in `ssl_certfile`."""
    topic_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]{0,80}$")
    """Text before the name of every topic: several hubs may share a cluster."""
    topics: dict[TopicName, TopicConfig]
    """Topics by name, without the prefix."""


class EventSchema(Block):
    """JSON Schema of one event type."""

    version: Name = "1.0"
    """Version that events name; an event that names none means 1.0."""
    schema_: dict[str, Any] = Field(alias="schema")
    """JSON Schema of the payload; formats are enforced."""


class SchemaRegistry(Block):
    """Where Avro schemas are found: a registry or a folder, not both."""

    url: HttpAddress | None = None
    """Address of a Confluent-compatible registry."""
    folder: str | None = None
    """Folder with the schemas as `<id>.avsc`."""
