"""Send a file of events to Kafka as it is: one record a line, in the file's order for each key."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec
import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

KEY_FIELDS = ("site_id", "territory_id")
KEPT_FAILURES = 100
TOPIC_TIMEOUT_SECONDS = 5
LINGER_MS = 5
BATCH_BYTES = 1 << 18
REQUEST_BYTES = 4 << 20  # the broker decides what is too large


class PublishError(Exception):
    """Nothing can be sent. One line of text that says what to do."""


class FailedLine(msgspec.Struct, frozen=True):
    """A line that Kafka did not take, counted from 1."""

    line: int
    error: str


@dataclass(slots=True)
class Report:
    """What became of the lines. `failures` holds the first 100 of `failed`."""

    sent: int = 0
    failed: int = 0
    failures: list[FailedLine] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def events_per_second(self) -> float:
        """Lines that Kafka acknowledged, by the time from the first to the last acknowledgement."""
        return self.sent / self.seconds if self.seconds else 0.0

    def fail(self, line: int, error: BaseException) -> None:
        """Count a line that was not taken."""
        self.failed += 1
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append(FailedLine(line, f"{type(error).__name__}: {error}"))


def key_of(value: bytes) -> bytes | None:
    """Return the `site_id` (else `territory_id`) of an event; None if it has none or is no JSON object."""
    try:
        event = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(event, dict):
        return None
    return next((event[name].encode() for name in KEY_FIELDS if isinstance(event.get(name), str)), None)


async def publish(
    lines: Iterable[bytes],
    topic: str,
    client: Mapping[str, Any],
    progress: Callable[[int], None] = lambda _size_bytes: None,
) -> Report:
    """Send every line that is not blank and wait until each is acknowledged by all replicas, or has failed.

    `client` holds the keyword arguments of an aiokafka client. `progress` is called with the bytes of each line read.
    Raises `PublishError` when the broker can't be reached or lacks the topic.
    """
    producer = AIOKafkaProducer(
        **client,
        # Not idempotent: one refused record would break that producer's sequence. aiokafka keeps one request a
        # partition open, so order holds all the same, and a line sent twice has the same event_id.
        acks="all",
        linger_ms=LINGER_MS,
        max_batch_size=BATCH_BYTES,
        max_request_size=REQUEST_BYTES,
    )
    try:
        await producer.start()
    except KafkaError as error:
        await producer.stop()
        raise PublishError(f"no Kafka at {client.get('bootstrap_servers')}: {error}") from None
    try:
        await _await_topic(producer, topic)
        return await _send(producer, topic, lines, progress)
    finally:
        await producer.stop()


async def _await_topic(producer: AIOKafkaProducer, topic: str) -> None:
    try:
        async with asyncio.timeout(TOPIC_TIMEOUT_SECONDS):
            await producer.partitions_for(topic)
    except (KafkaError, TimeoutError):
        raise PublishError(
            f"there is no topic {topic}: start a worker, which creates the configured ones, or use --topic",
        ) from None


async def _send(
    producer: AIOKafkaProducer,
    topic: str,
    lines: Iterable[bytes],
    progress: Callable[[int], None],
) -> Report:
    report = Report()
    started = time.perf_counter()
    open_lines: set[asyncio.Future[object]] = set()
    for number, line in enumerate(lines, 1):
        progress(len(line))
        if not (value := line.rstrip(b"\r\n")).strip():
            continue
        try:
            future = await producer.send(topic, value, key=key_of(value))
        except KafkaError as error:
            report.fail(number, error)
            continue
        open_lines.add(future)
        future.add_done_callback(open_lines.discard)
        future.add_done_callback(partial(_acknowledged, report, number))
    await producer.flush()
    if open_lines:
        await asyncio.wait(open_lines)
    report.seconds = time.perf_counter() - started
    return report


def _acknowledged(report: Report, line: int, future: "asyncio.Future[object]") -> None:
    error = asyncio.CancelledError() if future.cancelled() else future.exception()
    if error is None:
        report.sent += 1
    else:
        report.fail(line, error)
