"""What the browser tells: JSON of any shape, since anybody can send it over the socket. Only what fits is taken."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import streamlit as st

LARGEST = 1e30  # of a number, so that it stays finite as a float32
LAST_SERIAL = 2**53  # of the questions that a component asks, which are numbered
LONGEST = 1000  # letters of a text, and parts of a list


class Unfit(Exception):
    """What was told is not what the component of ours tells."""


@dataclass(frozen=True)
class Told:
    """A value that was told. Each way to take it raises `Unfit` where it is something else."""

    value: Any

    def __getitem__(self, name: str | int) -> Told:
        """The part of this name."""
        if not isinstance(self.value, dict) or name not in self.value:
            raise Unfit
        return Told(self.value[name])

    def index(self, n: int) -> int:
        """A whole number from 0 to ``n - 1``."""
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not 0 <= self.value < n:
            raise Unfit
        return self.value

    def indices(self, n: int) -> list[int]:
        """Whole numbers from 0 to ``n - 1``, at most so many."""
        if not isinstance(self.value, list) or len(self.value) > n:
            raise Unfit
        return [Told(each).index(n) for each in self.value]

    def number(self) -> float:
        """A finite number."""
        value = self.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:  # nor NaN
            raise Unfit
        return float(value)

    def numbers(self, n: int) -> list[float]:
        """``n`` finite numbers."""
        if not isinstance(self.value, list) or len(self.value) != n:
            raise Unfit
        return [Told(each).number() for each in self.value]

    def text(self) -> str:
        if not isinstance(self.value, str) or len(self.value) > LONGEST:
            raise Unfit
        return self.value

    def texts(self) -> list[str]:
        if not isinstance(self.value, list) or len(self.value) > LONGEST:
            raise Unfit
        return [Told(each).text() for each in self.value]


@contextmanager
def told_by(key: str, what: str) -> Iterator[Told]:
    """What the component of this key tells as ``what``; where that is unfit, the rest of the block is passed over."""
    with passed_over_if_unfit():
        yield Told(st.session_state[key][what])


@contextmanager
def passed_over_if_unfit() -> Iterator[None]:
    """The rest of the block is passed over where something that was told is unfit."""
    with suppress(Unfit):
        yield
