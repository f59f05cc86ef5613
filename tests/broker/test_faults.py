"""The engine under faults: every record counts once, in order, whoever dies."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.dev.names import Names
from sitehub.tests.broker.crew import Crew
from sitehub.tests.broker.defects import LONG_SECONDS, MARKER
from sitehub.tests.broker.hub import eventually


@pytest.fixture
def crew(kafka: EmbeddedKafka, names: Names, tmp_path: Path) -> Iterator[Crew]:
    crew = Crew(kafka.bootstrap, names.topic(""), tmp_path)
    crew.create_topics()
    yield crew
    crew.stop()


def two_workers(crew: Crew) -> None:
    crew.start("one")
    crew.start("two")
    crew.await_settled("one", "two")
    crew.load()


def progress(crew: Crew, seconds: float = 30) -> None:
    """More is counted than when this was called."""
    before = sum(map(len, crew.counts().values()))
    eventually(lambda: sum(map(len, crew.counts().values())) > before + 200, seconds, "counting goes on")


def test_kill_9_is_taken_over_by_the_standby(crew: Crew) -> None:
    crew.fill("changelog", 2_000)
    two_workers(crew)
    progress(crew)

    crew.kill("two")
    crew.await_settled("one")

    assert crew.status("one")["recovered_rows"] < 1000  # the standby had all but the tail
    crew.start("two")
    crew.await_settled("one", "two")
    crew.finish()


def test_a_killed_worker_that_comes_back_at_once_gets_its_partitions_back_and_nobody_waits_for_it(crew: Crew) -> None:
    two_workers(crew)
    progress(crew)
    before = crew.status("one")["active"], crew.status("two")["active"]
    generation = crew.status("one")["generation"]

    crew.kill("two")
    crew.start("two")
    crew.await_settled("one", "two")

    assert (crew.status("one")["active"], crew.status("two")["active"]) == before
    assert [crew.status(name)["generation"] for name in ("one", "two")] == [generation] * 2  # no rebalance
    crew.finish()


def test_a_worker_that_comes_back_after_its_session_gets_the_partitions_whose_tables_it_has(crew: Crew) -> None:
    two_workers(crew)
    progress(crew)
    before = crew.status("one")["active"], crew.status("two")["active"]

    for name, other in (("one", "two"), ("two", "one")):  # one of the two has the lowest partitions
        crew.kill(name)
        crew.await_settled(other)
        crew.start(name)
        crew.await_settled("one", "two")
        assert (crew.status("one")["active"], crew.status("two")["active"]) == before

    crew.finish()


def test_a_worker_frozen_past_its_session_writes_nothing_when_it_wakes(crew: Crew) -> None:
    two_workers(crew)
    progress(crew)

    crew.freeze("two")
    crew.await_settled("one")
    progress(crew)
    crew.thaw("two")
    crew.await_settled("one", "two")

    crew.finish()


def test_a_fold_that_takes_longer_than_a_session_starves_no_heartbeat(crew: Crew) -> None:
    crew.start("one")
    crew.start("two", "computes_long")
    crew.await_settled("one", "two")
    before = crew.status("two")
    crew.load(1_000)

    eventually((crew.folder / "two" / MARKER).exists, 30, "it computes")
    time.sleep(LONG_SECONDS)
    progress(crew)
    after = crew.status("two")

    assert (after["generation"], after["active"]) == (before["generation"], before["active"])
    crew.finish()


def test_a_stopped_worker_hands_over_at_once_and_ends_cleanly(crew: Crew) -> None:
    two_workers(crew)
    progress(crew)

    assert crew.terminate("two") == 0
    crew.await_settled("one")

    crew.finish()


def test_deleted_and_corrupted_tables_are_rebuilt(crew: Crew) -> None:
    two_workers(crew)
    progress(crew)

    crew.kill("two")
    crew.delete_tables("two")
    crew.start("two")
    crew.await_settled("one", "two")
    crew.kill("one")
    crew.corrupt_tables("one")
    crew.start("one")
    crew.await_settled("one", "two")

    crew.finish()


def test_a_broker_that_is_killed_and_comes_back_costs_only_time(crew: Crew, kafka: EmbeddedKafka) -> None:
    two_workers(crew)
    progress(crew)

    kafka.kill()
    kafka.start()
    progress(crew, 60)
    kafka.stop()
    kafka.start()
    progress(crew, 60)

    crew.finish()


def test_members_that_come_and_go_under_load_cost_no_record(crew: Crew) -> None:
    two_workers(crew)
    for _ in range(3):
        crew.start("three")
        crew.await_settled("one", "two", "three")
        assert crew.terminate("three") == 0
        crew.await_settled("one", "two")

    crew.finish()


def rebalance(crew: Crew) -> None:
    """Until the group has another generation; a wish to join that comes while one is under way is lost."""
    before = crew.status("one")["generation"]

    def settled() -> bool:
        for name in ("one", "two"):
            crew.rejoin(name)  # the leader's makes a rebalance
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            if crew.status("one").get("generation", 0) > before:
                return True
            time.sleep(0.1)
        return False

    eventually(settled, 30, "a new generation")


def test_fifty_rebalances_in_a_row_under_load_lose_nothing_and_leave_nothing(crew: Crew) -> None:
    for name in ("one", "two"):
        crew.start(name, "dynamic")  # a static member that joins again is given what it had, without a rebalance
    crew.await_settled("one", "two")
    crew.load()
    held: list[dict[str, dict[str, int]]] = []
    for number in range(50):
        rebalance(crew)
        if number in (9, 49):
            crew.await_settled("one", "two")
            held.append({name: crew.holds(name) for name in ("one", "two")})

    crew.finish()
    early, late = held
    for name in ("one", "two"):
        for what, count in early[name].items():
            assert late[name][what] <= count + 5, (name, what, early, late)


def test_tables_that_rotted_on_disk_are_noticed_when_they_are_read_and_rebuilt(crew: Crew) -> None:
    crew.start("one")
    crew.await_settled("one")
    crew.load()
    progress(crew)
    assert crew.terminate("one") == 0
    crew.rot_tables("one")

    crew.start("one")
    eventually(lambda: b"CorruptedStoreError" in (crew.folder / "one.log").read_bytes(), 30, "it is noticed")
    crew.await_settled("one")

    crew.finish()


def test_tables_filled_from_a_changelog_that_was_made_anew_are_not_trusted(crew: Crew) -> None:
    crew.start("one")
    crew.await_settled("one")
    crew.load()
    progress(crew)
    assert crew.terminate("one") == 0
    crew.recreate("changelog")
    crew.fill("changelog", 2_000)  # its end is beyond where the tables stood

    crew.start("one")
    crew.await_settled("one")

    assert crew.status("one")["recovered_rows"] >= 2_000 * 4
