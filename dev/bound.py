"""Run a program that the kernel stops when its starter dies: `python -m sitehub.dev.bound PARENT COMMAND…`.

A module of its own, because `preexec_fn` is unsafe in a process with threads. The kernel watches the *thread* that
started the program, so start it from the main thread or from one that lives as long as the program should.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def bound(command: Sequence[str]) -> list[str]:
    """Return the command line that runs `command` and ends it (SIGTERM) with this process, also after a kill -9."""
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-m", "sitehub.dev.bound", str(os.getpid()), *command]


def main(parent: int, command: Sequence[str]) -> None:
    """Replace this process by `command`, unless `parent` is gone already."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == parent:
        os.execvp(command[0], list(command))  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
