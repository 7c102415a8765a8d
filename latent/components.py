"""Principal components: the few directions along which rows of numbers vary most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.errors import ArgumentError

MANY_DIMENSIONS = 1024  # up to here, MNIST's 784 pixels among them, rows are compared as they are
ENOUGH_COMPONENTS = 256  # what is kept of more
EXACT = 512  # dimensions up to which the whole covariance is taken apart: half a second
POWER_ITERATIONS = 4  # of the randomised SVD: the variance it finds is then within 0.02 % of the exact one's on pixels


def centred(x: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """Rows ``x`` (n, d) around 0 and with a mean variance of 1, and the ``mean`` (d,) and ``scale`` that undo it.

    ``x = rows * scale + mean``. All dimensions are divided by the same number, so that distances keep their
    proportions while tolerances and floors mean the same for codes of any size; the scale of constant rows is 1.
    Raises `ArgumentError` where ``x`` is no table of finite numbers.
    """
    table = np.asarray(x, np.float32)
    if table.ndim != 2 or 0 in table.shape:
        raise ArgumentError(f"Expected rows of numbers, an array of shape (n, d); got {table.shape}.")
    if not np.isfinite(table).all():
        raise ArgumentError("Rows must be finite; found NaN or infinity.")
    mean = table.mean(axis=0, dtype=np.float64).astype(np.float32)
    rows = table - mean
    scale = float(np.sqrt(np.einsum("ij,ij->", rows, rows, dtype=np.float64) / rows.size)) or 1.0
    rows /= np.float32(scale)
    return rows, mean, scale


@dataclass(frozen=True)
class PrincipalAxes:
    """The directions along which codes vary most, the widest first.

    ``mean`` (d,) of the codes; ``axes`` (n, d) orthonormal; ``std`` (n,) the standard deviation along each, in latent
    units; ``share`` (n,) of the whole variance, 0 to 1. The largest entry of an axis is positive, so that the same
    codes give the same side.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    std: NDArray[np.float32]
    share: NDArray[np.float32]

    def project(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """How far rows (m, d) lie along each axis from the mean, (m, n), in latent units."""
        return np.asarray((x - self.mean) @ self.axes.T, np.float32)

    @classmethod
    def of(cls, x: ArrayLike, n_axes: int, seed: int = 0) -> PrincipalAxes:
        """Of rows ``x`` (n, d) (Pearson 1901); of very long ones by randomised SVD, as in `principal_components`.

        Raises `ArgumentError` where there are not so many axes.
        """
        rows, mean, scale = centred(x)
        n, d = rows.shape
        if not 1 <= n_axes <= d:
            raise ArgumentError(f"The number of principal axes must be from 1 to {d}, got {n_axes}.")
        if d <= EXACT:
            squares, axes = widest((rows.T @ rows).astype(np.float64), n_axes)
        else:
            from sklearn.utils.extmath import randomized_svd  # where used: importing it costs a second

            _, widths, axes = randomized_svd(rows, n_axes, n_iter=POWER_ITERATIONS, random_state=seed)
            squares = np.square(widths)
        share = squares / max(float(squares.sum()), n * d)  # rows have a mean variance of 1, or of 0
        std = np.sqrt(squares / n).astype(np.float32) * np.float32(scale)
        return cls(mean, on_one_side(axes), std, share.astype(np.float32))

    @classmethod
    def of_covariance(cls, mean: NDArray[np.float64], covariance: NDArray[np.float64], n_axes: int) -> PrincipalAxes:
        """Those of codes of this ``mean`` (d,) and ``covariance`` (d, d), in latent units and their squares."""
        squares, axes = widest(covariance, n_axes)
        share = squares / (float(np.trace(covariance)) or 1.0)
        return cls(
            mean.astype(np.float32), on_one_side(axes), np.sqrt(squares).astype(np.float32), share.astype(np.float32)
        )  # fmt: skip

    def scaled(self, axis: int) -> NDArray[np.float32]:
        """One axis (d,), one standard deviation long."""
        return self.axes[axis] * self.std[axis]


def widest(squares: NDArray[np.float64], n_axes: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest eigenvalues (n_axes,) of a matrix of sums of squares (d, d), and their axes (n_axes, d)."""
    values, vectors = np.linalg.eigh(squares)
    return np.clip(values[::-1][:n_axes], 0, None), vectors.T[::-1][:n_axes]


def on_one_side(axes: NDArray[Any]) -> NDArray[np.float32]:
    """The axes (n, d), each turned so that its largest entry is positive."""
    largest = np.take_along_axis(axes, np.abs(axes).argmax(axis=1)[:, None], axis=1)
    return np.asarray(axes * np.where(largest < 0, -1, 1), np.float32)


def principal_components(x: ArrayLike, n_components: int, seed: int = 0) -> NDArray[np.float32]:
    """Coordinates (n, n_components) of the rows ``x`` (n, d) along their principal components, the widest first.

    In the units of ``x``, around 0; there are no more components than rows or columns. By randomised SVD (Halko,
    Martinsson & Tropp 2011, arXiv:0909.4061), which needs a second copy of ``x`` and no more. Raises
    `ArgumentError` for fewer than one component.

    >>> abs(principal_components([[0, 0], [3, 4], [6, 8]], 1)).round(3).tolist()
    [[5.0], [0.0], [5.0]]
    """
    from sklearn.utils.extmath import randomized_svd  # where used: importing it costs a second

    if n_components < 1:
        raise ArgumentError(f"The number of principal components must be at least 1, got {n_components}.")
    rows, _, scale = centred(x)
    left, widths, _ = randomized_svd(rows, min(n_components, *rows.shape), n_iter=POWER_ITERATIONS, random_state=seed)
    return (left * (widths * scale)).astype(np.float32)


def condensed(x: ArrayLike, seed: int = 0) -> NDArray[np.float32]:
    """Rows ``x`` (n, d) as they are, but of more than 1024 dimensions the first 256 principal components.

    What comparing rows costs grows with their length, and far more directions than that hold hardly any variance.
    """
    table = np.asarray(x, np.float32)
    if table.ndim == 2 and table.shape[1] > MANY_DIMENSIONS:
        return principal_components(table, ENOUGH_COMPONENTS, seed)
    return table
