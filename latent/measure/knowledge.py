"""Class signal: how well the classes of images can be told from their codes alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent import clustering, store
from latent.arrays import Labels
from latent.components import centred, condensed
from latent.errors import ArgumentError
from latent.measure.intervals import Interval, share_interval
from latent.measure.measured import VERSION
from latent.pixels import all_resized, size_of_area

FOLDS = 5
N_NEIGHBOURS = 5
MOST_PIXELS = 4096  # numbers of an image that is compared pixel by pixel: 64 × 64, in colour 36 × 36
LOGIT_VARIANCE = 10.0


@dataclass(frozen=True)
class Knowledge:
    """How well classes can be told from features (n, d): codes, pixels, or principal components of pixels.

    ``probe`` and ``neighbours`` are the accuracies of `linear_probe` and `neighbour_vote`; ``clusters`` and ``nmi``
    the one-to-one accuracy and normalised mutual information of as many k-means clusters as there are classes
    (`clustering.Match`), fitted without labels. All from 0 to 1.

    Figures of the usual protocol, which fits on all training images of a set and scores its test images, are higher:
    here the images in use are all there is, and the probe and the vote learn from four fifths of them at a time.
    Raw pixels get 0.913 and 0.949 here, 0.926 and 0.969 there; the shipped ae-16 gets 0.939 and 0.974 here, 0.940 and
    0.982 there. So compare features with each other, on the same images and seed; another seed moves the probe and
    the vote by about 0.001. ``clusters`` and ``nmi`` are those of the tightest of the clusterings that ten seeds find,
    since looser ones may match the classes better by accident; ``clusters_low`` and ``clusters_high`` are the least and
    the greatest accuracy among the seeds. ``n`` images were counted.
    """

    probe: float
    neighbours: float
    clusters: float
    nmi: float
    clusters_low: float = np.nan
    clusters_high: float = np.nan
    n: int = 0

    @classmethod
    def stored(cls, measure: Callable[[], Knowledge], *key: object) -> Knowledge:
        """What was kept on disk of features of this ``key``, measured where nothing was."""
        numbers = lambda: np.array(astuple(measure()), np.float64)  # noqa: E731
        return cls(*store.stored(numbers, "knowledge", VERSION, *key).tolist())

    @classmethod
    def of(cls, features: ArrayLike, labels: Labels, seed: int = 0) -> Knowledge:
        """Of features (n, d), any d, and the class (n,) of each; of more than 1024 dimensions, of 256 components.

        Raises `ArgumentError` where features are not finite, or the labels do not fit them.
        """
        compared = condensed(features, seed)
        n_clusters = min(len(np.unique(labels)), len(compared))
        found = clustering.over_seeds(compared, n_clusters, range(seed, seed + clustering.N_SEEDS))
        matches = [clustering.Match.of(each.labels, labels) for each in found]  # the tightest first
        accuracies = [each.accuracy for each in matches]
        return cls(
            probe=linear_probe(features, labels, seed),
            neighbours=neighbour_vote(compared, labels, seed),
            clusters=matches[0].accuracy,
            nmi=matches[0].nmi,
            clusters_low=min(accuracies),
            clusters_high=max(accuracies),
            n=len(labels),
        )

    @property
    def probe_interval(self) -> Interval:
        """The 95% interval of the probe's accuracy, over images."""
        return share_interval(self.probe, max(int(self.n), 1))

    @property
    def neighbours_interval(self) -> Interval:
        """The 95% interval of the neighbours' accuracy, over images."""
        return share_interval(self.neighbours, max(int(self.n), 1))

    @property
    def clusters_interval(self) -> Interval:
        """The least and the greatest accuracy of the clusters over seeds, and 95% over images."""
        low = share_interval(self.clusters_low, max(int(self.n), 1))[0]
        return low, share_interval(self.clusters_high, max(int(self.n), 1))[1]


def compared_shape(image_shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """(channels, height, width) to which images are reduced whose pixels are a baseline: theirs, where they hold at
    most `MOST_PIXELS` numbers.

    >>> compared_shape((1, 28, 28)), compared_shape((3, 256, 256))
    ((1, 28, 28), (3, 36, 36))
    """
    channels, height, width = image_shape
    width, height = size_of_area(width, height, MOST_PIXELS / channels)
    return channels, height, width


def pixels(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images (n, height, width[, channels]) uint8 as features (n, d) in [0, 1], every pixel a dimension: a baseline.

    Large images are reduced to `compared_shape`: a classifier on 200,000 pixels takes minutes, and what tells classes
    apart is seen in fewer.
    """
    n, height, width, *channels = images.shape
    _, height, width = compared_shape((*(channels or [1]), height, width))
    return all_resized(images, (width, height)).reshape(n, -1).astype(np.float32) / np.float32(255)


def linear_probe(features: ArrayLike, labels: Labels, seed: int = 0) -> float:
    """The accuracy, on images it was not fitted to, of telling classes by a linear function of features (n, d).

    Alain & Bengio 2016 (arXiv:1610.01644): logistic regression on standardised features (mean 0 and standard
    deviation 1 over all n, dead ones 0), 5-fold cross-validated in a stratified random split. Its L2 penalty is
    the Gaussian prior under which every logit has a variance of 10 whatever the number of dimensions, so that
    neither 2 nor 784 are favoured. Of more than 1024 it is given the first 256 principal components of the standardised
    features, at their own widths: to such a penalty a rotation is nothing new.
    """
    from sklearn.linear_model import LogisticRegression  # where used: importing it costs a second

    rows = centred(features)[0]
    std = rows.std(axis=0)
    rows /= np.where(std > 0, std, 1)
    n_live = max(int(np.count_nonzero(std)), 1)
    # With the default tolerance about 100 iterations on pixels; scikit-learn warns should these not be enough.
    model = LogisticRegression(C=LOGIT_VARIANCE / n_live, max_iter=2000)
    return held_out_accuracy(model, condensed(rows, seed), labels, seed)


def neighbour_vote(features: ArrayLike, labels: Labels, seed: int = 0) -> float:
    """The accuracy of the most frequent class among the 5 nearest features (n, d), in the same split.

    The distance is Euclidean in the features' own units. Unlike the linear probe it also finds classes that lie apart
    in other shapes than half-spaces (Cover & Hart 1967).
    """
    from sklearn.neighbors import KNeighborsClassifier

    rows = centred(condensed(features, seed))[0]
    return held_out_accuracy(KNeighborsClassifier(N_NEIGHBOURS), rows, labels, seed)


def held_out_accuracy(model: Any, rows: NDArray[np.float32], labels: Labels, seed: int) -> float:
    """The share of rows (n, d) whose class a scikit-learn classifier predicts rightly when fitted to the other folds.

    Raises `ArgumentError` where there are not at least two classes with five rows each, and none with fewer.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    if np.shape(labels) != (len(rows),):
        raise ArgumentError(f"Expected {len(rows)} labels, one per row, got an array of shape {np.shape(labels)}.")
    counts = np.unique(labels, return_counts=True)[1]
    if len(counts) < 2 or counts.min() < FOLDS:
        raise ArgumentError(
            f"Cross-validation needs at least two classes with {FOLDS} rows each, got {counts.tolist()}."
        )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return float(np.mean(cross_val_predict(model, rows, labels, cv=folds) == labels))
