"""Commands to HTTP calls, one worker on one core, beside a raw aiohttp loop and Apache Camel; the sink on the other."""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from sitehub.bench.hub_stage import (
    POLL_SECONDS,
    count,
    environment,
    produce,
    produce_bodies,
    sink,
    worker,
)
from sitehub.bench.java import CAMEL
from sitehub.bench.java import command as java_peer
from sitehub.bench.stage import HERE, broker, median, table
from sitehub.bench.watch import cpu_seconds
from sitehub.bench.workload import write_result


def measure(process: psutil.Process, base: str, first: int, calls: int) -> dict[str, float]:
    """Rate and CPU between the tenth and the last of `calls`; `first` is the sink's count before them."""
    while count(base) - first < calls / 10:
        time.sleep(POLL_SECONDS)
    began, made, cpu = time.perf_counter(), count(base), cpu_seconds(process)
    while count(base) - first < calls and process.is_running():
        time.sleep(POLL_SECONDS)
    seconds, made = time.perf_counter() - began, count(base) - made
    return {
        "calls_per_second": made / seconds,
        "calls_per_cpu_second": made / (cpu_seconds(process) - cpu),
        "rss_mb": process.memory_info().rss / 1e6 if process.is_running() else 0.0,
    }


def raw(base: str, calls: int) -> dict[str, float]:
    """The plain loop."""
    first = count(base)
    process = subprocess.Popen(
        ["taskset", "-c", "0", sys.executable, str(HERE / "peers" / "raw_aiohttp.py"), base, str(calls + 500)]
    )
    try:
        return measure(psutil.Process(process.pid), base, first, calls)
    finally:
        process.wait()


def camel(kafka: Any, folder: Path, base: str, calls: int) -> dict[str, float] | None:
    """Apache Camel on the same core, with bodies and headers that need no decoding; None without a JDK."""
    line = java_peer(folder / "classes", "CamelPeer", CAMEL)
    if line is None:
        return None
    produce_bodies(kafka.bootstrap, "camel-commands", calls)
    first = count(base)
    with (folder / "camel.log").open("wb") as log:
        process = subprocess.Popen(
            ["taskset", "-c", "0", *line, kafka.bootstrap, "camel-commands", "camel", base],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        return measure(psutil.Process(process.pid), base, first, calls)
    finally:
        process.kill()
        process.wait()


def delivery(kafka: Any, folder: Path, base: str, calls: int) -> dict[str, float]:
    """A worker of the hub; each command is another site's, so that order holds up none."""
    first = count(base)
    with worker(folder, environment(folder, kafka.bootstrap, base, "hub")) as process:
        produce(kafka.bootstrap, calls, calls)
        return measure(process, base, first, calls)


def ratio(results: dict[str, list[dict[str, float]]], peer: str, what: str) -> float:
    """Ours to the peer's, median of the rounds."""
    return statistics.median(
        ours[what] / theirs[what] for ours, theirs in zip(results["sitehub"], results[peer], strict=True)
    )


def main() -> None:
    """Rounds of both, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    results: dict[str, list[dict[str, float]]] = {"sitehub": [], "raw aiohttp": [], "Apache Camel": []}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka, sink(Path(name)) as base:
            results["raw aiohttp"].append(raw(base, options.calls))
            results["sitehub"].append(delivery(kafka, Path(name), base, options.calls))
            if (peer := camel(kafka, Path(name), base, options.calls)) is not None:
                results["Apache Camel"].append(peer)
        print({who: rounds[-1] for who, rounds in results.items() if rounds}, flush=True)
    print(table([{"peer": who, **median(rounds)} for who, rounds in results.items() if rounds]))
    print(f"{ratio(results, 'raw aiohttp', 'calls_per_second'):.2f} of the calls of the raw loop")
    if results["Apache Camel"]:
        print(f"{ratio(results, 'Apache Camel', 'calls_per_cpu_second'):.2f} of the calls a CPU second of Apache Camel")
    print(json.dumps({"written": str(write_result("delivery", results))}))


if __name__ == "__main__":
    main()
