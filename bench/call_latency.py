"""Event sent -> call at the target, at an even rate, with two workers of the hub.

The sink notes when each call comes. Nothing but the sink is bound to a core: a worker on the broker's would measure how
crowded that is. Events are updates of 2,000 sites, each of which makes one call. Warmed up first.
"""

import argparse
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from sitehub.bench.generator import HUB_SITES, created
from sitehub.bench.hub_stage import count, environment, get, sink, worker
from sitehub.bench.reader import Reader, generator
from sitehub.bench.stage import BROKER_CORE, WORKER_CORE, broker, pin, process_of, table
from sitehub.bench.watch import cpu_seconds
from sitehub.bench.workload import send, write_result

CORES = (WORKER_CORE, BROKER_CORE)
QUANTILES = (0.5, 0.9, 0.99, 1.0)
CREATED_SECONDS = 60


def await_created(base: str) -> None:
    """Return once each site's first call was made; raises TimeoutError."""
    deadline = time.monotonic() + CREATED_SECONDS
    while count(base) < HUB_SITES:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count(base)} of {HUB_SITES} sites were created at the target")
        time.sleep(0.1)


def milliseconds(base: str) -> list[float]:
    """From event to call, of each call since this was last asked, sorted."""
    return sorted(json.loads(get(f"{base}/_latency")))


def quantiles(found: list[float], what: str) -> dict[str, float]:
    """Of sorted milliseconds."""
    return {f"{what}p{q * 100:g} ms": round(found[int(q * len(found)) - 1], 1) for q in QUANTILES}


def main() -> None:
    """Rounds at one rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=200.0, help="events a second; default %(default)s")
    parser.add_argument("--warm-up", type=float, default=40, help="seconds before the first round")
    parser.add_argument("--seconds", type=float, default=20, help="of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commands", action="store_true", help="watch the commands too: a load of its own")
    options = parser.parse_args()
    rounds: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        kafka, base = stack.enter_context(broker(folder)), stack.enter_context(sink(folder))
        pin(process_of(kafka).pid, CORES)
        workers = [
            stack.enter_context(worker(folder, environment(folder, kafka.bootstrap, base, f"worker-{number}"), CORES))
            for number in (1, 2)
        ]
        send(kafka.bootstrap, map(created, range(HUB_SITES)))
        await_created(base)
        sender, _ = stack.enter_context(generator(kafka.bootstrap, options.rate, folder, "hub"))
        processes = {
            **{f"worker {number}": one for number, one in enumerate(workers, 1)},
            "broker": process_of(kafka),
            "generator": sender,
        }
        reader = Reader(kafka.bootstrap, "billing-commands") if options.commands else None
        if reader is not None:
            reader.start()
        time.sleep(options.warm_up)
        for _ in range(options.rounds):
            milliseconds(base)
            if reader is not None:
                reader.take()
            before = {name: cpu_seconds(one) for name, one in processes.items()}
            time.sleep(options.seconds)
            found = milliseconds(base)
            row = {"calls/s": round(len(found) / options.seconds), **quantiles(found, "")}
            if reader is not None:
                row |= quantiles(reader.milliseconds(), "command ")
            for who, one in processes.items():
                row[f"{who} cores"] = round((cpu_seconds(one) - before[who]) / options.seconds, 2)
            rounds.append(row)
            print(rounds[-1], flush=True)
    print(table([{head: statistics.median(row[head] for row in rounds) for head in rounds[0]}]))
    print(json.dumps({"written": str(write_result("call_latency", rounds))}))


if __name__ == "__main__":
    main()
