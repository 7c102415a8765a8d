"""Sweeps: what the picture does as a code moves along one dimension."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.errors import ArgumentError

Decode = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def traverse(base: ArrayLike, dimension: int, values: ArrayLike) -> NDArray[np.float32]:
    """Codes (n_steps, latent_dim): ``base`` (latent_dim,) but in one dimension, which takes ``values`` (n_steps,).

    Raises `ArgumentError` where the base is no vector or has no such dimension.
    """
    start, steps = np.asarray(base, np.float32), np.asarray(values, np.float32)
    if start.ndim != 1:
        raise ArgumentError(f"A sweep starts from one code; got an array of shape {start.shape}.")
    if not 0 <= dimension < len(start):
        raise ArgumentError(f"Dimensions run from 0 to {len(start) - 1}; got {dimension}.")
    codes = np.tile(start, (len(steps), 1))
    codes[:, dimension] = steps
    return codes


def effects(decode: Decode, bases: NDArray[np.float32], step: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each dimension changes the picture, (latent_dim,), as a root mean square a pixel, pixels in [0, 1].

    The difference between the pictures one ``step`` (latent_dim,) above and below each of ``bases``
    (n, latent_dim): for ``step`` the standard deviation of each dimension, so that a dimension counts by
    what it does over the range that it really takes.
    """
    latent_dim = bases.shape[1]
    offsets = np.diag(step.astype(np.float32))
    up = decode((bases[None] + offsets[:, None]).reshape(-1, latent_dim))
    down = decode((bases[None] - offsets[:, None]).reshape(-1, latent_dim))
    squares = np.square(up - down).reshape(latent_dim, -1)
    return np.sqrt(squares.mean(axis=1))
