"""Events a second, side by side with the peers."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

import psutil

from sitehub.bench.java import KAFKA_STREAMS
from sitehub.bench.java import command as java_peer
from sitehub.bench.stage import HERE, broker
from sitehub.bench.watch import Run, Watch
from sitehub.bench.workload import SOURCE, create_topics, produce, write_result
from sitehub.dev.kafka import EmbeddedKafka

QUIX = "quixstreams==3.28.1"
STOCK_FAUST_EVENTS = 10_000
"""Enough to see its rate: all of them would take minutes."""


def quix_python() -> str:
    """Python of an environment for Quix Streams alone: it needs an older confluent-kafka than we test with."""
    environment = HERE.parent / ".build" / "quix"
    python = environment / "bin" / "python"
    if not python.exists():
        uv = str(Path(sys.executable).parent / "uv")
        subprocess.run([uv, "venv", "--quiet", str(environment), "--python", sys.executable], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), QUIX], check=True)
    return str(python)


def peers(folder: Path) -> dict[str, list[str]]:
    """Command lines, each to be followed by bootstrap, source, name and a data folder."""
    python = sys.executable
    found = {
        "sitehub": [python, "-m", "sitehub.bench.job"],
        "plain confluent-kafka": [python, str(HERE / "peers" / "plain_confluent.py")],
        "stock Faust": [python, str(HERE / "peers" / "stock_faust.py")],
    }
    found["Quix Streams"] = [quix_python(), str(HERE / "peers" / "quix_streams.py")]
    if streams := java_peer(folder / "classes", "KafkaStreamsPeer", KAFKA_STREAMS):
        found["Kafka Streams exactly_once_v2"] = streams
    return found


def run(kafka: EmbeddedKafka, line: list[str], name: str, data: Path, records: int) -> Run:
    """Run one peer from the beginning of the source until it has made `records` outputs."""
    create_topics(kafka.bootstrap, f"out-{name}", f"cl-{name}")
    arguments = [*line, kafka.bootstrap, SOURCE, name, str(data / name)]
    pinned = ["taskset", "-c", "0", *arguments]
    with (data / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(pinned, stdout=log, stderr=subprocess.STDOUT, cwd=data)
    try:
        return Watch(kafka.bootstrap, f"out-{name}").measure([psutil.Process(process.pid)], records, 300)
    except psutil.NoSuchProcess:
        raise RuntimeError(f"{name} has ended: {(data / f'{name}.log').read_text()[-2000:]}") from None
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Interleave the peers' rounds on one broker; medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", help="names of peers, beside sitehub")
    options = parser.parse_args()
    runs: dict[str, list[Run]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as directory, broker(Path(directory)) as kafka:
        folder = Path(directory)
        create_topics(kafka.bootstrap, SOURCE)
        produce(kafka.bootstrap, options.events)
        for round_ in range(options.rounds):
            for number, (peer, line) in enumerate(peers(folder).items()):
                if options.only is not None and peer not in ("sitehub", *options.only):
                    continue
                records = min(STOCK_FAUST_EVENTS, options.events) if peer == "stock Faust" else options.events
                name = f"p{number}r{round_}"
                if peer == "stock Faust":  # it meets its first event before the topics that it makes are known to it
                    create_topics(kafka.bootstrap, f"{name}-sites-changelog", f"{name}-counts-changelog")
                found = run(kafka, line, name, folder, records)
                runs[peer].append(found)
                print(f"{peer:32} {found.events_per_second:10,.0f}/s {found.cpu_seconds_per_100k:6.2f} CPU s/100k")
    report(runs, options.events)


def report(runs: dict[str, list[Run]], events: int) -> None:
    """Medians, ratios, and the JSON."""
    ours = statistics.median(run.events_per_second for run in runs["sitehub"])
    print(f"\n| peer | events/s (median of {len(runs['sitehub'])}) | all runs | CPU s/100k | RSS MB | sitehub is |")
    print("| --- | --- | --- | --- | --- | --- |")
    for peer, found in runs.items():
        rate = statistics.median(run.events_per_second for run in found)
        cpu = statistics.median(run.cpu_seconds_per_100k for run in found)
        rss = statistics.median(run.rss_mb for run in found)
        all_ = " ".join(f"{run.events_per_second:,.0f}" for run in found)
        print(f"| {peer} | {rate:,.0f} | {all_} | {cpu:.2f} | {rss:.0f} | {ours / rate:.2f} x |")
    result = {
        "events": events,
        "cpus": os.cpu_count(),
        "runs": {peer: [asdict(run) for run in found] for peer, found in runs.items()},
    }
    print(json.dumps({"written": str(write_result("throughput", result))}))


if __name__ == "__main__":
    main()
