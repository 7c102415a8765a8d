"""How near a sampler's pictures come to real ones: quality, variety and novelty, as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.components import PrincipalAxes
from latent.errors import ArgumentError
from latent.measure.intervals import N_GROUPS, Interval, jackknife, mean_interval, share_interval
from latent.measure.judgement import Judgement, Seen
from latent.measure.measures import Measure
from latent.neighbours import nearest, nearest_others, squared_distances

N_NEIGHBOURS = 5  # of the balls about real and about sampled features: Naeem et al.'s own choice
DUPLICATE_QUANTILE = 0.01  # of real pictures have another one so near that it counts as a duplicate
N_COMPONENTS = 64  # of pixels


@dataclass(frozen=True)
class Fidelity:
    """A set of pictures measured against real ones.

    ``frechet`` distance in squared units of the features, 0 for equal means and covariances: comparable between sets as
    large as these, in these features, and not with an Inception FID. ``pixel_frechet`` is the same distance of pixels
    in principal components, which sees the style that a classifier overlooks; NaN where no pixels were given.
    ``precision`` and ``density`` say how much of the set lies among the real pictures, ``recall`` and ``coverage`` how
    much of the real pictures it reaches; all are shares. ``class_counts`` (n_classes,) counts what the judge saw,
    ``entropy`` is that histogram's in bits, ``confidence`` the judge's mean. ``duplicates`` is the share of pictures
    that have another one nearer than 1 % of real pictures have. ``near_copies`` is the share of codes nearer to the
    code they are nearest to, of those that the sampler was fitted to, than that is to any other: without codes, that of
    unseen real ones. ``novelty`` compares the median distance to the nearest such code: 0 for copies, 1 for codes as
    new as unseen real ones; NaN where no codes were given, or all real ones are the same. ``added`` holds the values of
    all `MEASURES` besides these, by their keys; ``intervals`` those of 95% of some, by how much drawing other samples
    moves them."""

    frechet: float
    precision: float
    recall: float
    density: float
    coverage: float
    class_counts: NDArray[np.int64]
    entropy: float
    confidence: float
    duplicates: float
    novelty: float
    pixel_frechet: float = np.nan
    near_copies: float = np.nan
    added: Mapping[str, float] = field(default_factory=dict)
    intervals: Mapping[str, Interval] = field(default_factory=dict)

    def interval(self, key: str) -> Interval:
        """The interval of one of `MEASURES`, by its key; the value alone where none was measured."""
        found = self.intervals.get(key)
        return (self.value(key), self.value(key)) if found is None else (found[0], found[1])

    def value(self, key: str) -> float:
        """The value of one of `MEASURES`, by its key; NaN for one that was added after this was measured."""
        return float((vars(self) | dict(self.added)).get(key, np.nan))

    def to_dict(self) -> dict[str, Any]:
        """All values by their names, the added ones last."""
        values = asdict(self)
        added, intervals = values.pop("added"), values.pop("intervals")
        return values | {"intervals": {name: list(each) for name, each in intervals.items()}} | added


@dataclass(frozen=True)
class Reference:
    """The real pictures that samplers are measured against, as ``features`` (n, d).

    ``radii`` (n,) the distance from each to its `N_NEIGHBOURS`-th neighbour; ``near`` the distance below which two
    pictures count as duplicates; ``known`` the codes (m, latent_dim) that samplers are fitted to, ``apart`` (m,) the
    distance of each from the nearest other, ``unseen`` the median distance from the real codes kept from them to the
    nearest of those, ``unseen_copies`` the share of those that are nearer than ``apart``. Distances of codes are in
    ``std`` (latent_dim,), the standard deviation of each dimension, so that its unit does not count. ``pixels`` (n, p)
    are principal components of the same pictures' pixels, where they are given.
    """

    features: NDArray[np.float32] = field(repr=False)
    radii: NDArray[np.float64] = field(repr=False)
    near: float
    known: NDArray[np.float32] = field(repr=False)
    apart: NDArray[np.float64] = field(repr=False)
    std: NDArray[np.float64] = field(repr=False)
    unseen: float
    unseen_copies: float
    pixels: NDArray[np.float32] | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        seen: Seen,
        known: NDArray[np.float32],
        held_out: NDArray[np.float32],
    ) -> Reference:
        """Of what is ``seen`` of the held-out real pictures; ``held_out`` (n, latent_dim) are their codes.

        Raises `ArgumentError` for fewer than `N_NEIGHBOURS` + 1 pictures.
        """
        features = seen.judgement.features
        distances, _ = nearest_others(features, N_NEIGHBOURS)
        near = float(np.quantile(distances[:, 0], DUPLICATE_QUANTILE))
        std = known.std(axis=0, dtype=np.float64)
        std = np.where(std > 0, std, 1)
        apart = nearest_others(known / std)[0][:, 0] if len(known) > 1 else np.zeros(len(known))
        from_known, copied = nearest(held_out / std, known / std)
        copies = float(np.mean(from_known[:, 0] < apart[copied[:, 0]]))
        unseen = float(np.median(from_known[:, 0]))
        return cls(features, distances[:, -1], near, known, apart, std, unseen, copies, seen.pixels)

    def measure(self, seen: Seen, z: NDArray[np.float32] | None = None) -> Fidelity:
        """The fidelity of n pictures, given as what is seen of them; without classes, those have no entropy.

        ``z`` (n, latent_dim) are their codes, where they have any. Take as many as the reference has: all of these
        measures but entropy and confidence depend on how many are compared.
        """
        samples = Samples(self, seen.judgement, z, seen.pixels)
        values = {key: measure.of(samples) for key, measure in MEASURES.items()}
        own = {key: values.pop(key) for key in tuple(values) if key in Fidelity.__dataclass_fields__}
        intervals = {key: each.interval(samples) for key, each in MEASURES.items() if each.interval is not None}
        return Fidelity(**own, class_counts=samples.counts, added=values, intervals=intervals)


@dataclass(frozen=True, eq=False)
class Samples:
    """Pictures that are measured against a ``reference``; see `Reference.measure` for what the rest is."""

    reference: Reference
    judgement: Judgement
    z: NDArray[np.float32] | None = None
    pixels: NDArray[np.float32] | None = None

    @property
    def features(self) -> NDArray[np.float32]:
        """The judge's features of the pictures, (n, d)."""
        return self.judgement.features

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How many pictures were judged to be of each class, (n_classes,)."""
        return np.bincount(self.judgement.predicted, minlength=self.judgement.probabilities.shape[1])

    @property
    def confidence(self) -> float:
        """The mean confidence of the judge; NaN where it names no classes."""
        return float(np.mean(self.judgement.confidence)) if self.judgement.names_classes else np.nan

    @cached_property
    def frechet(self) -> tuple[float, Interval]:
        """The Fréchet distance of classifier features, and its interval."""
        return frechet_interval(self.reference.features, self.features)

    @cached_property
    def pixel_frechet(self) -> tuple[float, Interval]:
        """The Fréchet distance of pixels, and its interval; NaN without them."""
        if self.pixels is None or self.reference.pixels is None:
            return np.nan, (np.nan, np.nan)
        return frechet_interval(self.reference.pixels, self.pixels)

    @cached_property
    def from_known(self) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """How far each code is from the nearest known one, and which that is, (n,) each."""
        assert self.z is not None  # who asks has looked
        distances, rows = nearest(self.z / self.reference.std, self.reference.known / self.reference.std)
        return distances[:, 0], rows[:, 0]

    @property
    def near_copies(self) -> float:
        """The share of codes nearer to a known one than all other known ones; without codes, of unseen real ones."""
        if self.z is None:
            return self.reference.unseen_copies
        distances, rows = self.from_known
        return float(np.mean(distances < self.reference.apart[rows]))

    @cached_property
    def distances(self) -> NDArray[np.float64]:
        """From each picture to the `N_NEIGHBOURS` nearest others, (n, `N_NEIGHBOURS`), nearest first."""
        return nearest_others(self.features, N_NEIGHBOURS)[0]

    @cached_property
    def overlap(self) -> tuple[float, float, float, float]:
        """Precision, recall, density and coverage; see `overlap`."""
        return overlap(self.reference.features, self.reference.radii, self.features, self.distances[:, -1])

    @property
    def novelty(self) -> float:
        """How far the codes lie from the known ones, over how far unseen real ones do; NaN where that says nothing."""
        if self.z is None or self.reference.unseen == 0:
            return np.nan
        return float(np.median(self.from_known[0])) / self.reference.unseen


def halves(n: int, seed: int = 0) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Two random halves of ``n`` indices: the known ones to fit samplers to, and those held out to measure against."""
    order = np.random.default_rng(seed).permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])


def frechet_distance(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Fréchet distance of Gaussians fitted to two sets of features, (n, d) and (m, d).

    |μa − μb|² + tr(A + B − 2 (A½ B A½)½) with covariances A and B; Dowson & Landau 1982, for pictures Heusel et al.
    2017 (arXiv:1706.08500). The last trace is the sum of the singular values of A½ B½, so no root of a matrix that
    is not symmetric is taken, and covariances of any rank will do. Raises `ArgumentError` for fewer than two rows.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ArgumentError(
            f"Expected two tables of the same width with at least two rows, got {a.shape} and {b.shape}."
        )
    factor_a, factor_b = covariance_factor(a), covariance_factor(b)
    shift = np.square(a.mean(axis=0, dtype=np.float64) - b.mean(axis=0, dtype=np.float64)).sum()
    shared = np.linalg.svd(factor_a @ factor_b.T, compute_uv=False).sum()
    spread = np.square(factor_a).sum() + np.square(factor_b).sum() - 2 * shared
    return float(max(0.0, shift + spread))


def frechet_interval(real: NDArray[np.floating], samples: NDArray[np.floating]) -> tuple[float, Interval]:
    """The Fréchet distance of samples (m, d) from real features (n, d), and by how much drawing others moves it.

    The interval is the jackknife's (`intervals.jackknife`): each group left out is as if drawn with a seed of its own.
    """
    value = frechet_distance(real, samples)
    if len(samples) < 2 * N_GROUPS:
        return value, (0.0, np.inf)
    factor, mean = covariance_factor(real), real.mean(axis=0, dtype=np.float64)
    rows = samples.astype(np.float64)
    group = np.arange(len(rows)) % N_GROUPS
    sums = np.stack([rows[group == each].sum(axis=0) for each in range(N_GROUPS)])
    squares = np.stack([rows[group == each].T @ rows[group == each] for each in range(N_GROUPS)])
    sizes = np.bincount(group)
    without = np.empty(N_GROUPS)
    for each in range(N_GROUPS):
        n, total = len(rows) - sizes[each], sums.sum(axis=0) - sums[each]
        covariance = (squares.sum(axis=0) - squares[each] - np.outer(total, total) / n) / (n - 1)
        roots = np.sqrt(np.clip(np.linalg.eigvalsh(factor @ covariance @ factor.T), 0, None))
        spread = np.square(factor).sum() + np.trace(covariance) - 2 * roots.sum()
        without[each] = np.square(mean - total / n).sum() + spread
    low, high = jackknife(value, without)
    return value, (max(0.0, low), high)


def covariance_factor(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """``F`` (rank, d) of which Fᵀ F is the covariance (divided by n − 1) of rows (n, d)."""
    centred = rows - rows.mean(axis=0, dtype=np.float64)
    return np.linalg.qr(centred / np.sqrt(len(rows) - 1)).R


def overlap(
    real: NDArray[np.floating],
    real_radii: NDArray[np.float64],
    samples: NDArray[np.floating],
    sample_radii: NDArray[np.float64],
) -> tuple[float, float, float, float]:
    """Precision, recall, density and coverage of samples (m, d) against real features (n, d), all shares.

    A ball about each row reaches to its k-th neighbour in its own set, k = `N_NEIGHBOURS`: ``real_radii`` (n,),
    ``sample_radii`` (m,). Recall is the share of real rows in any sample's ball (Kynkäänniemi et al. 2019,
    arXiv:1904.06991). For the others, real balls are no larger than the median one, so that the wide balls of outliers
    hold no bad samples: precision is the share of samples in any of them, density the mean of the number of them about
    a sample over k, at most 1. Coverage is the mean of the number of samples in a real row's own ball over k, at most 1
    (Salvy et al. 2025, arXiv:2507.01761, there divided by what real samples reach; here these stand beside it).
    """
    precise = dense = 0.0
    held, recalled = np.zeros(len(real)), np.zeros(len(real), bool)
    clipped = np.square(np.minimum(real_radii, np.median(real_radii)))
    for part, squares in squared_distances(samples, real):
        about = (squares < clipped).sum(axis=1)
        precise += float((about > 0).sum())
        dense += float(np.minimum(about / N_NEIGHBOURS, 1).sum())
        held += (squares < np.square(real_radii)).sum(axis=0)
        recalled |= (squares < np.square(sample_radii[part, None])).any(axis=0)
    m = len(samples)
    covered = np.minimum(held / N_NEIGHBOURS, 1)
    return precise / m, float(recalled.mean()), dense / m, float(covered.mean())


def entropy(counts: NDArray[np.integer]) -> float:
    """Entropy in bits of a histogram; NaN of an empty one.

    >>> entropy(np.array([5, 5, 0, 0]))
    1.0
    """
    if not counts.sum():
        return np.nan
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum() + 0.0)


@dataclass(frozen=True)
class PixelComponents:
    """Principal components of pixels: ``mean`` (n_pixels,) and ``axes`` (n_pixels, n_components), pixels in [0, 1]."""

    mean: NDArray[np.float32] = field(repr=False)
    axes: NDArray[np.float32] = field(repr=False)

    @classmethod
    def of(cls, images: NDArray[Any]) -> PixelComponents:
        """Of images (n, …) uint8, or floats in [0, 1]: `N_COMPONENTS` of them, or fewer of few or small images."""
        pixels = rows_of(images)
        found = PrincipalAxes.of(pixels, min(N_COMPONENTS, pixels.shape[1], len(pixels)))
        return cls(found.mean, found.axes.T)

    def __call__(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """The components (n, n_components) of images (n, …)."""
        return ((rows_of(images) - self.mean) @ self.axes).astype(np.float32)


def rows_of(images: NDArray[Any]) -> NDArray[np.float32]:
    """Images (n, …), uint8 or floats in [0, 1], as rows of pixels in [0, 1]."""
    rows = images.reshape(len(images), -1).astype(np.float32)
    return rows / np.float32(255) if images.dtype == np.uint8 else rows


def share_of_samples(value: Callable[[Samples], float]) -> Callable[[Samples], Interval]:
    """The interval of a share of samples."""
    return lambda samples: share_interval(value(samples), len(samples.features))


KYNKAANNIEMI = "Kynkäänniemi et al. 2019, arXiv:1904.06991"
SALVY = "Salvy et al. 2025, arXiv:2507.01761"
# All that is measured of a sampler, by its key in JSON and links. To add a measure, add its record here.
MEASURES: dict[str, Measure[Samples]] = {
    "frechet": Measure(
        "Fréchet distance", "squared units of the features", "less", ".3g",
        "Fréchet distance of the features of a classifier, or of a random network where images have no classes; "
        "0 = identical. Depends on the number of images. Not an Inception FID.",
        lambda samples: samples.frechet[0],
        "Dowson & Landau 1982; Heusel et al. 2017, arXiv:1706.08500",
        lambda samples: samples.frechet[1],
    ),
    "pixel_frechet": Measure(
        "Fréchet, pixels", "squared pixel values", "less", ".3g",
        f"Fréchet distance of pixels in {N_COMPONENTS} principal components; shows missing styles, such as slants, "
        "which features of a classifier overlook.",
        lambda samples: samples.pixel_frechet[0],
        "Dowson & Landau 1982",
        lambda samples: samples.pixel_frechet[1],
    ),
    "precision": Measure(
        "precision", "share", "more", ".1%", "Share of samples within the real data (clipped balls).",
        lambda samples: samples.overlap[0], SALVY, share_of_samples(lambda samples: samples.overlap[0]),
    ),
    "recall": Measure(
        "recall", "share", "more", ".1%", "Share of real images within the samples.",
        lambda samples: samples.overlap[1], KYNKAANNIEMI,
    ),
    "density": Measure(
        "density", "share", "more", ".1%", "Real neighbourhoods per sample ÷ 5, each at most 1 (clipped density).",
        lambda samples: samples.overlap[2], SALVY,
    ),
    "coverage": Measure(
        "coverage", "share", "more", ".1%", "Samples per real neighbourhood ÷ 5, each at most 1 (clipped coverage).",
        lambda samples: samples.overlap[3], SALVY,
    ),
    "entropy": Measure(
        "entropy", "bits", "more", ".3g",
        "Entropy of the predicted classes; at most the logarithm of their number to base 2: 3.32 bits for ten.",
        lambda samples: entropy(samples.counts), "Shannon 1948",
    ),
    "confidence": Measure(
        "confidence", "share", "more", ".1%", "Mean confidence of the reference classifier in its predicted class.",
        lambda samples: samples.confidence, "", lambda samples: mean_interval(samples.judgement.confidence),
    ),
    "duplicates": Measure(
        "duplicates", "share", "less", ".1%",
        "Share of samples closer to another than 99% of real images are.",
        lambda samples: float(np.mean(samples.distances[:, 0] <= samples.reference.near)),
    ),
    "near_copies": Measure(
        "near-copies", "share", "less", ".1%",
        "Share of samples closer to a fitted code than any other fitted code is; of real images: those not fitted to.",
        lambda samples: samples.near_copies, "Alaa et al. 2022, arXiv:2102.08921",
        share_of_samples(lambda samples: samples.near_copies),
    ),
    "novelty": Measure(
        "novelty", "", "neither", ".3g",
        "Median distance to fitted codes relative to unseen images: 0 = copies, 1 = as new.",
        lambda samples: samples.novelty,
    ),
}  # fmt: skip
