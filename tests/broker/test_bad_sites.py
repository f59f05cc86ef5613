"""One site that the target can't take, among others that it takes: it alone waits, whatever happens to workers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.hub import Hub, eventually, get
from sitehub.tests.broker.outcomes import Outcomes, outcomes
from sitehub.tests.broker.site_events import check_calls, created, publish_rounds, renamed

SITES = 100
BAD = "site-99"


@pytest.fixture
def hub(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Hub]:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    hub.start_targets()
    hub.start_worker("worker")
    hub.await_ready("worker")
    yield hub
    hub.stop()


def state(hub: Hub, site: str) -> str:
    found: str = get(f"{hub.url('worker')}/api/v1/customer-sites/sites/{site}")[1]["sync"]["billing"]["state"]
    return found


def of_site(found: Outcomes, site: str) -> dict[str, list[str]]:
    return {name: [one.status for one in told] for name, told in found.by_command.items() if told[0].site_id == site}


def test_a_bad_site_is_parked_alone_survives_kills_and_goes_out_in_order_at_last(hub: Hub) -> None:
    hub.publish([created(site) for site in range(SITES)])
    eventually(lambda: len(outcomes(hub).ended("delivered")) == SITES, 60, "all created")
    hub.control(mode="fail", paths=[f"/customers/{BAD}"], status=503)
    calls = SITES + publish_rounds(hub, SITES, 1, 3)

    eventually(lambda: "parked" in str(of_site(outcomes(hub), BAD)), 60, "the bad site is parked")
    eventually(lambda: len(outcomes(hub).ended()) >= calls - 3, 60, "all others ended")
    assert state(hub, BAD) == "parked"
    hub.kill("worker")
    hub.start_worker("worker")
    hub.await_ready("worker")
    assert state(hub, BAD) == "parked"
    calls += publish_rounds(hub, SITES, 4, 5)
    eventually(lambda: len(outcomes(hub).ended()) >= calls - 5, 60, "all others ended again")
    assert not outcomes(hub).ended("delivered") & {f"{BAD}:{number}:update_billing_customer" for number in range(1, 6)}
    hub.kill("worker")
    hub.start_worker("worker")
    hub.await_ready("worker")

    hub.control(mode="ok")
    eventually(lambda: len(outcomes(hub).ended()) == calls, 60, "the bad site's too")

    check_calls(hub, calls)
    assert state(hub, BAD) == "in_sync"
    told = of_site(outcomes(hub), BAD)
    assert told[f"{BAD}:5:update_billing_customer"][-1] == "delivered"
    assert hub.read("billing-commands.dead-letter") == []


def test_a_parked_command_becomes_a_dead_letter_after_give_up_after_and_the_sites_next_goes_out(
    kafka: EmbeddedKafka, names: Names, tmp_path: Path
) -> None:
    block = {"api_endpoint": "", "retry_policy": {"max_retries": 1, "initial_delay": 20}, "give_up_after": 2}
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    hub.overlay["billing_integration"] = {**block, "api_endpoint": f"http://127.0.0.1:{hub.targets_port}"}
    try:
        hub.start_targets()
        hub.start_worker("worker")
        hub.await_ready("worker")
        hub.publish([created(site) for site in range(SITES)])
        eventually(lambda: len(outcomes(hub).ended("delivered")) == SITES, 60, "all created")
        hub.control(mode="fail", paths=[f"/customers/{BAD}"], status=503)
        hub.publish([renamed(site, 1) for site in range(SITES)])
        eventually(lambda: "parked" in str(of_site(outcomes(hub), BAD)), 60, "the bad site is parked")
        eventually(lambda: len(outcomes(hub).ended("rejected")) == 1, 60, "given up")

        hub.control(mode="ok")
        hub.publish([renamed(99, 2)])
        eventually(lambda: len(outcomes(hub).ended("delivered")) == 2 * SITES, 60, "the next is delivered")

        (letter,) = hub.read("billing-commands.dead-letter")
        assert dict(letter.headers() or [])["dead-letter.reason"] == b"given_up"
        assert state(hub, BAD) == "in_sync"
    finally:
        hub.stop()


def test_a_parked_command_is_given_up_by_hand_and_the_sites_next_goes_out(hub: Hub) -> None:
    hub.publish([created(site) for site in range(SITES)])
    eventually(lambda: len(outcomes(hub).ended("delivered")) == SITES, 60, "all created")
    hub.control(mode="fail", paths=[f"/customers/{BAD}"], status=503)
    hub.publish([renamed(site, 1) for site in range(SITES)])
    eventually(lambda: "parked" in str(of_site(outcomes(hub), BAD)), 60, "the bad site is parked")
    hub.publish([renamed(99, 2)])

    nobody = hub.run("target", "give-up", "billing", "--site", "site-1", "--wait", "2")
    assert (nobody.returncode, b"no worker has a parked command of site-1" in nobody.stderr) == (1, True)
    done = hub.run("target", "give-up", "billing", "--site", BAD, "--json")

    assert (done.returncode, done.stderr) == (0, b"")
    told = json.loads(done.stdout)
    assert (told["status"], told["command_id"]) == ("rejected", f"{BAD}:1:update_billing_customer")
    hub.control(mode="ok")
    eventually(lambda: len(outcomes(hub).ended("delivered")) == 2 * SITES, 60, "the next is delivered")
    outcomes(hub).check()
    (letter,) = hub.read("billing-commands.dead-letter")
    headers = dict(letter.headers() or [])
    assert (headers["dead-letter.reason"], headers["dead-letter.error"][:11]) == (b"given_up", b"by operator")
    asked = [json.loads(message.value() or b"") for message in hub.read("audit-log")]
    assert {one["entity_id"] for one in asked if one["action"] == "command.give_up"} == {"site-1", BAD}
