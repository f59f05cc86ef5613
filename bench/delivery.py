"""Commands to HTTP calls, one worker on one core, beside a raw aiohttp loop; the sink (Go) on the other.

With --catch-up: updates that queued up behind an open breaker; one call a site must be made of them.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from confluent_kafka import Producer

from sitehub.bench.stage import HERE, broker
from sitehub.bench.watch import cpu_seconds
from sitehub.bench.workload import PARTITIONS, write_result
from sitehub.codecs.commands import command_headers, encode_command
from sitehub.dev.kafka import free_port
from sitehub.rules.commands import Command

CONFIG = HERE.parent / "config"
POLL_SECONDS = 0.02
QUEUE_SECONDS = 20
"""In which all updates are read and coalesced behind the open breaker."""
SETTLE_SECONDS = 3
"""In which a call too many would come."""


@contextmanager
def sink(folder: Path) -> Iterator[str]:
    """A target that takes everything, compiled with the Go on the PATH; its address."""
    if shutil.which("go") is None:
        raise SystemExit("this benchmark compiles its sink: install Go")
    subprocess.run(["go", "build", "-o", str(folder / "sink"), str(HERE / "peers" / "http_sink.go")], check=True)
    port = free_port()
    process = subprocess.Popen(["taskset", "-c", "1", str(folder / "sink"), str(port)])
    try:
        await_answer(f"http://127.0.0.1:{port}/_count")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def await_answer(url: str) -> None:
    """Return once something answers 2xx."""
    while True:
        with suppress(OSError):
            get(url)
            return
        time.sleep(POLL_SECONDS)


def get(url: str) -> bytes:
    """Body of the answer."""
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 -- loopback
        body: bytes = response.read()
    return body


def count(base: str) -> int:
    """Calls that the sink has taken."""
    return int(get(f"{base}/_count"))


def command(number: int, site: int) -> Command:
    """A full-document PUT."""
    event_id = f"event-{number:08d}"
    body = {
        "customer_name": f"Garage {number}",
        "billing_address": {"street": "1 Main Street", "city": "Denver", "state": "CO", "postal_code": "80202"},
    }
    return Command(
        f"{event_id}:update_billing_customer", "billing", "update_billing_customer", f"site-{site:06d}", "PUT",
        f"/customers/site-{site:06d}", body, event_id, "2026-11-24T01:00:00Z", "bench", "events", site % PARTITIONS,
        number,
    )  # fmt: skip


def produce(bootstrap: str, commands: int, sites: int) -> None:
    """Fill `billing-commands`."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 500_000})
    for number in range(commands):
        one = command(number, number % sites)
        producer.produce(
            "billing-commands",
            encode_command(one),
            key=one.site_id.encode(),
            headers=list(command_headers(one)),
            partition=one.source_partition,
        )
        producer.poll(0)
    producer.flush()


def environment(folder: Path, bootstrap: str, endpoint: str, name: str) -> dict[str, str]:
    """Of a worker whose billing is at `endpoint`."""
    overlay = {
        "kafka_config": {
            "bootstrap_servers": [bootstrap],
            "security_protocol": "PLAINTEXT",
            "topics": {topic: {"replication_factor": 1} for topic in ("customer-sites-events", "territory-events")},
        },
        "billing_integration": {
            "api_endpoint": endpoint,
            "authentication": {"type": "none"},
            "circuit_breaker": {"recovery_timeout": 1000},
        },
        "authentication": {"type": "none"},
    }
    path = folder / f"{name}.json"
    path.write_text(json.dumps(overlay))
    return {**os.environ, "SITEHUB_CONFIG": f"{CONFIG}:{path}", "SITEHUB_DATA": str(folder / name)}


@contextmanager
def worker(folder: Path, settings: dict[str, str]) -> Iterator[psutil.Process]:
    """A worker of the hub on the first core."""
    port = free_port()
    line = ["taskset", "-c", "0", sys.executable, "-m", "sitehub.cli", "worker", "--web-port", str(port)]
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(line, env=settings, stdout=log, stderr=subprocess.STDOUT)
    try:
        await_answer(f"http://127.0.0.1:{port}/ready")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


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


def delivery(kafka: Any, folder: Path, base: str, calls: int) -> dict[str, float]:
    """A worker of the hub; each command is another site's, so that order holds up none."""
    first = count(base)
    with worker(folder, environment(folder, kafka.bootstrap, base, "hub")) as process:
        produce(kafka.bootstrap, calls, calls)
        return measure(process, base, first, calls)


def catch_up(kafka: Any, folder: Path, base: str, updates: int, sites: int) -> dict[str, float]:
    """The target fails while updates queue up, then it works: the calls that were made, and the time they took."""
    first = count(base)
    get(f"{base}/_down")
    with worker(folder, environment(folder, kafka.bootstrap, base, "hub")) as process:
        produce(kafka.bootstrap, updates, sites)
        time.sleep(QUEUE_SECONDS)
        rss_mb = process.memory_info().rss / 1e6
        get(f"{base}/_up")
        began = time.perf_counter()
        while count(base) - first < sites:
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - began
        time.sleep(SETTLE_SECONDS)
        rss_mb = max(rss_mb, process.memory_info().rss / 1e6)
    return {"seconds": seconds, "calls": count(base) - first, "sites": sites, "rss_mb": rss_mb}


def main() -> None:
    """Rounds of both, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--catch-up", action="store_true", help="measure the end of an outage instead")
    options = parser.parse_args()
    if options.catch_up:
        with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka, sink(Path(name)) as base:
            found = catch_up(kafka, Path(name), base, 200_000, 20_000)
        print(found)
        print(json.dumps({"written": str(write_result("catch_up", found))}))
        return
    results: dict[str, list[dict[str, float]]] = {"sitehub": [], "raw aiohttp": []}
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory() as name, broker(Path(name)) as kafka, sink(Path(name)) as base:
            results["raw aiohttp"].append(raw(base, options.calls))
            results["sitehub"].append(delivery(kafka, Path(name), base, options.calls))
        print({peer: found[-1] for peer, found in results.items()}, flush=True)
    ratio = statistics.median(
        ours["calls_per_second"] / raws["calls_per_second"]
        for ours, raws in zip(results["sitehub"], results["raw aiohttp"], strict=True)
    )
    print(f"sitehub makes {ratio:.2f} of the calls of the raw loop")
    print(json.dumps({"written": str(write_result("delivery", results))}))


if __name__ == "__main__":
    main()
