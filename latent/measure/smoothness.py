"""Is the space smooth? Many paths from one real code to another, and what happens to the picture along them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latent.arrays import Decode
from latent.errors import ArgumentError
from latent.interpolation import PATHS, path
from latent.neighbours import nearest, nearest_others

if TYPE_CHECKING:
    from scipy.sparse import csr_array

N_PAIRS = 500  # of real codes between which paths are measured
N_STEPS = 16  # points on a path, its ends included
N_NEIGHBOURS = 10  # of a code in the graph
IN_DISTRIBUTION = 0.99  # of real codes lie nearer to another one than a point that is off the data
THROUGH_CODES = "through codes"
KINDS = (*PATHS, THROUGH_CODES)
BATCH = 125  # paths whose pictures are in memory at a time

Confidence = Callable[[NDArray[np.float32]], NDArray[np.floating]]


@dataclass(frozen=True)
class Smoothness:
    """What was measured on paths between real codes, and two of them: ``surest`` and ``least_sure``, (n_steps,
    latent_dim) each, the paths on which the judge's lowest confidence is the highest and the lowest of all.

    ``evenness`` (n_pairs,) the mean step over the largest one, each the distance between two pictures: 1 where the
    picture changes at an even pace, 1 / (n_steps − 1) where all of the change is one jump. ``confidence`` (n_pairs,)
    the judge's lowest on the path. ``off_data`` (n_pairs,) the share of the inner points that are farther from the
    nearest real code than 99 % of real codes are from theirs.
    """

    surest: NDArray[np.float32] = field(repr=False)
    least_sure: NDArray[np.float32] = field(repr=False)
    evenness: NDArray[np.float64] = field(repr=False)
    confidence: NDArray[np.float64] = field(repr=False)
    off_data: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True)
class Paths:
    """What paths are measured with: real codes ``z`` (n, latent_dim), the ``pairs`` (n_pairs, 2) of them to connect.

    ``decode`` makes pictures (n, …) of codes, ``confidence`` gives (n,) of pictures; a point farther than ``threshold``
    from the nearest real code is off the data. The same pairs are connected by every kind of path.
    """

    z: NDArray[np.float32] = field(repr=False)
    pairs: NDArray[np.intp] = field(repr=False)
    threshold: float
    decode: Decode
    confidence: Confidence
    n_steps: int = N_STEPS

    @classmethod
    def of(
        cls,
        z: NDArray[np.float32],
        decode: Decode,
        confidence: Confidence,
        *,
        n_pairs: int | None = None,
        n_steps: int = N_STEPS,
        seed: int = 0,
    ) -> Paths:
        """Between random pairs of codes, by default `N_PAIRS`.

        Raises `ArgumentError` for fewer than two codes, three steps or one pair.
        """
        n_pairs = N_PAIRS if n_pairs is None else n_pairs
        if len(z) < 2 or n_steps < 3 or n_pairs < 1:
            raise ArgumentError(
                f"Paths need at least 2 codes, 3 steps and a pair, got {len(z)}, {n_steps} and {n_pairs}."
            )
        threshold = float(np.quantile(nearest_others(z)[0], IN_DISTRIBUTION))
        return cls(z, random_pairs(len(z), n_pairs, seed), threshold, decode, confidence, n_steps)

    def along(self, kind: str) -> Smoothness:
        """The smoothness along paths of one of `KINDS`. Raises `ArgumentError` for another."""
        codes = paths(kind, self.z, self.pairs, self.n_steps)
        n_pairs, n_steps, latent_dim = codes.shape
        evenness, lowest = np.empty(n_pairs), np.empty(n_pairs)
        for start in range(0, n_pairs, BATCH):
            part = slice(start, start + BATCH)
            pictures = self.decode(codes[part].reshape(-1, latent_dim))
            lowest[part] = self.confidence(pictures).reshape(-1, n_steps).min(axis=1)
            steps = np.diff(pictures.reshape(-1, n_steps, pictures[0].size), axis=1)
            evenness[part] = mean_over_largest(np.linalg.norm(steps, axis=2))
        distances, _ = nearest(codes[:, 1:-1].reshape(-1, latent_dim), self.z)
        off_data = (distances > self.threshold).reshape(n_pairs, -1).mean(axis=1)
        surest = int(np.lexsort((evenness, lowest))[-1])  # of several, the most even one
        return Smoothness(codes[surest], codes[int(np.argmin(lowest))], evenness, lowest, off_data)


def mean_over_largest(steps: NDArray[np.floating]) -> NDArray[np.float64]:
    """The evenness of steps of these lengths (n, n_steps), (n,): mean over largest, 1 where there is no change at all.

    >>> mean_over_largest(np.array([[1, 1, 1, 1], [4, 0, 0, 0], [0, 0, 0, 0]])).tolist()
    [1.0, 0.25, 1.0]
    """
    largest = steps.max(axis=1).astype(np.float64)
    return np.divide(steps.mean(axis=1), largest, out=np.ones(len(steps)), where=largest > 0)


def random_pairs(n: int, n_pairs: int, seed: int) -> NDArray[np.intp]:
    """Pairs (n_pairs, 2) of different numbers below ``n``."""
    rng = np.random.default_rng(seed)
    first = rng.integers(n, size=n_pairs)
    return np.stack([first, (first + rng.integers(1, n, size=n_pairs)) % n], axis=1)


def paths(kind: str, z: NDArray[np.float32], pairs: NDArray[np.intp], n_steps: int) -> NDArray[np.float32]:
    """Codes (n_pairs, n_steps, latent_dim) from one code of ``z`` to another, for each of ``pairs`` (n_pairs, 2).

    ``kind`` is one of `KINDS`; "through codes" follows the shortest path in the graph of nearest neighbours
    (Tenenbaum et al. 2000, Isomap). Raises `ArgumentError` for another.
    """
    if kind == THROUGH_CODES:
        return np.stack([evenly_along(z[stops], n_steps) for stops in shortest_paths(neighbour_graph(z), pairs)])
    return np.stack([path(z[a], z[b], n_steps, kind) for a, b in pairs])


def evenly_along(stops: NDArray[np.float32], n_steps: int) -> NDArray[np.float32]:
    """``n_steps`` points (n_steps, latent_dim) at even distances along the line through ``stops`` (n, latent_dim)."""
    lengths = np.linalg.norm(np.diff(stops, axis=0), axis=1)
    reached = np.concatenate([[0], np.cumsum(lengths, dtype=np.float64)])
    wanted = np.linspace(0, reached[-1], n_steps)
    return np.stack([np.interp(wanted, reached, column) for column in stops.T], axis=1).astype(np.float32)


def neighbour_graph(z: NDArray[np.float32], k: int = N_NEIGHBOURS) -> csr_array:
    """Distances (n, n) from codes to their ``k`` nearest others, zeros elsewhere.

    Where that leaves parts that are not connected, the nearest codes of two parts are joined.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    distances, indices = nearest_others(z, min(k, len(z) - 1))
    weights, ends = [distances.ravel()], [indices.ravel()]
    starts = [np.repeat(np.arange(len(z)), indices.shape[1])]
    while True:
        edges = np.concatenate(weights) + np.finfo(np.float32).tiny  # an edge of length 0 would be none
        graph = csr_array((edges, (np.concatenate(starts), np.concatenate(ends))), shape=(len(z), len(z)))
        n_parts, part_of = connected_components(graph, directed=False)
        if n_parts == 1:
            return graph
        for part in range(1, n_parts):  # each but one is joined to its nearest neighbour among the others
            inside, outside = np.flatnonzero(part_of == part), np.flatnonzero(part_of != part)
            distances, indices = nearest(z[inside], z[outside])
            closest = np.argmin(distances)
            weights.append(distances[closest])
            starts.append(inside[[closest]])
            ends.append(outside[indices[closest]])


def shortest_paths(graph: csr_array, pairs: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """The nodes on the shortest path of each of ``pairs`` (n_pairs, 2), its ends included."""
    from scipy.sparse.csgraph import dijkstra

    for start, end in pairs:
        # From the end, so that following the predecessors from the start gives the nodes in order.
        _, before = dijkstra(graph, directed=False, indices=end, return_predecessors=True)
        stops = [start]
        while stops[-1] != end:
            stops.append(before[stops[-1]])
        yield np.array(stops)
