"""Kafka: how to reach it, and which topics there are."""

from typing import Any, Literal

from pydantic import Field

from sitehub.settings.model import Block


class TopicConfig(Block):
    """A topic as it is created if it is missing."""

    partitions: int = Field(gt=0)
    """Number of partitions; it can't be changed later without moving keys."""
    replication_factor: int = Field(gt=0)
    """Copies of each partition."""
    retention_ms: int = Field(ge=-1)
    """Milliseconds that records are kept; -1 for ever."""
    compression_type: Literal["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"] = "producer"
    """Of record batches on the broker."""


class KafkaConfig(Block):
    """The cluster."""

    bootstrap_servers: list[str] = Field(min_length=1)
    """`host:port` of some brokers."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Encryption and login."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    """How to log in."""
    sasl_username: str | None = None
    """Who logs in."""
    sasl_password: str | None = None
    """Secret."""
    ssl_cafile: str | None = None
    """PEM file of the authorities to trust; absent: the system's."""
    ssl_certfile: str | None = None
    """PEM file of the client's certificate, for mutual TLS."""
    ssl_keyfile: str | None = None
    """PEM file of the client's key."""
    topic_prefix: str = Field(default="", pattern=r"^[A-Za-z0-9._-]*$")
    """Before the name of every topic: several hubs may share a cluster."""
    topics: dict[str, TopicConfig]
    """By name, without the prefix."""


class EventSchema(Block):
    """JSON Schema of one event type."""

    version: str = "1.0"
    """That events name; without one they mean 1.0."""
    schema_: dict[str, Any] = Field(alias="schema")
    """JSON Schema; formats are enforced."""


class SchemaRegistry(Block):
    """Where Avro schemas are found."""

    url: str | None = None
    """Of a Confluent-compatible registry."""
    folder: str | None = None
    """With `<id>.avsc` files."""
