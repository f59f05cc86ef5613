"""A server that this process has started, on loopback."""

import signal
import socket
import subprocess
from dataclasses import dataclass, field
from typing import ClassVar

HOST = "127.0.0.1"
STOP_SECONDS = 20


@dataclass(slots=True)
class ServerProcess:
    """What all embedded servers have: a process that ends in order, or is killed."""

    STOPS_BY: ClassVar[signal.Signals] = signal.SIGTERM
    """What makes it shut down in order."""
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int | None:
        """Process id of the server, None when it does not run."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> None:
        """Shut the server down in order, or kill it after `timeout_seconds`."""
        if self._process is None:
            return
        self._process.send_signal(self.STOPS_BY)
        self.resume()
        if self.wait(timeout_seconds) is None:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """End the server as a crash does (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def resume(self) -> None:
        """Let a frozen server go on."""
        raise NotImplementedError

    def wait(self, timeout_seconds: float | None = None) -> int | None:
        """Return the exit status once the server has ended, None when `timeout_seconds` pass before."""
        if self._process is None:
            return 0
        try:
            return self._process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            return None


def refuse_port_in_use(port: int, error: type[Exception]) -> None:
    """Raise `error` in words if another program has `port`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            raise error(
                f"port {port} is in use: stop the program that has it, or choose another with --port",
            ) from None
