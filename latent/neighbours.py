"""Neighbours in the latent space, and how well the real codes support a place in it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latent.errors import ArgumentError

N_NEIGHBOURS = 5
EDGE = 0.95  # the share of real codes that count as on the data
CHUNK = 500  # queries at a time: a table of 500 x 10,000 distances is 20 MB


def nearest(
    queries: NDArray[np.float32], rows: NDArray[np.float32], k: int = 1
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """For each query (n, d) the ``k`` rows (m, d) at the smallest Euclidean distance: indices and distances (n, k).

    Raises `ArgumentError` where there are fewer than ``k`` rows.
    """
    if not 1 <= k <= len(rows):
        raise ArgumentError(f"The number of neighbours is from 1 to {len(rows)}; got {k}.")
    indices = np.empty((len(queries), k), np.intp)
    distances = np.empty((len(queries), k), np.float32)
    lengths = np.einsum("ij,ij->i", rows, rows)
    for start in range(0, len(queries), CHUNK):
        part = queries[start : start + CHUNK]
        # |q - r|² = |q|² - 2 q·r + |r|², and |q|² does not change which rows are nearest.
        squares = lengths - 2 * part @ rows.T
        found = np.argpartition(squares, k - 1, axis=1)[:, :k]
        order = np.argsort(np.take_along_axis(squares, found, axis=1), axis=1, kind="stable")
        found = np.take_along_axis(found, order, axis=1)
        indices[start : start + CHUNK] = found
        # again for these few, without the rounding of a difference of large numbers
        distances[start : start + CHUNK] = np.linalg.norm(rows[found] - part[:, None], axis=2)
    return indices, distances


@dataclass(frozen=True)
class Support:
    """How close to real codes ``z`` a code lies, as a quantile of the same among the real codes.

    ``distances`` (n,) are sorted: of some real codes, the mean distance to their five nearest others.
    """

    z: NDArray[np.float32] = field(repr=False)
    distances: NDArray[np.float32] = field(repr=False)

    @classmethod
    def of(cls, z: NDArray[np.float32], seed: int = 0) -> Support:
        """Measured on up to 2,000 of the codes (n, latent_dim), fewer where they are very long."""
        n = min(len(z), max(200, min(2000, 4_000_000 // z.shape[1])))
        some = np.random.default_rng(seed).choice(len(z), n, replace=False)
        k = min(N_NEIGHBOURS, len(z) - 1)
        _, distances = nearest(z[some], z, k + 1)
        return cls(z, np.sort(distances[:, 1:].mean(axis=1)))  # the first is the code itself

    def quantile(self, codes: NDArray[np.float32]) -> NDArray[np.float64]:
        """For codes (n, latent_dim) the share of real codes that lie closer to other real codes, (n,) from 0 to 1."""
        _, distances = nearest(codes, self.z, min(N_NEIGHBOURS, len(self.z)))
        return np.searchsorted(self.distances, distances.mean(axis=1)) / len(self.distances)


def verdict(quantile: float) -> str:
    """In words: farther out than 95 % of the real codes is the edge, farther than all of them is off the data.

    >>> verdict(0.5), verdict(0.97), verdict(1.0)
    ('on the data', 'at the edge', 'off the data')
    """
    return "on the data" if quantile <= EDGE else "at the edge" if quantile < 1 else "off the data"
