"""The most memory that a process has held since it was told to forget: of this program alone.

`resource.getrusage` begins with what the program that started this one held, which hides what is looked for.
"""

from pathlib import Path

import pytest

STATUS, FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")

needs_linux = pytest.mark.skipif(not FORGET.exists(), reason="what a process holds is read from Linux's /proc")


def held(line: str = "VmRSS") -> int:
    """Bytes by a line of the process's status: by default what it holds now."""
    lines = STATUS.read_text().splitlines()
    return next(int(each.split()[1]) * 1024 for each in lines if each.startswith(f"{line}:"))


def peak() -> int:
    """The most bytes since `forget_peak`, or since the program began."""
    return held("VmHWM")


def forget_peak() -> int:
    """Begin anew; the bytes that are held now."""
    FORGET.write_text("5")
    return held()
