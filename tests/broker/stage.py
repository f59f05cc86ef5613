"""A hub of two workers that many tests share, each with sites of its own; a third worker comes and goes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

from confluent_kafka import Message

from sitehub.tests.broker.behaviours import TIMEOUT_MS, Behaviour
from sitehub.tests.broker.follower import Follower
from sitehub.tests.broker.hub import CONFIG, PARTITIONS, Hub, eventually, get, header
from sitehub.tests.broker.latency import Latencies, latencies, publish_steadily
from sitehub.tests.broker.outcomes import Outcomes, outcomes_of
from sitehub.tests.broker.site_events import event

Prefixes = tuple[str, ...]
"""What the ids of a group's sites begin with."""
WORKERS = ("worker-1", "worker-2")
GUEST = "worker-3"
STEPS = ("customer-sites-events", "billing-commands")
"""Topics on an event's way to its call."""
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
        {
            "trigger": "contract_updated",
            "action": "tell_ledger",
            "endpoint": "/sites/{{site_id}}",
            "method": "PUT",
            "data_template": {"cycle": "{{billing_cycle}}"},
            "target": "ledger",
        },
    ],
}
"""Another target, which nobody ever reaches: its troubles must not be the first one's. And the rule of a third."""
LEDGER_SLOTS = 64
"""Calls at once, a worker, if nothing else is configured."""
LEDGER: dict[str, Any] = {
    "authentication": {"type": "api_key", "api_key": "[encrypted_api_key]", "header_name": "X-API-Key"},
    "timeout": 600_000,
    "retry_policy": {"max_retries": 5, "initial_delay": 20},
    "circuit_breaker": {"failure_threshold": 30, "recovery_timeout": 300, "half_open_max_calls": 3},
    "retry_on": [404],
}
"""It runs for one test only, and has commands of changed contracts only."""


@dataclass
class Stage:
    """The hub, what it has written so far, and who is killed next."""

    hub: Hub
    commands: Follower
    results: Follower
    letters: Follower
    ledger_port: int
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

    def kill_owner(self, site: bytes) -> None:
        """Kill the worker that has the site's commands and start it again; all partitions have owners then."""
        partition = next(one.partition() for one in self.commands.read() if one.key() == site)
        workers = self.hub.ports.keys() & self.hub.processes.keys()
        victim = next(
            name for name in workers if f"{self.hub.topic('billing-commands')}-{partition}" in self.owned(name)
        )
        self.hub.kill(victim)
        self.hub.start_worker(victim)
        self.hub.await_ready(*workers)
        shared = PARTITIONS * len(STEPS)
        eventually(
            lambda: bool(self.owned(victim)) and sum(len(self.owned(name, *STEPS)) for name in workers) == shared,
            30,
            "all is shared out again",
        )

    def owned(self, worker: str, *topics: str) -> list[str]:
        """Partitions of these topics, or of the target's commands, that are this worker's."""
        names: list[str] = get(f"{self.hub.url(worker)}/health")[1]["partitions"]
        wanted = {self.hub.topic(topic) for topic in topics or ("billing-commands",)}
        return [name for name in names if name.rpartition("-")[0] in wanted]

    def latencies(self, prefixes: Prefixes, records: list[tuple[bytes, bytes]], per_second: float) -> Latencies:
        """Of one event a site, from the event to its call."""
        published = publish_steadily(self.hub, records, per_second)

        def calls() -> list[dict[str, Any]]:
            return [call for calls in self.calls(prefixes).values() for call in calls]

        eventually(lambda: published.keys() <= {call["correlation_id"] for call in calls()}, 60, "all is called")
        return latencies(published, calls())

    def start_ledger(self) -> None:
        self.hub.start_targets("ledger", self.ledger_port)

    def tell_ledger(self, **mode: Any) -> None:
        self.hub.control(mode, port=self.ledger_port)

    def ledger(self) -> dict[str, Any]:
        """What it counts."""
        counted: dict[str, Any] = get(f"http://127.0.0.1:{self.ledger_port}/_stats")[1]
        return counted

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
        return outcomes_of(self.results_of(prefixes))

    def has_failed(self, prefixes: Prefixes) -> bool:
        """Whether any attempt has."""
        return any(header(message, "status") == "failed" for message in self.results_of(prefixes))

    def results_of(self, prefixes: Prefixes) -> list[Message]:
        """What became of commands to the billing system; other targets have results, too."""
        return [one for one in self.results.of_sites(prefixes) if header(one, "target") == "billing"]

    def calls(self, prefixes: Prefixes) -> dict[str, list[dict[str, Any]]]:
        """By site, in their order."""
        found: dict[str, list[dict[str, Any]]] = {}
        for call in self.hub.calls():
            if str(call["site_id"]).startswith(prefixes):
                found.setdefault(call["site_id"], []).append(call)
        return found

    def await_ended(self, prefixes: Prefixes, count: int, parked: int = 0) -> None:
        """So many commands have ended, and so many more are there."""

        def ended() -> bool:
            made = len(self.commands.of_sites(prefixes))
            return made == count + parked and len(self.outcomes(prefixes).ended()) == count

        eventually(ended, 60, f"{count} commands have ended")


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


def contracted(prefixes: Prefixes, sites: int, number: int) -> list[tuple[bytes, bytes]]:
    contract = {"contract_type": "management_fee", "billing_cycle": f"cycle {number}"}
    return [
        event("contract_updated", site, number, prefix=prefix, contract_info=contract)
        for site in range(sites)
        for prefix in prefixes
    ]
