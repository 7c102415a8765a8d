"""Between codes: straight lines, arcs, and arithmetic."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.arrays import Code
from latent.errors import ArgumentError

NEARLY_PARALLEL = 1e-6  # radians; below it the arc's formula divides zero by zero


def lerp(a: ArrayLike, b: ArrayLike, t: ArrayLike) -> NDArray[np.float32]:
    """Points on the line from ``a`` (latent_dim,) at t = 0 to ``b`` at t = 1; ``t`` (n,) -> (n, latent_dim)."""
    a, b, t = endpoints(a, b, t)
    return ((1 - t) * a + t * b).astype(np.float32)


def slerp(a: ArrayLike, b: ArrayLike, t: ArrayLike) -> NDArray[np.float32]:
    """Points on the arc from ``a`` (latent_dim,) at t = 0 to ``b`` at t = 1; ``t`` (n,) -> (n, latent_dim).

    Between codes of equal norm the norm stays equal all the way. Shoemake 1985 (SIGGRAPH), used on latent
    codes by White 2016 (arXiv:1609.04468). Where the arc is not defined the nearest sensible path is taken:
    the straight line between parallel codes or from the origin, and a half-turn through a perpendicular
    direction between opposite ones.
    """
    a, b, t = endpoints(a, b, t)
    norm_a, norm_b = np.linalg.norm(a), np.linalg.norm(b)
    if norm_a == 0 or norm_b == 0:
        return lerp(a, b, t[:, 0])
    unit_a, unit_b = a / norm_a, b / norm_b
    # The half-angle form keeps its precision near 0 and π, where arccos of the dot product loses it.
    angle = 2 * np.arctan2(np.linalg.norm(unit_a - unit_b), np.linalg.norm(unit_a + unit_b))
    if angle < NEARLY_PARALLEL:
        return lerp(a, b, t[:, 0])
    if np.pi - angle < NEARLY_PARALLEL:
        radius = (1 - t) * norm_a + t * norm_b
        turn = np.cos(np.pi * t) * unit_a + np.sin(np.pi * t) * perpendicular(unit_a)
        return (radius * turn).astype(np.float32)
    return ((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)).astype(np.float32)


def perpendicular(unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """A unit vector at a right angle to ``unit``, the same one every time; ``unit`` itself negated in one dimension."""
    if unit.size == 1:
        return np.zeros(1)
    axis = np.zeros_like(unit)
    axis[np.argmin(np.abs(unit))] = 1
    across = axis - (axis @ unit) * unit
    return across / np.linalg.norm(across)


def endpoints(
    a: ArrayLike, b: ArrayLike, t: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """``a`` and ``b`` as float64 vectors of one length and ``t`` as a column. Raises `ArgumentError` otherwise."""
    start, end, fraction = np.asarray(a, np.float64), np.asarray(b, np.float64), np.asarray(t, np.float64)
    if start.ndim != 1 or start.shape != end.shape:
        raise ArgumentError(f"Expected two codes of the same length, got shapes {start.shape} and {end.shape}.")
    return start, end, fraction.reshape(-1, 1)


PATHS: dict[str, Callable[[ArrayLike, ArrayLike, ArrayLike], NDArray[np.float32]]] = {
    "linear": lerp,
    "spherical": slerp,
}


def path(a: ArrayLike, b: ArrayLike, n_steps: int, kind: str = "linear") -> NDArray[np.float32]:
    """``n_steps`` codes evenly spaced from ``a`` to ``b``, both included: (n_steps, latent_dim)."""
    if kind not in PATHS:
        raise ArgumentError(f"The path must be one of {', '.join(PATHS)}, got {kind!r}.")
    if n_steps < 2:
        raise ArgumentError(f"A path needs at least 2 steps, got {n_steps}.")
    return PATHS[kind](a, b, np.linspace(0, 1, n_steps))


def average(a: Code, b: Code) -> Code:
    """``(a + b) / 2``: a blend of two."""
    return lerp(a, b, 0.5)[0]


def difference(a: Code, b: Code) -> Code:
    """``a - b``: what the first has and the second has not."""
    return a - b


def total(a: Code, b: Code) -> Code:
    """``a + b``: the features of both."""
    return a + b


def analogy(a: Code, b: Code, c: Code) -> Code:
    """``a - b + c``: ``a`` is to ``b`` as the result is to ``c`` (Mikolov et al. 2013, arXiv:1301.3781)."""
    return a - b + c
