"""Queue, coalescing, retry and breaker together, against a model that knows only the sentences of the specification.

Three sites have commands to one target, which is up, down or refuses. The machine makes calls whenever the rules allow
it; the model keeps what the target was told, and what must hold.
"""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from sitehub.rules.breaker import Breaker, BreakerPolicy, Permit, State
from sitehub.rules.retry import LONGEST_PAUSE_SECONDS, RetryPolicy
from sitehub.rules.site_queue import Queued, SiteQueue

SITES = "abc"
DOCUMENTS = ["create", "/customer", "/contract"]
BREAKER = BreakerPolicy(failure_threshold=3, recovery_timeout_seconds=30.0, half_open_max_calls=2)
RETRY = RetryPolicy(max_retries=2, backoff_multiplier=2, initial_delay_ms=1000)


@dataclass
class Site:
    """The rules' side: a queue, attempts, when it is due."""

    queue: SiteQueue[int] = field(default_factory=SiteQueue)
    attempts: int = 0
    due: float = 0.0
    permit: Permit | None = None
    """Of the call in flight."""


@dataclass
class Model:
    """What a person would write down."""

    asked: list[Queued[int]] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    ended: dict[int, str] = field(default_factory=dict)
    documents: dict[str, int] = field(default_factory=dict)
    """Offset of the newest version that the target took."""
    needless: set[int] = field(default_factory=set)
    """Offsets of documents that a newer one made needless before they were begun."""
    backlogs: list[set[int]] = field(default_factory=list)
    """Versions of one document that came while nobody called."""
    failures_in_a_row: int = 0
    opened_at: float | None = None
    probes: int = 0
    """Calls since the breaker was half open."""

    def newest_to_come(self, what: str) -> int | None:
        """Offset of the version of a document that waits to be begun, if no create came after it."""
        for one in reversed(self.asked):
            if one.action == what:
                return one.offset if one.offset not in self.calls else None
            if one.action == "create":
                return None
        return None


class Delivery(RuleBasedStateMachine):
    """One worker."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 100.0
        self.breaker = Breaker(BREAKER, "w")
        self.sites = {name: Site() for name in SITES}
        self.models = {name: Model() for name in SITES}
        self.hub = Model()
        self.offset = 0
        self.target = "up"

    @rule(names=st.sets(st.sampled_from(SITES), min_size=1), what=st.sampled_from(DOCUMENTS))
    def ask(self, names: set[str], what: str) -> None:
        for name in sorted(names):
            self._ask(name, what)

    def _ask(self, name: str, what: str) -> None:
        document = None if what == "create" else what
        item = Queued(self.offset, f"c{self.offset}", "", "", what, document, content=self.offset)
        self.offset += 1
        model = self.models[name]
        needless = model.newest_to_come(what) if document is not None else None
        model.asked.append(item)
        superseded = self.sites[name].queue.push(item)
        assert (superseded and superseded.offset) == needless
        if needless is not None:
            model.needless.add(needless)

    @rule(versions=st.integers(2, 6), what=st.sampled_from(DOCUMENTS[1:]))
    def backlog(self, versions: int, what: str) -> None:
        """While nobody calls, all sites change again and again."""
        for name, model in self.models.items():
            for _ in range(versions):
                self._ask(name, what)
            model.backlogs.append({one.offset for one in model.asked[-versions:]})

    @rule(state=st.sampled_from(["up", "down", "refuses"]))
    def target_is(self, state: str) -> None:
        self.target = state

    @rule(seconds=st.sampled_from([0.3, 5.0, 30.0]))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds

    @rule(name=st.sampled_from(SITES))
    def call(self, name: str) -> None:
        """The next call of a site, if the rules have one that may begin now."""
        site, model = self.sites[name], self.models[name]
        if site.permit is not None or not site.queue.items or self.now < site.due:
            return
        if self.breaker.wait_seconds(self.now) > 0:
            assert self.hub.opened_at is not None, "a closed breaker holds nobody up"
            return
        self._breaker_lets_through()
        for one in site.queue.take_superseded():
            self._end(model, one, "superseded")
        head = site.queue.items[0]
        head.is_started = True
        assert not [offset for offset in model.calls if offset > head.offset], "never after a later one"
        assert head.offset not in model.needless, "a newer one says it all"
        model.calls.append(head.offset)
        site.permit = self.breaker.enter()

    def _breaker_lets_through(self) -> None:
        if self.hub.opened_at is not None:
            assert self.now >= self.hub.opened_at + BREAKER.recovery_timeout_seconds, "open means no call"
            self.hub.probes += 1
            assert self.hub.probes <= BREAKER.half_open_max_calls

    @rule(name=st.sampled_from(SITES), asked=st.sampled_from([None, None, 7.0, 4000.0]), chance=st.floats(0, 1))
    def answer(self, name: str, asked: float | None, chance: float) -> None:
        """The call in flight ends as the target is now."""
        site, model = self.sites[name], self.models[name]
        if site.permit is None:
            return
        permit, site.permit = site.permit, None
        before = self.breaker.state
        self.breaker.leave(permit, "down" if self.target == "down" else None, self.now)
        self._note_breaker(before, is_of_this_state=permit.epoch == self._epoch_before(before))
        if self.target == "down":
            site.attempts += 1
            pause = RETRY.pause_seconds(site.attempts, chance, asked)
            self._pause_is_as_configured(site.attempts, pause, asked)
            site.due = self.now + pause
            return
        head = site.queue.items.popleft()
        site.attempts, site.due = 0, 0.0
        self._end(model, head, "delivered" if self.target == "up" else "rejected")
        if self.target == "up":
            model.documents[head.action] = head.offset

    @rule(rounds=st.integers(1, 6), slow=st.sampled_from(["", *SITES]), chance=st.sampled_from([0.0, 0.1, 0.9]))
    def outage(self, rounds: int, slow: str, chance: float) -> None:
        """The target is down for some rounds; one site's call may hang for all of them."""
        self.target = "down"
        self.every_site(rounds, slow, chance, seconds=5.0)

    @rule(rounds=st.integers(1, 4), slow=st.sampled_from(["", *SITES]))
    def recovery(self, rounds: int, slow: str) -> None:
        self.target = "up"
        self.every_site(rounds, slow, 1.0, seconds=30.0)

    def every_site(self, rounds: int, slow: str, chance: float, seconds: float) -> None:
        for _ in range(rounds):
            for name in SITES:
                self.call(name)
            for name in SITES:
                if name != slow:
                    self.answer(name, None, chance)
            self.now += seconds

    def _epoch_before(self, before: State) -> int:
        return self.breaker._epoch - (self.breaker.state is not before)

    def _note_breaker(self, before: State, *, is_of_this_state: bool) -> None:
        """Failures in a row open it, a failed probe opens it again, as many good probes as configured close it."""
        hub, after = self.hub, self.breaker.state
        if not is_of_this_state:
            assert after is before, "what began before a change tells nothing"
            return
        if before is State.CLOSED:
            hub.failures_in_a_row = hub.failures_in_a_row + 1 if self.target == "down" else 0
            assert (after is State.OPEN) == (hub.failures_in_a_row >= BREAKER.failure_threshold)
        if before is State.HALF_OPEN and self.target == "down":
            assert after is State.OPEN
        if after is not before:
            hub.failures_in_a_row = hub.probes = 0
            hub.opened_at = self.now if after is State.OPEN else None

    def _pause_is_as_configured(self, attempt: int, pause: float, asked: float | None) -> None:
        assert pause <= LONGEST_PAUSE_SECONDS
        assert pause >= min(asked or 0.0, LONGEST_PAUSE_SECONDS)
        if asked is None and attempt <= RETRY.max_retries:
            assert pause <= 2.0 ** (attempt - 1)
        if attempt > RETRY.max_retries:
            assert pause >= 1.0

    @precondition(lambda self: any(site.permit is not None for site in self.sites.values()))
    @rule()
    def worker_dies(self) -> None:
        """Calls in flight may have arrived or not; the next owner makes them again, before any other of their site."""
        for site in self.sites.values():
            site.permit, site.attempts, site.due = None, 0, 0.0
        self.breaker = Breaker(BREAKER, "w")
        self.hub = Model()

    @rule(name=st.sampled_from(SITES))
    def park(self, name: str) -> None:
        """All that need no call end at once."""
        site = self.sites[name]
        if site.permit is None:
            for one in site.queue.take_all_superseded():
                self._end(self.models[name], one, "superseded")

    def _end(self, model: Model, one: Queued[Any], how: str) -> None:
        assert one.offset not in model.ended, "ends once"
        assert how != "superseded" or one.offset not in model.calls, "what was begun is not superseded"
        model.ended[one.offset] = how

    @invariant()
    def every_command_has_ended_or_is_queued(self) -> None:
        for name, site in self.sites.items():
            model = self.models[name]
            left = [one.offset for one in site.queue.items]
            assert left == sorted(left)
            assert sorted([*model.ended, *left]) == [one.offset for one in model.asked]

    @invariant()
    def first_calls_are_in_the_order_of_the_log(self) -> None:
        for model in self.models.values():
            assert model.calls == sorted(model.calls)

    def teardown(self) -> None:
        """The target works at last: all ends, and it holds the newest version of each document."""
        self.target = "up"
        self.ask(set(SITES), "create")  # else nobody might be left to probe it
        for _ in range(len(self.sites) * (self.offset + 3)):
            self.now += LONGEST_PAUSE_SECONDS
            for name in SITES:
                self.call(name)
                self.answer(name, None, 1.0)
        assert self.breaker.state is State.CLOSED
        for name, model in self.models.items():
            assert not self.sites[name].queue.items
            assert {one.offset for one in model.asked} - model.needless == {*model.calls}
            assert all(len(backlog & {*model.calls}) <= 1 for backlog in model.backlogs), "one call a site"
            for what in DOCUMENTS[1:]:
                asked = [one.offset for one in model.asked if one.action == what]
                if asked and model.ended[asked[-1]] == "delivered":
                    assert model.documents[what] == asked[-1]
                assert not asked or model.ended[asked[-1]] != "superseded"


TestDelivery = Delivery.TestCase
TestDelivery.settings = settings(max_examples=150, stateful_step_count=50, deadline=None)
