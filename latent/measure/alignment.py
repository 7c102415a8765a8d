"""Two latent spaces of the same images: what they share, and the linear map from one to the other."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from latent.arrays import Decode, Rows
from latent.errors import ArgumentError
from latent.neighbours import nearest_others

N_NEIGHBOURS = 10


@dataclass(frozen=True)
class AffineMap:
    """From codes ``a`` (n, dim_a) to codes ``b`` (n, dim_b): a ``matrix`` (dim_a, dim_b) and an ``offset`` (dim_b,).

    >>> AffineMap.fitted(np.array([[0.0], [1.0]]), np.array([[5.0], [7.0]]))(np.array([[3.0]])).round(6)
    array([[11.]], dtype=float32)
    """

    matrix: NDArray[np.float64]
    offset: NDArray[np.float64]

    @classmethod
    def fitted(cls, a: NDArray[np.floating], b: NDArray[np.floating]) -> AffineMap:
        """The map with the least squared error; of several, the one with the smallest matrix.

        Raises `ArgumentError` where the two are not codes of the same images.
        """
        a, b = paired(a, b)
        mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
        matrix = np.linalg.lstsq(a - mean_a, b - mean_b)[0]
        return cls(matrix, mean_b - mean_a @ matrix)

    def __call__(self, a: NDArray[np.floating]) -> NDArray[np.float32]:
        return (a @ self.matrix + self.offset).astype(np.float32)


@dataclass(frozen=True)
class Alignment:
    """What the codes of two models, A and B, share on the same images.

    ``overlap`` is the share of nearest neighbours in common, ``cka`` the similarity of their geometries, both from 0 to
    1; ``a_to_b`` and ``b_to_a`` are the best affine maps, ``r2_a_to_b`` and ``r2_b_to_a`` the share of the variance
    that they explain of codes they were not fitted to: 1 for all of it, 0 for no more than the mean. ``held_out`` are
    the rows of those codes.
    """

    overlap: float
    cka: float
    a_to_b: AffineMap
    b_to_a: AffineMap
    r2_a_to_b: float
    r2_b_to_a: float
    held_out: NDArray[np.intp] = field(repr=False)

    @classmethod
    def of(
        cls,
        z_a: NDArray[np.floating],
        z_b: NDArray[np.floating],
        near: tuple[NDArray[np.integer], NDArray[np.integer]] | None = None,
        seed: int = 0,
        units: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
    ) -> Alignment:
        """The alignment of codes (n, dim_a) and (n, dim_b) of the same images.

        Neighbours and geometries are compared in ``units``, what the codes of each are multiplied by (dim_a,) and
        (dim_b,), so that the units of dimensions do not count; by default as the codes are. ``near`` are the nearest
        neighbours of each, where they are known already (`nearest_images`). The maps are between the codes themselves,
        fitted to a random half, so that their R², in units too, holds for the other one; the seed chooses it. Raises
        `ArgumentError` where the two are not codes of the same images.
        """
        z_a, z_b = paired(z_a, z_b)
        order = np.random.default_rng(seed).permutation(len(z_a))
        fitting, testing = order[: len(z_a) // 2], order[len(z_a) // 2 :]
        a_to_b, b_to_a = AffineMap.fitted(z_a[fitting], z_b[fitting]), AffineMap.fitted(z_b[fitting], z_a[fitting])
        of_a, of_b = units or (np.ones(z_a.shape[1]), np.ones(z_b.shape[1]))
        return cls(
            shared(*(near or map(nearest_images, (z_a * of_a, z_b * of_b)))),
            linear_cka(z_a * of_a, z_b * of_b),
            a_to_b,
            b_to_a,
            explained(z_b[testing] * of_b, a_to_b(z_a[testing]) * of_b),
            explained(z_a[testing] * of_a, b_to_a(z_b[testing]) * of_a),
            testing,
        )


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The nearest neighbours of every image by two models, A and B: ``in_a`` and ``in_b`` (n, k), the nearest first.

    ``moved`` (n,) says how far an image's neighbours by the one lie from it by the other: the mean of their distances
    over that to its k-th neighbour there, of both ways; 1 or less where all are still among the nearest.
    """

    in_a: NDArray[np.integer]
    in_b: NDArray[np.integer]
    moved: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        z_a: NDArray[np.floating],
        z_b: NDArray[np.floating],
        near: tuple[NDArray[np.integer], NDArray[np.integer]] | None = None,
    ) -> Neighbours:
        """Those of codes (n, dim_a) and (n, dim_b) of the same images, in units in which distances count alike.

        ``near`` are the neighbours by each where they are known (`nearest_images`). Raises `ArgumentError` where the
        two are not codes of the same images.
        """
        z_a, z_b = paired(z_a, z_b)
        in_a, in_b = near or (nearest_images(z_a), nearest_images(z_b))
        return cls(in_a, in_b, (farther(z_b, in_a, in_b) + farther(z_a, in_b, in_a)) / 2)

    @property
    def k(self) -> int:
        """How many neighbours of an image are counted."""
        return int(self.in_a.shape[1])

    @cached_property
    def n_shared(self) -> NDArray[np.intp]:
        """How many neighbours of each image are the same by both, (n,)."""
        found: NDArray[np.intp] = in_both(self.in_a, self.in_b).sum(axis=1)
        return found

    def of_image(self, row: int) -> tuple[Rows, Rows, Rows]:
        """The neighbours of one image that are shared, lost (by A alone) and gained (by B alone), the nearest first."""
        a, b = self.in_a[row].astype(np.intp), self.in_b[row].astype(np.intp)
        return a[np.isin(a, b)], a[~np.isin(a, b)], b[~np.isin(b, a)]

    def most_changed(self, among: Rows) -> Rows:
        """Some images, those that share the fewest neighbours first, of equally many those whose neighbours moved most.

        >>> z = np.array([[0.0], [1.0], [3.0], [7.0]])
        >>> near = nearest_images(z, 1), nearest_images(z[[0, 1, 3, 2]], 1)
        >>> Neighbours.of(z, z[[0, 1, 3, 2]], near).n_shared.tolist()
        [1, 1, 0, 0]
        """
        order: Rows = among[np.lexsort((among, -self.moved[among], self.n_shared[among]))]
        return order


def farther(z: NDArray[np.floating], of: NDArray[np.integer], nearest: NDArray[np.integer]) -> NDArray[np.float64]:
    """The mean distance of each code (n, d) to some others (n, k), over that to the last of its ``nearest``, (n,)."""
    distances = np.linalg.norm(z[of] - z[:, None], axis=2).mean(axis=1)
    last = np.linalg.norm(z[nearest[:, -1]] - z, axis=1)
    found: NDArray[np.float64] = distances / np.maximum(last, np.finfo(np.float64).tiny)
    return found


def stitch(z_a: NDArray[np.floating], a_to_b: AffineMap, decode_b: Decode) -> NDArray[np.float32]:
    """Pictures that B's decoder makes of A's codes (n, dim_a), mapped to codes of B (Lenc & Vedaldi 2015,
    arXiv:1411.5908; Bansal et al. 2021, arXiv:2106.07682)."""
    return decode_b(a_to_b(z_a))


def neighbour_overlap(z_a: NDArray[np.floating], z_b: NDArray[np.floating], k: int = N_NEIGHBOURS) -> float:
    """The share of an image's ``k`` nearest neighbours in A that are among its ``k`` nearest in B, over all images.

    Distances are Euclidean in the full spaces; by chance k / (n − 1) are shared.
    """
    z_a, z_b = paired(z_a, z_b)
    return shared(nearest_images(z_a, k), nearest_images(z_b, k))


def nearest_images(z: NDArray[np.floating], k: int = N_NEIGHBOURS) -> NDArray[np.intp]:
    """The ``k`` images whose codes (n, latent_dim) are nearest to that of each, (n, k)."""
    return nearest_others(np.asarray(z, np.float64), k)[1]


def shared(in_a: NDArray[np.integer], in_b: NDArray[np.integer]) -> float:
    """The share of the neighbours (n, k) in A that are among those (n, k) in B."""
    return float(in_both(in_a, in_b).mean())


def in_both(in_a: NDArray[np.integer], in_b: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Which of the neighbours (n, k) in A are among those (n, k) of the same image in B, (n, k)."""
    return np.asarray((in_a[:, :, None] == in_b[:, None, :]).any(axis=2))


def linear_cka(z_a: NDArray[np.floating], z_b: NDArray[np.floating]) -> float:
    """Linear centred kernel alignment: 1 for codes that differ by a rotation and one scale, near 0 for unrelated ones.

    ‖Aᵀ B‖² / (‖Aᵀ A‖ ‖Bᵀ B‖) with Frobenius norms of centred codes; Kornblith et al. 2019 (arXiv:1905.00414). 0 where
    one of the two never changes.
    """
    z_a, z_b = paired(z_a, z_b)
    a, b = z_a - z_a.mean(axis=0), z_b - z_b.mean(axis=0)
    both, own = np.square(np.linalg.norm(a.T @ b)), np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    return float(both / own) if own > 0 else 0.0


def explained(b: NDArray[np.floating], predicted: NDArray[np.floating]) -> float:
    """R² over all dimensions together: 1 − squared error / variance about the mean; 0 where nothing varies."""
    variation = np.square(b - b.mean(axis=0)).sum()
    return float(1 - np.square(b - predicted).sum() / variation) if variation > 0 else 0.0


def paired(z_a: NDArray[np.floating], z_b: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both as float64 tables with a row for every image. Raises `ArgumentError` otherwise."""
    a, b = np.asarray(z_a, np.float64), np.asarray(z_b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b):
        raise ArgumentError(f"Expected codes of the same images in both spaces, got shapes {a.shape} and {b.shape}.")
    return a, b
