"""Sites that are parked: where their commands lie, when they are tried again, and when they are given up."""

import asyncio
from typing import Any

import pytest

from sitehub.agents import delivery as module
from sitehub.agents.delivery import PartitionDelivery, delivery_loop
from sitehub.agents.target_delivery import Delivery
from sitehub.clients.answer import Answer, Refused, Unavailable
from sitehub.codecs.dead_letters import read_dead_letter
from sitehub.rules.commands import Command
from sitehub.rules.retry import RetryPolicy
from sitehub.telemetry.metrics import Metrics
from sitehub.tests.agents.delivery_fakes import (
    NOW_SECONDS,
    FakePartition,
    FakeTarget,
    OpenGate,
    Read,
    delivery,
    record,
    running,
    until,
)

BUSY = Unavailable("HTTP 503", 503, "later")
REFUSED = Unavailable("ConnectionRefusedError", may_have_arrived=False)
NO = Refused(409, "no")
DOCUMENTS = frozenset({"update"})
YEAR = 365 * 86_400


class Noting(RetryPolicy):
    """Pauses not at all; notes what it was asked."""

    asked: list[tuple[int, float, float | None]]

    def pause_seconds(self, attempt: int, chance: float, asked_seconds: float | None) -> float:
        self.asked.append((attempt, chance, asked_seconds))
        return 0.0


def noting() -> Noting:
    policy = Noting(3, 1, 1)
    object.__setattr__(policy, "asked", [])
    return policy


class Clock:
    """Seconds since 1970, as a test wants them."""

    def __init__(self) -> None:
        self.now = NOW_SECONDS

    def __call__(self) -> float:
        return self.now


def parking(target: Any, metrics: Metrics, **changes: Any) -> Delivery:
    """A delivery that parks what is rejected, and tries it again at once."""
    return delivery(target, metrics, **{"retry": noting(), "parks_rejected": True, **changes})


def at_work(shared: Delivery) -> PartitionDelivery:
    (loop,) = shared.partitions
    assert isinstance(loop, PartitionDelivery)
    return loop


async def test_the_pauses_of_a_parked_site_grow_with_jitter_and_are_as_long_as_the_target_asks(
    metrics: Metrics,
) -> None:
    policy, partition = noting(), FakePartition(record(7))
    target = FakeTarget({"e7": [NO, BUSY, Unavailable("HTTP 503", 503, "", 77.0), BUSY]})
    async with running(delivery_loop(parking(target, metrics, retry=policy)), partition):
        await until(lambda: ("e7", "delivered") in partition.statuses())
    assert [attempt for attempt, _, _ in policy.asked] == [4, 5, 6, 7]
    assert [asked for _, _, asked in policy.asked] == [None, None, 77.0, None]
    assert len({chance for _, chance, _ in policy.asked}) == 4


async def test_a_site_is_parked_once_its_retries_are_used_up_and_not_before(metrics: Metrics) -> None:
    partition, target = FakePartition(record(1)), FakeTarget({"e1": [BUSY] * 99})
    shared = delivery(target, metrics, retry=noting())
    shared.dispatcher.worked_at = NOW_SECONDS + YEAR  # for others, at any time
    async with running(delivery_loop(shared), partition):
        await until(lambda: ("e1", "parked") in partition.statuses())
    told = [one.attempt for one in partition.results() if one.event_id == "e1"]
    assert told[:4] == [1, 2, 3, 4]
    assert [one.status for one in partition.results() if one.event_id == "e1"][:4] == ["failed"] * 3 + ["parked"]


async def test_commands_of_a_parked_site_lie_in_the_table_and_not_in_memory(metrics: Metrics) -> None:
    records = [record(number) for number in range(1, 40)]
    partition, target = FakePartition(*records), FakeTarget({"e1": [NO] * 99})
    shared = parking(target, metrics, retry=RetryPolicy(3, 1, 1_000_000))
    async with running(delivery_loop(shared), partition):
        await until(lambda: partition.next_offset == 40)
        (site,) = at_work(shared)._sites.values()
        assert [one.content for one in site.queue.items] == [None] * 39
    again, target = FakePartition(record(40)), FakeTarget()
    again.table, again.next_offset = partition.table, 40
    async with running(delivery_loop(parking(target, metrics, now=lambda: NOW_SECONDS + YEAR)), again):
        await until(lambda: ("e40", "delivered") in again.statuses())
    assert target.calls == [f"e{number}" for number in range(1, 41)]


async def test_documents_that_come_while_a_site_is_parked_supersede_each_other_at_once(metrics: Metrics) -> None:
    partition, target = FakePartition(record(1)), FakeTarget({"e1": [NO] * 99})
    shared = parking(target, metrics, retry=RetryPolicy(3, 1, 1_000_000), coalesced=DOCUMENTS)
    async with running(delivery_loop(shared), partition):
        await until(lambda: ("e1", "parked") in partition.statuses())
        partition.come(record(2), record(3), record(4))
        await until(lambda: ("e4", "parked") in partition.statuses())
        assert [one for one in partition.statuses() if one[1] == "superseded"] == [
            ("e2", "superseded"),
            ("e3", "superseded"),
        ]
        assert at_work(shared).account.parked == 2


async def parked_until_later(metrics: Metrics, *more: Read) -> FakePartition:
    """A partition whose site waits for five minutes."""
    partition = FakePartition(record(1), *more)
    asks = Unavailable("HTTP 503", 503, "", 300.0)
    shared = parking(FakeTarget({"e1": [NO, asks]}), metrics, retry=RetryPolicy(3, 1, 1))
    shared.dispatcher.worked_at = NOW_SECONDS + YEAR
    async with running(delivery_loop(shared), partition):
        await until(lambda: ("e1", "failed") in partition.statuses())
    return partition


@pytest.mark.parametrize(("seconds", "calls"), [(299, []), (301, ["e1"])])
async def test_a_new_owner_keeps_the_pause_of_a_parked_site(metrics: Metrics, seconds: int, calls: list[str]) -> None:
    before = await parked_until_later(metrics)
    after, target = FakePartition(), FakeTarget()
    after.table, after.next_offset = before.table, before.next_offset
    shared = parking(target, metrics, now=lambda: NOW_SECONDS + seconds)
    async with running(delivery_loop(shared), after):
        await until(lambda: shared.partitions)
        await asyncio.sleep(0.05)
    assert target.calls == calls


@pytest.mark.parametrize(("seconds", "calls"), [(119, []), (121, ["e1"])])
async def test_a_new_owner_goes_on_counting_attempts_and_keeps_a_pause_that_the_target_asked_for(
    metrics: Metrics, seconds: int, calls: list[str]
) -> None:
    before = FakePartition(record(1))
    asks = Unavailable("HTTP 503", 503, "", 120.0)
    async with running(delivery_loop(delivery(FakeTarget({"e1": [BUSY, asks]}), metrics)), before):
        await until(lambda: len(before.results()) == 2)
    after, target = FakePartition(record(1)), FakeTarget()
    after.table = before.table
    async with running(delivery_loop(delivery(target, metrics, now=lambda: NOW_SECONDS + seconds)), after):
        await until(lambda: after.takes > 1)
        await asyncio.sleep(0.05)
    assert (target.calls, [one.attempt for one in after.results()]) == (calls, [3] * len(calls))


async def test_a_command_that_a_former_owner_may_have_called_for_is_never_superseded(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first parked one was delivered, the second was called for; then the worker died."""

    class Hanging(FakeTarget):
        async def call(self, one: Command, **options: Any) -> Answer:
            if one.event_id == "e2":
                await asyncio.sleep(1000)
            return await super().call(one, **options)

    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.05)
    before, after = FakePartition(record(1), record(2)), FakePartition(record(3))
    first = parking(Hanging({"e1": [NO]}), metrics, coalesced=DOCUMENTS)
    async with running(delivery_loop(first), before):
        await until(lambda: ("e1", "delivered") in before.statuses() and first.dispatcher.in_flight)
    after.table, target = before.table, FakeTarget()
    async with running(delivery_loop(parking(target, metrics, coalesced=DOCUMENTS)), after):
        await until(lambda: ("e3", "delivered") in after.statuses())
    assert (target.calls, target.repeated) == (["e2", "e3"], [True, False])


async def test_a_parked_command_is_given_up_by_hand_though_no_call_may_begin(metrics: Metrics) -> None:
    class Shut(OpenGate):
        def wait_seconds(self, now: float, doubt: Any) -> float:  # noqa: ARG002 -- as Gate
            return 1000.0 if is_shut else 0.0

    is_shut = False
    partition, target = FakePartition(record(7)), FakeTarget({"e7": [NO] * 99})
    shared = parking(target, metrics)
    shared.dispatcher.gate = Shut()
    async with running(delivery_loop(shared), partition):
        await until(lambda: ("e7", "parked") in partition.statuses())
        is_shut = True
        await until(lambda: any(shared.dispatcher._due.values()))
        calls = len(target.calls)
        assert at_work(shared).give_up(b"s1", "operator:ann")
        await until(lambda: ("e7", "rejected") in partition.statuses())
        partition.come(record(8))
        is_shut = False
        shared.dispatcher.pump()
        await until(lambda: ("e8", "delivered") in partition.statuses())
    assert target.calls[calls:] == ["e8"]
    assert len(partition.sends["billing-commands.dead-letter"]) == 1


async def test_one_that_is_to_be_given_up_while_the_one_before_it_ends_is_never_called_for(metrics: Metrics) -> None:
    partition, target = FakePartition(record(7), record(8)), FakeTarget({"e7": [Refused(422, "no")] * 99})
    shared = parking(target, metrics, retry=RetryPolicy(3, 1, 1_000_000))
    async with running(delivery_loop(shared), partition):
        await until(lambda: ("e8", "parked") in partition.statuses())
        partition.may_commit.clear()
        assert at_work(shared).give_up(b"s1", "ann")
        assert at_work(shared).give_up(b"s1", "ann")
        partition.may_commit.set()
        await until(lambda: ("e8", "rejected") in partition.statuses())
    assert target.calls == ["e7"]
    assert len(partition.sends["billing-commands.dead-letter"]) == 2


async def test_each_command_that_is_parked_for_too_long_has_all_its_retries_before_it_is_given_up(
    metrics: Metrics,
) -> None:
    partition, target = FakePartition(record(1), record(2)), FakeTarget({"e1": [BUSY] * 99, "e2": [BUSY] * 99})
    clock = Clock()
    shared = delivery(target, metrics, retry=noting(), now=clock)
    shared.dispatcher.worked_at = NOW_SECONDS + 2 * YEAR
    async with running(delivery_loop(shared), partition):
        await until(lambda: ("e2", "parked") in partition.statuses())
        clock.now += YEAR
        await until(lambda: ("e2", "rejected") in partition.statuses())
    letters = [read_dead_letter(headers) for _, _, headers in partition.sends["billing-commands.dead-letter"]]
    assert [letter.reason for letter in letters] == ["given_up"] * 2
    assert letters[1].attempts == 4  # the first after the year, and three more


async def test_nothing_is_given_up_while_the_target_works_for_nobody(metrics: Metrics) -> None:
    partition, target = FakePartition(record(1)), FakeTarget({"e1": [BUSY] * 9999})
    clock, gate = Clock(), OpenGate()
    shared = delivery(target, metrics, retry=noting(), now=clock)
    shared.dispatcher.gate = gate
    shared.dispatcher.worked_at = NOW_SECONDS + 2 * YEAR
    async with running(delivery_loop(shared), partition):
        await until(lambda: ("e1", "parked") in partition.statuses())
        gate.is_closed = False
        clock.now += YEAR
        calls = len(target.calls)
        await until(lambda: len(target.calls) > calls + 10)
        assert ("e1", "rejected") not in partition.statuses()
        gate.is_closed = True
        await until(lambda: ("e1", "rejected") in partition.statuses())


@pytest.mark.parametrize(
    ("answers", "repeated"),
    [
        ([REFUSED, REFUSED], [False, False, False]),
        ([REFUSED, BUSY], [False, False, True]),
        ([BUSY, REFUSED], [False, True, True]),
        ([Refused(404, "no")], [False]),
    ],
)
async def test_a_call_is_a_repeated_one_if_an_earlier_may_have_arrived(
    metrics: Metrics, answers: list[Any], repeated: list[bool]
) -> None:
    partition, target = FakePartition(record(7), record(8, "s2")), FakeTarget({"e7": answers})
    partition.first_unread = 7
    async with running(delivery_loop(delivery(target, metrics)), partition):
        await until(lambda: partition.next_offset == 9)
    assert [
        is_repeated for event, is_repeated in zip(target.calls, target.repeated, strict=True) if event == "e7"
    ] == repeated


async def test_a_former_owner_may_have_called_for_what_was_in_the_log_when_the_partition_was_taken(
    metrics: Metrics,
) -> None:
    partition, target = FakePartition(record(6, "s1"), record(7, "s2")), FakeTarget()
    partition.first_unread = 7
    async with running(delivery_loop(delivery(target, metrics)), partition):
        await until(lambda: partition.next_offset == 8)
    assert dict(zip(target.calls, target.repeated, strict=True)) == {"e6": True, "e7": False}


async def test_a_record_that_is_no_command_is_a_dead_letter_and_the_sites_next_goes_out(metrics: Metrics) -> None:
    rubbish = [Read(7, b"s1", b"{}", []), Read(8, b"\xff", b"", []), Read(9, b"s1", b"\x04ab", [("x", b"y")])]
    partition, target = FakePartition(*rubbish, record(10)), FakeTarget()
    shared = delivery(target, metrics)
    async with running(delivery_loop(shared), partition):
        await until(lambda: partition.next_offset == 11)
        assert shared.account.difference == 0
        assert (shared.account.rejected, shared.account.delivered) == (3, 1)
    letters = [
        (value, read_dead_letter(headers)) for _, value, headers in partition.sends["billing-commands.dead-letter"]
    ]
    assert sorted(value or b"" for value, _ in letters) == [b"", b"\x04ab", b"{}"]
    assert {(one.stage, one.reason) for _, one in letters} == {("decode", "not_a_command")}
    assert sorted(one.offset for _, one in letters) == [7, 8, 9]
    assert sorted(one.entity_id for one in partition.audits()) == [
        "billing-commands/4/7",
        "billing-commands/4/8",
        "billing-commands/4/9",
        "e10:update",
    ]


async def test_what_ended_unfit_is_not_superseded_and_takes_no_room_twice(metrics: Metrics) -> None:
    partition = FakePartition(record(1, body={"n": None}))
    partition.first_unread = 0
    shared = delivery(FakeTarget(), metrics, coalesced=DOCUMENTS, on_null="dead_letter")
    async with running(delivery_loop(shared), partition):
        partition.may_commit.clear()
        await until(lambda: shared.partitions and at_work(shared)._writing.ended)
        partition.come(record(2))
        await until(lambda: partition.takes > 2)
        partition.may_commit.set()
        await until(lambda: ("e2", "delivered") in partition.statuses())
        intake = at_work(shared)._intake
        assert (intake._held, intake._held_bytes) == (0, 0)
    assert partition.statuses() == [("e1", "rejected"), ("e2", "delivered")]
