"""Turns: few threads at work at a time, first come first served, and none that holds up the others for long."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

BEHIND = 10  # by so much is a thread that takes long nicer than others (nice(2)): of a shared core it gets a tenth


@dataclass
class Worker:
    """A thread at work, by the system's number, since when, and whether it lets others go first."""

    thread: int
    began: float
    behind: bool = False

    def stand_back(self) -> None:
        """Let the system run other threads first until this one ends; on Linux alone, where a thread has a priority of
        its own."""
        if sys.platform == "linux" and not self.behind:
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self.thread, BEHIND)
        self.behind = True


class Turns:
    """Lets ``at_once`` threads work at a time; one that takes longer than ``longest`` seconds no longer counts, and one
    that takes longer than ``patience`` stands back where others want to work.

    Python runs one thread at a time anyhow. Dozens that want to run take the interpreter from each other thousands of
    times a second, which costs a third of the processor, and all of them are done late; one after the other, most are
    done early.
    """

    def __init__(self, at_once: int, longest: float, patience: float = 1.0) -> None:
        self.at_once, self.longest, self.patience = at_once, longest, patience
        self.lock = threading.Lock()
        self.here = threading.local()  # whether this thread has its turn
        self.waiting: deque[threading.Event] = deque()
        self.wanted = threading.Event()  # somebody came
        self.working: dict[threading.Event, Worker] = {}

    @contextmanager
    def one(self) -> Iterator[bool]:
        """Wait for a turn, and have it until the end of the block; within a block of the same thread, it goes on.

        Gives whether the turn begins with this block.
        """
        if getattr(self.here, "taken", False):
            yield False
            return
        self.here.taken = True
        mine = threading.Event()
        with self.lock:
            self.waiting.append(mine)
            self.wanted.set()
        try:
            while (patience := self.taken(mine)) != 0:
                mine.wait(patience)
            yield True
        finally:
            self.here.taken = False
            with self.lock:
                self.working.pop(mine, None)
                if mine in self.waiting:  # it was interrupted, and must not keep its place for ever
                    self.waiting.remove(mine)
                self.wake_next()

    def pause(self, seconds: float) -> None:
        """Wait so long, or until somebody wants a turn."""
        with self.lock:
            if self.waiting:
                return
            self.wanted.clear()
        self.wanted.wait(seconds)

    def taken(self, mine: threading.Event) -> float | None:
        """Zero where the turn is taken now; else how long to wait, None for until somebody says so."""
        with self.lock:
            mine.clear()
            if self.waiting[0] is not mine:
                return None
            now = time.monotonic()
            for worker in self.working.values():
                if now - worker.began >= self.patience:
                    worker.stand_back()
            ends = [worker.began + self.longest for worker in self.working.values()]
            counting = [end for end in ends if end > now]
            if len(counting) >= self.at_once:
                return min(counting) - now
            self.waiting.popleft()
            self.working[mine] = Worker(threading.get_native_id(), now)
            self.wake_next()
            return 0

    def wake_next(self) -> None:
        """Let the first of those who wait look whether it is their turn."""
        if self.waiting:
            self.waiting[0].set()
