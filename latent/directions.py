"""Directions in the latent space: differences of codes that may stand for something, and walks along them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.errors import ArgumentError

FIFTH = 0.2


def difference(to: NDArray[np.float32], start: NDArray[np.float32]) -> NDArray[np.float32]:
    """The direction (latent_dim,) from one code, or the mean of a set (n, latent_dim), to another.

    >>> difference(np.float32([[2, 0], [4, 0]]), np.float32([1, 1]))
    array([ 2., -1.], dtype=float32)
    """
    return (mean_code(to) - mean_code(start)).astype(np.float32)


def mean_code(z: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean (latent_dim,) of codes (n, latent_dim), or the one code (latent_dim,)."""
    if z.ndim not in (1, 2) or z.size == 0:
        raise ArgumentError(f"Expected a code or a set of codes, got an array of shape {z.shape}.")
    return z if z.ndim == 1 else z.mean(axis=0)


def of_property(
    z: NDArray[np.float32], values: NDArray[np.floating], labels: NDArray[np.integer]
) -> NDArray[np.float32]:
    """The direction (latent_dim,) along which a measured property of the images grows while the class stays.

    From the mean code of the fifth with the least to that of the fifth with the most of it, within every class and
    averaged over the classes: thick digits are of other classes than thin ones, and the direction should not change the
    one with the other. ``values`` (n,) of the property and ``labels`` (n,) belong to codes ``z`` (n, latent_dim).

    Raises `ArgumentError` where they are not equally many, or a class has fewer than five.
    """
    if not len(z) == len(values) == len(labels) > 0:
        raise ArgumentError(
            f"Expected a value and a label for each code, got {len(z)}, {len(values)} and {len(labels)}."
        )
    differences = []
    for each in np.unique(labels):
        rows = np.flatnonzero(labels == each)
        n = int(FIFTH * len(rows))
        if n == 0:
            raise ArgumentError(
                f"A fifth of the images of each class is needed; there are {len(rows)} of class {each}."
            )
        order = rows[np.argsort(values[rows], kind="stable")]
        differences.append(difference(z[order[-n:]], z[order[:n]]))
    return np.mean(differences, axis=0, dtype=np.float32)


def walk(base: NDArray[np.float32], direction: NDArray[np.float32], steps: ArrayLike) -> NDArray[np.float32]:
    """Codes (n, latent_dim): ``base`` (latent_dim,) plus each of ``steps`` (n,) times ``direction`` (latent_dim,).

    >>> walk(np.float32([1, 1]), np.float32([0, 2]), [-1, 0, 0.5])
    array([[ 1., -1.],
           [ 1.,  1.],
           [ 1.,  2.]], dtype=float32)
    """
    if base.shape != direction.shape or base.ndim != 1:
        raise ArgumentError(
            f"A base code and a direction must have the same length, got {base.shape} and {direction.shape}."
        )
    return (base + np.asarray(steps, np.float32)[:, None] * direction).astype(np.float32)
