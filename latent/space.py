"""`LatentSpace`: one trained model together with the codes of the evaluation images."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent import checkpoint, data, inference
from latent.checkpoint import Checkpoint
from latent.model import Autoencoder
from latent.statistics import LatentStatistics


@dataclass(frozen=True)
class LatentSpace:
    """One trained model and what it makes of the evaluation images. Built once a checkpoint, never changed.

    ``images`` (10000, 28, 28) uint8 and ``labels`` (10000,) uint8 are the MNIST test digits, resized where
    the model takes another size; the codes ``z`` and their ``statistics`` are computed when first asked for.

    >>> space = LatentSpace.open("checkpoints/ae-2.pt")
    >>> space.decode(space.z[:3]).shape
    (3, 28, 28)
    """

    name: str
    model: Autoencoder
    checkpoint: Checkpoint
    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    @classmethod
    def open(cls, path: str | Path) -> LatentSpace:
        """The space of a checkpoint file, on the best device there is.

        Raises `CheckpointError` for a file that cannot be read as a trained autoencoder.
        """
        loaded = checkpoint.load(path)
        model = loaded.model().to(inference.best_device())
        digits, labels = data.evaluation_digits()
        return cls(Path(path).stem, model, loaded, data.fit(digits, model.config.image_shape), labels)

    @property
    def latent_dim(self) -> int:
        return self.model.config.latent_dim

    @cached_property
    def z(self) -> NDArray[np.float32]:
        """Codes of the evaluation images, (10000, latent_dim), read-only."""
        z = self.encode(self.images)
        z.flags.writeable = False
        return z

    @cached_property
    def statistics(self) -> LatentStatistics:
        """Statistics of ``z``."""
        return LatentStatistics.of(self.z)

    def encode(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """``z`` (n, latent_dim) of images (n, height, width), or of one image; see `inference.encode`."""
        return inference.encode(self.model, images)

    def decode(self, z: ArrayLike) -> NDArray[np.float32]:
        """Pictures (n, height, width) in [0, 1] of codes (n, latent_dim), or of one code; see `inference.decode`."""
        return inference.decode(self.model, z)

    def reconstruct(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """What is left of images after encoding and decoding, (n, height, width) in [0, 1]."""
        return self.decode(self.encode(images))

    def nearest(self, z: ArrayLike) -> NDArray[np.intp]:
        """For each code (n, latent_dim) the index of the evaluation image whose code is nearest, (n,)."""
        return nearest_rows(inference.as_codes(z, self.latent_dim), self.z)

    def class_mean(self, digit: int) -> NDArray[np.float32]:
        """Mean code (latent_dim,) of the evaluation images of one class."""
        return self.z[self.labels == digit].mean(axis=0)


def nearest_rows(queries: NDArray[np.float32], rows: NDArray[np.float32]) -> NDArray[np.intp]:
    """For each query (n, d) the index of the row (m, d) at the smallest Euclidean distance, (n,)."""
    # |q - r|² = |q|² - 2 q·r + |r|², and |q|² does not change which row is nearest.
    return np.argmin(np.einsum("ij,ij->i", rows, rows) - 2 * queries @ rows.T, axis=1)
