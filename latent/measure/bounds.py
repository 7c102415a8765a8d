"""Bounds of a VAE's log-likelihood: how probable it makes the images in use, where its likelihood is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.arrays import Pictures
from latent.likelihood import Likelihood
from latent.measure.intervals import Interval, mean_interval

N_IMAGES = 500  # of which the bounds are measured, evenly over all
N_SAMPLES = 16  # of the posterior of each image
BLOCK = 1000  # pictures in memory at a time


@dataclass(frozen=True)
class LikelihoodBounds:
    """Lower bounds of log p(x) in nats, one for each of some images, (n,).

    ``elbo`` is the evidence lower bound (Kingma & Welling 2014, arXiv:1312.6114); ``importance_weighted`` the tighter
    one of ``n_samples`` samples together (Burda et al. 2016, arXiv:1509.00519), which approaches log p(x) as they
    become many. Both are of the same samples, so no image has the first above the second, and the mean of their
    difference is at most what the posterior costs, the KL divergence of q(z|x) from p(z|x). ``mean_image`` is what
    decoding the mean image from every code would reach. ``likelihood`` says in words what the pixels are taken for.
    """

    likelihood: str
    n_samples: int
    elbo: NDArray[np.float64] = field(repr=False)
    importance_weighted: NDArray[np.float64] = field(repr=False)
    mean_image: NDArray[np.float64] = field(repr=False)

    @classmethod
    def of(
        cls,
        x: Pictures,
        mu: NDArray[np.floating],
        logvar: NDArray[np.floating],
        decode: Callable[[NDArray[np.float32], NDArray[np.intp]], Pictures],
        likelihood: Likelihood,
        n_samples: int = N_SAMPLES,
        seed: int = 0,
    ) -> LikelihoodBounds:
        """Of images ``x`` (n, …) in [0, 1] with the posteriors N(``mu``, exp(``logvar``)), both (n, latent_dim).

        ``decode`` makes pictures of codes (m, latent_dim), of which it is also told the images, (m,).
        """
        weights = log_weights(x, mu, logvar, decode, likelihood, n_samples, seed)
        return cls(
            likelihood=str(likelihood),
            n_samples=n_samples,
            elbo=weights.mean(axis=1),
            importance_weighted=np.logaddexp.reduce(weights, axis=1) - np.log(n_samples),
            mean_image=likelihood.log_density(x, x.mean(axis=0, keepdims=True).repeat(len(x), axis=0)),
        )

    def to_dict(self) -> dict[str, Any]:
        """The means over images with their 95% intervals, as plain values."""
        bounds = {name: getattr(self, name) for name in ("elbo", "importance_weighted", "mean_image")}
        means = {name: {"mean": each.mean(), "interval": mean_interval(each)} for name, each in bounds.items()}
        return {"pixels": self.likelihood, "n_samples": self.n_samples, **means}

    @property
    def gap(self) -> Interval:
        """The 95% interval of the mean difference of the two bounds."""
        return mean_interval(self.importance_weighted - self.elbo)


def log_weights(
    x: Pictures,
    mu: NDArray[np.floating],
    logvar: NDArray[np.floating],
    decode: Callable[[NDArray[np.float32], NDArray[np.intp]], Pictures],
    likelihood: Likelihood,
    n_samples: int,
    seed: int,
) -> NDArray[np.float64]:
    """log p(x|z) + log p(z) − log q(z|x) for ``n_samples`` codes z from q(z|x) of each image, (n, n_samples)."""
    rng = np.random.default_rng(seed)
    found = np.empty((len(x), n_samples))
    size = max(1, BLOCK // n_samples)
    for start in range(0, len(x), size):
        rows = np.arange(start, min(start + size, len(x)))
        noise = rng.standard_normal((len(rows), n_samples, mu.shape[1]))
        z = mu[rows, None] + np.exp(logvar[rows, None] / 2, dtype=np.float64) * noise
        prior_over_posterior = (np.square(noise) - np.square(z) + logvar[rows, None]).sum(axis=2) / 2
        of_codes = rows.repeat(n_samples)
        x_hat = decode(z.reshape(-1, mu.shape[1]).astype(np.float32), of_codes)
        found[rows] = likelihood.log_density(x[of_codes], x_hat).reshape(-1, n_samples) + prior_over_posterior
    return found
