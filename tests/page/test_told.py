"""What the browser tells is taken where it fits, and passed over where it is anything else."""

import math

import pytest
import streamlit as st

from latent.page.told import LARGEST, LONGEST, Told, Unfit, told_by

JUNK = (None, True, -1, 10**400, 1e308, math.nan, math.inf, "x", "x" * 10_000, [], [[1]], {}, {"at": 1}, [None] * 5_000)


@pytest.mark.parametrize("value", JUNK)
def test_what_is_no_index_is_unfit(value):
    with pytest.raises(Unfit):
        Told(value).index(10)


@pytest.mark.parametrize("value", [each for each in JUNK if each != -1])
def test_what_is_no_number_is_unfit(value):
    with pytest.raises(Unfit):
        Told(value).number()


@pytest.mark.parametrize("value", JUNK)
def test_what_is_no_list_of_numbers_is_unfit(value):
    with pytest.raises(Unfit):
        Told(value).numbers(2)


def test_what_fits_is_taken():
    told = Told({"row": 2, "at": [0.5, -3], "name": "a" * LONGEST, "holds": ["a", "b"], "far": LARGEST})
    assert told["row"].index(3) == 2
    assert told["at"].numbers(2) == [0.5, -3.0]
    assert told["name"].text() == "a" * LONGEST
    assert told["holds"].texts() == ["a", "b"]
    assert told["far"].number() == LARGEST
    with pytest.raises(Unfit):
        told["row"].index(2)
    with pytest.raises(Unfit):
        told["missing"].number()


def test_what_is_unfit_passes_the_block_over_and_bugs_are_not_hidden(monkeypatch):
    monkeypatch.setattr(st, "session_state", {"grid": {"clicked": "no index"}})
    with told_by("grid", "clicked") as told:
        told.index(5)
        pytest.fail("it was taken")
    with pytest.raises(ZeroDivisionError), told_by("grid", "clicked"):
        _ = 1 / 0
