"""`Measure`: one record for everything that is to be said of a number that is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

Subject = TypeVar("Subject")
Better = Literal["less", "more", "neither"]


@dataclass(frozen=True)
class Measure(Generic[Subject]):
    """A number that is measured ``of`` a subject: samples against real images, or all that is measured of a model.

    ``name`` is how people call it, ``unit`` what it is in (empty for a plain number), ``better`` which of two values
    is, ``form`` how it is written (a format specification of Python), ``means`` what it says, and ``source`` who
    defined it (authors, year, arXiv id), where that is written down. ``interval``, where there is one, gives the lower
    and upper bound of the value by what a seed or the sampling of images moves it.
    """

    name: str
    unit: str
    better: Better
    form: str
    means: str
    of: Callable[[Subject], float]
    source: str = ""
    interval: Callable[[Subject], tuple[float, float]] | None = None

    def text(self, value: float) -> str:
        """The number as it is shown; a dash for NaN, which stands for what cannot be measured."""
        return "–" if np.isnan(value) else format(value, self.form)

    def winner(self, a: float, b: float) -> Literal["a", "b", ""]:
        """Which of two is better; neither where they are shown alike, or one of them is not known."""
        if self.better == "neither" or np.isnan(a) or np.isnan(b) or self.text(a) == self.text(b):
            return ""
        return "a" if (a < b) == (self.better == "less") else "b"
