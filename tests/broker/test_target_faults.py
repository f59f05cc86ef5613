"""Whatever the target does, while workers are killed and partitions move: each command ends once, in order, exactly.

One hub of two workers for all behaviours of the target, each with sites of its own. In each a worker is killed and
started again, and a third one joins or leaves.
"""

from collections.abc import Iterator

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.behaviours import BEHAVIOURS, GONE, REFUSED, TIMEOUT_MS
from sitehub.tests.broker.follower import Follower
from sitehub.tests.broker.hub import KEY, Hub, eventually, free_port, header
from sitehub.tests.broker.judge import accounts
from sitehub.tests.broker.stage import (
    AWAY,
    BLOCK,
    LEDGER,
    LEDGER_SLOTS,
    WORKERS,
    Stage,
    contracted,
    created,
    renamed,
)
from sitehub.tests.broker.stage_judge import judge, judge_ends, judge_table

SITES = 48


@pytest.fixture(scope="module")
def stage(kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    hub = Hub(kafka.bootstrap, Names().topic(""), tmp_path_factory.mktemp("hub"))
    endpoint = f"http://127.0.0.1:{hub.targets_port}"
    login = {**BLOCK["authentication"], "token_endpoint": f"{endpoint}/oauth/token"}
    hub.overlay["billing_integration"] = {**BLOCK, "api_endpoint": endpoint, "authentication": login}
    ledger_port = free_port()
    hub.overlay |= AWAY
    hub.overlay["ledger_integration"] = {**LEDGER, "api_endpoint": f"http://127.0.0.1:{ledger_port}"}
    hub.secrets["SITEHUB_SECRET_BILLING_INTEGRATION__AUTHENTICATION__CLIENT_SECRET"] = KEY
    hub.secrets["SITEHUB_SECRET_LEDGER_INTEGRATION__AUTHENTICATION__API_KEY"] = KEY
    hub.start_targets()
    for name in WORKERS:
        hub.start_worker(name)
    hub.await_ready(*WORKERS)
    commands, results = Follower(hub, "billing-commands"), Follower(hub, "sync-results")
    letters = Follower(hub, "billing-commands.dead-letter")
    yield Stage(hub, commands, results, letters, ledger_port)
    for follower in (commands, results, letters):
        follower.close()
    hub.stop()


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_whatever_the_target_does_each_command_ends_once_and_it_has_what_the_hub_has(stage: Stage, name: str) -> None:
    hub, behaviour = stage.hub, BEHAVIOURS[name]
    prefixes = tuple(path.lstrip("/") for mode in behaviour.modes for path in mode.get("paths", [f"{name}-"]))
    sites = SITES // len(prefixes)
    hub.await_ready(*WORKERS)
    hub.control(*behaviour.modes)
    hub.publish([*created(prefixes, sites), *renamed(prefixes, sites, 1)])
    eventually(lambda: len(stage.calls(prefixes)) > SITES / 4, 30, "calls are made")
    hub.publish(renamed(prefixes, sites, 2))
    if behaviour.fails:
        eventually(lambda: stage.has_failed(prefixes), 30, "attempts fail")
    newcomer = stage.disturb()
    hub.publish(renamed(prefixes, sites, 3))
    eventually(lambda: stage.has_met(newcomer, behaviour), 30, f"{newcomer} calls the target as it is now")
    if REFUSED in prefixes:
        eventually(lambda: bool(stage.outcomes(prefixes).ended("rejected")), 30, "some are refused")
    eventually(lambda: stage.behaved() >= behaviour.traces, 30, f"the target does {behaviour.traces}")
    hub.control(mode="ok")
    hub.publish(renamed(prefixes, sites, 4))
    stage.await_ended(prefixes, 5 * sites * len(prefixes))

    hub.await_ready(*WORKERS)
    judge(stage, prefixes, sites, "name 4")


def test_a_target_that_is_not_there_gets_everything_once_it_is(stage: Stage) -> None:
    prefixes = ("down-",)
    stage.hub.kill("targets")
    stage.hub.publish([*created(prefixes, SITES), *renamed(prefixes, SITES, 1)])
    eventually(lambda: len(stage.results_of(prefixes)) > 5, 30, "attempts fail")
    newcomer = stage.disturb()
    stage.hub.publish(renamed(prefixes, SITES, 2))
    eventually(lambda: stage.has_met(newcomer, GONE), 30, f"{newcomer} calls a target that is not there")
    stage.hub.start_targets()
    stage.hub.publish(renamed(prefixes, SITES, 3))
    stage.await_ended(prefixes, 4 * SITES)

    stage.hub.await_ready(*WORKERS)
    judge(stage, prefixes, SITES, "name 3")


GOOD = 1_000
GOOD_PER_SECOND = 250.0


def test_one_bad_site_among_a_thousand_good_ones_costs_them_nothing(stage: Stage) -> None:
    """A good site that waited for a bad one would wait for its tries, a time-out each.

    The bad one's worker is killed in between, so that another goes on with it.
    """
    hub, good, bad = stage.hub, ("good-",), ("bad-",)
    hub.await_ready(*WORKERS)
    hub.publish([*created(good, GOOD), *created(bad, 1)])
    stage.await_ended(good, GOOD)
    stage.await_ended(bad, 1)
    before = stage.latencies(good, renamed(good, GOOD, 1), GOOD_PER_SECOND)
    hub.control(mode="fail", fault="headers", paths=["/bad-0"])
    hub.publish(renamed(bad, 1, 1))
    eventually(lambda: stage.has_failed(bad), 30, "the bad site's call has failed once")
    stage.kill_owner(b"bad-0")
    tries = len(stage.calls(bad)["bad-0"])

    beside = stage.latencies(good, renamed(good, GOOD, 2), GOOD_PER_SECOND)

    eventually(lambda: bool(stage.outcomes(bad).parked()), 30, "the bad site is parked")
    assert len(stage.calls(bad)["bad-0"]) > tries, "nothing was tried for the bad site beside the good ones"
    beside.check_against(before)
    hub.control(mode="ok")
    stage.await_ended(good, 3 * GOOD)
    stage.await_ended(bad, 2)
    for prefixes in (good, bad):
        judge_ends(stage, prefixes)


BOTH = 300
BOTH_PER_SECOND = 150.0


def test_a_target_that_never_answers_costs_another_nothing(stage: Stage) -> None:
    """All calls that it may have at once hang, in each worker, while both targets have commands of the same sites."""
    hub, both = stage.hub, ("both-",)
    hub.await_ready(*WORKERS)
    stage.start_ledger()
    stage.tell_ledger(mode="fail", fault="garbage")  # which is an answer
    hub.publish(created(both, BOTH))
    stage.await_ended(both, BOTH)
    before = stage.latencies(both, contracted(both, BOTH, 1), BOTH_PER_SECOND)
    eventually(lambda: accounts(hub, "ledger")["delivered"] == BOTH, 30, "the ledger has what the billing system has")
    stage.tell_ledger(mode="slow", latency_ms=3_600_000)
    hub.publish(contracted(both, BOTH, 2))
    slots = LEDGER_SLOTS * len(hub.ports.keys() & hub.processes.keys())
    eventually(lambda: stage.ledger()["in_flight"] == slots, 30, "all that it may be called at once hangs")
    stage.await_ended(both, 3 * BOTH)

    beside = stage.latencies(both, contracted(both, BOTH, 3), BOTH_PER_SECOND)

    assert stage.ledger()["in_flight"] == slots
    beside.check_against(before)
    stage.await_ended(both, 4 * BOTH)
    judge_ends(stage, both)
    assert accounts(hub, "ledger")["delivered"] == BOTH
    hub.kill("ledger")
    stage.start_ledger()
    stage.tell_ledger(mode="fail", fault="garbage")
    eventually(lambda: accounts(hub, "ledger")["pending"] == 0, 60, "the ledger has got all")
    assert accounts(hub, "ledger")["difference"] == 0


def test_a_command_that_stays_parked_lies_in_the_table_once_and_its_topic_goes_on(stage: Stage) -> None:
    """The worker that parked it is killed; the next one goes on trying. It stays so to the end of this module."""
    hub, stuck, bad = stage.hub, ("stuck-",), b"stuck-0"
    hub.await_ready(*WORKERS)
    hub.control(mode="fail", status=500, paths=["/stuck-0"])
    hub.publish([*created(stuck, SITES), *renamed(stuck, SITES, 1)])
    eventually(lambda: stage.has_failed(stuck), 30, "the bad site's call fails")
    hub.publish(renamed(stuck, SITES, 2))
    eventually(lambda: bool(stage.outcomes(stuck).parked()), 30, "the bad site is parked")
    stage.kill_owner(bad)
    tries = len(stage.calls(stuck)[bad.decode()])
    hub.publish(renamed(stuck, SITES, 3))
    eventually(lambda: len(stage.calls(stuck)[bad.decode()]) > tries, 30, "the next owner tries again")

    parked = {f"stuck-0:{number}:update_billing_customer" for number in (1, 3)}
    eventually(lambda: stage.outcomes(stuck).parked() == parked, 30, "the first and the newest are parked")
    stage.await_ended(stuck, 4 * SITES - len(parked), parked=len(parked))
    judge_ends(stage, stuck, parked)
    judge_table(stage, stuck, parked)


def test_after_all_of_it_every_command_is_accounted_for(stage: Stage) -> None:
    stage.hub.await_ready(*stage.hub.ports.keys() & stage.hub.processes.keys())
    made = len(stage.commands.read())
    eventually(lambda: accounts(stage.hub)["made"] == made, 30, "no partition is on its way to another worker")
    account = accounts(stage.hub)
    assert (account["made"], account["difference"]) == (made, 0)
    assert account["pending"] == 0
    assert account["parked"] == len(stage.outcomes(("",)).parked())
    away = accounts(stage.hub, "crm")
    assert away["made"] > 1000
    assert (away["pending"], away["difference"]) == (away["made"], 0)


def test_the_hub_saw_what_the_target_did(stage: Stage) -> None:
    """Each behaviour that makes attempts fail left its own traces in the results."""
    told = {
        "fails-": "HTTP 500",
        "flaps-": "HTTP 503",
        "asks-for-less-": "HTTP 429",
        "refused-": "HTTP 404",
        "down-": "ConnectionRefusedError",
        "half-": "in the middle of its answer",
        "headers-": f"no answer within {TIMEOUT_MS / 1000:g} s",
        "dribble-": f"no answer within {TIMEOUT_MS / 1000:g} s",
        "late-": f"no answer within {TIMEOUT_MS / 1000:g} s",
        "reset-": "reset",
        "close-": "without an answer",
    }
    for prefix, text in told.items():
        results = stage.outcomes((prefix,)).by_command.values()
        assert any(text in (one.error or "") for found in results for one in found), prefix
    changes = stage.results_of(("",))
    assert any(header(one, "status") == "breaker_open" for one in changes)
