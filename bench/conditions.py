"""Under what conditions a benchmark ran: without them its figures say little."""

import os
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import psutil

PACKAGES = ("aiokafka", "confluent-kafka", "faust-streaming", "jsonschema-rs", "msgspec", "rocksdict")


def conditions() -> dict[str, object]:
    """When, on what, with which versions and options; and how busy the machine was with the benchmark itself."""
    return {
        "ended": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "benchmark": Path(sys.argv[0]).stem,
        "options": sys.argv[1:],
        "cpus": os.cpu_count(),
        "cpu": _cpu(),
        "memory_mb": round(psutil.virtual_memory().total / 1e6),
        "load_of_five_minutes": os.getloadavg()[1],
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "cores": "workers and peers on the first, the broker on the second, beside what sends, reads and answers",
    }


def _cpu() -> str:
    """Its name, where Linux tells it."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
