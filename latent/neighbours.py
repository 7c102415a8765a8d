"""Nearest neighbours among rows of numbers: exact, by brute force in blocks, which beats trees from ten columns up."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from latent.errors import ArgumentError

BLOCK = 5_000_000  # squared distances in memory at a time


def nearest(
    queries: NDArray[np.floating], rows: NDArray[np.floating], k: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Euclidean distances (n, k) and indices (n, k) of the ``k`` rows (m, d) nearest to each query (n, d), sorted.

    Raises `ArgumentError` where the widths differ or there are fewer than ``k`` rows.
    """
    return search(queries, rows, k, others=False)


def nearest_others(rows: NDArray[np.floating], k: int = 1) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """As `nearest`, for each row among all the other rows: a row is no neighbour of its own, a copy of it is.

    >>> distances, indices = nearest_others(np.array([[0.0], [1.0], [3.0]]))
    >>> distances.ravel().tolist(), indices.ravel().tolist()
    ([1.0, 1.0, 2.0], [1, 0, 1])
    """
    return search(rows, rows, k, others=True)


def search(
    queries: NDArray[np.floating], rows: NDArray[np.floating], k: int, others: bool
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """The neighbours of every query; with ``others``, the queries are the rows, and none is its own neighbour."""
    available = len(rows) - others
    if not 1 <= k <= available:
        raise ArgumentError(f"The number of neighbours must be from 1 to {available}, got {k}.")
    distances, indices = np.empty((len(queries), k)), np.empty((len(queries), k), np.intp)
    for part, squares in squared_distances(queries, rows):
        if others:
            squares[np.arange(len(squares)), np.arange(part.start, part.start + len(squares))] = np.inf
        found = (
            np.argpartition(squares, k - 1, axis=1)[:, :k]
            if k < len(rows)
            else np.tile(np.arange(k), (len(squares), 1))
        )
        # Measured again by subtraction, since the blocks' formula rounds: the distance to a copy is exactly 0.
        exact = np.linalg.norm(queries[part, None].astype(np.float64) - rows[found], axis=2)
        order = np.argsort(exact, axis=1, kind="stable")
        distances[part], indices[part] = np.take_along_axis(exact, order, 1), np.take_along_axis(found, order, 1)
    return distances, indices


def squared_distances(
    queries: NDArray[np.floating], rows: NDArray[np.floating]
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Blocks of queries, each with its squared distances (block, m) to all the rows, to the precision of float32."""
    if queries.ndim != 2 or rows.ndim != 2 or queries.shape[1] != rows.shape[1]:
        raise ArgumentError(f"Expected two tables of the same width, got shapes {queries.shape} and {rows.shape}.")
    centre = rows.mean(axis=0)  # |q - r|² = |q|² - 2 q·r + |r|² loses the fewest digits about the origin
    rows, queries = (rows - centre).astype(np.float32), (queries - centre).astype(np.float32)
    lengths = np.einsum("ij,ij->i", rows, rows)
    size = max(1, BLOCK // len(rows))
    for start in range(0, len(queries), size):
        block = queries[start : start + size]
        squares = block @ (-2 * rows.T)
        squares += lengths
        squares += np.einsum("ij,ij->i", block, block)[:, None]
        yield slice(start, start + len(block)), np.maximum(squares, 0, out=squares)
