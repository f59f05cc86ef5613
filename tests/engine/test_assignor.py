"""Claims of partitions, before Faust assigns them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faust
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from faust.assignor.client_assignment import ClientAssignment, ClientMetadata

from sitehub.engine.assignor import StickyAssignor, settle

TOPICS = ("events", "changelog")


def member(*actives: int) -> ConsumerProtocolMemberMetadata:
    claim = ClientAssignment(actives={topic: list(actives) for topic in TOPICS}, standbys={})
    metadata = ClientMetadata(assignment=claim, url="http://w", changelog_distribution={}, topic_groups={})
    return ConsumerProtocolMemberMetadata(1, list(TOPICS), metadata.dumps())


def claims(members: dict[str, ConsumerProtocolMemberMetadata]) -> dict[str, set[int]]:
    found = {}
    for name, one in members.items():
        actives = ClientMetadata.loads(one.user_data).assignment.actives
        assert set(actives["events"]) == set(actives["changelog"])
        found[name] = set(actives["events"])
    return found


def test_who_comes_back_gets_what_it_had_from_who_took_it_over() -> None:
    assert claims(settle({"a": member(0, 1, 2, 3), "b": member(2, 3)})) == {"a": {0, 1}, "b": {2, 3}}


def test_claims_that_nobody_disputes_stay() -> None:
    assert claims(settle({"a": member(0, 1), "b": member(2), "c": member()})) == {"a": {0, 1}, "b": {2}, "c": set()}


def test_a_partition_is_claimed_by_one_however_many_had_it() -> None:
    settled = claims(settle({"a": member(0, 1, 2), "b": member(0, 1), "c": member(0)}))
    assert settled == {"a": {2}, "b": {1}, "c": {0}}


def assignor(directory: Path) -> StickyAssignor:
    app: Any = faust.App("a", broker="kafka://127.0.0.1:1")
    app.engine = SimpleNamespace(directory=directory)
    return StickyAssignor(app)


def test_what_a_worker_had_is_its_first_claim_when_it_starts_again(tmp_path: Path) -> None:
    first = assignor(tmp_path)
    first._assignment = ClientAssignment(actives={"events": [2, 3]}, standbys={"changelog": [0]})
    first._remember()

    again = assignor(tmp_path)._assignment

    assert (again.actives, again.standbys) == ({"events": [2, 3]}, {"changelog": [0]})


def test_a_memory_that_is_missing_or_rubbish_or_cannot_be_written_costs_only_the_memory(tmp_path: Path) -> None:
    (tmp_path / "assignment.json").write_text("[1]")

    rubbish, missing = assignor(tmp_path), assignor(tmp_path / "nowhere")
    missing._remember()

    assert [one._assignment.actives for one in (rubbish, missing)] == [{}, {}]
