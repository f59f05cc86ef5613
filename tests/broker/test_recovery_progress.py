"""How far a recovery has come is told while it goes on: what `/ready`, `/metrics` and the log are made of."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.engine import changelog, observer
from sitehub.engine.partition import TopicPartition
from sitehub.tests.broker.counting import PARTITIONS
from sitehub.tests.broker.crew import Crew

ROWS = 5_000


@pytest.fixture
def crew(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(kafka.bootstrap, names.topic(""), tmp_path)
    crew.create_topics()
    crew.fill("changelog", ROWS)
    yield crew
    crew.stop()


async def test_a_long_recovery_tells_rows_what_remains_and_the_seconds_left(
    crew: Crew, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(changelog, "FETCH_BYTES", 20_000)  # so that it takes many fetches
    monkeypatch.setattr(observer, "LOG_SECONDS", 0.0)
    engine, metrics = crew.engine(), list[tuple[int, int]]()
    ready: list[tuple[bool, int, int, float | None]] = []

    def told(rows: int, remaining: int) -> None:
        metrics.append((rows, remaining))
        ready.append((engine.ready, engine.recovery.rows, engine.recovery.remaining, engine.recovery.seconds_left))

    engine.observer.recovered = told
    with caplog.at_level(logging.INFO, observer.__name__):
        tps = [TopicPartition(f"{crew.prefix}in", number) for number in range(PARTITIONS)]
        async with asyncio.timeout(60):
            assert await engine.assign(tps, [], fresh=True)
    try:
        remains = [remaining for _, remaining in metrics]
        assert len(set(remains)) > 3
        assert remains == sorted(remains, reverse=True)
        assert remains[-1] == 0
        assert sum(rows for rows, _ in metrics) == ROWS * PARTITIONS == engine.recovery.rows
        midway = ready[len(ready) // 2]
        assert not midway[0]
        assert midway[1] > 0 < midway[2]
        assert midway[3] is not None
        assert midway[3] > 0
        assert engine.ready
        assert "offsets left" in caplog.text
        assert f"recovery_ended {ROWS * PARTITIONS} rows" in caplog.text
    finally:
        await engine.stop()
