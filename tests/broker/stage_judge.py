"""What became of a group's sites on the stage, against the guarantees: ends, calls and documents."""

from collections import Counter
from collections.abc import Collection
from typing import Any

from sitehub.codecs.rows import PARKED_PREFIX, decode_parked
from sitehub.engine.store import OFFSET_KEY
from sitehub.tests.broker.behaviours import REFUSED
from sitehub.tests.broker.follower import commands_of
from sitehub.tests.broker.hub import eventually, get, header
from sitehub.tests.broker.stage import WORKERS, Prefixes, Stage


def judge(stage: Stage, prefixes: Prefixes, sites: int, name: str) -> None:
    judge_ends(stage, prefixes)
    judge_calls(stage, prefixes)
    judge_documents(stage, [f"{prefix}{site}" for prefix in prefixes for site in range(sites)], name)


def judge_ends(stage: Stage, prefixes: Prefixes, parked: Collection[str] = ()) -> None:
    """Each command once, ended once or `parked`; each rejected one is a dead letter once, and nothing else is."""
    commands, found = commands_of(stage.commands.of_sites(prefixes)), stage.outcomes(prefixes)
    found.check()
    assert Counter(commands) == Counter(found.ended()) + Counter(parked)
    assert found.parked() == set(parked)
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


def judge_table(stage: Stage, prefixes: Prefixes, parked: Collection[str]) -> None:
    """The `parked` commands, and no others of these sites, lie in the table; their topic is not needed for any."""
    commands = {(one.partition(), one.offset()): header(one, "command_id") for one in stage.commands.of_sites(prefixes)}

    def is_kept() -> bool:
        rows = {(one.partition(), one.key()): one.value() for one in stage.hub.read_app("deliveries-billing-changelog")}
        kept = [
            (partition, decode_parked(row))
            for (partition, key), row in rows.items()
            if row is not None and (key or b"").startswith(PARKED_PREFIX)
        ]
        mine = [(partition, one.offset) for partition, one in kept if one.site.decode().startswith(prefixes)]
        is_passed = all(int(rows[partition, OFFSET_KEY] or b"0") > offset for partition, offset in mine)
        return Counter(commands[place] for place in mine) == Counter(parked) and is_passed

    eventually(is_kept, 30, f"{parked} lie in the table and the offset is beyond them")
