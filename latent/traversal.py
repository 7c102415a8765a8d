"""Sweeps: what the picture does as a code moves along one dimension."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.arrays import Decode
from latent.errors import ArgumentError


def traverse(base: ArrayLike, dimension: int, values: ArrayLike) -> NDArray[np.float32]:
    """Codes (n_steps, latent_dim): ``base`` (latent_dim,) but in one dimension, which takes ``values`` (n_steps,).

    Raises `ArgumentError` where the base is no vector or has no such dimension.
    """
    start, steps = np.asarray(base, np.float32), np.asarray(values, np.float32)
    if start.ndim != 1:
        raise ArgumentError(f"A traversal starts from one code; got an array of shape {start.shape}.")
    if not 0 <= dimension < len(start):
        raise ArgumentError(f"The dimension must be from 0 to {len(start) - 1}, got {dimension}.")
    codes = np.tile(start, (len(steps), 1))
    codes[:, dimension] = steps
    return codes


def effects(
    decode: Decode,
    bases: NDArray[np.float32],
    step: NDArray[np.float32],
    dimensions: NDArray[np.intp] | None = None,
) -> NDArray[np.float32]:
    """How much each of ``dimensions`` (by default all) changes the picture: a root mean square a pixel for each.

    The difference between the pictures one ``step`` (latent_dim,) above and below each of ``bases``
    (n, latent_dim), pixels in [0, 1]: for ``step`` the standard deviation of each dimension, so that a dimension
    counts by what it does over the range that it really takes.
    """
    latent_dim = bases.shape[1]
    chosen = np.arange(latent_dim) if dimensions is None else dimensions
    offsets = np.zeros((len(chosen), latent_dim), np.float32)
    offsets[np.arange(len(chosen)), chosen] = step[chosen]
    up = decode((bases[None] + offsets[:, None]).reshape(-1, latent_dim))
    down = decode((bases[None] - offsets[:, None]).reshape(-1, latent_dim))
    squares = np.square(up - down).reshape(len(chosen), -1)
    return np.sqrt(squares.mean(axis=1))
