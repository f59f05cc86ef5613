"""Whatever the target does, while workers are killed and partitions move: each command ends once, in order, exactly.

One hub of two workers for all behaviours of the target, each with sites of its own. In each a worker is killed and
started again, and a third one joins or leaves.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import pytest

from sitehub.codecs.results import decode_result
from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.follower import Follower, commands_of
from sitehub.tests.broker.hub import CONFIG, KEY, Hub, eventually, get, header
from sitehub.tests.broker.judge import accounts
from sitehub.tests.broker.outcomes import Outcomes
from sitehub.tests.broker.site_events import event

Prefixes = tuple[str, ...]
"""What the ids of a group's sites begin with."""
SITES = 48
TIMEOUT_MS = 1000
WORKERS = ("worker-1", "worker-2")
GUEST = "worker-3"
BLOCK: dict[str, Any] = {
    "authentication": {
        "type": "oauth2",
        "client_id": "hub",
        "client_secret": "[encrypted_client_secret]",
        "token_endpoint": "",
    },
    "timeout": TIMEOUT_MS,
    "retry_policy": {"max_retries": 5, "initial_delay": 20},
    "circuit_breaker": {"failure_threshold": 30, "recovery_timeout": 300, "half_open_max_calls": 3},
}
BILLING_RULES = json.loads((CONFIG / "billing.json").read_text())["realtime_sync_rules"]
AWAY = {
    "crm_integration": {"api_endpoint": "http://127.0.0.1:9", "authentication": {"type": "none"}},
    "realtime_sync_rules": [
        *BILLING_RULES,
        {
            "trigger": "site_updated",
            "action": "tell_crm",
            "endpoint": "/sites/{{site_id}}",
            "method": "PUT",
            "data_template": {"name": "{{site_name}}"},
            "target": "crm",
        },
    ],
}
"""Another target, which nobody ever reaches: its troubles must not be the first one's."""
FAIL = {"mode": "fail", "applied": True}


@dataclass(frozen=True)
class Behaviour:
    """What the target is told, and what it must have counted when it has behaved so."""

    modes: list[dict[str, Any]]
    traces: set[str]
    fails: bool = True
    """Whether attempts do: a login that has ended is renewed within one."""


BEHAVIOURS = {
    "closes": Behaviour([{"mode": "down"}], {"down"}),
    "slow": Behaviour([{"mode": "slow", "latency_ms": 200}], {"slow"}, fails=False),
    "late": Behaviour([{"mode": "slow", "latency_ms": TIMEOUT_MS + 500}], {"given_up_on"}),
    "fails": Behaviour([{"mode": "fail", "status": 500}], {"HTTP 500"}),
    "asks-for-less": Behaviour(
        [{"mode": "fail", "status": 429, "retry_after": "1", "fail_rate": 0.3}], {"HTTP 429", "answer"}
    ),
    "forgets-tokens": Behaviour([{"mode": "ok", "token_life_ms": 400}], {"expired_token", "answer"}, fails=False),
    "flaps": Behaviour([{"mode": "fail", "status": 503, "flap_ms": 50}], {"HTTP 503", "answer"}),
    "all-kinds": Behaviour(
        [
            {**FAIL, "paths": ["once-"], "status": 401, "times": 1},
            {"mode": "fail", "paths": ["/refused-"], "status": 404},
            {**FAIL, "paths": ["garbage-"], "fault": "garbage"},
            {**FAIL, "paths": ["half-"], "fault": "half", "fail_rate": 0.6},
            {"mode": "fail", "paths": ["headers-"], "fault": "headers", "fail_rate": 0.5},
            {**FAIL, "paths": ["dribble-"], "fault": "dribble", "fail_rate": 0.5},
            {**FAIL, "paths": ["reset-"], "fault": "reset", "fail_rate": 0.6},
            {**FAIL, "paths": ["close-"], "fault": "close", "fail_rate": 0.6},
        ],
        {"HTTP 401", "HTTP 404", "garbage", "half", "headers", "dribble", "reset", "close"},
    ),
}
"""Whole targets, and one that treats each group of sites in another way, named by what its ids begin with."""
REFUSED = "refused-"


@dataclass
class Stage:
    """The hub, what it has written so far, and who is killed next."""

    hub: Hub
    commands: Follower
    results: Follower
    letters: Follower
    victims: Iterator[str] = field(default_factory=lambda: cycle(WORKERS))

    def disturb(self) -> str:
        """Kill a worker and start it again; meanwhile a third one joins, or the one that had joined leaves.

        Returns the worker that has begun anew, once it owns commands.
        """
        victim = next(self.victims)
        self.hub.kill(victim)
        self.hub.start_worker(victim)
        if GUEST in self.hub.processes:
            assert self.hub.terminate(GUEST) == 0
        else:
            self.hub.start_worker(GUEST)
        self.hub.await_ready(victim)
        eventually(lambda: bool(self.owned(victim)), 30, f"{victim} owns commands")
        return victim

    def owned(self, worker: str) -> list[str]:
        """Partitions of the target's commands that are this worker's."""
        names: list[str] = get(f"{self.hub.url(worker)}/health")[1]["partitions"]
        return [name for name in names if "billing-commands" in name]

    def has_met(self, worker: str, behaviour: Behaviour) -> bool:
        """Whether a worker, since it was started, works with such a target: an attempt of its own has ended so.

        While another worker probes for all, an open breaker is all that it can meet.
        """
        if not behaviour.fails:
            return self.hub.metric(worker, "calls_total", target="billing", status="delivered") > 0
        return (
            self.hub.metric(worker, "calls_total", target="billing", status="failed") > 0
            or self.hub.metric(worker, "breaker_state", target="billing") > 0
        )

    def behaved(self) -> set[str]:
        """What the target has done to calls since it was told how to behave."""
        found: dict[str, int] = get(f"http://127.0.0.1:{self.hub.targets_port}/_stats")[1]["behaved"]
        return {*found}

    def outcomes(self, prefixes: Prefixes) -> Outcomes:
        found = Outcomes()
        for message in self.results.of_sites(prefixes):
            result = decode_result(message.value() or b"")
            found.by_command[result.command_id].append(result)
        return found

    def has_failed(self, prefixes: Prefixes) -> bool:
        """Whether any attempt has."""
        return any(header(message, "status") == "failed" for message in self.results.of_sites(prefixes))

    def calls(self, prefixes: Prefixes) -> dict[str, list[dict[str, Any]]]:
        """By site, in their order."""
        found: dict[str, list[dict[str, Any]]] = {}
        for call in self.hub.calls():
            if str(call["site_id"]).startswith(prefixes):
                found.setdefault(call["site_id"], []).append(call)
        return found

    def await_ended(self, prefixes: Prefixes, count: int) -> None:
        def ended() -> bool:
            return len(self.commands.of_sites(prefixes)) == count and len(self.outcomes(prefixes).ended()) == count

        eventually(ended, 60, f"{count} commands have ended")


@pytest.fixture(scope="module")
def stage(kafka: EmbeddedKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    hub = Hub(kafka.bootstrap, Names().topic(""), tmp_path_factory.mktemp("hub"))
    endpoint = f"http://127.0.0.1:{hub.targets_port}"
    login = {**BLOCK["authentication"], "token_endpoint": f"{endpoint}/oauth/token"}
    hub.overlay["billing_integration"] = {**BLOCK, "api_endpoint": endpoint, "authentication": login}
    hub.overlay |= AWAY
    hub.secrets["SITEHUB_SECRET_BILLING_INTEGRATION__AUTHENTICATION__CLIENT_SECRET"] = KEY
    hub.start_targets()
    for name in WORKERS:
        hub.start_worker(name)
    hub.await_ready(*WORKERS)
    commands, results = Follower(hub, "billing-commands"), Follower(hub, "sync-results")
    letters = Follower(hub, "billing-commands.dead-letter")
    yield Stage(hub, commands, results, letters)
    for follower in (commands, results, letters):
        follower.close()
    hub.stop()


def created(prefixes: Prefixes, sites: int) -> list[tuple[bytes, bytes]]:
    data = {"name": "at first", "address": {"street": "1 Main St"}, "territory_id": "t1"}
    return [
        event("site_created", site, 0, prefix=prefix, site_data=data) for site in range(sites) for prefix in prefixes
    ]


def renamed(prefixes: Prefixes, sites: int, number: int) -> list[tuple[bytes, bytes]]:
    new = {"name": f"name {number}"}
    return [
        event("site_updated", site, number, prefix=prefix, changed_fields=["name"], new_values=new)
        for site in range(sites)
        for prefix in prefixes
    ]


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


GONE = Behaviour([], set())


def test_a_target_that_is_not_there_gets_everything_once_it_is(stage: Stage) -> None:
    prefixes = ("down-",)
    stage.hub.kill("targets")
    stage.hub.publish([*created(prefixes, SITES), *renamed(prefixes, SITES, 1)])
    eventually(lambda: len(stage.results.of_sites(prefixes)) > 5, 30, "attempts fail")
    newcomer = stage.disturb()
    stage.hub.publish(renamed(prefixes, SITES, 2))
    eventually(lambda: stage.has_met(newcomer, GONE), 30, f"{newcomer} calls a target that is not there")
    stage.hub.start_targets()
    stage.hub.publish(renamed(prefixes, SITES, 3))
    stage.await_ended(prefixes, 4 * SITES)

    stage.hub.await_ready(*WORKERS)
    judge(stage, prefixes, SITES, "name 3")


def judge(stage: Stage, prefixes: Prefixes, sites: int, name: str) -> None:
    judge_ends(stage, prefixes)
    judge_calls(stage, prefixes)
    judge_documents(stage, [f"{prefix}{site}" for prefix in prefixes for site in range(sites)], name)


def judge_ends(stage: Stage, prefixes: Prefixes) -> None:
    """Each command once, ended once; each rejected one is a dead letter once, and nothing else is."""
    commands, found = commands_of(stage.commands.of_sites(prefixes)), stage.outcomes(prefixes)
    found.check()
    assert Counter(commands) == Counter(found.ended())
    rejected = found.ended("rejected")
    assert Counter(commands_of(stage.letters.of_sites(prefixes))) == Counter(rejected)
    assert all(command.startswith(REFUSED) for command in rejected)
    assert bool(rejected) == (REFUSED in prefixes)


def judge_calls(stage: Stage, prefixes: Prefixes) -> None:
    """A site's first calls in log order, none beside another; a call is repeated under its key, and not after later."""
    superseded = stage.outcomes(prefixes).ended("superseded")
    commands = set(commands_of(stage.commands.of_sites(prefixes)))
    for site_id, calls in stage.calls(prefixes).items():
        keys: list[str] = []
        documents: dict[str, Any] = {}
        for call in calls:
            key = call["idempotency_key"]
            assert key in commands, f"{site_id}: {key} is the key of no command"
            assert key not in keys[:-1], f"{site_id}: {key} again after a later call"
            assert documents.setdefault(key, call["body"]) == call["body"]
            keys += [key] if key not in keys else []
        numbers = [int(key.split(":")[1]) for key in keys]
        assert numbers == sorted(numbers), site_id
        assert not superseded & set(keys), site_id
    assert get(f"http://127.0.0.1:{stage.hub.targets_port}/_stats")[1]["overlaps"] == 0


def judge_documents(stage: Stage, sites: list[str], name: str) -> None:
    """The target's final document of each site is what the hub's state gives."""
    customers = get(f"http://127.0.0.1:{stage.hub.targets_port}/_customers")[1]
    for site_id in sites:
        status, found = get(f"{stage.hub.url(WORKERS[0])}/api/v1/customer-sites/sites/{site_id}")
        assert (status, found["attributes"]["name"], found["sync"]["billing"]["state"]) == (200, name, "in_sync")
        assert customers[site_id]["customer"] == {
            "customer_id": site_id,
            "customer_name": found["attributes"]["name"],
            "billing_address": {"line1": "1 Main St"},
            "territory_code": "t1",
        }


GOOD = 1_000


def test_one_bad_site_among_a_thousand_good_ones_costs_them_nothing(stage: Stage) -> None:
    """A good site that waited for a bad one would wait for all of its tries, a time-out each."""
    hub, good, bad = stage.hub, ("good-",), ("bad-",)
    hub.await_ready(*WORKERS)
    hub.publish([*created(good, GOOD), *created(bad, 1)])
    stage.await_ended(good, GOOD)
    stage.await_ended(bad, 1)
    hub.publish(renamed(good, GOOD, 1))
    stage.await_ended(good, 2 * GOOD)
    hub.control(mode="fail", fault="headers", paths=["/bad-0"])
    hub.publish(renamed(bad, 1, 1))
    eventually(lambda: len(stage.outcomes(bad).by_command) == 2, 30, "the bad site's call has failed once")

    hub.publish(renamed(good, GOOD, 2))
    stage.await_ended(good, 3 * GOOD)

    found = stage.outcomes(good)
    assert sum(len(told) > 1 for told in found.by_command.values()) < GOOD / 100
    before, beside = (span_seconds(stage, number) for number in (1, 2))
    assert beside - before < BLOCK["retry_policy"]["max_retries"] / 2 * TIMEOUT_MS / 1000, (before, beside)
    assert not stage.outcomes(bad).ended() & {"bad-0:1:update_billing_customer"}
    hub.control(mode="ok")
    stage.await_ended(bad, 2)
    judge_ends(stage, bad)


def span_seconds(stage: Stage, number: int) -> float:
    """From the first call of a round of the good sites to its last."""
    started = [
        call["started"]
        for calls in stage.calls(("good-",)).values()
        for call in calls
        if int(call["idempotency_key"].split(":")[1]) == number
    ]
    assert len(started) == GOOD
    return float(max(started) - min(started))


def test_after_all_of_it_every_command_is_accounted_for(stage: Stage) -> None:
    stage.hub.await_ready(*stage.hub.ports.keys() & stage.hub.processes.keys())
    account = accounts(stage.hub)
    assert (account["made"], account["difference"]) == (len(stage.commands.read()), 0)
    assert account["parked"] == account["pending"] == 0
    away = accounts(stage.hub, "crm")
    assert away["made"] > 1000
    assert (away["pending"], away["difference"]) == (away["made"], 0)


def test_the_hub_saw_what_the_target_did(stage: Stage) -> None:
    """Each behaviour that makes attempts fail left its own traces in the results."""
    errors = Counter(str(decode_result(one.value() or b"").error) for one in stage.results.read())
    assert {"HTTP 500", "HTTP 503", "HTTP 429", "HTTP 404"} <= {*errors}
    assert "ConnectionRefusedError" in " ".join(errors)
    assert any(header(one, "status") == "breaker_open" for one in stage.results.read())
    told = {
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
