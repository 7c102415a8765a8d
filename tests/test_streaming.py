"""Statistics taken in parts and merged are those of the whole."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent.errors import ArgumentError
from latent.statistics import QUANTILES, LatentStatistics
from latent.streaming import BINS, Histogram, Moments, latent_statistics


@st.composite
def codes_in_parts(draw):
    """Codes of odd shapes (shifted, scaled, skewed, with outliers and a constant dimension), and where they are cut."""
    n = draw(st.integers(1, 400))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale, shift = 10.0 ** draw(st.integers(-3, 3)), draw(st.sampled_from([0.0, 1.0, -100.0]))
    z = np.column_stack(
        [
            random.normal(shift, scale, n),
            random.exponential(scale, n) ** 2,
            random.standard_t(1, n),  # has no variance: outliers beyond every bound
            np.full(n, shift),
            random.choice([-1.0, 1.0], n),
        ]
    )
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=6)))
    return z.astype(np.float32), np.split(z.astype(np.float32), cuts)


def merged(parts):
    moments = reduce(Moments.merge, map(Moments.of, parts))
    empty = Histogram.over(moments)
    return moments, reduce(Histogram.merge, [empty.count(part) for part in parts])


@given(codes_in_parts())
def test_moments_of_parts_merge_to_those_of_the_whole(case):
    z, parts = case
    moments, exact = merged(parts)[0], z.astype(np.float64)
    assert moments.count == len(z)
    reach = np.abs(exact).max(axis=0)
    assert np.allclose(moments.mean, exact.mean(axis=0), rtol=1e-12, atol=1e-12 * reach)
    assert np.allclose(moments.m2, exact.var(axis=0) * len(z), rtol=1e-9, atol=1e-12 * len(z) * reach**2)
    assert np.array_equal(moments.min, exact.min(axis=0))
    assert np.array_equal(moments.max, exact.max(axis=0))


@given(codes_in_parts())
def test_histograms_of_parts_are_that_of_the_whole_and_count_every_code_once(case):
    z, parts = case
    moments, histogram = merged(parts)
    assert np.array_equal(histogram.counts, Histogram.over(moments).count(z).counts)
    assert histogram.counts.sum(axis=1).tolist() == [len(z)] * z.shape[1]
    for dimension, column in enumerate(z.astype(np.float64).T):
        low, high = histogram.low[dimension], histogram.high[dimension]
        assert histogram.counts[dimension, 0] == (column < low).sum()
        assert histogram.counts[dimension, -1] == (column > high).sum()


@given(codes_in_parts())
def test_quantiles_are_numpys_to_within_the_width_of_a_bin(case):
    z, parts = case
    moments, histogram = merged(parts)
    statistics, exact = latent_statistics(moments, histogram), LatentStatistics.of(z)
    for probability in QUANTILES:
        apart = np.abs(statistics.quantile(probability) - np.quantile(z.astype(np.float64), probability, axis=0))
        rounding = 1e-6 * np.abs(z).max(axis=0)
        assert (apart <= histogram.widths + rounding).all(), probability
    assert np.array_equal(statistics.min, exact.min)
    assert np.array_equal(statistics.max, exact.max)
    assert statistics.n == exact.n


def test_the_mean_far_from_zero_costs_no_digits():
    z = np.random.default_rng(0).normal((1e4, -1e4), 1, size=(50_000, 2)).astype(np.float32)
    moments = reduce(Moments.merge, map(Moments.of, np.array_split(z, 77)))
    assert np.allclose(moments.m2 / len(z), z.astype(np.float64).var(axis=0), rtol=1e-10)


def test_bins_resolve_a_500th_of_the_range():
    z = np.random.default_rng(0).normal(size=(20_000, 1)).astype(np.float32)
    assert Histogram.over(Moments.of(z)).widths[0] == pytest.approx(np.ptp(z) / BINS)


def test_rows_that_are_not_finite_are_left_out():
    z = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    spoilt = z.copy()
    spoilt[[3, 50]], spoilt[7, 1] = np.nan, np.inf
    kept = np.delete(z, [3, 7, 50], axis=0)
    moments, histogram = merged([spoilt])
    assert np.array_equal(moments.mean, Moments.of(kept).mean)
    assert np.array_equal(histogram.counts, Histogram.over(moments).count(kept).counts)
    assert Moments.of(np.full((4, 3), np.nan, np.float32)).count == 0


def test_histograms_with_other_bins_are_not_merged():
    z = np.random.default_rng(0).normal(size=(100, 3)).astype(np.float32)
    with pytest.raises(ArgumentError, match="bins"):
        Histogram.over(Moments.of(z)).merge(Histogram.over(Moments.of(2 * z)))
