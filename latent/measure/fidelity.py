"""How near a sampler's pictures come to real ones: quality, variety and novelty, as numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.errors import ArgumentError
from latent.measure.measures import Measure
from latent.neighbours import nearest, nearest_others, squared_distances

N_NEIGHBOURS = 5  # of the balls about real and about sampled features: Naeem et al.'s own choice
DUPLICATE_QUANTILE = 0.01  # of real pictures have another one so near that it counts as a duplicate
N_CLASSES = 10


@dataclass(frozen=True)
class Fidelity:
    """A set of pictures measured against real ones.

    ``frechet`` distance in squared units of the features, 0 for equal means and covariances: comparable between
    sets as large as these, in these features, and not with an Inception FID. ``precision`` and ``density`` say how
    much of the set lies among the real pictures, ``recall`` and ``coverage`` how much of the real pictures it
    reaches; all are shares but density, which may pass 1. ``digits`` (10,) counts what the judge saw, ``entropy`` is
    that histogram's in bits (log2 10 = 3.32 for ten equally frequent digits), ``confidence`` the judge's mean.
    ``duplicates`` is the share of pictures that have another one nearer than 1 % of real pictures have.
    ``novelty`` compares distances to the nearest code that the sampler was fitted to: 0 for copies, 1 for codes as
    new as unseen real ones; NaN where no codes were given, or all real ones are the same. ``added`` holds the
    values of all `MEASURES` besides these, by their keys.
    """

    frechet: float
    precision: float
    recall: float
    density: float
    coverage: float
    digits: NDArray[np.int64]
    entropy: float
    confidence: float
    duplicates: float
    novelty: float
    added: Mapping[str, float] = field(default_factory=dict)

    def value(self, key: str) -> float:
        """The value of one of `MEASURES`, by its key; NaN for one that was added after this was measured."""
        return float(self.to_dict().get(key, np.nan))

    def to_dict(self) -> dict[str, Any]:
        """All values by their names, the added ones last."""
        values = asdict(self)
        added = values.pop("added")
        return values | added


@dataclass(frozen=True)
class Reference:
    """The real pictures that samplers are measured against, as ``features`` (n, d).

    ``radii`` (n,) the distance from each to its `N_NEIGHBOURS`-th neighbour; ``near`` the distance below which two
    pictures count as duplicates; ``known`` the codes (m, latent_dim) that samplers are fitted to, and ``unseen``
    the median distance from the real codes kept from them to the nearest of those.
    """

    features: NDArray[np.float32] = field(repr=False)
    radii: NDArray[np.float64] = field(repr=False)
    near: float
    known: NDArray[np.float32] = field(repr=False)
    unseen: float

    @classmethod
    def of(cls, features: NDArray[np.float32], known: NDArray[np.float32], held_out: NDArray[np.float32]) -> Reference:
        """``features`` (n, d) of the held-out real pictures, ``held_out`` (n, latent_dim) their codes.

        Raises `ArgumentError` for fewer than `N_NEIGHBOURS` + 1 pictures.
        """
        distances, _ = nearest_others(features, N_NEIGHBOURS)
        near = float(np.quantile(distances[:, 0], DUPLICATE_QUANTILE))
        return cls(features, distances[:, -1], near, known, median_distance(held_out, known))

    def measure(
        self,
        features: NDArray[np.float32],
        digits: NDArray[np.integer],
        confidence: NDArray[np.floating],
        z: NDArray[np.float32] | None = None,
    ) -> Fidelity:
        """The fidelity of pictures, given as ``features`` (n, d), judged ``digits`` and ``confidence`` (n,).

        ``z`` (n, latent_dim) are their codes, where they have any. Take as many as the reference has: all of these
        measures but entropy and confidence depend on how many are compared.
        """
        samples = Samples(self, features, digits, confidence, z)
        values = {key: measure.of(samples) for key, measure in MEASURES.items()}
        own = {key: values.pop(key) for key in tuple(values) if key in Fidelity.__dataclass_fields__}
        return Fidelity(**own, digits=samples.counts, added=values)


@dataclass(frozen=True, eq=False)
class Samples:
    """Pictures that are measured against a ``reference``; see `Reference.measure` for what the rest is."""

    reference: Reference
    features: NDArray[np.float32]
    digits: NDArray[np.integer]
    confidence: NDArray[np.floating]
    z: NDArray[np.float32] | None = None

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How many pictures were judged to be of each class, (10,)."""
        return np.bincount(self.digits, minlength=N_CLASSES)

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
        return median_distance(self.z, self.reference.known) / self.reference.unseen


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
    """Precision, recall (Kynkäänniemi et al. 2019, arXiv:1904.06991), density and coverage (Naeem et al. 2020,
    arXiv:2002.09797) of samples (m, d) against real features (n, d).

    A ball about each row reaches to its k-th neighbour in its own set, k = `N_NEIGHBOURS`: ``real_radii`` (n,),
    ``sample_radii`` (m,). Precision is the share of samples in any real ball, density the mean number of real balls
    about a sample over k, recall the share of real rows in any sample's ball, coverage the share of real balls that
    hold a sample.
    """
    precise = balls = 0.0
    covered, recalled = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for part, squares in squared_distances(samples, real):
        inside = squares < np.square(real_radii)
        precise += float(inside.any(axis=1).sum())
        balls += float(inside.sum())
        covered |= inside.any(axis=0)
        recalled |= (squares < np.square(sample_radii[part, None])).any(axis=0)
    m = len(samples)
    return precise / m, float(recalled.mean()), balls / (N_NEIGHBOURS * m), float(covered.mean())


def entropy(counts: NDArray[np.integer]) -> float:
    """Entropy in bits of a histogram.

    >>> entropy(np.array([5, 5, 0, 0]))
    1.0
    """
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum() + 0.0)


def median_distance(z: NDArray[np.floating], known: NDArray[np.floating]) -> float:
    """The median distance from codes (n, latent_dim) to the nearest of the known ones (m, latent_dim)."""
    return float(np.median(nearest(z, known)[0]))


KYNKAANNIEMI = "Kynkäänniemi et al. 2019, arXiv:1904.06991"
NAEEM = "Naeem et al. 2020, arXiv:2002.09797"
# All that is measured of a sampler, by its key in JSON and links. To add a measure, add its record here.
MEASURES: dict[str, Measure[Samples]] = {
    "frechet": Measure(
        "Fréchet distance", "squared units of the features", "less", ".3g",
        "Fréchet distance of classifier features; 0 = identical. Depends on the number of images. Not an Inception "
        "FID.",
        lambda samples: frechet_distance(samples.reference.features, samples.features),
        "Dowson & Landau 1982; Heusel et al. 2017, arXiv:1706.08500",
    ),
    "precision": Measure(
        "precision", "share", "more", ".1%", "Share of samples within the real data.",
        lambda samples: samples.overlap[0], KYNKAANNIEMI,
    ),
    "recall": Measure(
        "recall", "share", "more", ".1%", "Share of real images within the samples.",
        lambda samples: samples.overlap[1], KYNKAANNIEMI,
    ),
    "density": Measure(
        "density", "", "more", ".3g",
        "Real neighbourhoods per sample ÷ 5; may exceed 1.",
        lambda samples: samples.overlap[2], NAEEM,
    ),
    "coverage": Measure(
        "coverage", "share", "more", ".1%", "Share of real images with a sample nearby.",
        lambda samples: samples.overlap[3], NAEEM,
    ),
    "entropy": Measure(
        "entropy", "bits", "more", ".3g",
        "Entropy of the predicted classes; at most 3.32 bits for ten classes.",
        lambda samples: entropy(samples.counts), "Shannon 1948",
    ),
    "confidence": Measure(
        "confidence", "share", "more", ".1%", "Mean confidence of the reference classifier in its predicted class.",
        lambda samples: float(np.mean(samples.confidence)),
    ),
    "duplicates": Measure(
        "duplicates", "share", "less", ".1%",
        "Share of samples closer to another than 99% of real images are.",
        lambda samples: float(np.mean(samples.distances[:, 0] <= samples.reference.near)),
    ),
    "novelty": Measure(
        "novelty", "", "neither", ".3g",
        "Distance to fitted codes relative to unseen images: 0 = copy, 1 = as new.",
        lambda samples: samples.novelty,
    ),
}  # fmt: skip
