"""`Measure`: one record for everything that is to be said of a number that is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

from latent.measure.intervals import Interval, apart

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

    def text_with_interval(self, value: float, interval: Interval | None) -> str:
        """The number, and in brackets its interval where it has one.

        >>> Measure("MSE", "", "less", ".2f", "", len).text_with_interval(0.5, (0.45, 0.56))
        '0.50 (0.45–0.56)'
        """
        if interval is None or np.isnan(value) or not np.isfinite(interval).all() or interval[0] == interval[1]:
            return self.text(value)
        return f"{self.text(value)} ({self.text(interval[0])}–{self.text(interval[1])})"

    def winner(
        self, a: float, b: float, of_a: Interval | None = None, of_b: Interval | None = None
    ) -> Literal["a", "b", ""]:
        """Which of two is better; neither where they are shown alike, one of them is not known, or their intervals,
        where both have one, overlap."""
        if self.better == "neither" or np.isnan(a) or np.isnan(b) or self.text(a) == self.text(b):
            return ""
        if of_a is not None and of_b is not None and not apart(of_a, of_b):
            return ""
        return "a" if (a < b) == (self.better == "less") else "b"
