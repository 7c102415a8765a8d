"""Labels: the classes of images, whichever way somebody wrote them down, and rows drawn evenly over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.arrays import Rows
from latent.errors import DataError
from latent.files import label

LONGEST_NAME = 200  # characters, of a class


def check_classes(classes: Sequence[str]) -> None:
    """Raise `DataError` where two classes have one name or a name is empty."""
    twice = [name for name, count in Counter(classes).items() if count > 1]
    if twice:
        raise DataError(f"Every class needs a name of its own; {label(twice[0])} is that of several.")
    if any(not name.strip() for name in classes):
        raise DataError("Every class needs a name; one is empty.")


def indexed(
    labels: NDArray[Any] | None, classes: Sequence[str], n: int
) -> tuple[NDArray[np.int64] | None, tuple[str, ...], str]:
    """Labels of any kind as indices (n,) of class names, the names, and a sentence where labels could not be used.

    Numbers and strings (n,) or (n, 1), or one column a class with a single 1 in a row (one-hot). Without ``classes``,
    those that occur are the classes, in their order; of whole numbers from 0 up also those between them, where no more
    are missing than occur. Rows of several classes are no labels. Raises `DataError` where
    there are more or fewer labels than the ``n`` images, or numbers that have no name.
    """
    if labels is None:
        return None, (), "The class names are not used: there are no labels." if len(classes) else ""
    if labels.ndim not in (1, 2) or len(labels) != n:
        raise DataError(f"Expected {n:,} labels, one for each image, got an array of shape {labels.shape}.")
    if labels.dtype.kind not in "biufUS":
        raise DataError(f"Expected labels that are whole numbers or strings, got the type {labels.dtype}.")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2:
        if not (np.isin(labels, (0, 1)).all() and (labels.sum(axis=1) == 1).all()):
            return None, (), f"The labels are not used: an image has {labels.shape[1]} of them, not one class."
        classes = classes or tuple(map(str, range(labels.shape[1])))
        labels = labels.argmax(axis=1)
    if labels.dtype.kind == "f":
        if not (np.isfinite(labels) & (labels == np.rint(labels)) & (np.abs(labels) < 2**53)).all():
            raise DataError("Expected labels that are whole numbers, found fractions or values that are not finite.")
        labels = labels.astype(np.int64)
    if labels.dtype.kind == "S":
        labels = np.char.decode(labels, "utf-8", "replace")
    if labels.dtype.kind == "U" and len(classes):
        place = {name: index for index, name in enumerate(classes)}
        unknown = next((name for name in labels.tolist() if name not in place), None)
        if unknown is not None:
            raise DataError(f"The label {label(unknown)} is none of the class names.")
        return np.array([place[name] for name in labels.tolist()], np.int64), tuple(classes), ""
    if len(classes):
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= len(classes):
            raise DataError(
                f"Expected labels from 0 to {len(classes) - 1}, as there are {len(classes)} class names, got {low} to "
                f"{high}."
            )
        return labels.astype(np.int64), tuple(classes), ""
    values, index = np.unique(labels, return_inverse=True)
    if labels.dtype.kind in "iu" and values[0] >= 0 and values[-1] < 2 * len(values):  # a digit may be missing
        return labels.astype(np.int64), tuple(map(str, range(int(values[-1]) + 1))), ""
    names = [str(int(value)) if labels.dtype.kind in "iub" else str(value) for value in values.tolist()]
    return index.reshape(-1).astype(np.int64), tuple(names), ""


def one_of_each(labels: NDArray[np.integer[Any]]) -> Rows:
    """All rows, in an order in which every class comes once, then every one a second time, and so on.

    >>> one_of_each(np.array([1, 1, 0, 1, 0])).tolist()
    [2, 0, 4, 1, 3]
    """
    by_class = np.argsort(labels, kind="stable")
    ranks = np.empty(len(labels), np.intp)
    ranks[by_class] = np.arange(len(labels)) - np.searchsorted(labels[by_class], labels[by_class])
    return np.lexsort((labels, ranks))


def drawn_evenly(labels: NDArray[np.int64] | None, n: int, most: int, seed: int) -> Rows:
    """At most ``most`` of ``n`` rows, ascending: from every class as many as from the others, as far as it has them.

    A class that has fewer gives all, and the others share what is left. Without labels any rows.
    """
    if n <= most:
        return np.arange(n)
    random = np.random.default_rng(seed)
    if labels is None:
        return np.sort(random.choice(n, most, replace=False, shuffle=False))
    order = random.permutation(n)
    place = np.empty(n, np.int64)  # of a row among those of its class, in the drawn order
    by_class = order[np.argsort(labels[order], kind="stable")]
    counts = np.bincount(labels)
    place[by_class] = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    rank = np.empty(n, np.int64)
    rank[order] = np.arange(n)
    return np.sort(np.lexsort((rank, place))[:most])  # the first of each class, then the second of each, …


def drawn_in_proportion(labels: NDArray[np.integer[Any]] | None, n: int, most: int, seed: int) -> Rows:
    """At most ``most`` of ``n`` rows, ascending: of every class the same share, rounded. Without labels any rows."""
    order = np.random.default_rng(seed).permutation(n)
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    places = (np.arange(min(most, n)) + 0.5) * (n / max(1, min(most, n)))  # at even distances through the classes
    return np.sort(order[places.astype(np.intp)])
