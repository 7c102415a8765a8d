"""Is the space smooth? Many paths from one real code to another, and what happens to the picture along them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from latent.arrays import Labels, Pictures
from latent.errors import ArgumentError
from latent.interpolation import PATHS, path
from latent.neighbours import nearest, nearest_others
from latent.support import Support

if TYPE_CHECKING:
    from scipy.sparse import csr_array

N_PAIRS = 250  # of real codes between which paths are measured
N_STEPS = 16  # points on a path, its ends included: measures are of steps of 1 / 15 of it
N_NEIGHBOURS = 10  # of a code in the graph
THROUGH_CODES = "through codes"
KINDS = (*PATHS, THROUGH_CODES)
BATCH = 125  # paths whose pictures are in memory at a time

Features = Callable[[NDArray[np.float32]], NDArray[np.floating]]


@dataclass(frozen=True)
class Smoothness:
    """What was measured on paths between real codes, and two of them: ``smoothest`` and ``roughest``, (n_steps,
    latent_dim) each, those of the least and the greatest perceptual path length for the distance they cover.

    ``path_length`` (n_pairs,) the perceptual path length, in squared units of the features (`perceptual_path_length`):
    the least there can be is ``direct`` (n_pairs,), the squared distance between the ends, and one jump has n_steps − 1
    times that. ``evenness`` (n_pairs,) the mean step over the largest one, each the distance between two pictures: 1
    where the picture changes at an even pace, 1 / (n_steps − 1) where all of the change is one jump. ``off_data``
    (n_pairs,) the share of the inner points that are out of distribution (`support`), farther from real codes than all
    real codes are.
    """

    smoothest: NDArray[np.float32] = field(repr=False)
    roughest: NDArray[np.float32] = field(repr=False)
    path_length: NDArray[np.float64] = field(repr=False)
    direct: NDArray[np.float64] = field(repr=False)
    evenness: NDArray[np.float64] = field(repr=False)
    off_data: NDArray[np.float64] = field(repr=False)

    @property
    def roughness(self) -> NDArray[np.float64]:
        """The perceptual path length of each path over the least that joins its ends, (n_pairs,): 1 where the features
        change evenly in a straight line, n_steps − 1 for one jump; NaN where the ends look the same."""
        return np.divide(self.path_length, self.direct, out=np.full_like(self.direct, np.nan), where=self.direct > 0)


@dataclass(frozen=True)
class Paths:
    """What paths are measured with: real codes ``z`` (n, latent_dim), the ``pairs`` (n_pairs, 2) of them to connect.

    ``decode`` makes pictures (n, …) of codes, ``features`` gives (n, d) of pictures. Distances between codes are in
    ``units`` (latent_dim,), what codes are multiplied by, and ``support`` is that of the codes in these units. The same
    pairs are connected by every kind of path. Of a conditional model, ``labels`` (n,) are the classes: a path connects
    two images of one class, and its codes are decoded as of this class.
    """

    z: NDArray[np.float32] = field(repr=False)
    pairs: NDArray[np.intp]
    decode: Callable[..., Pictures]
    features: Features
    units: NDArray[np.float32]
    support: Support
    labels: Labels | None = None
    n_steps: int = N_STEPS

    @classmethod
    def of(
        cls,
        z: NDArray[np.float32],
        decode: Callable[..., Pictures],
        features: Features,
        *,
        units: NDArray[np.float32] | None = None,
        labels: Labels | None = None,
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
        scale = np.ones(z.shape[1], np.float32) if units is None else units
        pairs = random_pairs(len(z), n_pairs, seed) if labels is None else pairs_of_one_class(labels, n_pairs, seed)
        return cls(z, pairs, decode, features, scale, Support.of(z * scale), labels, n_steps)

    def along(self, kind: str) -> Smoothness:
        """The smoothness along paths of one of `KINDS`. Raises `ArgumentError` for another."""
        codes = paths(kind, self.z, self.pairs, self.n_steps, self.units)
        n_pairs, n_steps, latent_dim = codes.shape
        evenness, length, direct = np.empty((3, n_pairs))
        for start in range(0, n_pairs, BATCH):
            part = slice(start, start + BATCH)
            pictures = self.decoded(codes[part], part)
            seen = np.reshape(self.features(pictures), (len(pictures) // n_steps, n_steps, -1))
            length[part] = perceptual_path_length(seen)
            direct[part] = np.square(seen[:, -1] - seen[:, 0]).sum(axis=1)
            steps = np.diff(pictures.reshape(-1, n_steps, pictures[0].size), axis=1)
            evenness[part] = mean_over_largest(np.linalg.norm(steps, axis=2))
        inner = codes[:, 1:-1].reshape(-1, latent_dim) * self.units
        off_data = (self.support.quantile(inner) >= 1).reshape(n_pairs, -1).mean(axis=1)
        ratio = np.divide(length, direct, out=np.full(n_pairs, np.inf), where=direct > 0)
        order = np.argsort(np.where(np.isfinite(ratio), ratio, -1), kind="stable")
        smoothest = int(np.argmin(ratio))
        return Smoothness(codes[smoothest], codes[order[-1]], length, direct, evenness, off_data)

    def decoded(self, codes: NDArray[np.float32], part: slice) -> Pictures:
        """The pictures of codes (n, n_steps, latent_dim) on this part of the paths, one after the other."""
        flat = codes.reshape(-1, codes.shape[2])
        if self.labels is None:
            return self.decode(flat)
        return self.decode(flat, np.repeat(self.labels[self.pairs[part, 0]], codes.shape[1]))


def perceptual_path_length(features: NDArray[np.floating]) -> NDArray[np.float64]:
    """The perceptual path length of paths (n, n_steps, d) in features, (n,), at steps of 1 / (n_steps − 1).

    The mean over steps ε of the squared distance between the features of its two ends, over ε² (Karras et al. 2019,
    arXiv:1812.04948, there with ε = 0.0001 at random places). Finer steps leave it as it is where features change
    smoothly, and it grows without bound where they jump.

    >>> perceptual_path_length(np.array([[[0.0], [1], [2]], [[0], [2], [2]]])).tolist()
    [4.0, 8.0]
    """
    squares = np.square(np.diff(np.asarray(features, np.float64), axis=1)).sum(axis=2)
    return squares.mean(axis=1) * squares.shape[1] ** 2


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


def pairs_of_one_class(labels: Labels, n_pairs: int, seed: int) -> NDArray[np.intp]:
    """Pairs (n_pairs, 2) of different images that have the same label, of classes with at least two.

    Raises `ArgumentError` where there is no such class.
    """
    classes, counts = np.unique(labels, return_counts=True)
    common = np.isin(labels, classes[counts > 1])
    if not common.any():
        raise ArgumentError("Paths within a class need a class with at least 2 images, got none.")
    rng = np.random.default_rng(seed)
    first = rng.choice(np.flatnonzero(common), n_pairs)
    others = [rng.choice(np.flatnonzero((labels == labels[row]) & (np.arange(len(labels)) != row))) for row in first]
    return np.stack([first, np.array(others)], axis=1)


def paths(
    kind: str,
    z: NDArray[np.float32],
    pairs: NDArray[np.intp],
    n_steps: int,
    units: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Codes (n_pairs, n_steps, latent_dim) from one code of ``z`` to another, for each of ``pairs`` (n_pairs, 2).

    ``kind`` is one of `KINDS`; "through codes" follows the shortest path in the graph of nearest neighbours
    (Tenenbaum et al. 2000, Isomap), with distances in ``units``, what codes are multiplied by. A spherical path turns
    about the origin in the code's own units. Raises `ArgumentError` for another.
    """
    if kind == THROUGH_CODES:
        scaled = z if units is None else z * units
        graph = neighbour_graph(scaled)
        return np.stack([evenly_along(z[each], n_steps, scaled[each]) for each in shortest_paths(graph, pairs)])
    return np.stack([path(z[a], z[b], n_steps, kind) for a, b in pairs])


def evenly_along(
    stops: NDArray[np.float32], n_steps: int, scaled: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """``n_steps`` points (n_steps, latent_dim) at even distances along the line through ``stops`` (n, latent_dim).

    Distances are those of the stops ``scaled``, where these are given.
    """
    lengths = np.linalg.norm(np.diff(stops if scaled is None else scaled, axis=0), axis=1)
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

    both_ways = graph.maximum(graph.T).tocsr()  # once: it is what an undirected search does anew for every pair
    for start, end in pairs:
        # From the end, so that following the predecessors from the start gives the nodes in order.
        _, before = dijkstra(both_ways, indices=end, return_predecessors=True)
        stops = [start]
        while stops[-1] != end:
            stops.append(before[stops[-1]])
        yield np.array(stops)
