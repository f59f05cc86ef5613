"""What the broker and the target saw of a hub, against the model of its workload."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from confluent_kafka import Consumer, TopicPartition

from sitehub.engine.store import OFFSET_KEY
from sitehub.tests.broker.hub import PARTITIONS, Hub, eventually, get, header
from sitehub.tests.broker.outcomes import ENDS, Outcomes, outcomes
from sitehub.tests.broker.workload import Workload


@dataclass
class Evidence:
    """Ids of all commands, what became of them, the calls, dead letters by reason, and the audit log."""

    commands: list[str]
    outcomes: Outcomes
    calls: list[dict[str, Any]]
    dead: Counter[str]
    audits: list[dict[str, Any]]


def evidence(hub: Hub) -> Evidence:
    """All that is there now."""
    return Evidence(
        [header(message, "command_id") for message in hub.read("billing-commands")],
        outcomes(hub),
        hub.calls(),
        Counter(header(message, "dead-letter.reason") for message in hub.read("customer-sites-events.dead-letter")),
        [json.loads(message.value() or b"") for message in hub.read("audit-log")],
    )


def judge(work: Workload, found: Evidence) -> None:
    """Every command, dead letter and audit record once, every command ended once, a site's calls in log order."""
    expected = {call.command_id for calls in work.calls.values() for call in calls}
    assert Counter(found.commands) == Counter(expected)
    found.outcomes.check()
    assert found.outcomes.ended() == expected
    assert found.dead == Counter(work.dead)
    judge_calls(work, found)
    judge_audits(work, found.audits)


def judge_audits(work: Workload, audits: list[dict[str, Any]]) -> None:
    """One record of every applied event, and one of every command's end."""
    applied = Counter((one["entity_id"], one["after"]["version"]) for one in audits if one["entity_type"] == "site")
    versions = {(site_id, version + 1) for site_id, site in work.sites.items() for version in range(site.version)}
    assert applied == Counter(versions)
    ended = Counter(one["entity_id"] for one in audits if one["after"].get("status") in ENDS)
    assert ended == Counter(call.command_id for calls in work.calls.values() for call in calls)


def judge_calls(work: Workload, found: Evidence) -> None:
    """First arrivals in log order for each site; a repeated call carries the same key, never after a later one.

    What was superseded was never called; each document's newest version was.
    """
    superseded = found.outcomes.ended("superseded")
    seen: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for call in found.calls:
        site_id, _, _ = call["site_id"].partition("/")
        seen[site_id].append(call)
    for site_id, calls in work.calls.items():
        keys: list[str] = []
        for call in seen[site_id]:
            key = call["idempotency_key"]
            assert key not in keys[:-1], f"{site_id}: {key} again after a later call"
            if key not in keys:
                keys.append(key)
        expected = [call.command_id for call in calls if call.command_id not in superseded]
        told = {key: [one.status for one in found.outcomes.by_command[key]] for key in {*keys, *expected}}
        assert keys == expected, (site_id, told, seen[site_id])
        newest = {(call.method, call.path): call.command_id for call in calls}
        assert not superseded & set(newest.values()), site_id
        by_key = {call.command_id: call for call in calls}
        for call in seen[site_id]:
            model = by_key[call["idempotency_key"]]
            assert (call["method"], call["path"]) == (model.method, model.path)
            assert model.body.items() <= call["body"].items()


def judge_sites(hub: Hub, work: Workload, worker: str) -> None:
    """Each site's state over HTTP is the model's."""
    for site_id, site in work.sites.items():
        status, found = get(f"{hub.url(worker)}/api/v1/customer-sites/sites/{quote(site_id)}")
        assert status == 200, (site_id, found)
        assert (found["attributes"], found["contract_info"], found["version"]) == (
            site.attributes,
            site.contract_info,
            site.version,
        )
        assert found["sync"]["billing"]["state"] == "in_sync", (site_id, found["sync"])


def judge_offsets(hub: Hub) -> None:
    """Every partition of the source was read to its end."""
    at = {m.partition(): int(m.value() or b"0") for m in hub.read_app("sites-changelog") if m.key() == OFFSET_KEY}
    consumer = Consumer({"bootstrap.servers": hub.bootstrap, "group.id": f"{hub.prefix}ends"})
    topic = hub.topic("customer-sites-events")
    ends = {n: consumer.get_watermark_offsets(TopicPartition(topic, n), 10)[1] for n in range(PARTITIONS)}
    consumer.close()
    assert {n: at.get(n, 0) for n in range(PARTITIONS)} == ends


def accounts(hub: Hub, target: str = "billing") -> Counter[str]:
    """What all workers that run have in their accounts, together."""
    found: Counter[str] = Counter()
    for name in hub.ports.keys() & hub.processes.keys():
        (document,) = (one for one in get(f"{hub.url(name)}/health")[1]["targets"] if one["name"] == target)
        found.update(document["accounting"])
    return found


def judge_accounts(hub: Hub, found: Evidence) -> None:
    """Every command is in the workers' accounts, as it ended; a partition that moves is in none for a moment."""
    ended = {status: len(found.outcomes.ended(status)) for status in ("delivered", "superseded", "rejected")}
    expected = +Counter({"made": len(found.commands), **ended})
    eventually(lambda: +accounts(hub) == expected, 30, f"the accounts add up to {expected}, not {accounts(hub)}")


def judge_verify(hub: Hub) -> None:
    """The product's own check finds nothing."""
    verified = hub.run("verify", "--json")
    assert (verified.returncode, json.loads(verified.stdout)["differences"]) == (0, [])


def await_all_ended(hub: Hub, work: Workload, seconds: float = 120) -> None:
    count = sum(len(calls) for calls in work.calls.values())
    eventually(lambda: len(outcomes(hub).ended()) >= count, seconds, f"{count} commands ended")


def check(hub: Hub, work: Workload, worker: str) -> None:
    found = evidence(hub)
    judge(work, found)
    judge_accounts(hub, found)
    assert hub.read("billing-commands.dead-letter") == []
    judge_sites(hub, work, worker)
