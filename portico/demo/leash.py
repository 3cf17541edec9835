"""Becomes another program that ends when its parent does: `python leash.py PARENT SIGNAL USER PROGRAM ARGUMENT...`.

Run as a file, with the standard library alone, so that it costs next to nothing. `PARENT` is the process id of whoever
starts it, `SIGNAL` the number of the signal that ends the program, `USER` whom to become first (`-`: stay who one is).
Where the system can't promise this (anywhere but Linux) the program just runs.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import sys

_SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2). It survives execve(2), but not a change of user, so that comes first."""


def main(parent: str, signal: str, user: str, *command: str) -> None:
    """Does not return."""
    if user != "-":
        entry = pwd.getpwnam(user)
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_SET_PARENT_DEATH_SIGNAL, int(signal))
        if os.getppid() != int(parent):
            sys.exit("the parent has ended already")
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main(*sys.argv[1:])
