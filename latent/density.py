"""How densely codes lie on a plane, counted block by block: for files of any number of codes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent.components import EXACT, PrincipalAxes
from latent.encoded import Encoded
from latent.errors import ArgumentError, CodesError
from latent.projection import Plane
from latent.streaming import Moments, finite_rows

CELLS = (80, 120)  # rows and columns
Edges = tuple[NDArray[np.float64], NDArray[np.float64]]

MOST_DOTS = 10_000  # codes of a window that are named one by one
REACH = 6  # standard deviations from the mean: what lies farther out would leave the rest a spot


@dataclass(frozen=True, eq=False)
class Density:
    """How many codes lie where on a ``plane``: ``counts`` (rows, columns) of even cells, the first row the lowest.

    The cells lie between ``low`` (2,) and ``high`` (2,) along the two axes, latent units: as far as the codes reach,
    but at most `REACH` standard deviations from the mean. ``n`` codes are counted, and ``outside`` of them lie in no
    cell. ``explained`` is the share of all variance that lies along the plane, 0 to 1; ``exact`` says that the plane
    is that of all codes, not of a sample of them.
    """

    plane: Plane
    counts: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n: int
    outside: int
    explained: float
    exact: bool

    @classmethod
    def of(cls, file: Encoded, cells: tuple[int, int] = CELLS) -> Density:
        """That of all codes of a file but rows of NaN, read three times in blocks: memory does not grow with it.

        Raises `ArgumentError` for codes of one dimension, `CodesError` where the file is unfinished or damaged.
        """
        if file.latent_dim < 2:
            raise ArgumentError("A density needs codes of at least 2 dimensions, got 1.")
        plane = principal_plane(file)
        moments = Moments.none(2)
        for z in file.blocks():
            moments = moments.merge(Moments.of(plane.project(z)))
        low = np.maximum(moments.min, moments.mean - REACH * moments.std)
        high = np.minimum(moments.max, moments.mean + REACH * moments.std)
        high = np.where(high > low, high, low + 1.0)  # a direction in which all codes are the same
        counts = np.zeros(cells, np.int64)
        for z in file.blocks():
            counts += counted(plane.project(z), low, high, cells)
        whole = float(moments_of(file).m2.sum())
        return cls(
            plane=plane,
            counts=counts,
            low=low,
            high=high,
            n=moments.count,
            outside=moments.count - int(counts.sum()),
            explained=min(1.0, float(moments.m2.sum()) / whole) if whole else 1.0,
            exact=file.latent_dim <= EXACT,
        )

    def window(self, file: Encoded, low: NDArray[np.float64], high: NDArray[np.float64]) -> Window:
        """What lies in a part of the plane, from ``low`` (2,) to ``high`` (2,): the file is read once, in blocks."""
        cells = (self.counts.shape[0], self.counts.shape[1])
        counts, start = np.zeros(cells, np.int64), 0
        rows, places = [np.zeros(0, np.int64)], [np.zeros((0, 2), np.float32)]
        for z in file.blocks():
            block = self.plane.project(z)
            counts += counted(block, low, high, cells)
            if counts.sum() <= MOST_DOTS:
                inside = np.flatnonzero(within(block, low, high))
                rows.append(start + inside)
                places.append(block[inside])
            start += len(z)
        named = slice(None if counts.sum() <= MOST_DOTS else 0)
        return Window(counts, low, high, np.concatenate(rows)[named], np.concatenate(places)[named])

    @property
    def edges(self) -> Edges:
        """Where the cells begin and end along the first axis (columns + 1,) and the second (rows + 1,)."""
        return edges_of(self.counts, self.low, self.high)


@dataclass(frozen=True, eq=False)
class Window:
    """What lies in a part of a plane: ``counts`` (rows, columns) of even cells between ``low`` (2,) and ``high`` (2,),
    the first row the lowest.

    Where there are at most `MOST_DOTS` codes, ``rows`` (m,) are their rows in the file and ``places`` (m, 2) where they
    lie; else both are empty.
    """

    counts: NDArray[np.int64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rows: NDArray[np.int64]
    places: NDArray[np.float32]

    @property
    def edges(self) -> Edges:
        """As those of `Density`."""
        return edges_of(self.counts, self.low, self.high)


def edges_of(counts: NDArray[np.int64], low: NDArray[np.float64], high: NDArray[np.float64]) -> Edges:
    """Where even cells between ``low`` and ``high`` begin and end along the first axis and the second."""
    rows, columns = counts.shape
    return np.linspace(low[0], high[0], columns + 1), np.linspace(low[1], high[1], rows + 1)


def principal_plane(file: Encoded) -> Plane:
    """The plane of the first two principal components of all codes of a file, as `Plane.of` has it.

    Exact for up to `EXACT` dimensions, whose covariance is summed in blocks about the mean that the file states; for
    more, that of a sample (`Encoded.sample`), its shares of the variance those of the sample.
    """
    if file.latent_dim <= 2 or file.latent_dim > EXACT:
        return Plane.of(file.sample())
    moments = moments_of(file)
    products = np.zeros((file.latent_dim, file.latent_dim))
    for z in file.blocks():
        apart = finite_rows(z) - moments.mean  # in float64
        products += apart.T @ apart
    return Plane.along(PrincipalAxes.of_covariance(moments.mean, products / moments.count, 2))


def moments_of(file: Encoded) -> Moments:
    """The moments of a finished file. Raises `CodesError` for another."""
    if file.moments is None:
        raise CodesError(f"{file.path} is incomplete: run the command that began it again to resume.")
    return file.moments


def counted(
    places: NDArray[np.float32], low: NDArray[np.float64], high: NDArray[np.float64], cells: tuple[int, int]
) -> NDArray[np.int64]:
    """How many places (n, 2) lie in each of ``cells`` (rows, columns) even cells between ``low`` and ``high``."""
    rows, columns = cells
    inside = places[within(places, low, high)]
    at = np.minimum(((inside - low) / (high - low) * (columns, rows)).astype(np.int64), (columns - 1, rows - 1))
    return np.bincount(at[:, 1] * columns + at[:, 0], minlength=rows * columns).reshape(cells)


def within(places: NDArray[np.float32], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which places (n, 2) lie between ``low`` and ``high``; none of NaN does."""
    x, y = places.T
    found: NDArray[np.bool_] = (x >= low[0]) & (x <= high[0]) & (y >= low[1]) & (y <= high[1])
    return found
