"""Statistics of codes that never lie in memory together: taken in parts, and merged."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.errors import ArgumentError
from latent.statistics import QUANTILES, LatentStatistics

BINS = 512
REACH = 10  # standard deviations: at most 1 code in 101 lies farther out on a side (Cantelli 1928), none of QUANTILES

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, mean, sum of squared deviations ``m2``, and extremes of codes; arrays (latent_dim,), in latent units.

    ``m2`` is in squared latent units; the variance is ``m2 / count``. Without a code the extremes are infinite.
    """

    count: int
    mean: Numbers
    m2: Numbers
    min: Numbers
    max: Numbers

    @classmethod
    def none(cls, latent_dim: int) -> Moments:
        """Those of no code at all: merging with them changes nothing."""
        zeros, infinite = np.zeros(latent_dim), np.full(latent_dim, np.inf)
        return cls(0, zeros, zeros, infinite, -infinite)

    @classmethod
    def of(cls, z: NDArray[np.float32]) -> Moments:
        """Those of codes (n, latent_dim), in float64; rows that hold NaN or infinity are left out."""
        values = finite_rows(z).astype(np.float64)
        if not len(values):
            return cls.none(z.shape[1])
        mean = values.mean(axis=0)
        return cls(
            len(values), mean, np.square(values - mean).sum(axis=0), values.min(axis=0), values.max(axis=0)
        )  # fmt: skip

    def merge(self, other: Moments) -> Moments:
        """Those of the codes of both: Chan, Golub & LeVeque 1979, "Updating formulae", equations 2.1."""
        if not self.count or not other.count:
            return self if self.count else other
        count = self.count + other.count
        apart = other.mean - self.mean
        return Moments(
            count,
            self.mean + apart * (other.count / count),
            self.m2 + other.m2 + np.square(apart) * (self.count * (other.count / count)),
            np.minimum(self.min, other.min),
            np.maximum(self.max, other.max),
        )

    @property
    def std(self) -> Numbers:
        """The population's standard deviation, (latent_dim,)."""
        return np.sqrt(self.m2 / self.count)


@dataclass(frozen=True, eq=False)
class Histogram:
    """How many codes lie where, in `BINS` even bins a dimension between ``low`` and ``high`` (latent_dim,).

    ``counts`` (latent_dim, BINS + 2): the first and the last count what lies below and above. The bins are decided
    before anything is counted, so that counts of parts simply add.
    """

    low: Numbers
    high: Numbers
    counts: NDArray[np.int64]

    @classmethod
    def over(cls, moments: Moments) -> Histogram:
        """Nothing counted yet, in bins for codes of these moments: their range, but no more than mean ± 10 std.

        Cantelli's inequality leaves at most 1 code in 101 beyond on either side, so that every quantile from 1 % to
        99 % lies inside, however odd the codes are.
        """
        low = np.maximum(moments.min, moments.mean - REACH * moments.std)
        high = np.minimum(moments.max, moments.mean + REACH * moments.std)
        return cls(low, np.where(high > low, high, low), np.zeros((len(low), BINS + 2), np.int64))

    def count(self, z: NDArray[np.float32]) -> Histogram:
        """The histogram with codes (n, latent_dim) counted in; rows that hold NaN or infinity are left out."""
        values = finite_rows(z).astype(np.float64)
        within = np.clip(np.floor((values - self.low) / self.widths), 0, BINS - 1) + 1
        bins = np.where(values < self.low, 0, np.where(values > self.high, BINS + 1, within)).astype(np.int64)
        places = bins + np.arange(len(self.low)) * (BINS + 2)
        counted = np.bincount(places.ravel(), minlength=self.counts.size).reshape(self.counts.shape)
        return replace(self, counts=self.counts + counted)

    def merge(self, other: Histogram) -> Histogram:
        """The counts of both. Raises `ArgumentError` where their bins differ."""
        if not (np.array_equal(self.low, other.low) and np.array_equal(self.high, other.high)):
            raise ArgumentError("Histograms can be merged only if their bins are equal; these differ.")
        return replace(self, counts=self.counts + other.counts)

    @property
    def widths(self) -> Numbers:
        """How wide a bin is (latent_dim,), latent units; no quantile is farther off than that."""
        spread = self.high - self.low
        return np.where(spread > 0, spread, 1.0) / BINS  # a dimension that never changes lies in one bin of any width

    def quantiles(self, probabilities: ArrayLike, moments: Moments) -> Numbers:
        """The quantiles (len(probabilities), latent_dim) as NumPy defines them, each value known to its bin."""
        places = np.asarray(probabilities) * (moments.count - 1)
        below = np.floor(places).astype(np.int64)
        above = np.minimum(below + 1, moments.count - 1)
        return np.array(
            [
                self.ordered(first, moments) * (1 - share) + self.ordered(second, moments) * share
                for first, second, share in zip(below, above, places - below)
            ]
        )

    def ordered(self, place: int, moments: Moments) -> Numbers:
        """The value at a place (from 0) in the order of size, (latent_dim,): evenly spread within its bin."""
        inner = self.low[:, None] + self.widths[:, None] * np.arange(BINS + 1)
        edges = np.column_stack([moments.min, inner, moments.max])
        reached = np.cumsum(self.counts, axis=1)
        dimensions = np.arange(len(edges))
        bins = (reached <= place).sum(axis=1)
        n = self.counts[dimensions, bins]
        share = (place - (reached[dimensions, bins] - n) + 0.5) / n
        left, right = edges[dimensions, bins], edges[dimensions, bins + 1]
        return np.clip(left + (right - left) * share, moments.min, moments.max)


def latent_statistics(moments: Moments, histogram: Histogram) -> LatentStatistics:
    """The statistics of the codes that both are of; quantiles to within `Histogram.widths`."""
    return LatentStatistics(
        n=moments.count,
        mean=moments.mean.astype(np.float32),
        std=moments.std.astype(np.float32),
        min=moments.min.astype(np.float32),
        max=moments.max.astype(np.float32),
        quantiles=histogram.quantiles(QUANTILES, moments).astype(np.float32),
    )


def finite_rows(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """The codes without NaN and infinity."""
    return z[np.isfinite(z).all(axis=1)]
