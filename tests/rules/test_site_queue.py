"""A site's queue against a model that knows only the sentences of the specification."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sitehub.rules.site_queue import Queued, SiteQueue

DOCUMENTS = [None, ("update", "/customers/s"), ("update", "/other/s"), ("address", "/customers/s/address")]


class Deliveries(RuleBasedStateMachine):
    """Commands come; the first is called, again if it failed, and ends; those that need no call end before it."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: SiteQueue[Any] = SiteQueue()
        self.asked: list[Queued[Any]] = []
        self.sent: list[Queued[Any]] = []
        self.superseded: list[Queued[Any]] = []
        self.called: set[int] = set()

    @rule(what=st.sampled_from(DOCUMENTS))
    def ask(self, what: tuple[str, str] | None) -> None:
        action, document = what or ("create", None)
        offset = len(self.asked)
        item = Queued(offset, f"c{offset}", f"e{offset}", "", action, document, content=offset)
        carried = self.queue.push(item)
        assert carried is None or carried.carrier is item
        self.asked.append(item)

    @precondition(lambda self: self.queue.items)
    @rule()
    def call(self) -> None:
        """An attempt, whose end is not known yet."""
        self.superseded += self.queue.take_superseded()
        head = self.queue.items[0]
        head.is_started = True
        self.called.add(head.offset)

    @precondition(lambda self: self.queue.items and self.queue.items[0].is_started)
    @rule()
    def end(self) -> None:
        self.sent.append(self.queue.items.popleft())

    @precondition(lambda self: self.queue.items)
    @rule()
    def park(self) -> None:
        """All that need no call end at once; the others lie in the table."""
        self.superseded += self.queue.take_all_superseded()

    @invariant()
    def nothing_is_lost_or_ends_twice(self) -> None:
        ended = [one.offset for one in (*self.sent, *self.superseded)]
        left = [one.offset for one in self.queue.items]
        assert sorted(ended + left) == list(range(len(self.asked)))

    @invariant()
    def calls_are_in_the_order_of_the_log(self) -> None:
        offsets = [one.offset for one in self.sent]
        assert offsets == sorted(offsets)
        assert left_sorted(self.queue)

    @invariant()
    def only_a_document_that_was_not_begun_is_superseded_by_a_later_one_of_the_same(self) -> None:
        for one in (*self.superseded, *(item for item in self.queue.items if item.carrier is not None)):
            carrier = next(other for other in self.asked if other.command_id == one.carrier_id)
            assert one.document is not None
            assert (one.action, one.document) == (carrier.action, carrier.document)
            assert carrier.offset > one.offset
            assert one.offset not in self.called
            between = self.asked[one.offset : carrier.offset]
            assert all(other.document is not None for other in between)

    def teardown(self) -> None:
        """Deliver the rest: the last call for each document is for its newest version."""
        while self.queue.items:
            self.superseded += self.queue.take_superseded()
            self.sent.append(self.queue.items.popleft())
        self.nothing_is_lost_or_ends_twice()
        for what in DOCUMENTS[1:]:
            asked = [one.offset for one in self.asked if (one.action, one.document) == what]
            sent = [one.offset for one in self.sent if (one.action, one.document) == what]
            assert asked[-1:] == sent[-1:]


def left_sorted(queue: SiteQueue[Any]) -> bool:
    offsets = [one.offset for one in queue.items]
    return offsets == sorted(offsets)


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
