"""The memory of a process that serves many sessions for days: garbage collections kept short, freed memory used again.

A full collection looks at every object that may be part of a cycle: with PyTorch imported half a million, which is a
fifth of a second in which nothing else runs. Streamlit asks for one after every rerun. Objects that are frozen
(`gc.freeze`) are passed over, but never collected either; so they are thawed now and then.

Every rerun of Streamlit is a thread of its own, and glibc gives threads arenas of their own, whose free memory is of no
use to others: after forty visitors the process kept a fifth more than before. It also gives large blocks back to the
system at once, only to ask for them, and have them cleared, in the next rerun. So they are kept while there is work,
and given back when there is none.
"""

from __future__ import annotations

import ctypes
import gc
import threading
import time
from contextlib import suppress

FREEZING = 0.25  # seconds: what came in since then, modules and what sessions hold, is passed over from now on
RESTING = 10.0  # seconds without a rerun, after which it may take a moment to look at everything
THAWING = 120.0  # seconds after which all is looked at once, also while there is work
KEEPER = "heap keeper"
# Of glibc's mallopt(3): by the numbers of malloc.h, what is set to which value.
MALLOC = {-8: 2, -3: 64 * 1024**2, -1: 128 * 1024**2}  # M_ARENA_MAX, M_MMAP_THRESHOLD, M_TRIM_THRESHOLD


def share_arenas() -> None:
    """Let all threads share two arenas, and keep blocks up to 64 MB for the next who needs one; with glibc alone."""
    with suppress(AttributeError, TypeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for option, value in MALLOC.items():
            mallopt(option, value)


def keep_small() -> None:
    """Freeze the heap now, and from now on by a thread of this process, which is started once."""
    if any(thread.name == KEEPER for thread in threading.enumerate()):
        return
    collect_all()
    threading.Thread(target=keep, name=KEEPER, daemon=True).start()


def collect_all() -> None:
    """Look at every object once, frozen or not, and freeze what is still in use."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def keep() -> None:
    """Freeze what came in; collect all of it when there was no work for a while, or after `THAWING` seconds of work."""
    worked, busy = full_collections(), time.monotonic()
    frozen: float | None = None  # since when something is
    while True:
        time.sleep(FREEZING)
        now = time.monotonic()
        if full_collections() != worked:  # there were reruns
            gc.freeze()
            busy, frozen = now, now if frozen is None else frozen
        resting = now - busy >= RESTING
        if frozen is not None and (resting or now - frozen >= THAWING):
            collect_all()
            frozen = None
            if resting:
                give_back()
        worked = full_collections()


def give_back() -> None:
    """Give the system the memory that nothing is in, from all arenas; with glibc alone."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)


def full_collections() -> int:
    """How many full collections there were so far."""
    return int(gc.get_stats()[-1]["collections"])
