import numpy as np
import pytest

from latent.errors import ArgumentError
from latent.statistics import QUANTILES, LatentStatistics, histograms

Z = (np.random.default_rng(0).normal(size=(1000, 5)) * [1, 2, 3, 0.05, 0] + [0, 5, -5, 100, 7]).astype(np.float32)


def test_statistics_agree_with_numpy():
    statistics = LatentStatistics.of(Z)
    assert statistics.n == 1000
    for name in ("mean", "std", "min", "max"):
        assert np.allclose(getattr(statistics, name), getattr(np.float64(Z), name)(axis=0), rtol=1e-5, atol=1e-5), name
    for probability in QUANTILES:
        assert np.allclose(statistics.quantile(probability), np.quantile(Z, probability, axis=0), atol=1e-4)
    assert np.array_equal(statistics.median, statistics.quantile(0.5))


def test_histograms_count_every_value_once():
    counts, edges = histograms(Z, bins=7)
    assert counts.shape == (5, 7)
    assert counts.sum(axis=1).tolist() == [1000] * 5
    assert np.array_equal(counts[1], np.histogram(Z[:, 1], 7)[0])
    assert np.all(np.diff(edges, axis=1) > 0)


@pytest.mark.parametrize("wrong", [np.zeros((0, 3), np.float32), np.zeros(3, np.float32)])
def test_codes_that_are_none_are_refused(wrong):
    with pytest.raises(ArgumentError, match="latent_dim"):
        LatentStatistics.of(wrong)
