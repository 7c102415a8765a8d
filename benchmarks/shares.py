"""Whose the processor's time of a server is: py-spy looks several hundred times per second at what its threads run."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

RATE = 500  # samples per second
SECTION = "latent/page/fragment.py"  # in the stack of whatever a moved control runs
WAITING = ("threading.py", "turns.py")  # where a thread waits for others, by the file that it waits in
Owner = Literal["script", "network"]
Milliseconds = dict[Owner, float]
OWNERS: tuple[Owner, ...] = ("script", "network")


def sampler() -> str | None:
    """The program, where it is installed."""
    return shutil.which("py-spy", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@contextmanager
def sampled(pid: int, program: str) -> Iterator[Milliseconds]:
    """Milliseconds that each owner's code runs in this process during the block, known when it has ended.

    What is neither the section's own code nor PyTorch's is Streamlit's. ``program`` is that of `sampler`.
    """
    found: Milliseconds = {}
    with tempfile.TemporaryDirectory() as folder:
        stacks = Path(folder) / "stacks"
        options = ["--pid", str(pid), "--rate", str(RATE), "--duration", "unlimited"]
        output = ["--format", "raw", "--full-filenames", "--output", str(stacks)]
        recording = subprocess.Popen(
            [program, "record", *options, *output], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        assert recording.stdout is not None
        recording.stdout.readline()  # when it has begun
        try:
            yield found
        finally:
            recording.send_signal(signal.SIGINT)
            recording.communicate()
        found |= milliseconds(stacks.read_text())


def milliseconds(stacks: str) -> Milliseconds:
    """Of py-spy's lines "outer;inner;innermost N", each of a stack and how often it was seen.

    >>> milliseconds("run (latent/page/fragment.py:1);sheet (latent/images.py:2) 5")["script"]
    10.0
    """
    found: Milliseconds = dict.fromkeys(OWNERS, 0.0)
    for line in stacks.splitlines():
        stack, _, times = line.rpartition(" ")
        if owner := owner_of(stack.split(";")):
            found[owner] += 1000 * int(times) / RATE
    return found


def owner_of(stack: list[str]) -> Owner | None:
    """Whose code the innermost frame works for: of the page's, PyTorch's and Streamlit's the one that called last."""
    if not any(SECTION in frame for frame in stack) or any(file in stack[-1] for file in WAITING):
        return None
    for frame in reversed(stack):
        if "/torch/" in frame:
            return "network"
        if "/streamlit/" in frame:
            return None
        if "streamlit_app.py" in frame or "latent/" in frame:
            return "script"
    return None
