"""Full garbage collections kept short in a process that runs for days, however much it has imported and loaded.

A full collection looks at every object that may be part of a cycle: with PyTorch imported half a million, which is a
fifth of a second in which nothing else runs. Streamlit asks for one after every rerun. Objects that are frozen
(`gc.freeze`) are passed over, but never collected either; so they are thawed now and then.
"""

from __future__ import annotations

import gc
import threading
import time

FREEZING = 1.0  # seconds: what came in since then, modules and what sessions hold, is passed over from now on
THAWING = 60.0  # seconds after which all is looked at once, also while there is work
KEEPER = "heap keeper"


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
    """Freeze what came in, and collect all of it as soon as there is no work, or after `THAWING` seconds of work."""
    worked, thawed = full_collections(), time.monotonic()
    frozen = False  # since the last time that all was collected
    while True:
        time.sleep(FREEZING)
        if full_collections() != worked:  # there were reruns
            gc.freeze()
            frozen = True
            if time.monotonic() - thawed < THAWING:
                worked = full_collections()
                continue
        if frozen:
            collect_all()
            frozen, thawed = False, time.monotonic()
        worked = full_collections()


def full_collections() -> int:
    """How many full collections there were so far."""
    return int(gc.get_stats()[-1]["collections"])
