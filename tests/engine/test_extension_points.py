"""What the engine leans on in Faust and aiokafka is still where it was; an upgrade that moves it must be looked at."""

import inspect
from importlib.metadata import version
from typing import Any

import aiokafka.consumer.fetcher as aiokafka_fetcher
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator
from aiokafka.producer.sender import Sender
from aiokafka.producer.transaction_manager import TransactionManager
from faust import App
from faust.app.base import BootStrategy
from faust.assignor.partition_assignor import PartitionAssignor
from faust.tables.manager import TableManager as FaustTableManager
from faust.tables.recovery import Recovery as FaustRecovery
from faust.topics import Topic
from faust.transport.drivers import aiokafka as driver

from sitehub.engine.app import ConsumingOnly, DeclaredTopic, EngineApp
from sitehub.engine.assignor import StickyAssignor
from sitehub.engine.records import LeanPartitionRecords
from sitehub.engine.recovery import Recovery, TableManager
from sitehub.engine.transport import Consumer, ConsumerThread, RebalanceListener, Transport


@pytest.mark.parametrize(
    ("package", "looked_at"), [("faust-streaming", "0.15.3"), ("mode-streaming", "0.7.1"), ("aiokafka", "0.14.0")]
)
def test_the_versions_are_those_that_were_looked_at(package: str, looked_at: str) -> None:
    assert version(package) == looked_at, "read docs/architecture.md, `What of Faust is replaced`, then change this"


@pytest.mark.parametrize(
    ("ours", "theirs", "names"),
    [
        (EngineApp, App, ["_consumer_wait_empty", "on_init_dependencies", "BootStrategy"]),
        (DeclaredTopic, Topic, ["declare"]),
        (ConsumingOnly, BootStrategy, ["enable_kafka_producer", "enable_web"]),
        (Recovery, FaustRecovery, ["_restart_recovery", "_slurp_changelogs"]),
        (TableManager, FaustTableManager, ["recovery"]),
        (StickyAssignor, PartitionAssignor, ["on_assignment", "assign"]),
        (Transport, driver.Transport, ["Consumer"]),
        (ConsumerThread, driver.AIOKafkaConsumerThread, ["_create_worker_consumer", "on_thread_stop"]),
        (
            Consumer,
            driver.Consumer,
            [
                "RebalanceListener",
                "_new_consumer_thread",
                "create_topic",
                "getmany",
                "_get_active_partitions",
                "perform_seek",
            ],
        ),
        (RebalanceListener, driver.ConsumerRebalanceListener, ["on_partitions_assigned"]),
        (LeanPartitionRecords, aiokafka_fetcher.PartitionRecords.__mro__[1], ["_consumer_record"]),
    ],
)
def test_what_is_replaced_is_there_to_be_replaced(ours: type, theirs: type, names: list[str]) -> None:
    for name in names:
        assert hasattr(theirs, name), f"{theirs.__name__}.{name} is gone: it would never be called"
        assert name in vars(ours), f"{ours.__name__}.{name} replaces nothing any more"


@pytest.mark.parametrize(
    ("method", "signature"),
    [
        (driver.AIOKafkaConsumerThread._create_worker_consumer, ["self", "transport"]),
        (driver.ConsumerRebalanceListener.on_partitions_assigned, ["self", "assigned"]),
        (driver.Consumer.create_topic, ["self", "topic", "partitions", "replication", "..."]),
        (driver.Consumer.getmany, ["self", "timeout"]),
        (driver.Consumer._get_active_partitions, ["self"]),
        (App._consumer_wait_empty, ["self", "consumer", "logger"]),
        (FaustRecovery._resume_streams, ["self", "generation_id"]),
        (aiokafka_fetcher.PartitionRecords.__mro__[1]._consumer_record, ["self", "tp", "record"]),
        (AIOKafkaProducer.create_batch, ["self"]),
        (AIOKafkaProducer.send_batch, ["self", "batch", "topic", "partition"]),
        (AIOKafkaConsumer.last_stable_offset, ["self", "partition"]),
        (AIOKafkaConsumer.last_poll_timestamp, ["self", "partition"]),
    ],
)
def test_it_is_called_as_before(method: Any, signature: list[str]) -> None:
    names = list(inspect.signature(method).parameters)

    assert names == signature or (signature[-1] == "..." and names[: len(signature) - 1] == signature[:-1])


def test_bare_records_reach_the_parser_of_every_fetch() -> None:
    assert aiokafka_fetcher.PartitionRecords is LeanPartitionRecords
    assert "PartitionRecords(" in inspect.getsource(aiokafka_fetcher.Fetcher)


def test_a_static_member_still_leaves_only_when_it_forgets_its_name() -> None:
    assert "_group_instance_id" in inspect.getsource(GroupCoordinator)


def test_what_faust_hands_to_its_recovery_is_still_asked_of_the_assignor() -> None:
    app = App("guard", broker="kafka://127.0.0.1:1")

    assert callable(app.assignor.assigned_actives)
    assert callable(app.assignor.assigned_standbys)
    assert callable(app.assignor.tables_metadata)
    for name in ("signal_recovery_start", "_generation_id"):
        assert name in inspect.getsource(FaustRecovery)


def test_what_finds_and_marks_unmarked_transactions_is_there() -> None:
    assert inspect.signature(TransactionManager.maybe_add_partition_to_txn).parameters.keys() == {"self", "tp"}
    assert inspect.iscoroutinefunction(AIOKafkaClient.coordinator_lookup)
    assert "_txn_manager" in inspect.getsource(AIOKafkaProducer.__init__)


def test_records_can_go_straight_to_the_builder_of_a_batch() -> None:
    builder = BatchBuilder(1000, 0, is_transactional=1)
    assert builder._builder.append(0, 1, b"k", b"v", [("h", b"x")]) is not None
    assert builder._builder.append(1, 1, b"k", b"v" * 1000, []) is None  # full
    builder._relative_offset = 1
    builder.close()
    assert builder.record_count() == 1


def test_a_sender_that_is_abandoned_ends() -> None:
    assert isinstance(Sender.sender_task, property)
    assert "except asyncio.CancelledError" in inspect.getsource(Sender._sender_routine)
    assert callable(MessageAccumulator.fail_all)
    for name in ("_message_accumulator", "_sender", "client"):
        assert f"self.{name} = " in inspect.getsource(AIOKafkaProducer.__init__)


def test_who_is_asked_to_stop_work_and_to_recover_is_still_asked() -> None:
    asked = {
        "self._consumer_wait_empty)(consumer": App._on_partitions_revoked,
        "self._consumer_wait_empty(consumer": App._stop_consumer,
        "self.recovery.on_rebalance)(": FaustTableManager.on_rebalance,
        "self.signal_recovery_start.set()": FaustRecovery.on_rebalance,
    }
    for call, where in asked.items():
        assert call in inspect.getsource(where), f"{where.__qualname__} has no {call} any more"


def test_the_assignor_begins_with_what_it_was_given() -> None:
    assert "self._assignment" in inspect.getsource(PartitionAssignor.__init__)
    assert "self._assignment" in inspect.getsource(PartitionAssignor._metadata.fget)
