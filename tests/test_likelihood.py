"""Likelihoods against SciPy's densities, PyTorch's loss, and the loss that VAEs are trained with."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats

from latent.likelihood import Bernoulli, Gaussian, of_weighted_error
from latent.train import Objective, kl

RNG = np.random.default_rng(0)
X, X_HAT = RNG.uniform(size=(2, 5, 4, 3))


def test_normal_pixels_have_scipys_density():
    expected = stats.norm(X_HAT, np.sqrt(0.3)).logpdf(X).sum(axis=(1, 2))
    assert np.allclose(Gaussian(0.3).log_density(X, X_HAT), expected)


def test_bernoulli_pixels_are_binary_cross_entropy_also_where_a_probability_is_rounded_to_0():
    certain = X_HAT.copy()
    certain[:, 0] = 0
    certain[:, 1] = 1
    expected = -F.binary_cross_entropy(torch.tensor(certain), torch.tensor(X), reduction="none").sum(dim=(1, 2))
    assert np.allclose(Bernoulli().log_density(X, certain), expected.numpy())


def test_grey_pixels_have_the_mean_of_black_and_white_images_drawn_by_them():
    drawn = (RNG.uniform(size=(20_000, *X[0].shape)) < X[0]).astype(float)
    each = stats.bernoulli(X_HAT[0]).logpmf(drawn.astype(int)).sum(axis=(1, 2))
    assert Bernoulli().log_density(X[:1], X_HAT[:1])[0] == pytest.approx(each.mean(), abs=4 * each.std() / 141)


@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_training_maximises_the_evidence_lower_bound_of_the_likelihood_that_beta_implies(beta):
    x, x_hat = (torch.tensor(each)[:, None] for each in (X, X_HAT))
    mu, logvar = (torch.tensor(each) for each in RNG.standard_normal((2, 5, 7)))
    n_pixels = X[0].size
    loss = Objective("vae", beta)(x, x_hat, mu, logvar).item() * n_pixels / beta
    likelihood = of_weighted_error(beta)
    elbo = likelihood.log_density(X, X_HAT).mean() - kl(mu, logvar).mean().item()
    assert -elbo == pytest.approx(loss + n_pixels / 2 * np.log(np.pi * beta))


@pytest.mark.parametrize("beta", [0, -1.0, float("nan"), float("inf"), None, "0.1", [1]])
def test_without_a_weight_of_the_divergence_there_is_no_likelihood(beta):
    assert of_weighted_error(beta) is None
