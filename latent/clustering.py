"""Clusters of codes, found without labels, and how they match the classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.components import centred, condensed, principal_components
from latent.errors import ArgumentError

USUAL_NUMBER = 10  # of clusters, where nothing is known of classes
MOST_FOR_MIXTURE = 32  # dimensions; thousands of codes are too few to estimate full covariances of more
VARIANCE_FLOOR = 1e-4  # of the mean variance; keeps a Gaussian from closing in on one point
MOST_STARTS = 10
STARTS_PER_SEED = 2
N_SEEDS = 10  # whose clusters are compared where an interval is needed

HELP = {
    "k-means": "Nearest centre; favours round clusters. Fast.",
    "mixture": "Full-covariance Gaussians; follows elongated clusters. Takes seconds.",
}
METHODS = tuple(HELP)


@dataclass(frozen=True)
class Clusters:
    """Codes (n, latent_dim) in k clusters, none of them empty.

    ``labels`` (n,) the cluster of every code, 0 to k - 1; ``centres`` (k, latent_dim) and ``distances`` (n,), of every
    code from its cluster's centre, both in latent units.
    """

    method: str
    labels: NDArray[np.intp]
    centres: NDArray[np.float32]
    distances: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.centres)

    @cached_property
    def sizes(self) -> NDArray[np.intp]:
        """How many codes each cluster has, (k,)."""
        return np.bincount(self.labels)

    @cached_property
    def typical(self) -> NDArray[np.intp]:
        """For each cluster the index of its code nearest to its centre, (k,)."""
        return self.members_by_distance[np.cumsum(self.sizes) - self.sizes]

    @cached_property
    def strangest(self) -> NDArray[np.intp]:
        """For each cluster, of either method, the index of its code farthest from its centre, (k,)."""
        return self.members_by_distance[np.cumsum(self.sizes) - 1]

    @cached_property
    def members_by_distance(self) -> NDArray[np.intp]:
        """The indices of all codes (n,), cluster after cluster, in each the nearest to its centre first."""
        return np.lexsort((self.distances, self.labels))


def usual_number(classes: Sequence[str]) -> int:
    """How many clusters to look for at first: as many as classes where they are known."""
    return len(classes) or USUAL_NUMBER


def fit(
    method: str,
    z: ArrayLike,
    n_clusters: int = USUAL_NUMBER,
    seed: int = 0,
    units: NDArray[np.float32] | None = None,
    starts: int | None = None,
) -> Clusters:
    """Clusters of codes ``z`` (n, latent_dim) by one of `METHODS`; the same seed gives the same clusters.

    "k-means" is Lloyd's algorithm from k-means++ (Arthur & Vassilvitskii 2007), the best of ``starts``, by default
    up to 10. "mixture" is a mixture of Gaussians with full covariances by expectation maximisation (Dempster, Laird &
    Rubin 1977), the likeliest of up to 10 starts; a code belongs to the Gaussian most likely to have made it, and a
    centre is the mean of the codes weighted by that probability. Dimensions are compared in their own units, or
    multiplied by ``units`` (latent_dim,), in which distances are then; centres are codes all the same.

    k-means looks at no more than the 256 principal components of codes of more than 1024 dimensions, the mixture at no
    more than 32 of codes of more than 32; centres and distances are those of the whole codes all the same. There
    are fewer clusters than asked for where there are fewer different codes, or a Gaussian is left without any.
    Raises `ArgumentError` for an unknown method, codes that are not finite, or a number of clusters not from 1 to n.
    """
    if method not in METHODS:
        raise ArgumentError(f"The method must be one of {', '.join(METHODS)}, got {method!r}.")
    codes = np.asarray(z, np.float32)
    rows, _, scale = centred(codes if units is None else codes * units)
    if not 1 <= n_clusters <= len(rows):
        raise ArgumentError(
            f"The number of clusters must be from 1 to {len(rows)}, the number of codes; got {n_clusters}."
        )
    weights = k_means(rows, n_clusters, seed, starts) if method == "k-means" else mixture(rows, n_clusters, seed)

    kept, labels = np.unique(weights.argmax(axis=1), return_inverse=True)
    weights = weights[:, kept]
    total = weights.sum(axis=0)[:, None]
    distances = np.empty(len(rows), np.float32)
    for cluster, centre in enumerate(weights.T @ rows / total):  # one at a time: copies of long codes are large
        members = labels == cluster
        distances[members] = np.linalg.norm(rows[members] - centre, axis=1)
    return Clusters(method, labels, (weights.T @ codes / total).astype(np.float32), distances * np.float32(scale))


def over_seeds(z: ArrayLike, n_clusters: int, seeds: Iterable[int]) -> list[Clusters]:
    """Clusters of codes ``z`` (n, latent_dim) by k-means, those of each seed, the tightest first.

    The least sum of squared distances decides, and not how well the clusters match anything.
    """
    found = [fit("k-means", z, n_clusters, seed, starts=STARTS_PER_SEED) for seed in seeds]
    return sorted(found, key=lambda each: float(np.square(each.distances, dtype=np.float64).sum()))


def k_means(rows: NDArray[np.float32], n_clusters: int, seed: int, starts: int | None = None) -> NDArray[np.float32]:
    """The share (n, n_clusters) of each row in each cluster: 1 in its own."""
    from sklearn.cluster import KMeans  # where used: importing it costs a second

    model = KMeans(n_clusters, n_init=starts or n_starts(n_clusters, 100), random_state=seed)
    labels = model.fit_predict(condensed(rows, seed))
    return np.eye(n_clusters, dtype=np.float32)[labels]


def mixture(rows: NDArray[np.float32], n_clusters: int, seed: int) -> NDArray[np.float32]:
    """The share (n, n_clusters) of each row in each cluster: the probability that this Gaussian made it."""
    from sklearn.mixture import GaussianMixture

    if rows.shape[1] > MOST_FOR_MIXTURE:
        rows = centred(principal_components(rows, MOST_FOR_MIXTURE, seed))[0]
    model = GaussianMixture(
        n_clusters, n_init=n_starts(n_clusters, 30), reg_covar=VARIANCE_FLOOR, max_iter=300, random_state=seed
    )
    return model.fit(rows).predict_proba(rows).astype(np.float32)


def n_starts(n_clusters: int, n_fitted: int) -> int:
    """How often to start anew, 1 to 10 times, so that about ``n_fitted`` clusters are fitted in all.

    What a start is worth falls with the number of clusters as what it costs rises.
    """
    return min(max(n_fitted // n_clusters, 1), MOST_STARTS)


@dataclass(frozen=True)
class Match:
    """How k clusters match the classes.

    ``table`` (k, n_classes) counts the codes of every cluster and class. ``accuracy`` is the share of codes that are in
    the cluster of their class when every class gets at most one cluster and every cluster at most one class, chosen
    for the largest share (Kuhn 1955; as in Xie et al. 2016, arXiv:1511.06335): with more clusters than classes all
    of a surplus cluster counts as wrong. ``classes`` (k,) is each cluster's most frequent class, and ``purity`` the
    share of codes whose class is that, which grows with k. ``nmi`` is mutual information over the mean of both
    entropies, from 0 to 1; ``ari`` the adjusted Rand index (Hubert & Arabie 1985), 0 for chance and 1 for equal
    partitions.
    ``order`` (k,) sorts the clusters by their class, the one-to-one one where they have it, so that the large counts
    of ``table[order]`` lie near its diagonal.
    """

    table: NDArray[np.int64]
    classes: NDArray[np.intp]
    accuracy: float
    purity: float
    nmi: float
    ari: float
    order: NDArray[np.intp]

    @classmethod
    def of(cls, clusters: NDArray[np.integer[Any]], labels: NDArray[np.integer[Any]]) -> Match:
        """Of the cluster (n,), from 0 up, and the class (n,) of every code.

        Raises `ArgumentError` where they differ in length, are none or no such numbers.

        >>> Match.of(np.array([0, 0, 1, 1]), np.array([7, 7, 3, 7])).table[:, [3, 7]].tolist()
        [[0, 2], [1, 1]]
        """
        from scipy.optimize import linear_sum_assignment
        from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

        if np.ndim(clusters) != 1 or np.shape(clusters) != np.shape(labels) or len(clusters) == 0:
            raise ArgumentError(
                f"Expected a cluster and a class for every code, got {np.shape(clusters)} and {np.shape(labels)}."
            )
        if np.min(clusters) < 0 or np.min(labels) < 0:
            raise ArgumentError("Clusters and classes must be numbered from 0; found others.")
        table = np.zeros((int(np.max(clusters)) + 1, int(np.max(labels)) + 1), np.int64)
        np.add.at(table, (clusters, labels), 1)
        matched, partners = linear_sum_assignment(table, maximize=True)
        named = table.argmax(axis=1)
        place = named.copy()
        place[matched] = partners
        return cls(
            table=table,
            classes=named,
            accuracy=float(table[matched, partners].sum() / len(labels)),
            purity=float(table.max(axis=1).sum() / len(labels)),
            nmi=float(normalized_mutual_info_score(labels, clusters)),
            ari=float(adjusted_rand_score(labels, clusters)),
            order=np.lexsort((-table.max(axis=1), place)),
        )
