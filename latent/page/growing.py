"""A map that takes minutes: a thread of its own finds it, whoever looks on sees it grow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from latent.errors import LatentError

Places = NDArray[np.float32]
Tell = Callable[[float, Places | None], None]


class Stopped(Exception):
    """The process ends, and with it the search for a map."""


class Growing:
    """The search for a map, begun at once: the ``share`` that is done, None where the search does not say it, the
    ``places`` (n, 2) so far or None, and why it failed, ``mistake``, empty where it did not."""

    def __init__(self, find: Callable[[Tell], Places]) -> None:
        self.began = time.monotonic()
        self.share: float | None = None
        self.places: Places | None = None
        self.mistake = ""
        self.find = find
        self.thread = threading.Thread(target=self.run, name="growing map")
        self.thread.start()

    @property
    def seconds(self) -> float:
        """How long it has gone on."""
        return time.monotonic() - self.began

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come."""
        return not self.thread.is_alive()

    def run(self) -> None:
        try:
            self.places = self.find(self.tell)
        except Stopped:
            pass
        except LatentError as error:
            self.mistake = str(error)
        except Exception:  # of the library that finds the map: the thread ends either way, and who looks on is told
            self.mistake = "The map could not be found: the search failed."
            raise

    def tell(self, share: float, places: Places | None) -> None:
        """Take how far it is. Raises `Stopped` where the process ends, for which the thread would not."""
        if not threading.main_thread().is_alive():
            raise Stopped
        self.share = share
        if places is not None:
            self.places = places.copy()
