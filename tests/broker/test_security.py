"""Every way to reach Kafka: encryption and login, against a broker that has them all."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka.admin import AdminClient, ScramCredentialInfo, ScramMechanism, UserScramCredentialUpsertion
from cryptography.hazmat.primitives import serialization

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.settings import Settings, load_settings
from sitehub.tests.broker.hub import CONFIG, Hub, eventually, free_port, get
from sitehub.topics.create import create_missing
from sitehub.topics.declared import Topic
from sitehub.wiring import kafka_client

USER, PASSWORD = "hub", "correct horse"
PROTOCOLS = ("SSL", "SASL_PLAINTEXT", "SASL_SSL")
SCRAM = {"SCRAM-SHA-256": ScramMechanism.SCRAM_SHA_256, "SCRAM-SHA-512": ScramMechanism.SCRAM_SHA_512}
WAYS = [
    ("SSL", "PLAIN"),
    ("SASL_PLAINTEXT", "PLAIN"),
    ("SASL_PLAINTEXT", "SCRAM-SHA-256"),
    ("SASL_SSL", "PLAIN"),
    ("SASL_SSL", "SCRAM-SHA-512"),
]


class Secure:
    """A broker with a listener for each protocol, and the certificate that signs it."""

    def __init__(self, folder: Path) -> None:
        self.ports = {protocol: free_port() for protocol in PROTOCOLS}
        authority, keystore = trustme.CA(), folder / "broker.pem"
        issued = authority.issue_cert("127.0.0.1", "localhost")
        key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), None)
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8  # the form that Java reads
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        keystore.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()) + chain)
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca))
        listeners = ",".join(f"{protocol}://127.0.0.1:{port}" for protocol, port in self.ports.items())
        extra: dict[str, object] = {
            "listeners": listeners,
            "advertised.listeners": listeners,
            "listener.security.protocol.map": ",".join(f"{protocol}:{protocol}" for protocol in PROTOCOLS),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": keystore,
            "sasl.enabled.mechanisms": ",".join(["PLAIN", *SCRAM]),
        }
        plain = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        for protocol in ("sasl_plaintext", "sasl_ssl"):
            extra[f"listener.name.{protocol}.plain.sasl.jaas.config"] = plain
            for mechanism in SCRAM:
                extra[f"listener.name.{protocol}.{mechanism.lower()}.sasl.jaas.config"] = scram
        self.broker = EmbeddedKafka(folder / "kafka", free_port(), extra)
        self.broker.start()
        users = [
            UserScramCredentialUpsertion(USER, ScramCredentialInfo(mechanism, 4096), PASSWORD.encode())
            for mechanism in SCRAM.values()
        ]
        admin = AdminClient({"bootstrap.servers": self.broker.bootstrap})
        for user in users:  # one at a time: a request may name a user once
            admin.alter_user_scram_credentials([user])[USER].result(30)

    def block(self, protocol: str, mechanism: str) -> dict[str, Any]:
        """What the configuration says of the cluster."""
        return {
            "bootstrap_servers": [f"127.0.0.1:{self.ports[protocol]}"],
            "security_protocol": protocol,
            "sasl_mechanism": mechanism,
            "sasl_username": USER,
            "ssl_cafile": str(self.ca),
        }


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    secure = Secure(tmp_path_factory.mktemp("secure"))
    yield secure
    secure.broker.stop()


def settings_for(block: dict[str, Any], folder: Path, password: str) -> Settings:
    overlay = folder / "overlay.json"
    overlay.write_text(json.dumps({"kafka_config": block}))
    return load_settings([CONFIG, overlay], {"SITEHUB_SECRET_KAFKA_CONFIG__SASL_PASSWORD": password})


@pytest.mark.parametrize(("protocol", "mechanism"), WAYS)
async def test_admin_producer_and_consumer_work(
    secure: Secure, names: Names, tmp_path: Path, protocol: str, mechanism: str
) -> None:
    client = kafka_client(settings_for(secure.block(protocol, mechanism), tmp_path, PASSWORD))
    topic = names.topic("t")

    await create_missing(client, [Topic(topic, 1, 1, 60_000)])
    producer = AIOKafkaProducer(**client)
    await producer.start()
    await producer.send_and_wait(topic, b"hello")
    await producer.stop()
    consumer = AIOKafkaConsumer(topic, **client, auto_offset_reset="earliest")
    await consumer.start()
    record = await consumer.getone()
    await consumer.stop()

    assert record.value == b"hello"


def test_a_worker_runs_with_encryption_and_login(secure: Secure, names: Names, tmp_path: Path) -> None:
    hub = Hub(secure.broker.bootstrap, names.topic(""), tmp_path)
    hub.overlay = {"kafka_config": {**secure.block("SASL_SSL", "SCRAM-SHA-512"), "topic_prefix": hub.prefix}}
    topics = {topic: {"replication_factor": 1} for topic in ("customer-sites-events", "territory-events")}
    hub.overlay["kafka_config"]["topics"] = topics
    hub.secrets = {"SITEHUB_SECRET_KAFKA_CONFIG__SASL_PASSWORD": PASSWORD}
    hub.start_targets()
    hub.start_worker("worker")
    try:
        hub.await_ready("worker")
        head = {"event_type": "site_created", "event_id": "e1", "event_timestamp": "2026-11-24T01:00:00Z"}
        event = {**head, "site_id": "s1", "site_data": {"name": "G", "address": {}, "territory_id": "t"}}
        hub.publish([(b"s1", json.dumps(event).encode())])

        url = f"{hub.url('worker')}/api/v1/customer-sites/sites/s1"
        eventually(lambda: get(url)[0] == 200 and get(url)[1]["sync"]["billing"]["state"] == "in_sync", 30, "in sync")
    finally:
        hub.stop()
