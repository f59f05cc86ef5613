"""Every command that was read is accounted for, whatever fails and whoever takes over."""

import asyncio
import json
import logging
import time
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from sitehub.agents.delivery import PartitionDelivery, delivery_loop
from sitehub.agents.delivery_records import breaker_message
from sitehub.agents.gate import TargetGate
from sitehub.agents.hub_channel import HubChannel
from sitehub.agents.target_delivery import Delivery
from sitehub.agents.target_keeper import TargetKeeper
from sitehub.agents.target_status import target_document
from sitehub.clients.answer import Answer, Delivered, Refused, Unavailable
from sitehub.codecs.rows import LEDGER_KEY
from sitehub.rules.account import Account
from sitehub.rules.breaker import Breaker, BreakerPolicy
from sitehub.rules.pace import Pace
from sitehub.telemetry.metrics import Metrics
from sitehub.tests.agents.delivery_fakes import (
    NOW_SECONDS,
    FakePartition,
    FakeTarget,
    delivery,
    record,
    running,
    until,
)

BUSY = Unavailable("HTTP 503", 503, "later")
LATER = Unavailable("HTTP 503", 503, "", 300.0)
DOCUMENTS = frozenset({"update"})


async def test_commands_are_delivered_superseded_rejected_parked_or_pending(metrics: Metrics) -> None:
    """A site is refused, one gets its newest document, one is parked with its queue, one waits for its answer."""
    partition = FakePartition(
        record(1, "refused"),
        record(2, "newest"),
        record(3, "newest"),
        record(4, "newest"),
        record(5, "parked"),
        record(6, "pending"),
    )
    target = FakeTarget({"e1": [Refused(404, "no")], "e5": [BUSY] * 50, "e6": [LATER]})
    told = delivery(target, metrics, coalesced=DOCUMENTS, now=time.time)
    async with running(delivery_loop(told), partition):
        await until(lambda: ("e5", "failed") in partition.statuses())
        partition.come(record(7, "good"))
        await until(lambda: ("e5", "parked") in partition.statuses() and ("e7", "delivered") in partition.statuses())
        partition.come(record(8, "parked"), record(9, "pending"))
        await until(lambda: told.account.made == 9)
        account = told.account

    assert account == Account(made=9, delivered=3, superseded=1, rejected=1, parked=2, pending=2)
    assert account.difference == 0


async def test_a_new_owner_goes_on_with_the_account(metrics: Metrics) -> None:
    """What ended beyond the committed offset is read again, and counted once."""
    first = FakePartition(*(record(number, site) for number, site in enumerate("abbca", 1)))
    async with running(delivery_loop(delivery(FakeTarget({"e1": [LATER]}), metrics)), first):
        await until(lambda: {("e3", "delivered"), ("e4", "delivered")} <= {*first.statuses()})
    assert first.next_offset == 1
    second, told = FakePartition(), delivery(FakeTarget(), metrics, now=lambda: NOW_SECONDS + 301)
    second.table = first.table
    async with running(delivery_loop(told), second):
        await until(lambda: told.partitions)
        assert told.account == Account(made=3, delivered=3)
        second.come(*(record(number, site) for number, site in enumerate("abbcad", 1)))
        await until(lambda: second.next_offset == 7)
        await until(lambda: told.account.pending == 0)
        assert told.account == Account(made=6, delivered=6)


async def test_a_table_of_an_older_hub_is_taken_over_with_what_is_parked_in_it(metrics: Metrics) -> None:
    first, target = FakePartition(record(1, "parked")), FakeTarget({"e1": [BUSY] * 50})
    told = delivery(target, metrics, now=time.time)
    async with running(delivery_loop(told), first):
        await until(lambda: ("e1", "failed") in first.statuses())
        first.come(record(2, "good"))
        await until(lambda: ("e1", "parked") in first.statuses())
    second, told = FakePartition(), delivery(target, metrics)
    second.table = {key: row for key, row in first.table.items() if key != LEDGER_KEY}
    async with running(delivery_loop(told), second):
        await until(lambda: told.account.parked == 1)
        second.come(record(2, "good"), record(3, "new"))
        await until(lambda: second.next_offset == 4)
        assert told.account == Account(made=2, delivered=1, parked=1)


@settings(max_examples=60, deadline=None)
@given(
    plan=st.lists(
        st.tuples(st.sampled_from("abc"), st.lists(st.sampled_from([BUSY, LATER, Refused(404, "no")]), max_size=5)),
        min_size=1,
        max_size=20,
    ),
    cut=st.integers(0, 20),
)
def test_whatever_happens_nothing_is_missing(plan: list[tuple[str, list[Answer]]], cut: int) -> None:
    async def whole() -> None:
        records = [record(number, site) for number, (site, _) in enumerate(plan)]
        answers = {f"e{number}": [*given_, Delivered(200)] for number, (_, given_) in enumerate(plan)}
        metrics, at = Metrics(CollectorRegistry()), 0
        table: dict[bytes, bytes | None] = {}
        for taken in (records[:cut], records):
            partition, told = FakePartition(), delivery(FakeTarget(answers), metrics, coalesced=DOCUMENTS)
            partition.table, partition.next_offset = table, at
            if coming := [one for one in taken if one.offset >= at]:
                partition.come(*coming)
            async with running(delivery_loop(told), partition):
                for _ in range(30):
                    await asyncio.sleep(0)
                    account = told.account
                    assert account.difference == 0 or not coming, account
            table, at = partition.table, partition.next_offset
            assert not coming or account.made == len(taken)

    asyncio.run(whole())


async def test_a_command_that_gets_lost_is_an_error(metrics: Metrics, caplog: pytest.LogCaptureFixture) -> None:
    partition, target = FakePartition(record(1), record(2, "s2")), FakeTarget({"e1": [LATER]})
    told = delivery(target, metrics)
    keeper = TargetKeeper({"billing": told}, {}, cast("HubChannel", Silent()), metrics)
    async with running(delivery_loop(told), partition):
        await until(lambda: partition.statuses() == [("e1", "failed"), ("e2", "delivered")])
        keeper.check()
        assert caplog.records == []
        (loop,) = told.partitions
        cast("PartitionDelivery", loop)._sites.pop(b"s1")
        with caplog.at_level(logging.ERROR):
            keeper.check()

    (line,) = caplog.records
    assert (line.levelname, vars(line)["sitehub_fields"]["difference"]) == ("ERROR", 1)
    sample = metrics.registry.get_sample_value
    assert sample("sitehub_accounting_difference", {"target": "billing"}) == 1
    assert sample("sitehub_accounting_commands", {"target": "billing", "state": "made"}) == 2


class Silent:
    """A channel on which nobody listens."""

    worker = "w"

    def say(self, kind: str, news: dict[str, Any]) -> None: ...

    def on_message(self, kind: str, receive: Any) -> None: ...


def gate(metrics: Metrics, told: Delivery) -> TargetGate:
    breaker = Breaker(BreakerPolicy(1, 60.0, 1), "w")
    channel = cast("HubChannel", Silent())
    changed = lambda news: told.note(breaker_message("billing", news))  # noqa: E731 -- as the app does
    return TargetGate("billing", breaker, Pace(), channel, metrics, share=lambda: 1.0, changed=changed)


async def test_a_breakers_change_is_told_beside_the_results_with_state_reason_and_time(metrics: Metrics) -> None:
    partition, told = FakePartition(), delivery(FakeTarget(), metrics)
    breaker = gate(metrics, told)
    breaker.leave(breaker.enter(NOW_SECONDS), BUSY, NOW_SECONDS)  # before any partition runs
    async with running(delivery_loop(told), partition):
        await until(lambda: told.partitions)
        breaker.wait_seconds(NOW_SECONDS + 60)
        await until(lambda: len(partition.sends["sync-results"]) == 2)

    assert [dict(headers)["status"] for _, _, headers in partition.sends["sync-results"]] == [
        b"breaker_open",
        b"breaker_half_open",
    ]
    (key, value, headers), _ = partition.sends["sync-results"]
    assert (key, dict(headers)["target"], dict(headers)["command_id"]) == (b"", b"billing", b"")
    opened = json.loads(value or b"")
    assert (opened["error"], opened["at"]) == ("HTTP 503", "2026-11-24T02:00:00.000Z")
    sample = metrics.registry.get_sample_value
    assert sample("sitehub_breaker_reason", {"target": "billing", "reason": "HTTP 503"}) == 1
    assert sample("sitehub_breaker_since_seconds", {"target": "billing"}) == NOW_SECONDS + 60
    breaker.leave(breaker.enter(NOW_SECONDS + 61), Delivered(200), NOW_SECONDS + 61)
    assert sample("sitehub_breaker_reason", {"target": "billing", "reason": "HTTP 503"}) is None


async def test_a_transaction_that_fails_loses_no_news_of_a_breaker(metrics: Metrics) -> None:
    class Broken(FakePartition):
        async def commit(self, *_: Any) -> None:
            raise ConnectionError("Kafka is gone")

    told = delivery(FakeTarget(), metrics)
    told.note((b"", b"first", []))
    told.note((b"", b"second", []))
    with pytest.raises(ExceptionGroup):
        await delivery_loop(told)(Broken(record(1)))  # type: ignore[arg-type]

    assert [value for _, value, _ in told.notes] == [b"first", b"second"]


async def test_a_target_is_told_as_json(metrics: Metrics) -> None:
    partition, target = FakePartition(record(1), record(2), record(3, "s2")), FakeTarget({"e3": [Refused(404, "no")]})
    target.gate.clear()
    told = delivery(target, metrics)
    async with running(delivery_loop(told), partition):
        await until(lambda: told.dispatcher.in_flight == 2)
        before = target_document(told, gate(metrics, told), 4, NOW_SECONDS)
        target.gate.set()
        await until(lambda: partition.next_offset == 4)
        after = target_document(told, gate(metrics, told), 0, NOW_SECONDS)

    assert before == {
        "name": "billing",
        "state": "running",
        "breaker": "closed",
        "in_flight": 2,
        "pending": 3,
        "parked": 0,
        "waiting": 4,
        "dead_letters": 0,
        "oldest_seconds": 3600.0,
        "calls_per_second": 0.0,
        "accounting": {
            "made": 3,
            "delivered": 0,
            "superseded": 0,
            "rejected": 0,
            "parked": 0,
            "pending": 3,
            "difference": 0,
        },
    }
    assert (after["in_flight"], after["pending"], after["dead_letters"], after["oldest_seconds"]) == (0, 0, 1, 0.0)
