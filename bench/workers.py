"""One worker beside two: each on a core of its own, with a backlog, begun at the same moment.

With more than two cores the broker has the others, and the ratio of the rates is the answer. With two cores it shares
them with both workers, so three figures are given:

- the rates as they are;
- the broker's CPU subtracted: of two workers' time, half of what the broker used of both cores meanwhile is taken off,
  as if it ran elsewhere. One worker's rate is left as it is, for the broker has the other core. It assumes that
  workers had nothing to wait for while the broker worked, so it is an upper bound;
- events a CPU second of the workers: whether two do the same work with more effort. 1.0 x is no loss.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from sitehub.bench.stage import BROKER_CORE, WORKER_CORE, broker, pin, process_of, table, worker
from sitehub.bench.watch import Watch, cpu_seconds
from sitehub.bench.workload import PARTITIONS, SOURCE, create_topics, produce, write_result
from sitehub.dev.kafka import EmbeddedKafka

GOAL = 1.6
CORES = [WORKER_CORE, BROKER_CORE]
"""Of the workers; the second is the broker's while one worker runs."""
Row = dict[str, float]


def run(kafka: EmbeddedKafka, folder: Path, workers: int, name: str, events: int) -> Row:
    """Let `workers` handle the whole source; rates from the moment at which they begin to the last output."""
    others = set(range(os.cpu_count() or 1)) - set(CORES)
    pin(process_of(kafka).pid, others or ([BROKER_CORE] if workers == 1 else CORES))
    create_topics(kafka.bootstrap, f"out-{name}", f"cl-{name}")
    gate = folder / f"{name}.gate"
    with ExitStack() as stack:
        running = [
            stack.enter_context(
                worker(kafka.bootstrap, SOURCE, name, folder / f"{name}-{number}", ["--gate", str(gate)], CORES[number])
            )
            for number in range(workers)
        ]
        for one in running:
            one.await_running(PARTITIONS // workers)
        watched = [*(one.ps for one in running), process_of(kafka)]
        before, began = [cpu_seconds(one) for one in watched], time.monotonic()
        gate.touch()
        Watch(kafka.bootstrap, f"out-{name}").measure(watched[:-1], events, 300)
        seconds = time.monotonic() - began
        *ours, brokers = [cpu_seconds(one) - was for one, was in zip(watched, before, strict=True)]
    shared = brokers / len(CORES) if workers > 1 and not others else 0.0
    return {
        "workers": workers,
        "events/s": events / seconds,
        "events/s, broker subtracted": events / (seconds - shared),
        "events a worker CPU s": events / sum(ours),
        "worker cores": sum(ours) / seconds,
        "broker cores": brokers / seconds,
    }


def main() -> None:
    """One and two in turn; ratios of each round, and their medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    runs: dict[int, list[Row]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka:
        create_topics(kafka.bootstrap, SOURCE)
        produce(kafka.bootstrap, options.events)
        run(kafka, Path(name), 1, "warm-up", options.events)
        for round_ in range(options.rounds):
            for workers, found in runs.items():
                found.append(run(kafka, Path(name), workers, f"w{workers}r{round_}", options.events))
                print(found[-1], flush=True)
    medians = [{head: statistics.median(row[head] for row in found) for head in found[0]} for found in runs.values()]
    ratios = {
        head: statistics.median(two[head] / one[head] for one, two in zip(runs[1], runs[2], strict=True))
        for head in runs[1][0]
    }
    rows: list[dict[str, object]] = [{**row, "workers": int(row["workers"])} for row in medians]
    print(table([*rows, {**ratios, "workers": "2 : 1"}]))
    print(f"the goal is {GOAL} x; this machine has {os.cpu_count()} cores")
    result = {"events": options.events, "cpus": os.cpu_count(), "runs": runs, "ratios": ratios}
    print(json.dumps({"written": str(write_result("workers", result))}))


if __name__ == "__main__":
    main()
