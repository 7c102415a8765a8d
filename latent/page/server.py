"""What a server of many sessions needs, each with the condition under which it can be deleted."""

from __future__ import annotations

import atexit
import gc
import socket
import threading
import time
from contextlib import suppress
from functools import cache

from latent.page import heap
from latent.page.turns import Turns

SCRIPT_THREAD = "ScriptRunner.scriptThread"  # what Streamlit calls the thread of a run
LAST_RUNS = 5.0  # seconds that runs have to end when the server is stopped


@cache
def turns() -> Turns:
    """In which the sessions of this server draw their pages: one at a time, unless it takes long.

    Until Python runs threads side by side (a build without its global lock, PEP 703).
    """
    return Turns(at_once=1, longest=0.05)


@cache
def prepare() -> None:
    """Set up the process, once: before the heap is frozen, which hides the sockets."""
    send_at_once()
    heap.share_arenas()
    atexit.register(let_runs_end)


def let_runs_end() -> None:
    """Before the process ends, wait a moment for the pages that are being drawn.

    Streamlit's threads are daemons. One that Python ends while it computes in PyTorch takes the process with it:
    "terminate called without an active exception", which a supervisor takes for a crash. Until Streamlit waits itself.
    """
    end = time.monotonic() + LAST_RUNS
    for thread in threading.enumerate():
        if thread.name == SCRIPT_THREAD:
            thread.join(max(0.0, end - time.monotonic()))


def send_at_once() -> None:
    """Let no message to a browser wait until the one before it was acknowledged: some 40 ms (RFC 896, Nagle).

    asyncio turns that off only for sockets that name their protocol. The sockets of later sessions have it from the one
    that listens for them. Until Streamlit's socket names its protocol, which in 1.67 it does not.
    """
    for thing in gc.get_objects():
        if type(thing) is socket.socket and thing.type == socket.SOCK_STREAM and thing.fileno() >= 0:
            with suppress(OSError):  # not of TCP
                thing.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def keep_heap_small() -> None:
    """Freeze what came in out of the garbage collection that Streamlit asks for after every rerun.

    Until Streamlit asks for none.
    """
    heap.keep_small()
