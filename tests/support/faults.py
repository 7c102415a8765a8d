"""Faults of the machine while a command runs: a disk that is full from one write on, a process that is killed at one.

The writes of a process are counted where Python tells of them before they happen (audit events of opening, renaming
and making folders) and where a file is flushed to the disk. Writes into the folders of the test count, no others.
"""

import errno
import os
import signal
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
fsync = os.fsync
watching: list["Writes"] = []  # a hook stays as long as the process, so there is one for all tests


@dataclass
class Writes:
    """The writes into ``folder``, of which number ``at`` (from 1 up) meets ``fault``; 0 for none."""

    folder: Path
    at: int
    fault: str = "full"
    n: int = 0
    met: list[str] = field(default_factory=list)

    def count(self, what: str) -> None:
        self.n += 1
        if self.n == self.at:
            self.met.append(what)
            if self.fault == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def hook(event, arguments):
    if not watching:
        return
    place = None
    if event == "open" and isinstance(arguments[0], str | bytes) and isinstance(arguments[2], int):
        place = arguments[0] if arguments[2] & WRITING else None
    elif event in ("os.rename", "os.mkdir"):
        place = arguments[0]
    if place is not None and os.fsdecode(place).startswith(str(watching[0].folder)):
        watching[0].count(f"{event} {os.fsdecode(place)}")


def counted_fsync(handle):
    if watching:
        watching[0].count("fsync")
    fsync(handle)


@contextmanager
def writes(folder: Path, at: int = 0, fault: str = "full"):
    """Count the writes into a folder; the one of this number meets the fault."""
    if hook not in hooks_added:
        sys.addaudithook(hook)
        hooks_added.append(hook)
    os.fsync = counted_fsync
    watching.append(Writes(folder, at, fault))
    try:
        yield watching[0]
    finally:
        watching.clear()
        os.fsync = fsync


hooks_added: list[object] = []
