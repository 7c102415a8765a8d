"""One clock for a whole search: what is not tried when it has run out is not tried."""

from __future__ import annotations

import time


class Clock:
    """Runs out after so many ``seconds`` of this thread's computing, however busy the machine is."""

    def __init__(self, seconds: float) -> None:
        self.end = time.thread_time() + seconds

    @property
    def left(self) -> float:
        """Seconds of computing that are left, 0 once it has run out."""
        return max(0.0, self.end - time.thread_time())

    @property
    def has_run_out(self) -> bool:
        return time.thread_time() >= self.end

    def share(self, part: float) -> Clock:
        """A clock for a part of what is left, from 0 to 1."""
        return Clock(part * self.left)
