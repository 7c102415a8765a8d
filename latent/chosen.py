"""What somebody chose: a name for people, the numbers, and the Python that gives the same numbers again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latent.sampling import Sampler


class Operand(NamedTuple):
    """A code that was chosen: what to call it, its numbers (latent_dim,), and the Python that gives them."""

    name: str
    code: NDArray[np.float32]
    python: str


class Drawn(NamedTuple):
    """A distribution that was chosen, and the Python that fits it."""

    distribution: Sampler
    python: str


class Direction(NamedTuple):
    """A direction that was chosen: what to call it, (latent_dim,), the Python that gives it, what to measure on it."""

    name: str
    code: NDArray[np.float32]
    python: str
    measure: str
