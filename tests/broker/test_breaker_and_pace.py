"""What holds for the whole hub, counted at the target: who probes after an outage, and how fast all call together."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.follower import Follower
from sitehub.tests.broker.hub import Hub, eventually, get, header
from sitehub.tests.broker.latency import publish_steadily
from sitehub.tests.broker.outcomes import outcomes_of
from sitehub.tests.broker.site_events import all_ended, check_calls, created, renamed

Start = Callable[[int, dict[str, Any]], Hub]


@pytest.fixture
def start(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Start]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)

    def started(workers: int, block: dict[str, Any]) -> Hub:
        endpoint = f"http://127.0.0.1:{hub.targets_port}"
        hub.overlay["billing_integration"] = {
            "api_endpoint": endpoint,
            "retry_policy": {"initial_delay": 50},
            **block,
        }
        hub.start_targets()
        for number in range(workers):
            hub.start_worker(f"worker-{number}")
        eventually(lambda: owned(hub) == list(range(6)), 60, "the partitions are shared out")
        return hub

    yield started
    hub.stop()


def healths(hub: Hub) -> list[dict[str, Any]]:
    return [get(f"{hub.url(name)}/health")[1] for name in hub.ports]


def owned(hub: Hub) -> list[int]:
    """Numbers of the partitions of commands, each worker with some of them."""
    try:
        found = [
            [int(name.rpartition("-")[2]) for name in health["partitions"] if "billing-commands" in name]
            for health in healths(hub)
        ]
    except OSError:
        return []
    return sorted(number for one in found for number in one) if all(found) else []


def most_in(seconds: float, moments: list[float]) -> int:
    """The most moments that any window of that length holds."""
    return max((sum(start <= one < start + seconds for one in moments) for start in moments), default=0)


def test_an_outage_opens_the_breaker_of_every_worker_and_only_so_many_calls_probe_it(start: Start) -> None:
    hub = start(2, {"circuit_breaker": {"failure_threshold": 5, "recovery_timeout": 3000, "half_open_max_calls": 2}})
    hub.control(mode="fail", status=503)
    hub.publish([created(site) for site in range(200)])

    def breakers() -> list[str]:
        return [health["breakers"]["billing"]["state"] for health in healths(hub)]

    eventually(lambda: "closed" not in breakers(), 30, "both are open")
    opened = max(call["started"] for call in hub.calls())
    eventually(lambda: sum(call["started"] > opened + 1 for call in hub.calls()) >= 4, 40, "it is probed")
    probes = [call["started"] for call in hub.calls() if call["started"] > opened + 1]
    assert most_in(2.0, probes) <= 2
    assert all("503" in health["breakers"]["billing"]["reason"] for health in healths(hub))

    hub.control(mode="ok")
    eventually(lambda: all_ended(hub, 200), 60, "all delivered")
    eventually(lambda: set(breakers()) == {"closed"}, 30, "both are closed")
    check_calls(hub, 200)
    changes = [(header(one, "status"), header(one, "target"), header(one, "command_id")) for one in told(hub)]
    assert ("breaker_open", "billing", "") in changes
    assert changes[-1] == ("breaker_closed", "billing", "")
    assert {json.loads(one.value() or b"")["error"] for one in told(hub) if b"open" in (one.value() or b"")} == {
        "HTTP 503"
    }


def told(hub: Hub) -> list[Message]:
    """Changes of the breaker in `sync-results`, in their order."""
    found = [one for one in hub.read("sync-results") if header(one, "status").startswith("breaker_")]
    return sorted(found, key=lambda one: str(json.loads(one.value() or b"")["at"]))


def test_three_workers_keep_the_rate_limit_together(start: Start) -> None:
    hub = start(3, {"rate_limit": {"calls_per_second": 40, "burst": 12}})

    hub.publish([created(site) for site in range(300)])
    eventually(lambda: all_ended(hub, 300), 60, "all delivered")

    moments = [call["started"] for call in hub.calls()]
    for seconds in (0.5, 1.0, 3.0):
        assert most_in(seconds, moments) <= 12 + 40 * seconds + 6, seconds


SITES = range(10, 70)
GOOD = 10
GOOD_PER_SECOND = 20.0
ROUNDS = range(1, 41)
LEAST_ROUNDS = 8


def test_a_worker_that_has_but_a_bad_site_stops_no_other_and_parks_it(start: Start) -> None:
    """The other worker's sites are well all the time: what fails is the site, not the target."""
    breaker = {"failure_threshold": 5, "recovery_timeout": 2000, "half_open_max_calls": 2}
    hub = start(2, {"circuit_breaker": breaker, "retry_policy": {"max_retries": 2, "initial_delay": 50}})
    hub.publish([created(site) for site in SITES])
    eventually(lambda: all_ended(hub, len(SITES)), 60, "all created")
    ours, others = (sites_of(hub, name) for name in hub.ports)
    bad, good = others[0], ours[:GOOD]
    hub.control(mode="fail", status=500, paths=[f"/customers/site-{bad}"])
    hub.publish([renamed(bad, 1)])
    with closing(Follower(hub, "sync-results")) as results:
        for number in ROUNDS:
            publish_steadily(hub, [renamed(site, number) for site in good], GOOD_PER_SECOND)
            await_delivered(results, {f"site-{site}:{number}:update_billing_customer" for site in good})
            if number >= LEAST_ROUNDS and outcomes_of(results.read()).parked():
                break
        assert outcomes_of(results.read()).parked() == {f"site-{bad}:1:update_billing_customer"}

    hub.control(mode="ok")
    calls = len(SITES) + number * GOOD + 1
    eventually(lambda: all_ended(hub, calls), 60, "the bad site's too")
    check_calls(hub, calls)


def await_delivered(results: Follower, commands: set[str]) -> None:
    def delivered() -> bool:
        return commands <= outcomes_of(results.read()).ended("delivered")

    eventually(delivered, 15, f"{commands} are delivered")


def sites_of(hub: Hub, worker: str) -> list[int]:
    """Numbers of the sites whose commands are this worker's."""
    partitions = get(f"{hub.url(worker)}/health")[1]["partitions"]
    topic = hub.topic("billing-commands")
    return [
        int((one.key() or b"").decode().removeprefix("site-"))
        for one in hub.read("billing-commands")
        if f"{topic}-{one.partition()}" in partitions
    ]
