"""Delivery of one partition's commands: order, parallelism, retries, results and the offset."""

import asyncio
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from sitehub.agents import delivery as module
from sitehub.agents import intake
from sitehub.agents.delivery import delivery_loop
from sitehub.clients.answer import Answer, Delivered, Refused, Unavailable
from sitehub.codecs.dead_letters import read_dead_letter
from sitehub.engine.source import Loop
from sitehub.rules.audit import AuditRecord
from sitehub.rules.commands import Command
from sitehub.rules.retry import RetryPolicy
from sitehub.telemetry.metrics import Metrics
from sitehub.tests.agents.delivery_fakes import (
    NOW,
    NOW_SECONDS,
    FakePartition,
    FakeTarget,
    delivery,
    record,
    running,
    until,
)

QUICK = RetryPolicy(max_retries=3, backoff_multiplier=1, initial_delay_ms=1)
DOWN = Unavailable("ClientConnectorError: refused")
BUSY = Unavailable("HTTP 503", 503, "later")


class Impatient(RetryPolicy):
    """Tries a parked site again at once."""

    def pause_seconds(self, *_: float | None) -> float:
        return 0.0


def loop(
    target: Any,
    metrics: Metrics,
    retry: RetryPolicy = QUICK,
    slots: int = 64,
    lease_seconds: float = 60,
    **changes: Any,
) -> Loop:
    return delivery_loop(delivery(target, metrics, retry=retry, slots=slots, lease_seconds=lease_seconds, **changes))


async def test_a_delivered_command_is_a_result_a_row_and_an_offset(metrics: Metrics) -> None:
    partition, target = FakePartition(record(7)), FakeTarget()
    async with running(loop(target, metrics), partition):
        await until(lambda: partition.commits)

    ((key, _, headers),) = partition.sends["sync-results"]
    (result,) = partition.results()
    assert (key, dict(headers)["status"], dict(headers)["command_id"]) == (b"s1", b"delivered", b"e7:update")
    assert (result.attempt, result.http_status, result.error, result.at) == (1, 200, None, NOW)
    row = partition.row()
    assert (row.state, row.command_id, row.attempts, row.http_status, row.offset) == ("in_sync", "e7:update", 1, 200, 7)
    assert partition.next_offset == 8
    assert metrics.registry.get_sample_value("sitehub_sync_lag_seconds", {"target": "billing"}) == 3600


async def test_a_failed_attempt_is_made_again_and_each_is_told(metrics: Metrics) -> None:
    partition, target = FakePartition(record(7)), FakeTarget({"e7": [DOWN, BUSY]})
    async with running(loop(target, metrics), partition):
        await until(lambda: ("e7", "delivered") in partition.statuses())

    assert target.calls == ["e7", "e7", "e7"]
    assert [(one.status, one.attempt, one.http_status, one.error, one.answer) for one in partition.results()] == [
        ("failed", 1, None, "ClientConnectorError: refused", ""),
        ("failed", 2, 503, "HTTP 503", "later"),
        ("delivered", 3, 200, None, None),
    ]
    assert partition.next_offset == 8


async def test_a_failed_attempt_moves_no_offset_and_its_row_says_pending(metrics: Metrics) -> None:
    slow = RetryPolicy(max_retries=3, backoff_multiplier=1, initial_delay_ms=1_000_000)
    partition, target = FakePartition(record(7)), FakeTarget({"e7": [Unavailable("HTTP 503", 503, "", 300.0)]})
    async with running(loop(target, metrics, slow), partition):
        await until(lambda: partition.commits)

    row = partition.row()
    assert (row.state, row.attempts, row.error, row.offset) == ("pending", 1, "HTTP 503", 6)
    assert partition.next_offset == 7


async def test_a_command_out_of_retries_is_tried_on_while_the_target_works_for_nobody(metrics: Metrics) -> None:
    partition, target = FakePartition(record(7)), FakeTarget({"e7": [DOWN] * 5})
    async with running(loop(target, metrics), partition):
        await until(lambda: ("e7", "delivered") in partition.statuses())

    assert partition.statuses() == [("e7", "failed")] * 5 + [("e7", "delivered")]
    assert partition.sends["billing-commands.dead-letter"] == []


async def test_a_refused_command_is_a_dead_letter_and_the_sites_next_goes_out(metrics: Metrics) -> None:
    partition = FakePartition(record(7), record(8))
    target = FakeTarget({"e7": [BUSY, Refused(404, "no customer")]})
    async with running(loop(target, metrics), partition):
        await until(lambda: partition.next_offset == 9)

    assert partition.statuses() == [("e7", "failed"), ("e7", "rejected"), ("e8", "delivered")]
    ((key, value, headers),) = partition.sends["billing-commands.dead-letter"]
    original = record(7)
    assert (key, value, headers[:4]) == (original.key, original.value, original.headers)
    letter = read_dead_letter(headers)
    assert (letter.stage, letter.reason, letter.error) == ("delivery", "rejected", "HTTP 404: no customer")
    assert (letter.topic, letter.partition, letter.offset) == ("billing-commands", 4, 7)
    assert (letter.attempts, letter.target, letter.time) == (2, "billing", NOW)


async def test_each_commands_end_is_audited_once_and_no_attempt_before_it(metrics: Metrics) -> None:
    partition = FakePartition(record(7), record(8))
    target = FakeTarget({"e7": [BUSY, Refused(404, "no customer")]})
    async with running(loop(target, metrics), partition):
        await until(lambda: partition.next_offset == 9)

    rejected, delivered = partition.audits()
    assert rejected == AuditRecord(
        "delivery:billing",
        NOW,
        "command_rejected",
        "command",
        "e7:update",
        "s1",
        {"status": "pending"},
        {"status": "rejected", "attempt": 2, "http_status": 404},
        "e7",
        "billing-commands/4/7",
        "c0ffee",
    )
    assert (delivered.action, delivered.entity_id, delivered.after["http_status"]) == (
        "command_delivered",
        "e8:update",
        200,
    )


async def test_a_parked_command_that_waits_is_given_up_by_hand_and_the_next_goes_out(metrics: Metrics) -> None:
    partition, target = FakePartition(record(7), record(8)), FakeTarget({"e7": [Refused(422, "no")]})
    shared = delivery(target, metrics, retry=QUICK, parks_rejected=True)
    async with running(delivery_loop(shared), partition):
        await until(lambda: partition.statuses()[:1] == [("e7", "parked")])
        (at_work,) = shared.partitions
        assert not at_work.give_up(b"s2", "operator:ann")
        await until(lambda: at_work.give_up(b"s1", "operator:ann"))
        await until(lambda: partition.statuses()[-1] == ("e8", "delivered"))
        assert not at_work.give_up(b"s1", "operator:ann")
    assert [one for one in partition.statuses() if one[1] == "rejected"] == [("e7", "rejected")]
    (letter,) = partition.sends["billing-commands.dead-letter"]
    told = read_dead_letter(letter[2])
    assert (told.reason, told.error, told.attempts) == ("given_up", "by operator:ann; HTTP 422: ", 1)
    assert target.calls == ["e7", "e8"]
    assert partition.row().state == "in_sync"


async def test_a_call_that_is_under_way_ends_before_its_command_is_given_up(metrics: Metrics) -> None:
    partition, target = FakePartition(record(7)), FakeTarget({"e7": [Refused(422, "no")] * 999})
    shared = delivery(target, metrics, retry=Impatient(3, 1, 1), parks_rejected=True)
    async with running(delivery_loop(shared), partition):
        await until(lambda: partition.statuses()[:1] == [("e7", "parked")])
        target.gate.clear()
        await until(lambda: target.open_sites)
        (at_work,) = shared.partitions
        assert at_work.give_up(b"s1", "operator:ann")
        target.gate.set()
        await until(lambda: partition.statuses()[-1] == ("e7", "rejected"))
    assert len(target.calls) == len([one for one in partition.results() if one.attempt])
    assert len(partition.sends["billing-commands.dead-letter"]) == 1


async def test_a_parked_command_is_audited_when_it_is_parked_and_when_it_ends(metrics: Metrics) -> None:
    partition, target = FakePartition(record(7), record(8)), FakeTarget({"e7": [Refused(409, ""), BUSY, BUSY]})
    async with running(loop(target, metrics, Impatient(3, 1, 1), parks_rejected=True), partition):
        await until(lambda: ("e8", "delivered") in partition.statuses())

    told = [(one.entity_id, one.before["status"], one.after["status"]) for one in partition.audits()]
    assert sorted(told) == [
        ("e7:update", "parked", "delivered"),
        ("e7:update", "pending", "parked"),
        ("e8:update", "parked", "delivered"),
        ("e8:update", "pending", "parked"),
    ]


async def test_the_row_of_a_site_that_was_parked_says_nothing_of_it_once_its_commands_are_through(
    metrics: Metrics,
) -> None:
    partition, target = FakePartition(record(7)), FakeTarget({"e7": [Refused(409, ""), BUSY]})
    async with running(loop(target, metrics, Impatient(3, 1, 1), parks_rejected=True), partition):
        await until(lambda: ("e7", "delivered") in partition.statuses())

    assert ("e7", "parked") in partition.statuses()
    row = partition.row()
    assert (row.state, row.tries, row.parked_since, row.next_at) == ("in_sync", 0, None, None)


async def test_a_sites_calls_go_in_log_order_one_at_a_time(metrics: Metrics) -> None:
    partition = FakePartition(record(1), record(2), record(3))
    target = FakeTarget({"e1": [DOWN, DOWN], "e2": [BUSY]})
    async with running(loop(target, metrics), partition):
        await until(lambda: partition.next_offset == 4)

    assert target.calls == ["e1", "e1", "e1", "e2", "e2", "e3"]
    assert target.overlaps == 0


async def test_a_sites_next_call_waits_until_the_former_is_committed(metrics: Metrics) -> None:
    partition, target = FakePartition(record(1), record(2)), FakeTarget()
    partition.may_commit.clear()
    async with running(loop(target, metrics), partition):
        await until(lambda: target.calls == ["e1"] and not target.open_sites)
        for _ in range(20):
            await asyncio.sleep(0)
        assert target.calls == ["e1"]

        partition.may_commit.set()
        await until(lambda: partition.next_offset == 3)


async def test_results_gather_until_a_call_waits_for_their_commit(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONGEST_STEPS", 1_000_000)
    partition, target = FakePartition(*(record(number, f"s{number}") for number in range(9))), FakeTarget()
    async with running(loop(target, metrics), partition):
        await until(lambda: len(target.calls) == 9 and not target.open_sites)
        for _ in range(50):
            await asyncio.sleep(0)
        assert partition.commits == 0

        partition.come(record(9, "s3"))
        await until(lambda: partition.commits and target.calls[9:] == ["e9"])
        assert len(partition.results()) == 9


async def test_sites_go_in_parallel_up_to_the_slots(metrics: Metrics) -> None:
    partition, target = FakePartition(*(record(number, f"s{number}") for number in range(20))), FakeTarget()
    target.gate.clear()
    async with running(loop(target, metrics, slots=5), partition):
        await until(lambda: target.most_open == 5)
        target.gate.set()
        await until(lambda: partition.next_offset == 20)

    assert (target.most_open, len(target.calls)) == (5, 20)


async def test_a_site_that_fails_holds_up_no_other_but_the_offset(metrics: Metrics) -> None:
    partition = FakePartition(record(1, "bad"), record(2, "good"), record(3, "good"), record(4, "bad"))
    target = FakeTarget({"e1": [Unavailable("HTTP 503", 503, "", 300.0)]})
    async with running(loop(target, metrics), partition):
        await until(lambda: ("e3", "delivered") in partition.statuses())

    assert partition.next_offset == 1
    assert "e4" not in target.calls
    assert (partition.row("good").offset, partition.row("bad").offset) == (3, 0)


async def test_what_ended_beyond_the_offset_before_a_restart_is_not_called_again(metrics: Metrics) -> None:
    records = [record(1, "bad"), record(2, "good"), record(3, "good"), record(4, "bad"), record(5, "good")]
    before, after = FakePartition(*records[:4]), FakePartition(*records)
    async with running(loop(FakeTarget({"e1": [Unavailable("x", None, "", 300.0)]}), metrics), before):
        await until(lambda: ("e3", "delivered") in before.statuses())
    after.table, target = before.table, FakeTarget()

    async with running(loop(target, metrics, now=lambda: NOW_SECONDS + 301), after):
        await until(lambda: after.next_offset == 6)

    assert sorted(target.calls) == ["e1", "e4", "e5"]


async def test_a_partition_that_is_given_up_ends_open_calls_and_begins_no_others(metrics: Metrics) -> None:
    partition = FakePartition(record(1), record(2), record(3, "s2"), record(4, "s3"))
    target = FakeTarget()
    target.gate.clear()
    async with running(loop(target, metrics, slots=2), partition):
        await until(lambda: len(target.open_sites) == 2)
        partition.drain()
        for _ in range(20):
            await asyncio.sleep(0)
        target.gate.set()

    assert sorted(target.calls) == ["e1", "e3"]
    assert sorted(partition.statuses()) == [("e1", "delivered"), ("e3", "delivered")]
    assert partition.next_offset == 2


async def test_a_partition_that_is_given_up_waits_for_no_retry(metrics: Metrics) -> None:
    partition, target = FakePartition(record(1)), FakeTarget({"e1": [Unavailable("x", 503, "", 300.0)]})
    async with running(loop(target, metrics), partition) as task:
        await until(lambda: partition.commits)
        partition.drain()
        for _ in range(50):
            await asyncio.sleep(0)
        assert task.done()


async def test_a_partition_that_is_given_up_cuts_no_commit(metrics: Metrics) -> None:
    """A failed attempt's result is being committed, and nothing else is open: the moment at which all seems done."""
    partition, target = FakePartition(record(1)), FakeTarget({"e1": [BUSY]})
    partition.may_commit.clear()
    slow = RetryPolicy(max_retries=3, backoff_multiplier=1, initial_delay_ms=1_000_000)
    async with running(loop(target, metrics, slow), partition) as task:
        await until(lambda: target.calls and not target.open_sites)
        for _ in range(20):
            await asyncio.sleep(0)
        partition.drain()
        for _ in range(50):
            await asyncio.sleep(0)
        assert not task.done()
        partition.may_commit.set()

    assert (partition.cut_commits, partition.statuses()) == (0, [("e1", "failed")])


async def test_a_call_that_does_not_end_is_left_to_the_next_owner(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.05)
    partition, target = FakePartition(record(1, "hangs")), FakeTarget()
    target.gate.clear()
    async with running(loop(target, metrics), partition):
        await until(lambda: target.calls)

    assert (target.open_sites, partition.results(), partition.next_offset) == ([], [], 1)


async def test_no_more_is_read_than_may_be_open(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_OPEN", 3)
    partition, target = FakePartition(record(1, "a"), record(2, "b"), record(3, "c")), FakeTarget()
    partition.come(record(4, "d"))
    target.gate.clear()
    async with running(loop(target, metrics), partition):
        await until(lambda: len(target.calls) == 3)
        assert partition.takes == 1
        target.gate.set()
        await until(lambda: partition.next_offset == 5)

    assert target.calls[3] == "e4"


@pytest.mark.parametrize(("limit", "most"), [("MAX_HELD", 3), ("MAX_HELD_BYTES", 3 * len(record(1).value))])
async def test_what_is_superseded_takes_no_room_in_what_may_be_held(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    """Of a site whose first call hangs only that and the newest document are held, however many came between."""
    monkeypatch.setattr(intake, limit, most)
    partition, target = FakePartition(record(1)), FakeTarget()
    target.gate.clear()
    async with running(loop(target, metrics, coalesced=frozenset({"update"})), partition):
        await until(lambda: target.calls == ["e1"])
        for number in range(2, 9):
            partition.come(record(number))
        await until(lambda: partition.takes == 9)
        partition.come(record(9, "s2"))
        partition.come(record(10, "s3"))
        await until(lambda: target.calls == ["e1", "e9"])
        for _ in range(20):
            await asyncio.sleep(0)
        assert partition.takes == 9  # e1, e8 and e9 are held
        target.gate.set()
        await until(lambda: partition.next_offset == 11)

    assert target.calls[2:] in (["e10", "e8"], ["e8", "e10"])


async def test_a_partition_that_is_full_of_failing_commands_can_be_given_up(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "MAX_OPEN", 1)
    monkeypatch.setattr(intake, "LOOK_SECONDS", 0.01)
    partition, target = FakePartition(record(1)), FakeTarget({"e1": [Unavailable("x", 503, "", 300.0)]})
    async with running(loop(target, metrics), partition):
        await until(lambda: partition.commits)

    assert partition.takes == 2


async def test_a_commit_that_fails_ends_the_loop_with_its_error(metrics: Metrics) -> None:
    class Broken(FakePartition):
        async def commit(self, *_: Any) -> None:
            raise ConnectionError("Kafka is gone")

    partition, target = Broken(record(1), record(2)), FakeTarget()

    with pytest.raises(ExceptionGroup) as raised:
        await loop(target, metrics)(partition)  # type: ignore[arg-type]

    assert raised.group_contains(ConnectionError)
    assert target.calls == ["e1"]


async def test_after_a_pause_a_call_waits_until_a_transaction_has_proved_whose_the_partition_is(
    metrics: Metrics,
) -> None:
    class Fenced(FakePartition):
        async def commit(self, *_: Any) -> None:
            raise ConnectionError("another worker has it")

    ours, lost, target = FakePartition(record(1)), Fenced(record(1)), FakeTarget()
    async with running(loop(target, metrics, lease_seconds=0.02), ours):
        await until(lambda: ours.statuses() == [("e1", "delivered")])
        await asyncio.sleep(0.05)
        ours.come(record(2))
        await until(lambda: ours.statuses()[1:] == [("e2", "delivered")])
    assert ours.commits >= 3

    target.calls.clear()
    with pytest.raises(ExceptionGroup):
        await loop(target, metrics, lease_seconds=0)(lost)  # type: ignore[arg-type]
    assert target.calls == []


async def test_a_worker_that_slept_between_its_fence_and_its_first_call_proves_its_ownership_anew(
    metrics: Metrics,
) -> None:
    class Lost(FakePartition):
        """Another worker's since."""

        async def commit(self, *_: Any) -> None:
            raise ConnectionError("fenced")

    target, ours, lost = FakeTarget(), FakePartition(record(1)), Lost(record(1))
    ours.proven_at = lost.proven_at = time.monotonic() - 61
    with pytest.raises(ExceptionGroup):
        await loop(target, metrics)(lost)  # type: ignore[arg-type]
    assert target.calls == []

    async with running(loop(target, metrics), ours):
        await until(lambda: ours.statuses() == [("e1", "delivered")])
    assert ours.commits == 2


async def test_a_call_whose_ownership_lapsed_before_its_bytes_were_written_is_made_after_a_proof_as_a_repeated_one(
    metrics: Metrics,
) -> None:
    class Waking(FakeTarget):
        """Its first call is held up until the partition might be another worker's."""

        async def call(
            self, one: Command, *, repeated: bool = False, may_send: Callable[[], bool] = lambda: True
        ) -> Answer:
            while may_send() and not self.calls and not held:
                await asyncio.sleep(0.001)
            held.append(one.event_id)
            return await super().call(one, repeated=repeated, may_send=may_send)

    held: list[str] = []
    partition, target = FakePartition(record(1)), Waking()
    partition.first_unread = 1  # no former owner can have called for it
    async with running(loop(target, metrics, lease_seconds=0.05), partition):
        await until(lambda: partition.statuses() == [("e1", "delivered")])
    assert len(held) == 2
    assert (target.calls, target.repeated) == (["e1"], [True])
    assert partition.commits >= 2


@settings(max_examples=60, deadline=None)
@given(
    plan=st.lists(
        st.tuples(st.sampled_from("abc"), st.lists(st.sampled_from([DOWN, BUSY]), max_size=2), st.booleans()),
        min_size=1,
        max_size=15,
    ),
    cuts=st.lists(st.integers(1, 15)),
)
def test_whatever_fails_each_site_is_called_in_order_and_the_offset_reaches_the_end(
    plan: list[tuple[str, list[Unavailable], bool]], cuts: list[int]
) -> None:
    async def whole() -> None:
        records = [record(number, site) for number, (site, _, _) in enumerate(plan)]
        target = FakeTarget(
            {
                f"e{number}": [*failures, Refused(409, "no") if is_refused else Delivered(200)]
                for number, (_, failures, is_refused) in enumerate(plan)
            }
        )
        partition = FakePartition()
        places = sorted({0, len(records), *(cut for cut in cuts if cut < len(records))})
        for start, end in pairwise(places):
            partition.come(*records[start:end])
        metrics = Metrics(CollectorRegistry())
        async with running(loop(target, metrics, slots=2), partition):
            await until(lambda: partition.next_offset == len(records))

        assert target.overlaps == 0
        for site in "abc":
            mine = [number for number, (owner, _, _) in enumerate(plan) if owner == site]
            called = [one for one in target.calls if int(one[1:]) in mine]
            assert called == [f"e{number}" for number in mine for _ in range(len(plan[number][1]) + 1)]
        ended = sorted(one for one in partition.statuses() if one[1] != "failed")
        expected = [
            (f"e{number}", "rejected" if is_refused else "delivered") for number, (_, _, is_refused) in enumerate(plan)
        ]
        assert ended == sorted(expected)
        assert len(partition.sends["billing-commands.dead-letter"]) == sum(is_refused for _, _, is_refused in plan)

    asyncio.run(whole())
