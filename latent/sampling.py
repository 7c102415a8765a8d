"""Where random codes come from: distributions over the latent space, fitted to the codes of real images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.errors import ArgumentError

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

N_COMPONENTS = 50
MANY_DIMENSIONS = 512  # a full covariance of more is too large to be factored while a person waits


class Distribution(Protocol):
    """A distribution over codes."""

    def draw(self, n: int, scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
        """``n`` codes (n, latent_dim), each ``scale`` times as far from its centre as it would be."""


@dataclass(frozen=True)
class Normal:
    """Independent Gaussians, one a dimension, given ``mean`` and ``std`` (latent_dim,)."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def draw(self, n: int, scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
        noise = rng.standard_normal((n, len(self.mean)), dtype=np.float32)
        return (self.mean + scale * self.std * noise).astype(np.float32)


@dataclass(frozen=True)
class Gaussian:
    """One Gaussian given ``mean`` (latent_dim,) and ``factor`` (latent_dim, rank): covariance factor · factorᵀ."""

    mean: NDArray[np.float32]
    factor: NDArray[np.float32]

    @classmethod
    def fitted(cls, z: NDArray[np.float32]) -> Gaussian:
        if z.shape[1] > MANY_DIMENSIONS:  # the covariance of these many codes, which has no more directions than codes
            some = z[:MANY_DIMENSIONS] - z[:MANY_DIMENSIONS].mean(axis=0)
            return cls(z.mean(axis=0), (some / np.sqrt(len(some) - 1)).T.astype(np.float32))
        covariance = np.atleast_2d(np.cov(z, rowvar=False))
        values, vectors = np.linalg.eigh(covariance)  # unlike Cholesky, this stands dead dimensions
        factor = vectors * np.sqrt(np.clip(values, 0, None))
        return cls(z.mean(axis=0), factor.astype(np.float32))

    def draw(self, n: int, scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
        noise = rng.standard_normal((n, self.factor.shape[1]), dtype=np.float32)
        return (self.mean + scale * noise @ self.factor.T).astype(np.float32)


@dataclass(frozen=True)
class Uniform:
    """Every value between ``low`` and ``high`` (latent_dim,) equally likely, each dimension by itself."""

    low: NDArray[np.float32]
    high: NDArray[np.float32]

    def draw(self, n: int, scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
        centre, reach = (self.low + self.high) / 2, (self.high - self.low) / 2
        return (centre + scale * reach * rng.uniform(-1, 1, (n, len(self.low)))).astype(np.float32)


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians with full covariances: ``weights`` (k,), and a `Gaussian` for each of the k components.

    A draw's centre is the mean of the component it comes from: a small scale gives the typical picture of each.
    """

    weights: NDArray[np.float64]
    components: list[Gaussian] = field(repr=False)

    @classmethod
    def fitted(cls, z: NDArray[np.float32], n_components: int = N_COMPONENTS, seed: int = 0) -> Mixture:
        """Fitted by expectation maximisation (scikit-learn's ``GaussianMixture``)."""
        from sklearn.mixture import GaussianMixture  # where used: importing it costs a second

        if z.shape[1] > MANY_DIMENSIONS:
            return cls.of_neighbours(z, n_components, seed)
        n_components = min(n_components, len(z))
        # A floor under the variances, in proportion to the data's own, keeps components from closing in on one point.
        floor = 1e-4 * float(z.var(axis=0).mean())
        model: GaussianMixture = GaussianMixture(n_components, reg_covar=floor, random_state=seed).fit(z)
        components = []
        for mean, covariance in zip(model.means_, model.covariances_, strict=True):
            factor = np.linalg.cholesky(covariance)
            components.append(Gaussian(mean.astype(np.float32), factor.astype(np.float32)))
        return cls(model.weights_ / model.weights_.sum(), components)

    @classmethod
    def of_neighbours(cls, z: NDArray[np.float32], n_components: int, seed: int) -> Mixture:
        """For codes of very many dimensions: clusters by k-means (scikit-learn), a Gaussian for each."""
        from sklearn.cluster import MiniBatchKMeans

        clusters = MiniBatchKMeans(n_components, random_state=seed, n_init=1).fit_predict(z)
        groups = [z[clusters == cluster] for cluster in range(n_components)]
        groups = [group for group in groups if len(group) > 1]
        return cls(
            np.array([len(group) for group in groups]) / sum(map(len, groups)), list(map(Gaussian.fitted, groups))
        )

    def draw(self, n: int, scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
        chosen = rng.choice(len(self.components), size=n, p=self.weights)
        codes = np.empty((n, len(self.components[0].mean)), np.float32)
        for index in np.unique(chosen):
            rows = chosen == index
            codes[rows] = self.components[index].draw(int(rows.sum()), scale, rng)
        return codes


HELP = {
    "normal": "Every dimension from N(0, 1). What a VAE is trained to match; a plain autoencoder's codes "
    "have another spread, so most of its pictures come out broken.",
    "learned": "Every dimension from a Gaussian with the mean and standard deviation of the real codes. "
    "A good first choice, though it ignores that dimensions go together.",
    "uniform": "Every value in a range equally likely. Goes to corners where no real code is: "
    "shows what the decoder does off the data.",
    "gaussian": "One Gaussian with the full covariance of the real codes: dimensions vary together as they do "
    "in the data. Better than learned wherever dimensions are correlated.",
    "mixture": f"{N_COMPONENTS} Gaussians fitted to the real codes: follows the clusters that the digits form. "
    "The most digit-like pictures.",
}
DISTRIBUTIONS = tuple(HELP)


def fit(
    name: str, z: NDArray[np.float32], *, low: ArrayLike | None = None, high: ArrayLike | None = None
) -> Distribution:
    """The distribution ``name`` (one of `DISTRIBUTIONS`) for codes ``z`` (n, latent_dim).

    ``low`` and ``high``, one number or one a dimension, bound "uniform"; by default the least and the greatest
    value of each dimension. Raises `ArgumentError` for an unknown name or an empty range.
    """
    match name:
        case "normal":
            return Normal(np.zeros(z.shape[1], np.float32), np.ones(z.shape[1], np.float32))
        case "learned":
            return Normal(z.mean(axis=0), z.std(axis=0))
        case "uniform":
            lows = np.broadcast_to(np.asarray(z.min(axis=0) if low is None else low, np.float32), z.shape[1:])
            highs = np.broadcast_to(np.asarray(z.max(axis=0) if high is None else high, np.float32), z.shape[1:])
            if not (np.isfinite(lows).all() and np.isfinite(highs).all() and (lows <= highs).all()):
                raise ArgumentError("A uniform range is two finite numbers, the lower one first.")
            return Uniform(lows, highs)
        case "gaussian":
            return Gaussian.fitted(z)
        case "mixture":
            return Mixture.fitted(z)
    raise ArgumentError(f"A distribution is one of {', '.join(DISTRIBUTIONS)}; got {name!r}.")


def sample(distribution: Distribution, n: int, *, scale: float = 1.0, seed: int = 0) -> NDArray[np.float32]:
    """``n`` codes (n, latent_dim); ``scale`` stretches them away from their centre (1 leaves them alone).

    The same seed gives the same codes. Raises `ArgumentError` for n below 1 or a scale that is not finite.
    """
    if n < 1:
        raise ArgumentError(f"The number of samples is from 1 up; got {n}.")
    if not np.isfinite(scale):
        raise ArgumentError(f"The scale is a finite number; got {scale}.")
    return distribution.draw(n, scale, np.random.default_rng(seed))
