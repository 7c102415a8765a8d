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


def test_a_dimension_without_spread_is_inactive():
    statistics = LatentStatistics.of(Z)
    assert statistics.active("ae").tolist() == [True, True, True, False, False]
    assert statistics.active("vae").tolist() == [True, True, True, False, False]


def test_a_vae_is_judged_by_the_absolute_variance_and_an_autoencoder_by_the_relative_one():
    small = LatentStatistics.of((Z - Z.mean(axis=0)) / 100)
    assert not small.active("vae").any()
    assert small.active("ae").any()


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
