"""A broker that is away, or takes connections and answers nothing: workers say so, wait, and go on by themselves."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.engine.broker_watch import BrokerWatch
from sitehub.tests.broker.hub import Hub, eventually, get
from sitehub.tests.broker.site_events import all_ended, check_calls, created, publish_rounds

SITES = 30


@pytest.fixture
def hub(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    hub.start_targets()
    hub.start_worker("worker")
    hub.await_ready("worker")
    yield hub
    hub.stop()


def health(hub: Hub) -> dict[str, Any]:
    found: dict[str, Any] = get(f"{hub.url('worker')}/health")[1]
    return found


@pytest.mark.parametrize(
    ("leave", "come_back"),
    [(EmbeddedKafka.kill, EmbeddedKafka.start), (EmbeddedKafka.pause, EmbeddedKafka.resume)],
    ids=["dead", "frozen"],
)
def test_a_broker_that_is_away_shows_in_health_and_costs_only_time(
    hub: Hub,
    kafka: EmbeddedKafka,
    leave: Callable[[EmbeddedKafka], None],
    come_back: Callable[[EmbeddedKafka], None],
) -> None:
    hub.publish([created(site) for site in range(SITES)])
    eventually(lambda: all_ended(hub, SITES), 60, "all created")
    assert (health(hub)["status"], health(hub)["kafka"]) == ("ok", {"error": None, "since": None})

    leave(kafka)
    eventually(lambda: health(hub)["kafka"]["error"] is not None, 30, "health tells")
    assert health(hub)["status"] == "degraded"
    assert health(hub)["kafka"]["since"].startswith("20")
    come_back(kafka)

    calls = SITES + publish_rounds(hub, SITES, 1, 2)
    eventually(lambda: all_ended(hub, calls), 90, "it goes on")
    eventually(lambda: health(hub)["status"] == "ok", 60, "health is well again")
    check_calls(hub, calls)


async def test_a_second_outage_is_noticed_while_what_follows_the_first_waits(kafka: EmbeddedKafka) -> None:
    marking = asyncio.Event()

    async def never_ends() -> None:
        marking.set()
        await asyncio.Event().wait()

    watch = BrokerWatch({"bootstrap_servers": kafka.bootstrap}, never_ends)
    async with watch, asyncio.timeout(60):
        for _ in range(2):
            kafka.kill()
            while watch.trouble is None:
                await asyncio.sleep(0.1)
            kafka.start()  # in this thread: a broker ends with the one that started it
            await marking.wait()
            while watch.trouble is not None:
                await asyncio.sleep(0.1)
