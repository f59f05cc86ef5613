"""Run a program that the kernel stops when its starter dies: `python -m sitehub.dev.bound PARENT SIGNAL UID COMMAND…`.

A module of its own, because `preexec_fn` is unsafe in a process with threads. The kernel watches the *thread* that
started the program, so start it from the main thread or from one that lives as long as the program should.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1  # linux/capability.h
CAPABILITIES_VERSION_3 = 0x20080522
SAME_USER = -1


def bound(command: Sequence[str], end: signal.Signals = signal.SIGTERM, uid: int = SAME_USER) -> list[str]:
    """Return the command line that runs `command` and sends it `end` with this process's end, also after a kill -9.

    `uid` is the user that root runs it as: it may read and write what root may, so that it works below folders of
    root, and has no other right of root's.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-m", "sitehub.dev.bound", str(os.getpid()), str(int(end)), str(uid), *command]


def main(parent: int, end: int, uid: int, command: Sequence[str]) -> None:
    """Replace this process by `command`, unless `parent` is gone already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if uid != SAME_USER:
        _become(uid, libc)
    libc.prctl(PR_SET_PDEATHSIG, end)  # a change of the user clears it
    if os.getppid() == parent:
        os.execvp(command[0], list(command))  # noqa: S606 - no shell is wanted


def _become(uid: int, libc: ctypes.CDLL) -> None:
    """Change the user and keep one capability over it and over the exec, where the system allows that."""
    libc.prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_VERSION_3, 0)
    kept = 1 << CAP_DAC_OVERRIDE
    sets = (ctypes.c_uint32 * 6)(kept, kept, kept, 0, 0, 0)  # effective, permitted, inheritable; the upper halves
    libc.capset(header, sets)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
