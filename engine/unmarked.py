"""Transactions that have ended at their coordinator but not in the log.

The end of a transaction reaches its records as a marker in each partition. A broker with KAFKA-20734 (4.3.1 is one)
leaves out the markers of partitions that have no leader at that moment, as while a lone broker shuts down, and calls
the transaction complete. Its records stay undecided: no read_committed reader sees them or anything behind them, a
restore neither, until the next transaction of the same producer ends there, and then they get *that* one's verdict. So
every owner first asks what the last verdict was, fences, and gives it once more to all partitions that could lack it.
"""

import asyncio
from collections.abc import Mapping
from enum import Enum
from typing import Any

import aiokafka
from aiokafka import AIOKafkaConsumer
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError as CoordinatorNotAvailableError,
)
from aiokafka.errors import GroupLoadInProgressError as CoordinatorLoadInProgressError
from aiokafka.errors import IncompatibleBrokerVersion, KafkaError, NodeNotReadyError, for_code
from aiokafka.errors import NotCoordinatorForGroupError as NotCoordinatorError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

UNKNOWN_TRANSACTIONAL_ID = 105
NOT_YET = (CoordinatorNotAvailableError, CoordinatorLoadInProgressError, NotCoordinatorError, NodeNotReadyError)
AGAIN_SECONDS = 0.05
ENDING = "Prepare"
"""How the states begin of a transaction whose verdict is known and whose markers are on their way."""


class Verdict(Enum):
    """How a transaction ended; the values are the states of KIP-664."""

    COMMITTED = "CompleteCommit"
    ABORTED = "CompleteAbort"


class UndecidedRecordsError(KafkaError):
    """The changelog holds records of an ended transaction whose verdict nobody knows any more.

    That takes a second crash within milliseconds of the first. Going on would let the next transaction decide, which
    may double or lose what they hold.
    """


class DescribeTransactionsResponse(Response):
    """Version 0."""

    API_KEY = 65
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "transaction_states",
            CompactArray(
                ("error_code", Int16),
                ("transactional_id", CompactString("utf-8")),
                ("state", CompactString("utf-8")),
                ("timeout_ms", Int32),
                ("start_time_ms", Int64),
                ("producer_id", Int64),
                ("producer_epoch", Int16),
                (
                    "topics",
                    CompactArray(
                        ("topic", CompactString("utf-8")),
                        ("partitions", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class DescribeTransactionsStruct(RequestStruct):
    """Version 0."""

    FLEXIBLE_VERSION = True
    API_KEY = 65
    API_VERSION = 0
    RESPONSE_TYPE = DescribeTransactionsResponse
    SCHEMA = Schema(("transactional_ids", CompactArray(CompactString("utf-8"))), ("tags", TaggedFields))


class DescribeTransactions(Request[DescribeTransactionsStruct]):
    """Asks a transactional id's coordinator; since Kafka 3.0, with the right to DESCRIBE the id."""

    API_KEY = 65

    def __init__(self, transactional_id: str) -> None:
        """Of one id."""
        self._transactional_id = transactional_id

    def build(self, request_struct_class: type[DescribeTransactionsStruct]) -> DescribeTransactionsStruct:
        """As aiokafka asks for it."""
        return request_struct_class([self._transactional_id], {})


async def last_verdict(client: Mapping[str, Any], transactional_id: str) -> Verdict | None:
    """How the id's last transaction ended; None if it is open, or none was since the last fence, or nobody can say.

    Waits for a coordinator that is not there yet, as on a new broker, and for a transaction that is just ending.
    """
    while True:
        try:
            state = await _state(client, transactional_id)
        except NOT_YET:
            state = ENDING
        if not state.startswith(ENDING):
            return next((verdict for verdict in Verdict if verdict.value == state), None)
        await asyncio.sleep(AGAIN_SECONDS)


async def _state(client: Mapping[str, Any], transactional_id: str) -> str:
    """As the coordinator calls it; empty if it knows of none, or can't be asked."""
    connection = AIOKafkaClient(**client)
    try:
        await connection.bootstrap()
        node = await connection.coordinator_lookup(CoordinationType.TRANSACTION, transactional_id)
        answer = await connection.send(node, DescribeTransactions(transactional_id))
    except IncompatibleBrokerVersion:
        return ""
    finally:
        await connection.close()
    error, _id, state, *_ = answer.transaction_states[0]
    if error and error != UNKNOWN_TRANSACTIONAL_ID:
        raise for_code(error)(f"transactional id {transactional_id}")
    return str(state)


async def refuse_undecided(client: Mapping[str, Any], topic: str, partition: int) -> None:
    """Raise UndecidedRecordsError if a partition that one fenced producer writes has records of an open transaction."""
    tp = aiokafka.TopicPartition(topic, partition)
    ends = []
    for isolation in ("read_committed", "read_uncommitted"):
        consumer = AIOKafkaConsumer(**client, isolation_level=isolation)
        try:
            await consumer.start()
            ends.append((await consumer.end_offsets([tp]))[tp])
        finally:
            await consumer.stop()
    if ends[0] < ends[1]:
        raise UndecidedRecordsError(
            f"{topic}-{partition} has records from offset {ends[0]} on of a transaction that ended without its marker; "
            "decide with Kafka's kafka-transactions.sh: see docs/operations.md"
        )
