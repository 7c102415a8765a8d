"""Samplers: where random codes come from, fitted to the codes of real images.

To add one, write its class here under ``@add_sampler``, with its name, noun and help: nothing else lists samplers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.arrays import Codes, Labels
from latent.errors import ArgumentError
from latent.neighbours import nearest

SIZES_TRIED = (1, 2, 4, 8, 12, 20, 30, 45, 70, 100)  # numbers of components of a mixture
PATIENCE = 2  # numbers in a row that are no better: the likelihood is not quite smooth
LEFT_OUT = 5  # one of so many codes is left out, to choose the number by
N_STEPS = 15  # of expectation maximisation, after which it gains little
PRIOR = 4.0  # codes of the mean covariance that each component has in advance
N_CLUSTERS = 50  # in place of components, where there are too many dimensions for those
N_PROBED = 1000  # codes whose neighbours say how far apart codes lie
TINY = 1e-12
FLOOR = 1e-4  # of the variance of a dimension: keeps a component from closing in on one point
MANY_DIMENSIONS = 512  # a full covariance of more is too large to be factored while a person waits


class Sampler(ABC):
    """Where codes come from: fitted to the codes of real images, then drawn from.

    ``name`` is how code and links call it, ``noun`` how a sentence does, ``help`` says what it is good for.
    ``needs_codes`` and ``needs_labels`` say what of real images it is fitted to, ``takes_range`` whether it is bounded.
    """

    name: ClassVar[str]
    noun: ClassVar[str]
    help: ClassVar[str]
    needs_codes: ClassVar[bool] = True
    needs_labels: ClassVar[bool] = False
    takes_range: ClassVar[bool] = False

    @classmethod
    @abstractmethod
    def fitted(
        cls,
        z: Codes,
        *,
        labels: Labels | None = None,
        low: ArrayLike | None = None,
        high: ArrayLike | None = None,
    ) -> Sampler:
        """Fitted to codes ``z`` (n, latent_dim), of which it uses what it needs; see `fit` for the rest."""

    @abstractmethod
    def draw(self, n: int, scale: float, rng: np.random.Generator) -> Codes:
        """``n`` codes (n, latent_dim), each ``scale`` times as far from its centre as it would be."""


SAMPLERS: dict[str, type[Sampler]] = {}  # by name, in the order in which people see them
Class = TypeVar("Class", bound=type[Sampler])


def add_sampler(cls: Class) -> Class:
    """Adds a class to `SAMPLERS`: this is all that a sampler needs to be offered, measured and spoken of."""
    SAMPLERS[cls.name] = cls
    return cls


@dataclass(frozen=True)
class IndependentNormals(Sampler):
    """Independent Gaussians, one for each dimension, given ``mean`` and ``std`` (latent_dim,)."""

    mean: NDArray[np.float32]
    std: NDArray[np.float32]

    def draw(self, n: int, scale: float, rng: np.random.Generator) -> Codes:
        noise = rng.standard_normal((n, len(self.mean)), dtype=np.float32)
        return (self.mean + scale * self.std * noise).astype(np.float32)


@add_sampler
@dataclass(frozen=True)
class StandardNormal(IndependentNormals):
    """N(0, 1) in every dimension."""

    name = "normal"
    noun = "N(0, 1)"
    help = "N(0, 1), the VAE prior; rarely fits plain autoencoders."
    needs_codes = False

    @classmethod
    def fitted(cls, z: Codes, **unused: object) -> StandardNormal:
        return cls(np.zeros(z.shape[1], np.float32), np.ones(z.shape[1], np.float32))


@add_sampler
@dataclass(frozen=True)
class LearnedNormals(IndependentNormals):
    """Gaussians with the mean and standard deviation of each dimension."""

    name = "learned"
    noun = "the learned sampler"
    help = "Independent Gaussian per dimension; ignores correlations."

    @classmethod
    def fitted(cls, z: Codes, **unused: object) -> LearnedNormals:
        return cls(z.mean(axis=0), z.std(axis=0))


@add_sampler
@dataclass(frozen=True)
class Uniform(Sampler):
    """Every value between ``low`` and ``high`` (latent_dim,) equally likely, each dimension by itself."""

    name = "uniform"
    noun = "the uniform sampler"
    help = "Equal density over a range; shows how the decoder extrapolates."
    takes_range = True

    low: NDArray[np.float32]
    high: NDArray[np.float32]

    @classmethod
    def fitted(
        cls, z: Codes, *, low: ArrayLike | None = None, high: ArrayLike | None = None, **unused: object
    ) -> Uniform:
        lows = np.broadcast_to(np.asarray(z.min(axis=0) if low is None else low, np.float32), z.shape[1:])
        highs = np.broadcast_to(np.asarray(z.max(axis=0) if high is None else high, np.float32), z.shape[1:])
        if not (np.isfinite(lows).all() and np.isfinite(highs).all() and (lows <= highs).all()):
            raise ArgumentError("Expected a uniform range of two finite numbers, the lower one first.")
        return cls(lows, highs)

    def draw(self, n: int, scale: float, rng: np.random.Generator) -> Codes:
        centre, reach = (self.low + self.high) / 2, (self.high - self.low) / 2
        return (centre + scale * reach * rng.uniform(-1, 1, (n, len(self.low)))).astype(np.float32)


@add_sampler
@dataclass(frozen=True)
class Gaussian(Sampler):
    """One Gaussian given ``mean`` (latent_dim,) and ``factor`` (latent_dim, rank): covariance factor · factorᵀ."""

    name = "gaussian"
    noun = "the full-covariance Gaussian"
    help = "One Gaussian with the full covariance of the codes."

    mean: NDArray[np.float32]
    factor: NDArray[np.float32]

    @classmethod
    def fitted(cls, z: Codes, **unused: object) -> Gaussian:
        if z.shape[1] > MANY_DIMENSIONS:  # the covariance of these many codes, which has no more directions than codes
            some = z[:MANY_DIMENSIONS] - z[:MANY_DIMENSIONS].mean(axis=0)
            return cls(z.mean(axis=0), (some / np.sqrt(len(some) - 1)).T.astype(np.float32))
        covariance = np.atleast_2d(np.cov(z, rowvar=False))
        values, vectors = np.linalg.eigh(covariance)  # unlike Cholesky, this stands dead dimensions
        factor = vectors * np.sqrt(np.clip(values, 0, None))
        return cls(z.mean(axis=0), factor.astype(np.float32))

    def draw(self, n: int, scale: float, rng: np.random.Generator) -> Codes:
        noise = rng.standard_normal((n, self.factor.shape[1]), dtype=np.float32)
        return (self.mean + scale * noise @ self.factor.T).astype(np.float32)


@dataclass(frozen=True)
class WeightedGaussians(Sampler):
    """Gaussians with full covariances: ``weights`` (k,), and a `Gaussian` for each of the k ``components``.

    A draw's centre is the mean of the component it comes from: a small scale gives the typical picture of each.
    """

    weights: NDArray[np.float64]
    components: list[Gaussian] = field(repr=False)

    @classmethod
    def of_groups(cls, z: Codes, groups: Labels) -> Self:
        """A Gaussian for each group of codes, as likely as the group is large; ``groups`` (n,) is the group of each."""
        members = [z[groups == group] for group in np.unique(groups)]
        members = [each for each in members if len(each) > 1]  # one code has no covariance
        sizes = np.array([len(each) for each in members])
        return cls(sizes / sizes.sum(), list(map(Gaussian.fitted, members)))

    def draw(self, n: int, scale: float, rng: np.random.Generator) -> Codes:
        chosen = rng.choice(len(self.components), size=n, p=self.weights)
        codes = np.empty((n, len(self.components[0].mean)), np.float32)
        for index in np.unique(chosen):
            rows = chosen == index
            codes[rows] = self.components[index].draw(int(rows.sum()), scale, rng)
        return codes


@add_sampler
@dataclass(frozen=True)
class Mixture(WeightedGaussians):
    """A mixture of Gaussians fitted by expectation maximisation."""

    name = "mixture"
    noun = "the mixture"
    help = "Gaussian mixture with full covariances, size chosen by held-out likelihood."

    @classmethod
    def fitted(cls, z: Codes, n_components: int | None = None, seed: int = 0, **unused: object) -> Mixture:
        """By expectation maximisation (`GaussianComponents`), on codes of standard deviation 1.

        The number of components is by default the one of `SIZES_TRIED` under which codes that were left out of the fit
        are likeliest.
        """
        if z.shape[1] > MANY_DIMENSIONS:
            return cls.of_clusters(z, n_components or N_CLUSTERS, seed)
        mean, std = z.mean(axis=0), np.where(z.std(axis=0) > 0, z.std(axis=0), 1).astype(np.float32)
        rows = (z - mean) / std
        found = GaussianComponents.fitted(rows, n_components or best_size(rows, seed), seed)
        components = [
            Gaussian((mean + std * each).astype(np.float32), (std[:, None] * factor).astype(np.float32))
            for each, factor in zip(found.means, found.factors)
        ]
        return cls(found.weights, components)

    @classmethod
    def of_clusters(cls, z: Codes, n_clusters: int, seed: int) -> Mixture:
        """For codes of very many dimensions: clusters by k-means (scikit-learn), a Gaussian for each."""
        from sklearn.cluster import MiniBatchKMeans

        return cls.of_groups(z, MiniBatchKMeans(n_clusters, random_state=seed, n_init=1).fit_predict(z))


@dataclass(frozen=True)
class GaussianComponents:
    """A mixture of Gaussians: ``weights`` (k,), ``means`` (k, d), and Cholesky ``factors`` (k, d, d) of covariances."""

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    factors: NDArray[np.float64]

    @classmethod
    def fitted(cls, rows: Codes, k: int, seed: int = 0) -> GaussianComponents:
        """Fitted to ``rows`` (n, d) by expectation maximisation (Dempster, Laird & Rubin 1977) from k-means.

        Each covariance is as if `PRIOR` rows of the mean covariance had been seen besides its own, so that a component
        of few rows does not close in on them (a conjugate prior; Fraley & Raftery 2007).
        """
        from sklearn.cluster import KMeans  # where used: importing it costs a second

        k = min(k, len(rows))
        groups = KMeans(k, n_init=1, max_iter=20, random_state=seed).fit_predict(rows)
        shares = np.eye(k, dtype=np.float32)[groups]
        for _ in range(N_STEPS if k > 1 else 1):
            found = cls.of_shares(rows, shares)
            joint = found.log_densities(rows)
            joint -= joint.max(axis=1, keepdims=True)
            shares = np.exp(joint, out=joint).astype(np.float32)
            shares /= shares.sum(axis=1, keepdims=True)
        return cls.of_shares(rows, shares)

    @classmethod
    def of_shares(cls, rows: Codes, shares: NDArray[np.float32]) -> GaussianComponents:
        """The likeliest components of rows (n, d) of which each component has made these ``shares`` (n, k)."""
        n, d = rows.shape
        sizes = shares.sum(axis=0, dtype=np.float64) + TINY
        means = (shares.T @ rows) / sizes[:, None]
        scatter = np.empty((len(sizes), d, d))
        for each, mean in enumerate(means.astype(np.float32)):
            away = rows - mean
            scatter[each] = (shares[:, each, None] * away).T @ away
        floor = np.diag(np.where(np.ptp(rows, axis=0) > 0, FLOOR, TINY))
        pooled = scatter.sum(axis=0) / n + floor
        covariances = (scatter + PRIOR * pooled) / (sizes + PRIOR)[:, None, None]
        return cls(sizes / sizes.sum(), means, np.linalg.cholesky(covariances + floor))

    def log_densities(self, rows: Codes) -> NDArray[np.float64]:
        """The logarithm of each component's share of the density at rows (n, d), (n, k), in nats."""
        d = rows.shape[1]
        joint = np.empty((len(rows), len(self.weights)))
        for each, (weight, mean, factor) in enumerate(zip(self.weights, self.means, self.factors)):
            white = (rows - mean.astype(np.float32)) @ np.linalg.inv(factor).T.astype(np.float32)
            constant = np.log(weight) - np.log(np.diag(factor)).sum() - d / 2 * np.log(2 * np.pi)
            joint[:, each] = constant - np.einsum("ij,ij->i", white, white) / 2
        return joint

    def log_likelihood(self, rows: Codes) -> float:
        """The mean logarithm of the density at rows (n, d), in nats."""
        return float(np.logaddexp.reduce(self.log_densities(rows), axis=1).mean())


def best_size(rows: Codes, seed: int) -> int:
    """The number of components, of `SIZES_TRIED`, under which rows that are left out of the fit are likeliest.

    The seed chooses these; `PATIENCE` numbers in a row that are no better end the search.
    """
    order = np.random.default_rng(seed).permutation(len(rows))
    left_out, fitting = rows[order[: len(rows) // LEFT_OUT]], rows[order[len(rows) // LEFT_OUT :]]
    best, highest, no_better, distinct = 1, -np.inf, 0, len(np.unique(fitting, axis=0))
    if len(left_out) == 0:
        return 1
    for size in SIZES_TRIED:
        if no_better == PATIENCE or size > distinct:
            break
        likelihood = GaussianComponents.fitted(fitting, size, seed).log_likelihood(left_out)
        no_better += 1
        if likelihood > highest:
            best, highest, no_better = size, likelihood, 0
    return best


@add_sampler
@dataclass(frozen=True)
class Classes(WeightedGaussians):
    """One Gaussian for each class."""

    name = "classes"
    noun = "per-class Gaussians"
    help = "One Gaussian per class, drawn as often as its class is."
    needs_labels = True

    @classmethod
    def fitted(cls, z: Codes, *, labels: Labels | None = None, **unused: object) -> Classes:
        """Of the classes ``labels`` (n,); without them all the codes are of one class."""
        return cls.of_groups(z, np.zeros(len(z), int) if labels is None else labels)


@add_sampler
@dataclass(frozen=True)
class Around(Sampler):
    """Real ``codes`` (n, latent_dim) moved a little: a kernel density with noise of ``factor`` (latent_dim, rank).

    A draw's centre is the real code it comes from: scale 0 gives real codes.
    """

    name = "around"
    noun = "perturbed real codes"
    help = "Real codes plus small noise: most realistic, least novel."

    codes: NDArray[np.float32] = field(repr=False)
    factor: NDArray[np.float32]

    @classmethod
    def fitted(cls, z: Codes, **unused: object) -> Around:
        """Noise of the shape of the codes' covariance, and half as far as it is from a code to its nearest neighbour.

        Half of the median distance, as a root mean square, in standard deviations of each dimension: shorter steps
        would copy, longer ones leave the data. (The usual bandwidths fall as n^(-1/(d + 4)) and smear codes of ten
        dimensions and more all over the space.)
        """
        std = np.where(z.std(axis=0) > 0, z.std(axis=0), 1).astype(np.float32)
        rows = z / std
        factor = Gaussian.fitted(rows).factor
        apart = np.median(nearest(rows[:: -(-len(z) // N_PROBED)], rows, 2)[0][:, 1]) if len(z) > 1 else 0.0
        step = 0.5 * apart / (np.linalg.norm(factor) + TINY)
        return cls(z, (std[:, None] * factor * step).astype(np.float32))

    def draw(self, n: int, scale: float, rng: np.random.Generator) -> Codes:
        centres = self.codes[rng.integers(len(self.codes), size=n)]
        noise = rng.standard_normal((n, self.factor.shape[1]), dtype=np.float32)
        return (centres + scale * noise @ self.factor.T).astype(np.float32)


def fit(
    name: str,
    z: Codes,
    *,
    labels: Labels | None = None,
    low: ArrayLike | None = None,
    high: ArrayLike | None = None,
) -> Sampler:
    """The sampler ``name`` (one of `SAMPLERS`), fitted to codes ``z`` (n, latent_dim).

    ``labels`` (n,) are for a sampler that needs them; without them all the codes are of one class.

    ``low`` and ``high``, one number or one per dimension, are for a sampler that takes a range; by default the least
    and the greatest value of each dimension. Raises `ArgumentError` for an unknown name or an empty range.
    """
    if name not in SAMPLERS:
        raise ArgumentError(f"The sampler must be one of {', '.join(SAMPLERS)}, got {name!r}.")
    return SAMPLERS[name].fitted(z, labels=labels, low=low, high=high)


def sample(sampler: Sampler, n: int, *, scale: float = 1.0, seed: int = 0) -> Codes:
    """``n`` codes (n, latent_dim); ``scale`` stretches them away from their centre (1 leaves them alone).

    The same seed gives the same codes. Raises `ArgumentError` for n below 1 or a scale that is not finite.
    """
    if n < 1:
        raise ArgumentError(f"The number of samples must be at least 1, got {n}.")
    if not np.isfinite(scale):
        raise ArgumentError(f"The scale must be a finite number, got {scale}.")
    return sampler.draw(n, scale, np.random.default_rng(seed))
