"""A broker without room, and one that is away for a minute: nothing is lost, and it goes on by itself."""

import resource
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from sitehub.dev.kafka import EmbeddedKafka, free_port
from sitehub.dev.names import Names
from sitehub.tests.broker.crew import Crew
from sitehub.tests.broker.hub import eventually

OUTAGE_SECONDS = 60


@pytest.fixture
def own(tmp_path: Path) -> Iterator[EmbeddedKafka]:
    """A broker for one test: what happens to it would disturb others."""
    broker = EmbeddedKafka(tmp_path / "kafka", free_port())
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def crew(own: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(own.bootstrap, names.topic(""), tmp_path)
    crew.create_topics()
    crew.start("one")
    crew.start("two")
    crew.await_settled("one", "two")
    crew.load(200)
    yield crew
    crew.stop()


def test_a_broker_that_runs_out_of_room_ends_and_goes_on_once_there_is_some(own: EmbeddedKafka, crew: Crew) -> None:
    assert own.pid is not None
    files = [path.stat().st_size for path in (own.data_dir / "log").rglob("*.log")]
    limit = max(*files, 1 << 20) + 50_000  # no file may grow beyond it: a write fails as on a full disk
    psutil.Process(own.pid).rlimit(psutil.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    eventually(lambda: own.pid is None, 120, "a write has failed, and the broker has given up its only disk")
    own.kill()
    own.start()  # without the limit

    crew.await_settled("one", "two", seconds=120)
    crew.finish(120)


def test_a_broker_that_is_away_for_a_minute(own: EmbeddedKafka, crew: Crew) -> None:
    own.kill()
    time.sleep(OUTAGE_SECONDS)
    own.start()

    crew.await_settled("one", "two", seconds=120)
    crew.finish(120)
