"""A bounded run of chaos; and the proof that what judges it catches an engine that is broken."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sitehub.codecs.results import Result
from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.chaos.run import run
from sitehub.tests.broker.chaos.witnesses import LookUps
from sitehub.tests.broker.crew import Crew
from sitehub.tests.broker.hub import Hub, eventually
from sitehub.tests.broker.judge import Evidence, judge
from sitehub.tests.broker.outcomes import Outcomes
from sitehub.tests.broker.workload import Workload, make
from sitehub.tests.postgres.conftest import Database

SEED = 20_261_124
SECONDS = 60


@pytest.fixture
def crew(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(kafka.bootstrap, names.topic(""), tmp_path)
    crew.create_topics()
    yield crew
    crew.stop()


def test_a_hub_under_chaos_loses_and_doubles_nothing(
    kafka: EmbeddedKafka, postgres: Database, names: Names, tmp_path: Path
) -> None:
    hub = Hub(kafka.bootstrap, names.topic(""), tmp_path)
    try:
        report = run(hub, kafka, postgres, SEED, SECONDS)
    finally:
        hub.stop()

    sys.stderr.write(f"\n{json.dumps(asdict(report))}\n")
    assert len(report.faults) == 13
    assert report.look_ups > 100


def counted(crew: Crew) -> int:
    return sum(map(len, crew.counts().values()))


def crash_between(crew: Crew, defect: str) -> None:
    """A worker that dies once where a broken engine has acknowledged and not yet committed."""
    crew.start("one", defect)
    crew.load()
    eventually(lambda: crew.processes["one"].poll() is not None, 60, "it dies")
    crew.start("one", defect)
    crew.await_settled("one")
    crew.finish(seconds=20)


def test_an_engine_that_dies_before_its_commit_loses_nothing(crew: Crew) -> None:
    crash_between(crew, "dies_once")


def test_an_engine_that_acknowledges_before_it_commits_is_caught(crew: Crew) -> None:
    with pytest.raises(AssertionError):
        crash_between(crew, "dies_once,acknowledges_first")


def wake_up_late(crew: Crew, defect: str) -> None:
    """A worker that is frozen in the middle of a batch until another has its partitions."""
    crew.start("one", "slow")
    crew.start("two", defect)
    crew.await_settled("one", "two")
    crew.load()
    eventually(lambda: counted(crew) > 200, 30, "counting goes on")
    crew.freeze("two")
    crew.await_settled("one")
    before = counted(crew)
    eventually(lambda: counted(crew) > before + 200, 30, "counting goes on")
    crew.thaw("two")
    crew.await_settled("one", "two")
    crew.finish()


def test_a_worker_that_wakes_up_in_the_middle_of_a_batch_is_shut_out(crew: Crew) -> None:
    wake_up_late(crew, "slow")


def test_an_engine_that_does_not_fence_is_caught(crew: Crew) -> None:
    with pytest.raises(AssertionError):
        wake_up_late(crew, "slow,no_fence")


@pytest.fixture(scope="module")
def work() -> Workload:
    return make(seed=5, events=400, sites=20)


def perfect(work: Workload) -> Evidence:
    """What a hub without a fault leaves behind."""
    calls = [(site_id, call) for site_id, calls in work.calls.items() for call in calls]
    outcomes = Outcomes()
    for site_id, call in calls:
        outcomes.by_command[call.command_id].append(result(site_id, call.command_id, "delivered", 1))
    made = [
        {
            "site_id": site_id,
            "idempotency_key": call.command_id,
            "method": call.method,
            "path": call.path,
            "body": call.body,
        }
        for site_id, call in calls
    ]
    audits: list[dict[str, Any]] = [
        {"entity_type": "site", "entity_id": site_id, "after": {"version": version + 1}}
        for site_id, site in work.sites.items()
        for version in range(site.version)
    ]
    audits += [
        {"entity_type": "command", "entity_id": call.command_id, "after": {"status": "delivered"}} for _, call in calls
    ]
    return Evidence([call.command_id for _, call in calls], outcomes, made, Counter(work.dead), audits)


def result(site_id: str, command_id: str, status: str, attempt: int) -> Result:
    event_id, action = command_id.split(":")
    return Result(
        command_id, event_id, action, "billing", site_id, status, attempt, 200, None, None, "2026", "2026", 1.0
    )


def test_what_is_perfect_is_judged_so(work: Workload) -> None:
    judge(work, perfect(work))


def lose_command(found: Evidence) -> None:
    found.commands.pop()


def double_command(found: Evidence) -> None:
    found.commands.append(found.commands[0])


def end_twice(found: Evidence) -> None:
    told = next(iter(found.outcomes.by_command.values()))
    told.append(told[0])


def never_end(found: Evidence) -> None:
    found.outcomes.by_command.pop(next(iter(found.outcomes.by_command)))


def skip_call(found: Evidence) -> None:
    found.calls.pop()


def swap_calls(found: Evidence) -> None:
    first = found.calls[0]
    other = next(i for i, call in enumerate(found.calls) if i and call["site_id"] == first["site_id"])
    found.calls[0], found.calls[other] = found.calls[other], first


def repeat_late(found: Evidence) -> None:
    found.calls.append(found.calls[0])


def change_body(found: Evidence) -> None:
    found.calls[0]["body"] = {"customer_id": "another"}


def double_letter(found: Evidence) -> None:
    found.dead["not_json"] += 1


def lose_audit_of_event(found: Evidence) -> None:
    found.audits.pop(0)


def double_audit_of_end(found: Evidence) -> None:
    found.audits.append(found.audits[-1])


@pytest.mark.parametrize(
    "tamper",
    [
        lose_command,
        double_command,
        end_twice,
        never_end,
        skip_call,
        swap_calls,
        repeat_late,
        change_body,
        double_letter,
        lose_audit_of_event,
        double_audit_of_end,
    ],
)
def test_whatever_is_not_perfect_is_caught(work: Workload, tamper: Callable[[Evidence], None]) -> None:
    found = deepcopy(perfect(work))
    tamper(found)

    with pytest.raises(AssertionError):
        judge(work, found)


def test_a_look_up_of_a_state_that_never_was_is_caught(work: Workload) -> None:
    look_ups = LookUps(Hub("", "", Path()), work, 1)
    site_id = next(iter(work.history))
    attributes, contract = json.loads(work.history[site_id][0])
    good: dict[str, Any] = {"version": 1, "attributes": attributes, "contract_info": contract}

    look_ups.judge(site_id, 404, {})
    look_ups.judge(site_id, 200, good)
    look_ups.judge(site_id, 503, {})
    assert look_ups.violations == []
    look_ups.judge(site_id, 404, {})
    look_ups.judge(site_id, 200, {**good, "attributes": {**attributes, "name": "never"}})
    look_ups.judge(site_id, 200, {**good, "version": 10_000})
    assert len(look_ups.violations) == 3
