"""Event sent -> command visible to a read_committed reader, at even rates: 200/s, and half of what one worker can do.

Each rate is warmed up first, until the median of a window differs little from the one before: a broker that was just
started compiles its code for a minute. Generator and reader run on whatever core is free.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from sitehub.bench.reader import Reader, generator
from sitehub.bench.stage import Worker, broker, process_of, table, worker
from sitehub.bench.watch import Watch, cpu_seconds
from sitehub.bench.workload import PARTITIONS, SOURCE, create_topics, produce, write_result
from sitehub.dev.kafka import EmbeddedKafka

QUANTILES = (0.5, 0.9, 0.99, 1.0)
WINDOW_SECONDS = 5.0
STABLE = 0.1
"""Share by which two windows' medians may differ once all is warm."""
LEAST_WINDOWS, MOST_WINDOWS = 4, 24


def warm_up(reader: Reader) -> list[float]:
    """Wait until the median is stable; the median of each window. What never is, is measured after two minutes."""
    medians: list[float] = []
    while len(medians) < MOST_WINDOWS:
        time.sleep(WINDOW_SECONDS)
        if not (found := reader.milliseconds()):
            continue
        medians.append(round(statistics.median(found), 2))
        print(f"  warming up: p50 {medians[-1]} ms", flush=True)
        last = medians[-3:]
        if len(medians) >= LEAST_WINDOWS and max(last) <= min(last) * (1 + STABLE):
            break
    return medians


def measure(kafka: EmbeddedKafka, running: Worker, reader: Reader, rate: float, options: Any) -> list[dict[str, Any]]:
    """Rounds at one rate."""
    rounds = []
    with generator(kafka.bootstrap, rate, options.folder) as (sender, report):
        medians = warm_up(reader)
        processes = {"worker": running.ps, "broker": process_of(kafka), "generator": sender}

        def cpu() -> dict[str, float]:
            return {name: cpu_seconds(one) for name, one in processes.items()} | {"reader": time.process_time()}

        for _ in range(options.rounds):
            reader.take()
            before, lines = cpu(), len(report.read_text().splitlines())
            time.sleep(options.seconds)
            found, after = reader.milliseconds(), cpu()
            told = [json.loads(line) for line in report.read_text().splitlines()[lines:]]
            row = {
                "events/s": round(rate),
                "seen/s": round(len(found) / options.seconds),
                **{f"p{q * 100:g} ms": round(found[int(q * len(found)) - 1], 1) for q in QUANTILES},
                **{f"{name} cores": round((after[name] - before[name]) / options.seconds, 2) for name in after},
                "at the broker ms": round(statistics.median(line["confirmed_ms"] for line in told), 2),
                "generator late ms": round(statistics.median(line["late_ms"] for line in told), 1),
            }
            rounds.append({**row, "warm-up p50 ms": medians})
            print(row, flush=True)
    return rounds


def peak(kafka: EmbeddedKafka, folder: Path, events: int) -> float:
    """Events a second of one worker that has a backlog."""
    produce(kafka.bootstrap, events)
    create_topics(kafka.bootstrap, "out-peak", "cl-peak")
    with worker(kafka.bootstrap, SOURCE, "peak", folder / "peak") as running:
        return Watch(kafka.bootstrap, "out-peak").measure([running.ps], events, 300).events_per_second


def main() -> None:
    """A worker on one core, the broker on the other; medians of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=float, nargs="*", help="events a second; by default 200 and half of the peak")
    parser.add_argument("--peak", type=float, help="events a second at full speed; measured if not given")
    parser.add_argument("--events", type=int, default=200_000, help="backlog to measure the peak with")
    parser.add_argument("--seconds", type=float, default=20, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rounds: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka:
        options.folder = Path(name)
        create_topics(kafka.bootstrap, SOURCE, "out-l", "cl-l")
        top = options.peak
        if top is None and not options.rates:
            top = peak(kafka, options.folder, options.events)
            print(f"peak: {top:,.0f} events/s", flush=True)
        with worker(kafka.bootstrap, SOURCE, "l", options.folder / "l") as running:
            running.await_running(PARTITIONS)
            await_drained(kafka.bootstrap)
            reader = Reader(kafka.bootstrap, "out-l")
            reader.start()
            for rate in options.rates or [200.0, top / 2]:
                print(f"{rate:,.0f} events/s", flush=True)
                rounds += measure(kafka, running, reader, rate, options)
    heads = [head for head in rounds[0] if head != "warm-up p50 ms"]
    rates = dict.fromkeys(row["events/s"] for row in rounds)
    groups = [[row for row in rounds if row["events/s"] == rate] for rate in rates]
    print(table([{head: statistics.median(row[head] for row in group) for head in heads} for group in groups]))
    print(json.dumps({"written": str(write_result("latency", {"peak_events_per_second": top, "rounds": rounds}))}))


def await_drained(bootstrap: str) -> None:
    """Return once the worker has made all commands of the backlog that the peak was measured with."""
    sent, made = Watch(bootstrap, SOURCE), Watch(bootstrap, "out-l")
    while made.count() < sent.count():
        time.sleep(WINDOW_SECONDS / 5)


if __name__ == "__main__":
    main()
