"""Where random codes come from: distributions over the latent space, fitted to the codes of real images."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.errors import ArgumentError
from latent.neighbours import nearest

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

# Numbers of components that are tried for a mixture; ten among them, for ten digits.
LADDER = (1, 2, 3, 5, 8, 10, 12, 18, 27, 40, 60, 90)
PATIENCE = 2  # rungs in a row that are no better: the criterion is not quite smooth
ROUGHLY = 0.02  # nats a code that a step of the fit must still gain, while the number of components is chosen
N_CLUSTERS = 50  # in place of components, where there are too many dimensions for those
ASKED = 1000  # codes whose neighbours say how far apart codes lie
TINY = 1e-12
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
    def fitted(cls, z: NDArray[np.float32], n_components: int | None = None, seed: int = 0) -> Mixture:
        """Fitted by expectation maximisation (scikit-learn's ``GaussianMixture``).

        The number of components is by default the one with the lowest Bayesian information criterion (Schwarz 1978)
        on the `LADDER`.
        """
        if z.shape[1] > MANY_DIMENSIONS:
            return cls.of_neighbours(z, n_components or N_CLUSTERS, seed)
        model = rough_mixture(z, min(n_components, len(z)), seed) if n_components else climb(z, seed)
        model.set_params(tol=1e-3).fit(z)  # goes on from where it is
        components = []
        for mean, covariance in zip(model.means_, model.covariances_, strict=True):
            factor = np.linalg.cholesky(covariance)
            components.append(Gaussian(mean.astype(np.float32), factor.astype(np.float32)))
        return cls(model.weights_ / model.weights_.sum(), components)

    @classmethod
    def of_neighbours(cls, z: NDArray[np.float32], n_clusters: int, seed: int) -> Mixture:
        """For codes of very many dimensions: clusters by k-means (scikit-learn), a Gaussian for each."""
        from sklearn.cluster import MiniBatchKMeans

        return cls.of_groups(z, MiniBatchKMeans(n_clusters, random_state=seed, n_init=1).fit_predict(z))

    @classmethod
    def of_groups(cls, z: NDArray[np.float32], groups: NDArray[np.integer]) -> Mixture:
        """A Gaussian for each group of codes, as likely as the group is large; ``groups`` (n,) says which is whose."""
        members = [z[groups == group] for group in np.unique(groups)]
        members = [each for each in members if len(each) > 1]  # one code has no covariance
        sizes = np.array([len(each) for each in members])
        return cls(sizes / sizes.sum(), list(map(Gaussian.fitted, members)))

    def draw(self, n: int, scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
        chosen = rng.choice(len(self.components), size=n, p=self.weights)
        codes = np.empty((n, len(self.components[0].mean)), np.float32)
        for index in np.unique(chosen):
            rows = chosen == index
            codes[rows] = self.components[index].draw(int(rows.sum()), scale, rng)
        return codes


def rough_mixture(z: NDArray[np.float32], n_components: int, seed: int) -> GaussianMixture:
    """A mixture fitted until a step gains less than `ROUGHLY`."""
    from sklearn.mixture import GaussianMixture  # where used: importing it costs a second

    # A floor under the variances, in proportion to the data's own, keeps components from closing in on one point.
    floor = max(1e-4 * float(z.var(axis=0).mean()), TINY)
    model: GaussianMixture = GaussianMixture(
        n_components, reg_covar=floor, tol=ROUGHLY, warm_start=True, random_state=seed
    )
    return model.fit(z)


def climb(z: NDArray[np.float32], seed: int) -> GaussianMixture:
    """The mixture of the lowest criterion on the `LADDER`, climbed until `PATIENCE` rungs have brought nothing."""
    best = rough_mixture(z, LADDER[0], seed)
    lowest, fruitless, distinct = best.bic(z), 0, len(np.unique(z, axis=0))
    for n_components in LADDER[1:]:
        if fruitless == PATIENCE or n_components > distinct:
            break
        model = rough_mixture(z, n_components, seed)
        criterion = model.bic(z)
        fruitless += 1
        if criterion < lowest:
            best, lowest, fruitless = model, criterion, 0
    return best


@dataclass(frozen=True)
class Around:
    """Real ``codes`` (n, latent_dim) moved a little: a kernel density with noise of ``factor`` (latent_dim, rank).

    A draw's centre is the real code it comes from: scale 0 gives real codes.
    """

    codes: NDArray[np.float32] = field(repr=False)
    factor: NDArray[np.float32]

    @classmethod
    def fitted(cls, z: NDArray[np.float32]) -> Around:
        """Noise of the shape of the codes' covariance, and half as far as it is from a code to its nearest neighbour.

        Half of the median distance, as a root mean square: shorter steps would copy, longer ones leave the data. (The
        usual bandwidths fall as n^(-1/(d + 4)) and smear codes of ten dimensions and more all over the space.)
        """
        factor = Gaussian.fitted(z).factor
        apart = np.median(nearest(z[:: -(-len(z) // ASKED)], z, 2)[0][:, 1])
        return cls(z, (factor * (0.5 * apart / (np.linalg.norm(factor) + TINY))).astype(np.float32))

    def draw(self, n: int, scale: float, rng: np.random.Generator) -> NDArray[np.float32]:
        centres = self.codes[rng.integers(len(self.codes), size=n)]
        noise = rng.standard_normal((n, self.factor.shape[1]), dtype=np.float32)
        return (centres + scale * noise @ self.factor.T).astype(np.float32)


HELP = {
    "normal": "Every dimension from N(0, 1). What a VAE is trained to match; a plain autoencoder's codes "
    "have another spread, so most of its pictures come out broken.",
    "learned": "Every dimension from a Gaussian with the mean and standard deviation of the real codes. "
    "A good first choice, though it ignores that dimensions go together.",
    "uniform": "Every value in a range equally likely. Goes to corners where no real code is: "
    "shows what the decoder does off the data.",
    "gaussian": "One Gaussian with the full covariance of the real codes: dimensions vary together as they do "
    "in the data. Better than learned wherever dimensions are correlated.",
    "mixture": "Several Gaussians fitted to the real codes, as many as the Bayesian information criterion "
    "asks for: follows the clusters that the digits form.",
    "classes": "One Gaussian with full covariance for every digit, each as likely as it is in the data. "
    "What the labels alone can tell; a digit written in several ways is smeared over them.",
    "around": "Around real codes: one of them moved at random, half as far as to its nearest neighbour. "
    "The most digit-like pictures, and the least new.",
}
DISTRIBUTIONS = tuple(HELP)


def fit(
    name: str,
    z: NDArray[np.float32],
    *,
    labels: NDArray[np.integer] | None = None,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
) -> Distribution:
    """The distribution ``name`` (one of `DISTRIBUTIONS`) for codes ``z`` (n, latent_dim).

    ``labels`` (n,) are for "classes"; without them all the codes are of one class.

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
        case "classes":
            return Mixture.of_groups(z, np.zeros(len(z), int) if labels is None else labels)
        case "around":
            return Around.fitted(z)
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
