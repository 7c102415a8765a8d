"""Intervals of 95%: by how much a value moves with the images or the samples that it was measured on."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Interval = tuple[float, float]

NORMAL = 1.959963985  # standard errors to either side
# Student's t to either side, by degrees of freedom: of the groups that are left out one at a time.
STUDENT = {4: 2.776, 9: 2.262, 19: 2.093}
N_GROUPS = 20


def apart(a: Interval, b: Interval) -> bool:
    """Whether two intervals do not overlap, so that the values may be ranked.

    >>> apart((0.1, 0.2), (0.3, 0.4)), apart((0.1, 0.3), (0.2, 0.4))
    (True, False)
    """
    return a[1] < b[0] or b[1] < a[0]


def mean_interval(values: NDArray[np.floating]) -> Interval:
    """Of the mean of independent ``values`` (n,)."""
    if len(values) < 2:
        return -np.inf, np.inf
    error = NORMAL * float(np.std(values, ddof=1, dtype=np.float64)) / math.sqrt(len(values))
    mean = float(np.mean(values, dtype=np.float64))
    return mean - error, mean + error


def share_interval(share: float, n: int) -> Interval:
    """Of a share of ``n`` independent images or samples (Wilson 1927), also where it is 0 or 1.

    >>> [round(bound, 3) for bound in share_interval(0.0, 100)]
    [0.0, 0.037]
    """
    square = NORMAL**2 / n
    centre, reach = (share + square / 2) / (1 + square), math.sqrt(share * (1 - share) * square + square**2 / 4)
    return max(0.0, centre - reach / (1 + square)), min(1.0, centre + reach / (1 + square))


def jackknife(value: float, without: NDArray[np.floating]) -> Interval:
    """Of a ``value`` of all rows, given its values ``without`` one group of rows each, (n_groups,).

    The delete-a-group jackknife: the groups are as if drawn with as many seeds. Its standard error is √((g − 1) / g
    Σ (θ₋ᵢ − mean)²), which the bias of smaller sets does not enter (Efron & Tibshirani 1993, chapter 11).
    """
    n = len(without)
    error = np.sqrt((n - 1) / n * np.square(without - without.mean()).sum())
    reach = float(STUDENT.get(n - 1, NORMAL) * error)
    return value - reach, value + reach


def leave_out(n: int, n_groups: int = N_GROUPS) -> list[NDArray[np.intp]]:
    """The rows outside of each group, where the rows belong to ``n_groups`` groups in turn."""
    rows = np.arange(n)
    return [rows[rows % n_groups != group] for group in range(n_groups)]


def jackknifed(
    measure: Callable[[NDArray[np.intp]], float], n: int, n_groups: int = N_GROUPS
) -> tuple[float, Interval]:
    """A value of all ``n`` rows, given by a function of the rows to use, and its interval."""
    value = measure(np.arange(n))
    return value, jackknife(value, np.array([measure(rows) for rows in leave_out(n, n_groups)]))
