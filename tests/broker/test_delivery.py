"""Delivery against a target that fails: nothing lost, nothing out of order, the same key for every repeat."""

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.hub import Hub, eventually, get, header
from sitehub.tests.broker.site_events import all_ended, check_calls, created, renamed

SITES = 30


@pytest.fixture
def hub(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    hub.start_targets()
    hub.start_worker("worker")
    hub.await_ready("worker")
    yield hub
    hub.stop()


def statuses(hub: Hub) -> Counter[str]:
    return Counter(header(message, "status") for message in hub.read("sync-results"))


def publish_histories(hub: Hub, updates: int) -> int:
    """Sites with a creation and updates; the number of calls that must come of it."""
    records = [created(site) for site in range(SITES)]
    records += [renamed(site, number) for number in range(1, updates + 1) for site in range(SITES)]
    hub.publish(records)
    return len(records)


def test_a_target_that_is_down_gets_everything_in_order_once_it_is_up(hub: Hub) -> None:
    hub.kill("targets")
    calls = publish_histories(hub, updates=2)
    eventually(lambda: statuses(hub)["failed"] >= 5, 30, "attempts fail")
    assert {header(message, "http_status") for message in hub.read("sync-results")} == {""}

    hub.start_targets()
    eventually(lambda: all_ended(hub, calls), 60, "all ended")

    check_calls(hub, calls)


def test_a_target_that_fails_for_a_while_gets_everything_in_order_once_it_works(hub: Hub) -> None:
    hub.control(mode="fail", status=503)
    calls = publish_histories(hub, updates=2)
    eventually(lambda: statuses(hub)["failed"] >= 5, 30, "attempts fail")

    hub.control(mode="ok")
    eventually(lambda: all_ended(hub, calls), 60, "all ended")

    check_calls(hub, calls)
    assert hub.read("billing-commands.dead-letter") == []


def test_a_target_that_takes_calls_and_answers_half_or_nothing_gets_each_again_under_its_key(hub: Hub) -> None:
    hub.control(mode="fail", fault="close", fail_rate=0.3, applied=True)
    calls = publish_histories(hub, updates=1)
    eventually(lambda: statuses(hub)["failed"] > 5, 30, "attempts fail")
    hub.control(mode="fail", fault="half", fail_rate=0.5, applied=True)
    calls += SITES
    hub.publish([renamed(site, 2) for site in range(SITES)])
    eventually(lambda: statuses(hub)["failed"] > 15, 30, "attempts fail")

    hub.control(mode="ok")
    eventually(lambda: all_ended(hub, calls), 60, "all ended")

    check_calls(hub, calls)
    counted = get(f"http://127.0.0.1:{hub.targets_port}/_stats")[1]
    assert (counted["repeated"] > 5, counted["customers"], counted["rejected"]) == (True, SITES, 0)


def test_a_refused_call_is_a_dead_letter_and_the_sites_next_call_goes_out(hub: Hub) -> None:
    hub.publish([created(1)])
    eventually(lambda: statuses(hub)["delivered"] == 1, 30, "customer there")
    hub.control(mode="fail", status=404)
    hub.publish([renamed(1, 1)])
    eventually(lambda: statuses(hub)["rejected"] == 1, 30, "refused")

    hub.control(mode="ok")
    hub.publish([renamed(1, 2)])
    eventually(lambda: statuses(hub)["delivered"] == 2, 30, "the next is delivered")

    (letter,) = hub.read("billing-commands.dead-letter")
    assert [header(letter, f"dead-letter.{name}") for name in ("stage", "reason", "target", "attempts")] == [
        "delivery",
        "rejected",
        "billing",
        "1",
    ]
    assert letter.key() == b"site-1"
    billing = get(f"{hub.url('worker')}/api/v1/customer-sites/sites/site-1")[1]["sync"]["billing"]
    assert (billing["state"], billing["http_status"]) == ("in_sync", 200)


def test_a_worker_killed_while_calls_are_open_repeats_them_under_the_same_keys_in_order(hub: Hub) -> None:
    hub.control(mode="slow", latency_ms=300)
    calls = publish_histories(hub, updates=2)
    eventually(lambda: len(hub.calls()) > SITES, 30, "calls are open")

    hub.kill("worker")
    hub.control(mode="ok")
    hub.start_worker("worker")
    hub.await_ready("worker")
    eventually(lambda: all_ended(hub, calls), 60, "all ended")

    check_calls(hub, calls)
    assert max(Counter(call["idempotency_key"] for call in hub.calls()).values()) == 2


def test_calls_that_are_open_when_partitions_pass_to_another_worker_are_ended_first_and_made_once(hub: Hub) -> None:
    hub.control(mode="slow", latency_ms=500)
    hub.publish([created(site) for site in range(SITES)])
    over, rounds = threading.Event(), 0

    def go_on() -> None:
        """So that calls of every site are open all the time."""
        nonlocal rounds
        while not over.wait(0.2):
            rounds += 1
            hub.publish([renamed(site, rounds) for site in range(SITES)])

    updates = threading.Thread(target=go_on, daemon=True)
    updates.start()
    eventually(lambda: len(hub.calls()) > 2 * SITES, 30, "calls are open")
    hub.start_worker("another")
    hub.await_ready("another")
    before = len(hub.calls())
    eventually(lambda: len(hub.calls()) > before + 2 * SITES, 30, "calls are open in both")
    assert hub.terminate("worker") == 0
    over.set()
    updates.join()
    hub.control(mode="ok")
    eventually(lambda: all_ended(hub, SITES * (1 + rounds)), 60, "all ended")

    check_calls(hub, SITES * (1 + rounds))
    assert max(Counter(call["idempotency_key"] for call in hub.calls()).values()) == 1
