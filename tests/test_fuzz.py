"""Damaged and forged input at every door, for a moment: `python -m tests.fuzz` goes on longer, in CI two minutes."""

import io
import random
import sys
import time
import zipfile

import pytest

from latent.errors import LatentError
from tests import fuzz

SECONDS = 10

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no timers that interrupt")


@pytest.mark.exhaustive
def test_whatever_comes_is_taken_or_refused_by_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path))
    n, failures = fuzz.run(SECONDS)
    assert failures == []
    assert n > 10


@pytest.mark.parametrize("door", fuzz.DOORS[:-1], ids=lambda door: door.name)
def test_every_door_takes_what_was_not_changed(door, tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path))
    content = door.seeds()[0]
    if door.name != "model":  # untrained weights of 784 numbers are no model
        assert door.take(content) is not None


@pytest.mark.parametrize(
    ("take", "said"),
    [
        (lambda content: 1 / 0, "ZeroDivisionError"),
        (lambda content: len(bytearray(fuzz.memory())), " MB"),
        (lambda content: time.sleep(60), "took longer than"),
    ],
    ids=["traceback", "memory", "hang"],
)
def test_what_fails_is_found(take, said, monkeypatch):
    hangs = said == "took longer than"
    monkeypatch.setattr(fuzz, "LONGEST", 5 if hangs else 60)  # a busy machine takes long for the others, too
    monkeypatch.setattr(fuzz, "BUSY", 1 if hangs else 20)
    monkeypatch.setattr(fuzz, "LARGEST", 2**24)
    _, wrong = fuzz.attempt(0, (fuzz.Door("a door", lambda: [b"good"], take),))
    assert said in wrong


def test_a_refusal_is_no_failure():
    def refuse(content):
        raise LatentError("No.")

    assert fuzz.attempt(0, (fuzz.Door("a door", lambda: [b"good"], refuse),))[1] == ""


def test_a_number_makes_its_input_again():
    seeds = fuzz.model_files()
    assert fuzz.changed(seeds[1], seeds, random.Random(7)) == fuzz.changed(seeds[1], seeds, random.Random(7))
    inside = {fuzz.changed_inside(seeds[1], random.Random(number)) for number in range(20)}
    assert len(inside) > 10
    assert all(zipfile.is_zipfile(io.BytesIO(each)) for each in inside)
