"""Turns: few threads at work at a time, first come first served, and none that holds up the others for long."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """Lets ``at_once`` threads work at a time; one that takes longer than ``longest`` seconds no longer counts.

    Python runs one thread at a time anyhow. Dozens that want to run take the interpreter from each other thousands of
    times a second, which costs a third of the processor, and all of them are done late; one after the other, most are
    done early.
    """

    def __init__(self, at_once: int, longest: float) -> None:
        self.at_once, self.longest = at_once, longest
        self.lock = threading.Lock()
        self.here = threading.local()  # whether this thread has its turn
        self.waiting: deque[threading.Event] = deque()
        self.wanted = threading.Event()  # somebody came
        self.working: dict[threading.Event, float] = {}  # until when each counts

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a turn, and have it until the end of the block; within a block of the same thread, it goes on."""
        if getattr(self.here, "taken", False):
            yield
            return
        self.here.taken = True
        mine = threading.Event()
        with self.lock:
            self.waiting.append(mine)
            self.wanted.set()
        try:
            while (patience := self.taken(mine)) != 0:
                mine.wait(patience)
            yield
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
            self.working = {each: until for each, until in self.working.items() if until > now}
            if len(self.working) >= self.at_once:
                return min(self.working.values()) - now
            self.waiting.popleft()
            self.working[mine] = now + self.longest
            self.wake_next()
            return 0

    def wake_next(self) -> None:
        """Let the first of those who wait look whether it is their turn."""
        if self.waiting:
            self.waiting[0].set()
