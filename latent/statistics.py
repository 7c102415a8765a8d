"""Statistics of codes, dimension by dimension."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent.errors import ArgumentError

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


@dataclass(frozen=True)
class LatentStatistics:
    """Moments and quantiles of codes (n, latent_dim); every array has one entry a dimension, in latent units.

    ``quantiles`` (7, latent_dim) at the probabilities `QUANTILES`; ``std`` is the population's (divided by n).
    """

    n: int
    mean: NDArray[np.float32]
    std: NDArray[np.float32]
    min: NDArray[np.float32]
    max: NDArray[np.float32]
    quantiles: NDArray[np.float32]

    @classmethod
    def of(cls, z: NDArray[np.float32]) -> LatentStatistics:
        """Raises `ArgumentError` where ``z`` is not (n, latent_dim) with n from 1 up."""
        if z.ndim != 2 or len(z) == 0:
            raise ArgumentError(f"Expected codes of shape (n, latent_dim) with n at least 1, got {z.shape}.")
        columns = np.ascontiguousarray(z.T)  # a dimension's values side by side: quantiles sort them
        mean = columns.mean(axis=1, dtype=np.float64)
        return cls(
            n=len(z),
            mean=mean.astype(np.float32),
            std=columns.std(axis=1, dtype=np.float64).astype(np.float32),
            min=columns.min(axis=1),
            max=columns.max(axis=1),
            quantiles=np.quantile(columns, QUANTILES, axis=1).astype(np.float32),
        )

    def quantile(self, probability: float) -> NDArray[np.float32]:
        """The quantile (latent_dim,) at one of the probabilities in `QUANTILES`."""
        return self.quantiles[QUANTILES.index(probability)]

    def most_spread(self, most: int) -> NDArray[np.intp]:
        """The dimensions with the largest standard deviations, at most ``most``, in their own order."""
        return np.sort(np.argsort(-self.std, kind="stable")[:most])

    @property
    def median(self) -> NDArray[np.float32]:
        return self.quantile(0.5)


def histograms(z: NDArray[np.float32], bins: int = 40) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Counts (latent_dim, bins) and the bin edges (latent_dim, bins + 1) of every dimension over its own range."""
    counts = np.empty((z.shape[1], bins), np.int64)
    edges = np.empty((z.shape[1], bins + 1))
    for dimension, values in enumerate(np.ascontiguousarray(z.T)):
        counts[dimension], edges[dimension] = np.histogram(values, bins)
    return counts, edges
