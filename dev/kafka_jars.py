"""The jars of the embedded Kafka, fetched once a user and checked against a list of checksums in this package."""

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from itertools import chain
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from sitehub.dev.download_progress import DownloadProgress

DOWNLOADS_AT_ONCE = 6
TIMEOUT_SECONDS = 30
BLOCK_BYTES = 1 << 20
PART_PREFIX = ".part-"


class JarsUnavailableError(Exception):
    """The jars are not in the cache and can't be fetched. The text says what to do."""


class Jar(msgspec.Struct, frozen=True):
    """One file of Maven Central: `group:artifact:version`, the SHA-256 it must have, and its size in bytes."""

    coordinate: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """File name in the cache."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


class Lock(msgspec.Struct, frozen=True):
    """The whole class path of one Kafka version, as released in `kafka_jars.json`."""

    version: str
    jars: list[Jar]


@dataclass(frozen=True, slots=True)
class JarCache:
    """A folder with the locked jars. Safe to use from several processes at once."""

    folder: Path
    lock: Lock

    def class_path(self) -> list[Path]:
        """Return every jar's path, after fetching those that the folder lacks; raise `JarsUnavailableError`."""
        if not self._missing():
            return self._paths()
        self.folder.mkdir(parents=True, exist_ok=True)
        with _exclusive(self.folder / ".lock"):
            if missing := self._missing():
                self._fetch(missing)
        return self._paths()

    def _paths(self) -> list[Path]:
        return [self.folder / jar.name for jar in self.lock.jars]

    def _missing(self) -> list[Jar]:
        return [jar for jar in self.lock.jars if _size(self.folder / jar.name) != jar.size]

    def _fetch(self, jars: list[Jar]) -> None:
        from sitehub.dev.download_progress import download_progress

        for left_behind in self.folder.glob(f"{PART_PREFIX}*"):
            rmtree(left_behind, ignore_errors=True)
        title = f"Apache Kafka {self.lock.version} (once a user, into {self.folder})"
        with (
            TemporaryDirectory(dir=self.folder, prefix=PART_PREFIX) as part,
            download_progress(title, sum(jar.size for jar in jars)) as progress,
            ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
        ):
            for jar, path in zip(jars, pool.map(lambda jar: _fetch(jar, Path(part), progress), jars), strict=True):
                path.replace(self.folder / jar.name)


def kafka_jars(environ: Mapping[str, str] = os.environ) -> JarCache:
    """Return the user's cache (`$XDG_CACHE_HOME`, else `~/.cache`) of the Kafka version that this package locks."""
    text = resources.files("sitehub.dev").joinpath("kafka_jars.json").read_bytes()
    lock = msgspec.json.decode(text, type=Lock)
    base = Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return JarCache(base / "sitehub" / f"kafka-{lock.version}", lock)


def _fetch(jar: Jar, part: Path, progress: "DownloadProgress") -> Path:
    """Return a file with the locked content, from the user's Maven repository or else from Maven Central."""
    from jgo.maven import MavenContext, PythonResolver
    from requests import RequestException

    own = _local_copy(jar, part)
    if own is not None:
        progress.add(jar.size)
        return own
    maven = MavenContext(PythonResolver(progress_callback=progress.file), part, timeout=TIMEOUT_SECONDS)
    try:
        path = Path(maven.create_dependency(jar.coordinate).artifact.resolve())
    except (RequestException, RuntimeError, OSError) as error:
        raise JarsUnavailableError(
            f"no network: {jar.coordinate} can't be fetched from {next(iter(maven.remote_repos.values()))} "
            f"({type(error).__name__}). Connect this machine once; the files are kept for later runs.",
        ) from error
    if (found := _sha256(path)) != jar.sha256:
        raise JarsUnavailableError(
            f"{jar.coordinate} has the SHA-256 {found} instead of {jar.sha256}: it was changed on its way. "
            "Nothing of it was kept; check the network's proxy and run again.",
        )
    return path


def _local_copy(jar: Jar, part: Path) -> Path | None:
    from jgo.constants import default_maven_repo

    group, artifact, version = jar.coordinate.split(":")
    local = Path(default_maven_repo(), *group.split("."), artifact, version, jar.name)
    if _size(local) != jar.size or _sha256(local) != jar.sha256:
        return None
    copy = part / jar.name
    copy.write_bytes(local.read_bytes())
    return copy


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in chain(iter(lambda: file.read(BLOCK_BYTES), b"")):
            digest.update(block)
    return digest.hexdigest()


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
