"""How well the real codes support a place in the latent space."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latent.neighbours import nearest

N_NEIGHBOURS = 5
EDGE = 0.95  # the share of real codes that count as in distribution


@dataclass(frozen=True)
class Support:
    """How close to real codes ``z`` a code lies, as a quantile of the same among the real codes.

    ``distances`` (n,) are sorted: of some real codes, the mean distance to their five nearest others.
    """

    z: NDArray[np.float32] = field(repr=False)
    distances: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(cls, z: NDArray[np.float32], seed: int = 0) -> Support:
        """Measured on up to 2,000 of the codes (n, latent_dim), fewer where they are very long; of one code, 0."""
        if len(z) == 1:  # no other to be near to
            return cls(z, np.zeros(1))
        n = min(len(z), max(200, min(2000, 4_000_000 // z.shape[1])))
        some = np.random.default_rng(seed).choice(len(z), n, replace=False)
        distances, _ = nearest(z[some], z, min(N_NEIGHBOURS, len(z) - 1) + 1)
        return cls(z, np.sort(distances[:, 1:].mean(axis=1)))  # the first is the code itself

    def quantile(self, codes: NDArray[np.float32]) -> NDArray[np.float64]:
        """For codes (n, latent_dim) the share of real codes that lie closer to other real codes, (n,) from 0 to 1."""
        distances, _ = nearest(codes, self.z, min(N_NEIGHBOURS, len(self.z)))
        return np.searchsorted(self.distances, distances.mean(axis=1)) / len(self.distances)


def verdict(quantile: float) -> str:
    """In words: farther out than 95% of the real codes is borderline, farther than all of them out of distribution.

    >>> verdict(0.5), verdict(0.97), verdict(1.0)
    ('in distribution', 'borderline', 'out of distribution')
    """
    return "in distribution" if quantile <= EDGE else "borderline" if quantile < 1 else "out of distribution"
