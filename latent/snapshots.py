"""`Snapshots`: what a training run knew after its epochs, small enough to stay in the checkpoint file.

The codes of 1,000 evaluation images and the reconstructions of the first 32, after every epoch, the untrained network
being epoch 0, in 1 MB at most. Codes are stored as levels between the least and the greatest value of their dimension
in that epoch: 65,536 of them for up to two dimensions, where a coarse step would show on the map, and 256 for more.
Pictures are uint8, and deflated in the file. Where all epochs would be more than 1 MB, some are left out, the later
ones first, so that the gaps between the kept ones grow with the root of the epoch; the first and the newest always
stay. Where even eight epochs would be more, fewer images are kept.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.errors import ArgumentError, CheckpointError

N_IMAGES = 1000
N_PICTURES = 32
LARGEST = 990_000  # bytes of all arrays; with the headers of the file less than 1 MB
FEWEST_EPOCHS = 8  # that fit, whatever the length of a code and the size of a picture
FLAT = 2  # dimensions up to which codes have two bytes a number
LARGEST_PICTURES = 256 * 1024**2  # bytes of all pictures when they are inflated
Levels = NDArray[np.uint8 | np.uint16]


@dataclass(frozen=True, eq=False)
class Snapshots:
    """A film of one training run, a frame an epoch that was kept.

    ``epochs`` (n,) int32, growing, 0 being the untrained network; ``levels`` (n, images, latent_dim) uint8 or uint16,
    the codes as whole numbers from ``low`` to ``high`` (n, latent_dim) float32, in latent units; ``reconstructions``
    (n, pictures, height, width[, channels]) uint8 of the first images; ``labels`` (images,) uint8.

    >>> film = Snapshots.plan(np.zeros(10, np.uint8), latent_dim=1, picture_shape=(2, 2))
    >>> film = film.after(0, np.linspace(-1, 1, 10)[:, None], np.ones((10, 2, 2)))
    >>> film.codes.shape, film.reconstructions.shape, float(film.codes[0, -1, 0])
    ((1, 10, 1), (1, 10, 2, 2), 1.0)
    """

    epochs: NDArray[np.int32]
    levels: Levels
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    reconstructions: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    @classmethod
    def plan(cls, labels: NDArray[np.uint8], latent_dim: int, picture_shape: tuple[int, ...]) -> Snapshots:
        """A film without a frame yet, for the first of the images that have these ``labels``.

        ``picture_shape`` is (height, width) or (height, width, channels). Raises `ArgumentError` where not one image
        fits.
        """
        dtype: type[np.uint8] | type[np.uint16] = np.uint16 if latent_dim <= FLAT else np.uint8
        room = LARGEST // (FEWEST_EPOCHS + 1)  # of a frame, and as much again for what is not in one
        picture = int(np.prod(picture_shape))
        n_pictures = min(N_PICTURES, room // 2 // picture)
        n_images = (room - n_pictures * picture - 8 * latent_dim) // (latent_dim * np.dtype(dtype).itemsize)
        if n_images < 1 or n_pictures < 1:
            size = " × ".join(map(str, picture_shape))
            raise ArgumentError(
                f"Snapshots are limited to 1 MB, too little for codes of {latent_dim} numbers or images of {size}."
            )
        labels = labels[: min(N_IMAGES, n_images)]
        no_range = np.zeros((0, latent_dim), np.float32)
        return cls(
            np.zeros(0, np.int32), np.zeros((0, len(labels), latent_dim), dtype), no_range, no_range,
            np.zeros((0, min(n_pictures, len(labels)), *picture_shape), np.uint8), labels.copy(),
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.epochs)

    @property
    def n_images(self) -> int:
        return self.levels.shape[1]

    @property
    def n_pictures(self) -> int:
        return self.reconstructions.shape[1]

    @cached_property
    def codes(self) -> NDArray[np.float32]:
        """The codes (n, images, latent_dim), each within half a step of what it was.

        A step is the range of the dimension in that epoch over 65,535 for up to two dimensions, over 255 for more.
        """
        share = self.levels.astype(np.float32) / np.float32(np.iinfo(self.levels.dtype).max)
        return (1 - share) * self.low[:, None] + share * self.high[:, None]

    def after(self, epoch: int, z: NDArray[Any], pictures: NDArray[Any]) -> Snapshots:
        """The film with one more frame, and without others where it would be too large.

        ``z`` (images, latent_dim) finite; ``pictures`` (pictures, height, width[, channels]) floats in [0, 1] or
        uint8, of which the first are taken. A frame of the same epoch is replaced. Raises `ArgumentError` for other
        shapes, numbers that are not finite, and epochs before the newest.
        """
        z, pictures = np.asarray(z, np.float32), np.asarray(pictures)[: self.n_pictures]
        if z.shape != self.levels.shape[1:] or pictures.shape != self.reconstructions.shape[1:]:
            raise ArgumentError(
                f"Expected codes of shape {self.levels.shape[1:]} and images of {self.reconstructions.shape[1:]}, "
                f"got {z.shape} and {pictures.shape}."
            )
        if not np.isfinite(z).all():
            raise ArgumentError(f"The codes of epoch {epoch} are not finite.")
        if len(self) and epoch < self.epochs[-1]:
            raise ArgumentError(f"Epoch {epoch} comes before epoch {self.epochs[-1]}, the newest recorded one.")
        before = self.only(self.epochs < epoch)
        low, high = z.min(axis=0), z.max(axis=0)
        span = np.where(high > low, high - low, 1)
        levels = np.rint((z - low) / span * np.iinfo(self.levels.dtype).max).astype(self.levels.dtype)
        if pictures.dtype != np.uint8:
            pictures = np.rint(np.clip(pictures, 0, 1) * 255).astype(np.uint8)
        grown = replace(
            before,
            epochs=np.append(before.epochs, np.int32(epoch)),
            levels=np.concatenate([before.levels, levels[None]]),
            low=np.concatenate([before.low, low[None]]),
            high=np.concatenate([before.high, high[None]]),
            reconstructions=np.concatenate([before.reconstructions, pictures[None]]),
        )
        while grown.size > LARGEST:
            grown = grown.thinned()
        return grown

    def only(self, kept: NDArray[np.bool_]) -> Snapshots:
        """The film with some of its frames."""
        return replace(
            self, epochs=self.epochs[kept], levels=self.levels[kept], low=self.low[kept], high=self.high[kept],
            reconstructions=self.reconstructions[kept],
        )  # fmt: skip

    def thinned(self) -> Snapshots:
        """The film without the frame that is missed least: neither end, and the gap it leaves is the smallest for
        so late an epoch."""
        gaps = (self.epochs[2:] - self.epochs[:-2]) / np.sqrt(self.epochs[1:-1] + 1)
        return self.only(np.arange(len(self)) != 1 + int(gaps.argmin()))

    @cached_property
    def size(self) -> int:
        """Bytes of all arrays as they are stored."""
        return sum(array.nbytes for array in self.to_arrays().values())

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What is stored, by name; ``reconstructions`` as the bytes of a zlib stream (RFC 1950), beside their shape."""
        return {
            "epochs": self.epochs, "levels": self.levels, "low": self.low, "high": self.high, "labels": self.labels,
            "reconstructions_shape": np.array(self.reconstructions.shape, np.int64),
            "reconstructions": self.deflated,
        }  # fmt: skip

    @cached_property
    def deflated(self) -> NDArray[np.uint8]:
        """The reconstructions as a zlib stream."""
        return np.frombuffer(zlib.compress(self.reconstructions.tobytes(), 9), np.uint8).copy()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Snapshots:
        """The film that `to_arrays` gave. Raises `CheckpointError`, half a sentence on what is damaged."""
        missing = [name for name in STORED if not isinstance(arrays.get(name), np.ndarray)]
        if missing:
            raise CheckpointError(f"{missing[0]} is missing")
        epochs, levels, low, high, labels, shape, deflated = (arrays[name] for name in STORED)
        if levels.ndim != 3 or low.ndim != 2 or shape.ndim != 1 or len(shape) not in (4, 5):
            raise CheckpointError("an array has the wrong number of axes")
        dtypes = ("int32", str(levels.dtype), "float32", "float32", "uint8", "int64", "uint8")
        if levels.dtype not in (np.uint8, np.uint16) or tuple(str(arrays[name].dtype) for name in STORED) != dtypes:
            raise CheckpointError("an array has the wrong type")
        n, n_images, latent_dim = levels.shape
        if not (
            n >= 1 and n_images >= 1 and epochs.shape == (n,) and labels.shape == (n_images,) and shape[0] == n
            and low.shape == high.shape == (n, latent_dim) and 1 <= shape[1] <= n_images
        ):  # fmt: skip
            raise CheckpointError("its arrays do not match")
        if epochs[0] < 0 or (np.diff(epochs) <= 0).any():
            raise CheckpointError("its epochs do not increase")
        if not (np.isfinite(low).all() and np.isfinite(high).all() and (low <= high).all()):
            raise CheckpointError("the range of its codes is invalid")
        return cls(epochs, levels, low, high, inflated(deflated, shape.tolist()), labels)


STORED = ("epochs", "levels", "low", "high", "labels", "reconstructions_shape", "reconstructions")


def inflated(deflated: NDArray[np.uint8], shape: list[int]) -> NDArray[np.uint8]:
    """The pictures in a zlib stream, no more bytes than ``shape`` says."""
    size = int(np.prod([float(length) for length in shape]))
    if min(shape) < 1 or size > LARGEST_PICTURES:
        raise CheckpointError(f"its images would have the shape {tuple(shape)}")
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(deflated.tobytes(), size)
    except zlib.error as error:
        raise CheckpointError("its images cannot be decompressed") from error
    if len(content) != size or not (stream.eof or not stream.decompress(stream.unconsumed_tail, 1)):
        raise CheckpointError("its images have the wrong size")
    return np.frombuffer(content, np.uint8).reshape(shape)
