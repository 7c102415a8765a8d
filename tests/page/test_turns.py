import os
import sys
import threading
import time

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from latent.page import fragment
from latent.page.turns import BEHIND, Turns

LONG = 60.0  # seconds, which no test waits


class Crowd:
    """Threads that want a turn each, in the order in which they are added."""

    def __init__(self, turns):
        self.turns, self.threads = turns, []
        self.began, self.go_on = [], {}

    def add(self, name):
        self.go_on[name] = threading.Event()
        thread = threading.Thread(target=self.work, args=(name,), daemon=True)
        before = len(self.turns.waiting) + len(self.began)
        thread.start()
        until(lambda: len(self.turns.waiting) + len(self.began) > before)
        self.threads.append(thread)

    def work(self, name):
        with self.turns.one():
            self.began.append(name)
            self.go_on[name].wait(LONG)

    def end(self):
        for event in self.go_on.values():
            event.set()
        for thread in self.threads:
            thread.join(LONG)


def until(happened):
    deadline = time.monotonic() + LONG
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("at_once", [1, 2])
def test_first_come_first_served_and_no_more_at_once(at_once):
    crowd = Crowd(Turns(at_once, LONG))
    for name in range(6):
        crowd.add(name)
    for done in range(6):
        most = min(6, done + at_once)
        until(lambda most=most: len(crowd.began) == most)
        assert crowd.began == list(range(most))
        crowd.go_on[done].set()
    crowd.end()
    assert not crowd.turns.working
    assert not crowd.turns.waiting


def test_one_that_takes_long_holds_nobody_up():
    crowd = Crowd(Turns(1, 0.05))
    for name in "abc":
        crowd.add(name)
    until(lambda: crowd.began == ["a", "b", "c"])
    crowd.end()
    assert not crowd.turns.working


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no priority of their own")
def test_one_that_takes_very_long_stands_back_where_others_want_to_work():
    def priorities():
        return [os.getpriority(os.PRIO_PROCESS, thread.native_id) for thread in crowd.threads]

    crowd, mine = Crowd(Turns(1, 0.0, patience=0.2)), os.getpriority(os.PRIO_PROCESS, 0)
    for name in ("first", "second"):
        crowd.add(name)
    time.sleep(0.2)  # what patience is about
    assert priorities() == [mine, mine]  # where nobody comes, nothing changes
    crowd.add("third")
    until(lambda: len(crowd.began) == 3)
    assert priorities() == [mine + BEHIND, mine + BEHIND, mine]
    crowd.end()
    assert os.getpriority(os.PRIO_PROCESS, 0) == mine


def test_a_turn_that_ends_with_an_error_is_over():
    turns = Turns(1, LONG)
    with pytest.raises(ValueError, match="no good"), turns.one():
        raise ValueError("no good")
    with turns.one():
        assert len(turns.working) == 1


def test_one_that_is_interrupted_while_it_waits_gives_up_its_place(monkeypatch):
    turns = Turns(1, LONG)
    crowd = Crowd(turns)
    crowd.add("first")
    me, wait = threading.current_thread(), threading.Event.wait

    def interrupted(event, timeout=None):
        if threading.current_thread() is me:
            raise KeyboardInterrupt
        return wait(event, timeout)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt), turns.one():
            pass
    assert not turns.waiting
    crowd.end()
    with turns.one():
        assert len(turns.working) == 1


def test_a_turn_within_a_turn_is_the_same():
    turns = Turns(1, LONG)
    crowd = Crowd(turns)
    with turns.one():
        with turns.one():
            assert len(turns.working) == 1
        crowd.add("second")
        assert crowd.began == []
    until(lambda: crowd.began == ["second"])
    crowd.end()


def test_nobody_is_forgotten_in_a_crowd():
    turns, counted = Turns(2, LONG), []
    most = []

    def work():
        for _ in range(50):
            with turns.one():
                most.append(len(turns.working))
                counted.append(1)

    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LONG)
    assert len(counted) == 1000
    assert max(most) <= 2


def test_a_pause_ends_when_somebody_comes():
    turns = Turns(1, LONG)
    crowd = Crowd(turns)
    with turns.one():
        threading.Timer(0.05, crowd.add, ("second",)).start()
        turns.pause(LONG)
        assert len(turns.waiting) == 1
        turns.pause(LONG)  # somebody waits already
    until(lambda: crowd.began == ["second"])
    crowd.end()


def test_a_pause_that_nobody_ends_is_as_long_as_it_should_be():
    turns = Turns(1, LONG)
    start = time.monotonic()
    with turns.one():
        turns.pause(0.05)
    assert time.monotonic() - start >= 0.05


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("image chart chart", "image pause chart chart"),
        ("chart chart chart", "chart pause chart chart"),
        ("chart image chart", "chart image pause chart"),
        ("image image", "image image"),
    ],
)
def test_what_comes_first_is_drawn_before_the_charts_below_it(monkeypatch, shown, expected):
    told = []
    monkeypatch.setattr(Turns, "pause", lambda turns, seconds: told.append("pause"))
    monkeypatch.setattr(st, "vega_lite_chart", lambda *given, **choices: told.append("chart"))
    monkeypatch.setattr(st, "image", lambda *given, **choices: told.append("image"))

    def page(shown):  # which is run as a script of its own
        import numpy as np

        from latent import images
        from latent.page import show

        for number, each in enumerate(shown.split()):
            if each == "chart":
                show.show_built(f"chart {number}", {"mark": "bar"})
            else:
                show.show_sheet(images.sheet(np.zeros((1, 4, 4), np.uint8), 1), f"image {number}")

    assert not AppTest.from_function(page, args=(shown,)).run().exception
    assert " ".join(told) == expected


def test_only_the_outermost_block_begins_a_turn():
    turns = Turns(1, LONG)
    with turns.one() as outer, turns.one() as inner:
        assert (outer, inner) == (True, False)
    with turns.one() as again:
        assert again


def test_a_part_that_runs_alone_also_lets_its_first_picture_be_drawn(monkeypatch):
    told = []
    monkeypatch.setattr(Turns, "pause", lambda turns, seconds: told.append("pause"))
    monkeypatch.setattr(fragment, "update_link", lambda space: None)

    def page():  # which is run as a script of its own
        import numpy as np

        from latent import images
        from latent.page import show
        from latent.page.fragment import fragment_in_turn

        @fragment_in_turn
        def part(space):
            for number in range(3):
                show.show_sheet(images.sheet(np.zeros((1, 4, 4), np.uint8), 1), f"image {number}")
                show.let_first_be_drawn()

        part(None)
        part(None)  # as when a control of it is moved

    assert not AppTest.from_function(page).run().exception
    assert told == ["pause", "pause"]
