"""Where the worker's time goes, by stage: a sampling profile of the job under a backlog."""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

from sitehub.bench.stage import broker, table, worker
from sitehub.bench.watch import Watch
from sitehub.bench.workload import PARTITIONS, SITES, SOURCE, create_topics, produce, write_result


def run(bootstrap: str, folder: Path, name: str, events: int) -> dict[str, Any]:
    """One profiled run over the whole source."""
    create_topics(bootstrap, f"out-{name}", f"cl-{name}")
    profile, gate = folder / f"{name}.profile", folder / f"{name}.gate"
    with worker(bootstrap, SOURCE, name, folder / name, ["--profile", str(profile), "--gate", str(gate)]) as running:
        running.await_running(PARTITIONS)
        gate.touch()
        found = Watch(bootstrap, f"out-{name}").measure([running.ps], events, 300)
        running.terminate()
    result: dict[str, Any] = json.loads(profile.read_text())
    result["events_per_second"] = found.events_per_second
    return result


def shares(runs: list[dict[str, Any]], events: int) -> list[dict[str, object]]:
    """A row a stage, the largest first: share of the samples, and CPU seconds for 100,000 events (medians)."""
    stages = {stage for run in runs for stage in run["stages"]}
    rows = []
    for stage in stages:
        parts = [run["stages"].get(stage, 0) / run["samples"] for run in runs]
        costs = [part * run["cpu_seconds"] / events * 100_000 for part, run in zip(parts, runs, strict=True)]
        rows.append((statistics.median(parts), statistics.median(costs), stage))
    return [{"stage": stage, "%": 100 * part, "CPU s/100k": cost} for part, cost, stage in sorted(rows, reverse=True)]


def main() -> None:
    """Rounds on one broker."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=600_000)
    parser.add_argument("--sites", type=int, default=SITES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lines", type=int, default=12, help="how many of the hottest lines to print")
    options = parser.parse_args()
    runs = []
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka:
        create_topics(kafka.bootstrap, SOURCE)
        produce(kafka.bootstrap, options.events, options.sites)
        for round_ in range(options.rounds):
            runs.append(run(kafka.bootstrap, Path(name), f"p{round_}", options.events))
            print(f"{runs[-1]['samples']:,} samples, {runs[-1]['events_per_second']:,.0f} events/s", flush=True)
    print(table(shares(runs, options.events)))
    main_share = statistics.median(run["main_thread_cpu_seconds"] / run["cpu_seconds"] for run in runs)
    print(f"the main thread used {main_share:.0%} of the process's CPU; the start of the interpreter is left out")
    for line, count in list(runs[-1]["lines"].items())[: options.lines]:
        print(f"{100 * count / runs[-1]['samples']:5.1f} %  {line}")
    print(json.dumps({"written": str(write_result("profile", {"events": options.events, "runs": runs}))}))


if __name__ == "__main__":
    main()
