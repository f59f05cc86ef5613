"""What Kafka holds, written into PostgreSQL for those who ask there: never in the way of the streams."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from mode import Service

from sitehub.stores.postgres.migrate import MigrationError
from sitehub.stores.postgres.pool import Pools
from sitehub.stores.postgres.positions import At, StaleConsumerError, advance, load_positions
from sitehub.stores.postgres.sink import Batch, Sink, batch
from sitehub.telemetry.logs import log
from sitehub.telemetry.metrics import Metrics

RECORDS = 500
"""Are written in a transaction at most: more would keep the streams waiting while they are decoded."""
POLL_MS = 200
FETCH_BYTES = 1 << 20
SESSION_MS = 10_000
POLL_INTERVAL_MS = 24 * 3_600_000
"""Between two fetches while PostgreSQL is away, before the group thinks that this worker hangs."""
ANSWER_SECONDS = 15.0
"""A connection that has not done its work by then is cut."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
UPKEEP_SECONDS = 3_600.0
PROBE_SECONDS = 5.0
"""After so long without a record PostgreSQL is asked whether it is there, so that `/health` knows."""
POSTGRES_FAILURES = (OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresError, MigrationError)
FAILURES = (*POSTGRES_FAILURES, KafkaError)
"""What is waited out: the records stay in their topics."""


class ReadModel(Service):
    """Reads its topics in a group of its own and writes each record's rows exactly once.

    The offsets are in PostgreSQL, in the transactions that hold the rows. While it does not answer the records wait in
    Kafka; what is refused is counted and logged.
    """

    def __init__(
        self,
        *,
        client: Mapping[str, Any],
        consumer: str,
        sinks: Mapping[str, Sink[Any]],
        pools: Pools,
        prepare: Callable[[Any], Awaitable[list[str]]],
        metrics: Metrics,
        **options: Any,
    ) -> None:
        """`consumer` names the group and the stored offsets; `prepare` brings the schema up to date, if it must."""
        super().__init__(**options)
        self.trouble: str | None = None
        """Why nothing can be written now."""
        self.since: float | None = None
        self._client = client
        self._name = consumer
        self._sinks = sinks
        self._pools = pools
        self._prepare = prepare
        self._metrics = metrics
        self._positions: dict[At, int] = {}
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._upkeep_due = 0.0
        self._probe_due = 0.0

    @Service.task  # type: ignore[untyped-decorator]
    async def _work(self) -> None:
        while not self.should_stop:
            try:
                await self._read_until_failure()
            except FAILURES as error:
                await self._wait_out(error)
            except Exception as bug:
                self.log.exception("read_model_failed")
                await self._wait_out(bug)

    async def _wait_out(self, error: Exception) -> None:
        told = f"{type(error).__name__}: {error}"
        if self.trouble is None:
            self.since = time.time()
            log("read_model_interrupted", error=told)
        self.trouble = told
        await self.sleep(self._pause_seconds * random.uniform(0.5, 1))  # noqa: S311 -- workers apart, no secret
        self._pause_seconds = min(LONGEST_PAUSE_SECONDS, 2 * self._pause_seconds)

    def _went_well(self) -> None:
        if self.trouble is not None:
            log("read_model_resumed", error=self.trouble)
        self.trouble = self.since = None
        self._pause_seconds = FIRST_PAUSE_SECONDS

    async def _read_until_failure(self) -> None:
        async with self._connection() as connection:
            if applied := await self._prepare(connection):
                log("schema_migrated", steps=applied)
        self._forget()
        consumer = AIOKafkaConsumer(
            **self._client,
            group_id=self._name,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_MS,
            max_poll_interval_ms=POLL_INTERVAL_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        consumer.subscribe(list(self._sinks), listener=_Forget(self._forget))
        try:
            await consumer.start()
            while not self.should_stop:
                try:
                    await self._step(consumer)
                except POSTGRES_FAILURES as error:
                    self._forget()  # what was fetched is fetched again
                    await self._wait_out(error)
        finally:
            await consumer.stop()

    def _forget(self) -> None:
        """Where each partition has come to is read anew, and what was fetched before is not written."""
        self._positions = {}

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        """One to the primary, which is cut if it takes too long: a server that hangs answers no cancellation either."""
        async with self._pools.writing() as connection:
            cut = asyncio.get_running_loop().call_later(ANSWER_SECONDS, connection.terminate)
            try:
                yield connection
                self._probe_due = time.monotonic() + PROBE_SECONDS
            finally:
                cut.cancel()

    async def _step(self, consumer: AIOKafkaConsumer) -> None:
        """Write what the next fetch brings."""
        await self._seek_new(consumer)
        positions = self._positions
        known = [tp for tp in consumer.assignment() if At(*tp) in positions]
        if known:
            fetched = await consumer.getmany(*known, timeout_ms=POLL_MS, max_records=RECORDS)
            if fetched and positions is self._positions:
                await self._write(fetched, positions)
        else:
            await self.sleep(POLL_MS / 1000)
        await self._show_lag(consumer)
        await self._keep_up()
        self._went_well()

    async def _seek_new(self, consumer: AIOKafkaConsumer) -> None:
        """Begin each partition that was assigned since where PostgreSQL says."""
        fresh = [At(*tp) for tp in consumer.assignment() if At(*tp) not in self._positions]
        if fresh:
            positions = self._positions
            async with self._connection() as connection:
                found = await load_positions(connection, self._name, fresh)
            if positions is self._positions:
                for at, offset in found.items():
                    consumer.seek(TopicPartition(*at), offset)
                positions |= found

    async def _write(self, fetched: Mapping[Any, list[Any]], positions: dict[At, int]) -> None:
        """One transaction: the rows of all records, and the offsets behind them."""
        moves = {At(*tp): (positions[At(*tp)], records[-1].offset + 1) for tp, records in fetched.items()}
        by_topic: dict[str, list[Any]] = {}
        for tp, records in fetched.items():
            by_topic.setdefault(tp.topic, []).extend(records)
        batches = {topic: batch(self._sinks[topic], records) for topic, records in by_topic.items()}
        try:
            async with self._connection() as connection, connection.transaction():
                await advance(connection, self._name, moves)
                for one in batches.values():
                    await one.write(connection)
        except StaleConsumerError:
            log("read_model_superseded", partitions=sorted(f"{at.topic}-{at.partition}" for at in moves))
            self._forget()
            return
        positions |= {at: target for at, (_, target) in moves.items()}
        self._count(batches)

    def _count(self, batches: Mapping[str, Batch[Any]]) -> None:
        for topic, one in batches.items():
            self._metrics.read_model_rows.labels(topic).inc(len(one.rows))
            for refused in one.refused:
                self._metrics.read_model_refused.labels(topic).inc()
                log(
                    "read_model_refused",
                    topic=refused.topic,
                    partition=refused.partition,
                    offset=refused.offset,
                    key=refused.key,
                    why=refused.reason,
                )

    async def _show_lag(self, consumer: AIOKafkaConsumer) -> None:
        """All that was fetched is written now: what the consumer has not come to yet lacks."""
        lag = dict.fromkeys(self._sinks, 0)
        for tp in consumer.assignment():
            end = consumer.last_stable_offset(tp)
            if end is not None and At(*tp) in self._positions:
                lag[tp.topic] += max(0, end - await consumer.position(tp))  # beyond the last transaction's marker
        for topic, records in lag.items():
            self._metrics.read_model_lag.labels(topic).set(records)

    async def _keep_up(self) -> None:
        if time.monotonic() >= self._probe_due:
            async with self._connection() as connection:
                await connection.execute("SELECT")
        if time.monotonic() >= self._upkeep_due:
            async with self._connection() as connection:
                dropped = await connection.fetch("SELECT integration.drop_expired_partitions()")
            self._upkeep_due = time.monotonic() + UPKEEP_SECONDS
            if dropped:
                log("partitions_dropped", partitions=[row[0] for row in dropped])


class _Forget(ConsumerRebalanceListener):
    """At each assignment: others may have moved the positions meanwhile."""

    def __init__(self, forget: Callable[[], None]) -> None:
        self._forget = forget

    async def on_partitions_revoked(self, _revoked: Any) -> None:
        """Forget."""
        self._forget()

    async def on_partitions_assigned(self, _assigned: Any) -> None:
        """Forget."""
        self._forget()
