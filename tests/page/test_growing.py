"""A map that takes minutes is found by a thread of its own, and seen while it grows."""

import threading

import numpy as np

from latent.errors import ArgumentError
from latent.page.growing import Growing

FIRST, LAST = (np.full((5, 2), value, np.float32) for value in (1, 2))


def test_who_looks_on_sees_how_far_it_is_and_then_all_of_it():
    told, go_on = threading.Event(), threading.Event()

    def find(tell):
        tell(0.5, FIRST)
        told.set()
        assert go_on.wait(30)
        return LAST

    growing = Growing(find)
    assert told.wait(30)
    assert (growing.share, growing.is_done) == (0.5, False)
    assert np.array_equal(growing.places, FIRST)
    assert growing.places is not FIRST  # which the search goes on changing
    go_on.set()
    growing.thread.join(30)
    assert growing.is_done
    assert np.array_equal(growing.places, LAST)


def test_a_search_that_fails_says_why():
    def find(tell):
        raise ArgumentError("Too few codes.")

    growing = Growing(find)
    growing.thread.join(30)
    assert growing.mistake == "Too few codes."


def test_a_search_ends_with_the_process(monkeypatch):
    begun, go_on = threading.Event(), threading.Event()
    went_on = []

    def find(tell):
        begun.set()
        assert go_on.wait(30)
        tell(0.1, None)
        went_on.append(True)
        return LAST

    growing = Growing(find)
    assert begun.wait(30)
    monkeypatch.setattr(threading, "main_thread", lambda: threading.Thread())  # one that does not run any more
    go_on.set()
    growing.thread.join(30)
    assert growing.is_done
    assert (went_on, growing.places, growing.mistake) == ([], None, "")
