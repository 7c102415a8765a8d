"""Bounds of the log-likelihood against linear Gaussian models, whose likelihood is known in closed form."""

import math

import numpy as np
import pytest
from scipy import stats

from latent.likelihood import Gaussian
from latent.measure.bounds import LikelihoodBounds

N, D, LATENT_DIM, VARIANCE = 200, 12, 3, 0.3


def linear_gaussian(seed=0):
    """Images of probabilistic PCA (Tipping & Bishop 1999), x = W z + b + noise: images, W, b, their log-likelihoods."""
    rng = np.random.default_rng(seed)
    w, b = np.linalg.qr(rng.standard_normal((D, LATENT_DIM)))[0] * [2.0, 1.0, 0.5], rng.standard_normal(D)
    z = rng.standard_normal((N, LATENT_DIM))
    x = z @ w.T + b + math.sqrt(VARIANCE) * rng.standard_normal((N, D))
    exact = stats.multivariate_normal(b, w @ w.T + VARIANCE * np.eye(D)).logpdf(x)
    return x, w, b, exact


def bounds(n_samples, widened=1.0, seed=0):
    """The bounds under the exact posterior, whose covariance is diagonal here, or one that is wider; and the truth."""
    x, w, b, exact = linear_gaussian()
    precision = np.diag(w.T @ w) / VARIANCE + 1
    mu = (x - b) @ w / VARIANCE / precision
    logvar = np.broadcast_to(np.log(widened**2 / precision), mu.shape)
    decode = lambda z, of: z @ w.T + b  # noqa: E731
    return LikelihoodBounds.of(x, mu, logvar, decode, Gaussian(VARIANCE), n_samples, seed), exact


def test_with_the_exact_posterior_both_are_the_log_likelihood():
    found, exact = bounds(4)
    assert np.allclose(found.elbo, exact, atol=1e-5)
    assert np.allclose(found.importance_weighted, exact, atol=1e-5)


def test_with_another_posterior_the_elbo_is_below_by_its_divergence_and_more_samples_close_the_gap_from_below():
    widened = 2.0
    divergence = LATENT_DIM * (widened**2 - 1 - math.log(widened**2)) / 2  # of N(m, (2 s)²) from N(m, s²)
    gaps = []
    for n_samples in (1, 4, 16, 256):
        found, exact = bounds(n_samples, widened)
        assert (found.elbo <= found.importance_weighted + 1e-9).all()
        gaps.append(float((exact - found.importance_weighted).mean()))
    assert gaps == sorted(gaps, reverse=True)
    assert 0 < gaps[-1] < 0.03 * divergence
    many, exact = bounds(256, widened)
    assert (exact - many.elbo).mean() == pytest.approx(divergence, rel=0.02)
    low, high = many.gap
    assert low < (many.importance_weighted - many.elbo).mean() < high < 1.1 * divergence


def test_the_reference_is_the_density_about_the_mean_image():
    found, _ = bounds(1)
    x = linear_gaussian()[0]
    expected = stats.norm(x.mean(axis=0), math.sqrt(VARIANCE)).logpdf(x).sum(axis=1)
    assert np.allclose(found.mean_image, expected)


def test_a_seed_gives_the_same_bounds_however_many_images_there_are_at_a_time(monkeypatch):
    whole = bounds(4, 2.0)[0]
    monkeypatch.setattr("latent.measure.bounds.BLOCK", 12)
    assert np.allclose(bounds(4, 2.0)[0].elbo, whole.elbo)
    assert not np.allclose(bounds(4, 2.0, seed=1)[0].elbo, whole.elbo)
