"""Likelihoods: how probable an image is given a decoded one, as implied by the loss that a VAE was trained with."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.arrays import Pictures

LEAST_LOGARITHM = -100.0  # of a probability that is rounded to 0, as in PyTorch's binary cross-entropy


class Likelihood(ABC):
    """The density p(x | x_hat) of images, pixels in [0, 1], given what the decoder makes of a code."""

    @abstractmethod
    def log_density(self, x: Pictures, x_hat: Pictures) -> NDArray[np.float64]:
        """Its logarithm for each image, in nats: images ``x`` and ``x_hat`` (n, …) to (n,)."""


@dataclass(frozen=True)
class Gaussian(Likelihood):
    """Every pixel normal about the decoded one, with this ``variance``: what squared errors imply."""

    variance: float

    def __str__(self) -> str:
        return f"normal pixels of variance {self.variance:.3g}"

    def log_density(self, x: Pictures, x_hat: Pictures) -> NDArray[np.float64]:
        squares = np.square(x - x_hat).reshape(len(x_hat), -1)
        constant = squares.shape[1] * math.log(2 * math.pi * self.variance)
        return -(squares.sum(axis=1, dtype=np.float64) / self.variance + constant) / 2


@dataclass(frozen=True)
class Bernoulli(Likelihood):
    """Every pixel white with the probability that is decoded: what binary cross-entropy implies.

    Of grey images it is the mean over all ways to draw black and white ones by their pixels.
    """

    def __str__(self) -> str:
        return "Bernoulli pixels"

    def log_density(self, x: Pictures, x_hat: Pictures) -> NDArray[np.float64]:
        with np.errstate(divide="ignore"):
            white, black = (np.maximum(np.log(each), LEAST_LOGARITHM) for each in (x_hat, 1 - x_hat))
        return (x * white + (1 - x) * black).reshape(len(x_hat), -1).sum(axis=1, dtype=np.float64)


def of_weighted_error(beta: Any) -> Likelihood | None:
    """The likelihood that `latent.train` implies for a VAE; None where ``beta`` is no number above 0.

    Its loss, the squared error per pixel plus ``beta`` times the KL divergence over the number of pixels, is, times
    that number over ``beta`` and up to a constant, the negative evidence lower bound with normal pixels of variance
    ``beta`` / 2.

    >>> of_weighted_error(0.1)
    Gaussian(variance=0.05)
    """
    is_number = isinstance(beta, (int, float)) and math.isfinite(beta)
    return Gaussian(beta / 2) if is_number and beta > 0 else None
