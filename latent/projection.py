"""Maps of the latent space: codes in two dimensions."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.components import PrincipalAxes, principal_components
from latent.errors import ArgumentError
from latent.sampling import MANY_DIMENSIONS

N_COMPONENTS = 50

Progress = Callable[[float, NDArray[np.float32] | None], Any]
"""Told the share of a map that is done, and the places (n, 2) so far."""


@dataclass(frozen=True)
class Plane:
    """A flat map that goes both ways: a plane through ``mean`` (latent_dim,) spanned by ``axes`` (2, latent_dim).

    The axes are orthonormal; where a space has one dimension, the second is zero. ``names`` are what the axes are
    called.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    names: tuple[str, str]

    @classmethod
    def of(cls, z: NDArray[np.float32]) -> Plane:
        """The plane of the first two principal components of codes (n, latent_dim).

        A space of two dimensions is its own map, as it is; one of a single dimension is a line.
        """
        latent_dim = z.shape[1]
        if latent_dim <= 2:
            axes = np.eye(2, latent_dim, dtype=np.float32)
            return cls(
                np.zeros(latent_dim, np.float32), axes, ("dimension 0", "dimension 1" if latent_dim == 2 else "")
            )
        return cls.along(PrincipalAxes.of(z, 2))

    @classmethod
    def along(cls, found: PrincipalAxes) -> Plane:
        """The plane through the mean along two principal axes."""
        first, second = (
            f"principal component {i + 1} ({part:.0%} of the variance)" for i, part in enumerate(found.share)
        )
        return cls(found.mean, found.axes, (first, second))

    def project(self, z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Places (n, 2) of codes (n, latent_dim), in latent units."""
        return np.asarray((z - self.mean) @ self.axes.T, np.float32)

    def lift(self, places: NDArray[np.float32]) -> NDArray[np.float32]:
        """Codes (n, latent_dim) of places (n, 2) on the plane; what is off the plane is as in the mean."""
        return (self.mean + np.asarray(places, np.float32) @ self.axes).astype(np.float32)


def has_umap() -> bool:
    """Whether the package umap-learn is installed, without which there is no `umap`."""
    return importlib.util.find_spec("umap") is not None


def umap(z: NDArray[np.float32], seed: int = 0) -> NDArray[np.float32]:
    """Places (n, 2) of codes by UMAP with its usual choices: neighbours stay neighbours, the axes mean nothing.

    Source: McInnes, Healy & Melville 2018 (arXiv:1802.03426), by their own package. Raises `ArgumentError` where that
    is not installed.
    """
    if not has_umap():
        raise ArgumentError("UMAP needs the package umap-learn: pip install umap-learn")
    from umap import UMAP  # where used: importing it takes seconds

    neighbours = min(15, len(z) - 1)
    places = UMAP(n_neighbors=neighbours, min_dist=0.1, random_state=seed, n_jobs=1).fit_transform(z)
    return np.asarray(places, np.float32)


def tsne(z: NDArray[np.float32], progress: Progress = lambda share, places: None, seed: int = 0) -> NDArray[np.float32]:
    """Places (n, 2) of codes by t-SNE: neighbours stay neighbours, distances and the axes mean nothing.

    Codes of more than `MANY_DIMENSIONS` are first taken to their first 50 principal components.
    ``progress`` is called with the share that is done and the places so far, None at first.
    Source: van der Maaten & Hinton 2008; openTSNE's FFT acceleration (Linderman et al. 2019, arXiv:1712.09005).
    """
    from openTSNE import TSNE  # where used: importing it costs a second

    every = 25
    early, late = 250, 500
    done = 0

    def tell(iteration: int, error: float, places: Any) -> None:
        nonlocal done
        done += every
        progress(min(done / (early + late), 1.0), np.asarray(places, np.float32))

    progress(0.0, None)
    if z.shape[1] > MANY_DIMENSIONS:
        z = principal_components(z, N_COMPONENTS, seed)
    places = TSNE(
        perplexity=min(30, (len(z) - 1) / 3), early_exaggeration_iter=early, n_iter=late, n_jobs=os.cpu_count() or 1,
        random_state=seed, callbacks=tell, callbacks_every_iters=every,
    ).fit(np.asarray(z, np.float64))  # fmt: skip
    found = np.asarray(places, np.float32)
    progress(1.0, found)
    return found
