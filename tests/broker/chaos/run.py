"""A run of chaos: two workers under load, faults one after the other as a seed has it, then the judgement."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from sitehub.dev.kafka import EmbeddedKafka
from sitehub.tests.broker.chaos.faults import READY_SECONDS, Faults
from sitehub.tests.broker.chaos.witnesses import Gaps, Load, LookUps
from sitehub.tests.broker.hub import Hub
from sitehub.tests.broker.judge import await_all_ended, check, judge_offsets, judge_verify
from sitehub.tests.broker.read_model import judge_read_model
from sitehub.tests.broker.workload import make
from sitehub.tests.postgres.conftest import SECRETS, Database

EVENTS_PER_SECOND = 100
WORKERS = ("worker-1", "worker-2")


@dataclass(frozen=True)
class Report:
    """What a run injected and saw."""

    seed: int
    seconds: float
    events: int
    calls: int
    faults: dict[str, int]
    longest_gap_seconds: float
    look_ups: int
    stale_look_ups: int


def run(  # noqa: PLR0917 -- where, what and how
    hub: Hub,
    kafka: EmbeddedKafka,
    postgres: Database,
    seed: int,
    seconds: float,
    tell: Callable[[str], None] = lambda _text: None,
) -> Report:
    """Every fault once, in an order that the seed gives, then more until `seconds` are over; raises AssertionError."""
    rng = random.Random(seed)
    began = time.monotonic()
    hub.overlay, hub.secrets = dict(postgres.overlay), dict(SECRETS)
    hub.start_targets()
    for name in WORKERS:
        hub.start_worker(name)
    hub.await_ready(*WORKERS)
    handles = {name: files(hub, name) for name in WORKERS}
    work = make(seed, events=int(seconds * EVENTS_PER_SECOND), sites=400)
    load, look_ups, gaps, faults = Load(hub, work, EVENTS_PER_SECOND), LookUps(hub, work, seed), Gaps(hub), None
    faults = Faults(hub, kafka, postgres.server, rng)
    for witness in (load, look_ups, gaps):
        witness.start()
    coming = rng.sample(sorted(faults.kinds), len(faults.kinds))
    while coming or not load.is_over:
        kind = coming.pop() if coming else rng.choice(sorted(faults.kinds))
        tell(f"{time.monotonic() - began:6.1f} s  {kind}, {load.sent} of {len(work.sent)} events sent")
        faults.inject(kind)
        time.sleep(rng.random())
    load.finish()
    gaps.finish()
    hub.await_ready(*WORKERS, seconds=READY_SECONDS)
    await_all_ended(hub, work)
    look_ups.finish()
    tell(f"{time.monotonic() - began:6.1f} s  judging")
    assert look_ups.violations == []
    check(hub, work, WORKERS[0])
    judge_offsets(hub)
    judge_verify(hub)
    judge_read_model(hub, postgres, work)
    for name in WORKERS:
        assert files(hub, name) < 2 * handles[name] + 20, f"{name} holds {files(hub, name)} files"
    calls = len(hub.calls())
    hub.stop()
    assert left_behind(hub) == []
    return Report(
        seed=seed,
        seconds=round(time.monotonic() - began, 1),
        events=len(work.sent),
        calls=calls,
        faults=dict(sorted(faults.injected.items())),
        longest_gap_seconds=round(gaps.longest_seconds, 2),
        look_ups=look_ups.answers,
        stale_look_ups=look_ups.stale,
    )


def files(hub: Hub, name: str) -> int:
    """File handles that a worker holds."""
    return int(psutil.Process(hub.processes[name].pid).num_fds())


def left_behind(hub: Hub) -> list[str]:
    """Processes that were started for this hub and still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("SITEHUB_APP_ID") == f"{hub.prefix}app":
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found
