"""Claims of partitions, before Faust assigns them."""

from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata
from faust.assignor.client_assignment import ClientAssignment, ClientMetadata

from sitehub.engine.assignor import settle

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
