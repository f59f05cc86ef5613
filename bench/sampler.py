"""A sampling profiler of the main thread, by stages of the job: a signal every few milliseconds of CPU time.

A signal's handler runs between two steps of Python: what a C function costs is found on the line that calls it.
"""

import atexit
import json
import linecache
import signal
import time
from collections import Counter
from pathlib import Path
from types import FrameType

INTERVAL_SECONDS = 0.004
"""The kernel's own step is as long on many machines."""
STAGES = (
    ("validate", "bench/job.py", "is_valid("),
    ("decode event", "bench/job.py", "loads(record"),
    ("decode stored site", "bench/job.py", "loads(stored"),
    ("encode command and row", "bench/job.py", "dumps("),
    ("RocksDB write", "engine/store.py", "def write"),
    ("RocksDB write", "engine/store.py", "def _write"),
    ("RocksDB read", "engine/cache.py", "read(absent)"),
    ("row cache", "engine/cache.py", ""),
    ("build record batches", "engine/producer.py", "def _batches"),
    ("build record batches", "producer/message_accumulator.py", "def append"),
    ("parse fetched records", "aiokafka/consumer/fetcher.py", "def _unpack_records"),
    ("parse fetched records", "aiokafka/record/", ""),
    ("sockets", "selectors.py", ""),
    ("sockets", "asyncio/selector_events.py", ""),
    ("sockets", "aiokafka/conn.py", ""),
    ("sockets", "asyncio/streams.py", ""),
    ("Kafka protocol", "aiokafka/protocol/", ""),
    ("fold", "bench/job.py", ""),
    ("engine", "sitehub/engine/", ""),
    ("engine", "/engine/", ""),
    ("aiokafka: consumer", "aiokafka/consumer/", ""),
    ("aiokafka: producer", "aiokafka/producer/", ""),
    ("aiokafka: the rest", "aiokafka/", ""),
    ("event loop", "asyncio/", ""),
)
"""Stage, part of a file's path, and what the line holds, or (`def name`) the function's name. From the innermost frame
outwards, the first that fits."""


def stage_of(frame: FrameType | None) -> str:
    """The stage that a stack is in; `other` for none of them."""
    while frame is not None:
        path, name = frame.f_code.co_filename, f"def {frame.f_code.co_name}"
        for stage, part, text in STAGES:
            if part in path and (not text or text == name or text in linecache.getline(path, frame.f_lineno)):
                return stage
        frame = frame.f_back
    return "other"


def install(path: Path) -> None:
    """Sample from now on; at exit leave samples by stage and by line in `path` as JSON."""
    began_main, began_all = time.thread_time(), time.process_time()
    stages: Counter[str] = Counter()
    lines: Counter[str] = Counter()

    def sample(_number: int, frame: FrameType | None) -> None:
        if frame is not None:
            stages[stage_of(frame)] += 1
            lines[f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}"] += 1

    def leave() -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        found = {
            "samples": stages.total(),
            "stages": dict(stages.most_common()),
            "lines": dict(lines.most_common(40)),
            "main_thread_cpu_seconds": time.thread_time() - began_main,
            "cpu_seconds": time.process_time() - began_all,
        }
        path.write_text(json.dumps(found, indent=2))

    signal.signal(signal.SIGPROF, sample)
    signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)
    atexit.register(leave)
