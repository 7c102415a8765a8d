import threading
import time

import pytest

from latent.turns import Turns

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


def test_a_turn_that_ends_with_an_error_is_over():
    turns = Turns(1, LONG)
    with pytest.raises(ValueError, match="no good"), turns.one():
        raise ValueError("no good")
    with turns.one():
        assert len(turns.working) == 1


def test_one_that_is_interrupted_while_it_waits_gives_up_its_place(monkeypatch):
    turns = Turns(1, LONG)

    def interrupted(event, timeout=None):
        raise KeyboardInterrupt

    with turns.one():
        monkeypatch.setattr(threading.Event, "wait", interrupted)
        with pytest.raises(KeyboardInterrupt), turns.one():
            pass
        monkeypatch.undo()
    assert not turns.waiting
    with turns.one():
        assert len(turns.working) == 1


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
