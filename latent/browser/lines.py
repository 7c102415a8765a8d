"""Lines through the latent space, along which a strip of pictures can be scrubbed in the browser."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent import traversal
from latent.arrays import Code

FINENESS = 1000  # places on a strip, at least: finer than its pixels


@dataclass(frozen=True)
class Line:
    """A line through the latent space, and where on it the pictures of a strip are.

    ``places`` (n,) of the pictures, evenly spaced; ``code_at`` gives the code (latent_dim,) at any place between the
    first and the last, and ``in_browser`` says the same to `strip.js`. ``label`` and ``sign`` stand before the place
    where it is shown, and ``name`` where its code is kept. ``decimals`` of a place that is pointed at.
    """

    places: NDArray[np.floating[Any]]
    code_at: Callable[[float], Code]
    in_browser: Mapping[str, Any]
    label: str
    sign: str
    name: str
    decimals: int

    def name_at(self, at: float) -> str:
        """What the code at a place is called."""
        return f"{self.name}{at:.2f}"

    def limited(self, at: float) -> float:
        """The place on the line that is nearest to ``at``."""
        return min(max(at, float(self.places[0])), float(self.places[-1]))


def decimals_for(low: float, high: float) -> int:
    """Decimals with which at least `FINENESS` places lie between two numbers.

    >>> decimals_for(0, 1), decimals_for(-3, 3), decimals_for(0, 5000)
    (3, 3, 0)
    """
    return max(0, min(6, math.ceil(-math.log10((high - low) / FINENESS)))) if high > low else 3


def sweep_line(base: Code, dimension: int, values: NDArray[np.floating[Any]]) -> Line:
    """The line along one dimension of a code (latent_dim,), whose places are the values of that dimension."""
    return Line(
        places=values,
        code_at=lambda at: traversal.traverse(base, dimension, [at])[0],
        in_browser={"kind": "sweep", "base": tuple(base.tolist()), "dimension": dimension},
        label=f"Dimension {dimension}", sign="=", name=f"dim {dimension} = ",
        decimals=decimals_for(values[0], values[-1]),
    )  # fmt: skip
