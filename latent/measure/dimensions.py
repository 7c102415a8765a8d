"""What a trained model does: what its dimensions carry and represent, and how well it reconstructs images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.arrays import Decode, Labels
from latent.errors import ArgumentError
from latent.measure.intervals import Interval, mean_interval
from latent.neighbours import nearest_others
from latent.traversal import effects, traverse

MANY_DIMENSIONS = 1024
MOST_DECODES = 4096  # pictures that are drawn to see what the dimensions do
MOST_BASES = 64  # real codes from which a dimension is changed
STEPS = np.linspace(-1.5, 1.5, 7)  # of a traversal: standard deviations of the dimension about the base
INACTIVE_BELOW = 0.01  # of the mean effect on the picture: below it a dimension is inactive
INVISIBLE = 1e-5  # root mean square per pixel: rounding
ACTIVE_VARIANCE = 0.01  # of the posterior means of a VAE, in the units of its prior
BINS = 32  # of equal frequency
LEAST_CORRELATION = 0.5  # with a property that a dimension represents …
LEAST_SLOPE = 0.25  # … and of the traversal that confirms it

Properties = Mapping[str, NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Dimensions:
    """What dimensions of codes carry; arrays have one entry for each of ``dimensions``.

    ``variance`` in squared latent units; ``effect`` on the picture, a root mean square a pixel (`traversal.effects`,
    one standard deviation either way); ``class_information`` in bits, of the 3.32 that ten equally frequent classes
    hold; ``kl`` in nats (`kl_by_dimension`), None where the model is not variational or does not say;
    ``correlation`` of each with each; ``effective_rank`` of the whole code, each dimension as long as its effect, from
    1 to latent_dim. ``variational`` says by which rule dimensions are `active`.
    """

    dimensions: NDArray[np.intp]
    variance: NDArray[np.float64]
    effect: NDArray[np.float64]
    class_information: NDArray[np.float64]
    kl: NDArray[np.float64] | None
    correlation: NDArray[np.float64] = field(repr=False)
    effective_rank: float
    variational: bool = False

    @classmethod
    def of(
        cls,
        z: NDArray[np.float32],
        labels: Labels,
        decode: Decode,
        logvar: NDArray[np.float32] | None = None,
        dimensions: NDArray[np.intp] | None = None,
        seed: int = 0,
        *,
        effect: NDArray[np.floating] | None = None,
        variational: bool = False,
    ) -> Dimensions:
        """Of real codes ``z`` (n, latent_dim) and their ``labels`` (n,); ``logvar`` (n, latent_dim) is a VAE's.

        ``dimensions`` are by default all. The effects on the image are seen from real codes that the seed chooses,
        where they are not known already: ``effect`` (latent_dim,).
        """
        chosen = np.arange(z.shape[1]) if dimensions is None else dimensions
        own, std = z[:, chosen], z.std(axis=0, dtype=np.float64)
        if effect is None:
            effect = np.zeros(z.shape[1])
            effect[chosen] = effects(decode, base_codes(z, len(chosen), seed), z.std(axis=0), chosen)
        units = np.divide(effect, std, out=np.zeros_like(std), where=std > 0)
        return cls(
            chosen,
            own.var(axis=0, dtype=np.float64),
            np.asarray(effect, np.float64)[chosen],
            class_information(own, labels),
            None if logvar is None else kl_by_dimension(own, logvar[:, chosen]),
            correlations(own, own),
            effective_rank((z - z.mean(axis=0, dtype=np.float64)) * units),
            variational,
        )

    @property
    def active(self) -> NDArray[np.bool_]:
        """Which of the dimensions are `active`."""
        return active(self.effect, self.variance if self.variational else None)

    @property
    def inactive(self) -> list[int]:
        """The dimensions that are not active."""
        return self.dimensions[~self.active].tolist()


def active(effect: NDArray[np.floating], variance: NDArray[np.floating] | None = None) -> NDArray[np.bool_]:
    """Which dimensions are active, (n,): the one rule, for plain and variational models.

    An active dimension changes the image, by at least 1 % of what the dimensions do on average; no unit of the code
    enters this. That of a VAE, given the ``variance`` of its posterior means, also varies with the image, in the unit
    that its prior sets: Var(E[z|x]) > 0.01 (Burda et al. 2016, arXiv:1509.00519).

    >>> active(np.array([1.0, 0.5, 0.001])).tolist(), active(np.array([1.0, 0.5]), np.array([1, 0.005])).tolist()
    ([True, True, False], [True, False])
    """
    shows = np.asarray(effect) >= max(INACTIVE_BELOW * float(np.mean(effect)), INVISIBLE)
    return shows if variance is None else shows & (np.asarray(variance) > ACTIVE_VARIANCE)


def base_codes(z: NDArray[np.float32], n_dimensions: int, seed: int = 0) -> NDArray[np.float32]:
    """Real codes from which so many dimensions are changed to see their effects; the seed chooses them."""
    return random_rows(z, MOST_DECODES // (2 * n_dimensions), seed)


def random_rows(rows: NDArray[np.float32], n: int, seed: int) -> NDArray[np.float32]:
    """``n`` of the rows at random, at least 4 and at most `MOST_BASES`."""
    n = min(max(n, 4), MOST_BASES, len(rows))
    return rows[np.random.default_rng(seed).choice(len(rows), n, replace=False)]


def class_information(z: NDArray[np.floating], labels: Labels, bins: int = BINS) -> NDArray[np.float64]:
    """Mutual information in bits between each dimension of codes (n, latent_dim) and the label (n,), (latent_dim,).

    Each dimension is cut into ``bins`` of equal frequency; the bias of counting few codes a bin is taken off to first
    order (Miller 1955; for mutual information Roulston 1999).
    """
    n = len(z)
    information = np.empty(z.shape[1])
    for dimension, values in enumerate(z.T):
        edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
        table = np.zeros((len(edges) + 1, int(labels.max()) + 1))
        np.add.at(table, (np.searchsorted(edges, values), labels), 1)
        of_bins, of_labels = table.sum(axis=1), table.sum(axis=0)
        expected = np.outer(of_bins, of_labels) / n
        seen = table > 0
        nats = (table[seen] * np.log(table[seen] / expected[seen])).sum() / n
        bias = (seen.sum() - (of_bins > 0).sum() - (of_labels > 0).sum() + 1) / (2 * n)
        information[dimension] = max(0.0, (nats - bias) / np.log(2))
    return information


def kl_by_dimension(mu: NDArray[np.floating], logvar: NDArray[np.floating]) -> NDArray[np.float64]:
    """KL divergence in nats of N(mu, exp(logvar)) from N(0, 1), the mean over images of each dimension, (latent_dim,).

    Kingma & Welling 2014, appendix B. A dimension at 0 has collapsed to the prior and says nothing of the image.
    """
    mu, logvar = np.asarray(mu, np.float64), np.asarray(logvar, np.float64)
    return 0.5 * (np.square(mu) + np.exp(logvar) - 1 - logvar).mean(axis=0)


def effective_rank(z: NDArray[np.floating]) -> float:
    """How many directions codes (n, latent_dim) really take: exp of the entropy of their singular values' shares.

    Roy & Vetterli 2007 (EUSIPCO), of codes about their mean: latent_dim where all directions are alike, 1 on a line,
    0 where all codes are the same. Of very long codes, that of the first 1,024.
    """
    rows = z if z.shape[1] <= MANY_DIMENSIONS else z[:MANY_DIMENSIONS]
    centred = rows - rows.mean(axis=0, dtype=np.float64)
    squares = (
        centred @ centred.T if len(rows) < z.shape[1] else centred.T @ centred
    )  # the smaller of two with its values
    singular = np.sqrt(np.clip(np.linalg.eigvalsh(squares), 0, None))
    if singular.sum() == 0:
        return 0.0
    shares = singular[singular > 0] / singular.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def neighbour_classes(z: NDArray[np.floating], labels: Labels, k: int = 10) -> NDArray[np.float64]:
    """The classes of the ``k`` nearest neighbours of each class's codes: shares (n_classes, n_classes), rows' sums 1.

    Row 4, column 9 is the share of class 9 among the neighbours of class 4. Of codes (n, latent_dim) and their classes
    (n,); NaN in the row of a class that is not there.
    """
    _, found = nearest_others(z, k)
    n_classes = int(np.max(labels)) + 1
    counts = np.zeros((n_classes, n_classes))
    np.add.at(counts, (np.repeat(labels, k), labels[found.ravel()]), 1)
    sums = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, sums, out=np.full_like(counts, np.nan), where=sums > 0)


def correlations(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pearson's correlation (p, q) of the columns of (n, p) and (n, q); 0 with a column that never changes."""
    return standardized(a).T @ standardized(b) / len(a)


def standardized(columns: NDArray[np.floating]) -> NDArray[np.float64]:
    """Columns (n, p) less their means, over their standard deviations; zeros for one that never changes."""
    centred = np.asarray(columns, np.float64) - np.mean(columns, axis=0, dtype=np.float64)
    std = centred.std(axis=0)
    return np.divide(
        centred, std, out=np.zeros_like(centred), where=std > 1e-9 * np.abs(columns).max(axis=0, initial=0)
    )


@dataclass(frozen=True)
class RepresentedProperty:
    """The property of pictures, by its ``name``, that a ``dimension`` represents; see `PropertyCorrelations`."""

    dimension: int
    name: str
    correlation: float
    slope: float
    follow: float = float("nan")


@dataclass(frozen=True)
class PropertyCorrelations:
    """How ``dimensions`` (n_dimensions,) are related to measured properties of pictures, called ``names``.

    ``correlation`` (n_dimensions, n_properties): Pearson's, over the real images. ``slope``, of the same shape: the
    effect of the dimension alone, measured on decoded pictures of a traversal, in standard deviations of the property
    among real images for one standard deviation of the dimension. ``follow``, of the same shape: the share of the
    ``n_bases`` single traversals whose property changes in the direction of the mean one; half of them would by chance.
    """

    names: tuple[str, ...]
    dimensions: NDArray[np.intp]
    correlation: NDArray[np.float64]
    slope: NDArray[np.float64]
    follow: NDArray[np.float64] | None = None
    n_bases: int = 0

    @classmethod
    def of(
        cls,
        z: NDArray[np.float32],
        properties: Properties,
        decode: Decode,
        measure: Callable[[NDArray[np.float32]], Properties],
        dimensions: NDArray[np.intp] | None = None,
        seed: int = 0,
        bases: NDArray[np.intp] | None = None,
    ) -> PropertyCorrelations:
        """``properties`` name -> values (n,) of the real images whose codes are ``z`` (n, latent_dim).

        ``measure`` gives the same properties of any pictures; ``dimensions`` are by default all. The traversals start
        from real codes that the seed chooses, of the rows ``bases`` where they are given.
        """
        names = tuple(properties)
        real = np.stack([properties[name] for name in names], axis=1)
        if len(real) != len(z):
            raise ArgumentError(f"Expected properties of all {len(z)} images, got {len(real)} values.")
        chosen = np.arange(z.shape[1]) if dimensions is None else dimensions
        start = random_rows(z if bases is None else z[bases], MOST_DECODES // (len(STEPS) * len(chosen)), seed)
        std = z.std(axis=0)
        slope, follow = np.empty((2, len(chosen), len(names)))
        for place, dimension in enumerate(chosen.tolist()):
            codes = [traverse(base, dimension, base[dimension] + STEPS * std[dimension]) for base in start]
            measured = measure(decode(np.concatenate(codes)))
            values = np.stack([measured[name] for name in names], axis=1).reshape(len(start), len(STEPS), len(names))
            own = np.einsum("s,bsn->bn", STEPS, values) / np.square(STEPS).sum()  # least squares about a mean of 0
            slope[place] = own.mean(axis=0)
            follow[place] = (np.sign(own) == np.sign(slope[place])).mean(axis=0)
        spread = real.std(axis=0, dtype=np.float64)
        slope = np.divide(slope, spread, out=np.zeros_like(slope), where=spread > 0)
        return cls(names, chosen, correlations(z[:, chosen], real), slope, follow, len(start))

    def represented(self) -> list[RepresentedProperty]:
        """The dimensions that represent a property, the highest correlation first, each with its best property.

        That is a correlation of 0.5 or more, and a slope of 0.25 or more of the same sign.
        """
        size, slope = np.abs(self.correlation), self.slope * np.sign(self.correlation)
        strength = np.where((size >= LEAST_CORRELATION) & (slope >= LEAST_SLOPE), size, 0)
        best = strength.argmax(axis=1)
        order = np.argsort(-strength.max(axis=1), kind="stable")
        return [
            RepresentedProperty(
                int(self.dimensions[row]), self.names[best[row]],
                float(self.correlation[row, best[row]]), float(self.slope[row, best[row]]),
                np.nan if self.follow is None else float(self.follow[row, best[row]]),
            )
            for row in order
            if strength[row, best[row]] > 0
        ]  # fmt: skip


@dataclass(frozen=True)
class Reconstruction:
    """How well images are reconstructed: ``errors`` (n,), each the mean squared error a pixel, pixels in [0, 1]."""

    errors: NDArray[np.float64] = field(repr=False)
    labels: Labels = field(repr=False)

    @classmethod
    def of(cls, images: NDArray[np.uint8], x_hat: NDArray[np.float32], labels: Labels) -> Reconstruction:
        """Of ``images`` (n, height, width[, channels]) uint8 and their reconstructions ``x_hat`` in [0, 1]."""
        if images.shape != x_hat.shape or len(labels) != len(images):
            raise ArgumentError(
                f"Expected a reconstruction of the same shape and a label for each image, got {images.shape}, "
                f"{x_hat.shape} and {len(labels)} labels."
            )
        pixels = tuple(range(1, images.ndim))
        return cls(np.square(x_hat - images / np.float32(255)).mean(axis=pixels, dtype=np.float64), labels)

    @property
    def mse(self) -> float:
        """The mean error."""
        return float(self.errors.mean())

    @property
    def by_class(self) -> NDArray[np.float64]:
        """The mean error of each class, (n_classes,); NaN for one that is not there."""
        counts = np.bincount(self.labels)
        sums = np.bincount(self.labels, self.errors)
        return np.divide(sums, counts, out=np.full(len(counts), np.nan), where=counts > 0)

    @property
    def intervals(self) -> list[Interval]:
        """The 95% interval of each class's mean error."""
        return [mean_interval(self.errors[self.labels == each]) for each in range(len(self.by_class))]

    def best(self, n: int = 32) -> NDArray[np.intp]:
        """The ``n`` images with the least error, best first."""
        return np.argsort(self.errors, kind="stable")[:n]

    def worst(self, n: int = 32) -> NDArray[np.intp]:
        """The ``n`` images with the greatest error, worst first."""
        return np.argsort(-self.errors, kind="stable")[:n]


def pca_errors(images: NDArray[np.uint8], most: int, seed: int = 0) -> NDArray[np.float64]:
    """Mean squared error a pixel of principal components as codes, for 0 to ``most`` of them: (most + 1,).

    The first is that of the mean picture. Each half of ``images`` (n, …) uint8 is scored on the components of the other
    half, so that no image helps to reconstruct itself; the seed chooses the halves.
    """
    from sklearn.decomposition import PCA  # where used: importing it costs a second

    x = images.reshape(len(images), -1).astype(np.float32) / np.float32(255)
    order = np.random.default_rng(seed).permutation(len(x))
    folds = order[: len(x) // 2], order[len(x) // 2 :]
    n_components = min(most, len(x) // 2, x.shape[1])
    total = np.zeros(n_components + 1)
    for fitting, testing in (folds, folds[::-1]):
        pca = PCA(n_components, random_state=seed).fit(x[fitting])
        explained = np.square(pca.transform(x[testing])).sum(axis=0, dtype=np.float64)
        left = np.square(x[testing] - pca.mean_).sum(dtype=np.float64)
        total += left - np.concatenate([[0], np.cumsum(explained)])
    return np.pad(np.maximum(total, 0) / x.size, (0, most - n_components), mode="edge")
