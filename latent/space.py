"""`LatentSpace`: one trained model together with the codes of the evaluation images."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from latent import checkpoint, data, inference
from latent.arrays import Labels, Rows
from latent.checkpoint import Checkpoint
from latent.dataset import shipped
from latent.errors import ArgumentError
from latent.model import LatentModel, Signature
from latent.neighbours import nearest
from latent.statistics import LatentStatistics
from latent.support import Support

DATASET = "MNIST"  # which the evaluation images are of


def saved_test_error(saved: Checkpoint) -> float | None:
    """The test error that a finished training run saved; None where it is not that of `LatentSpace`.

    It counts only where it is of the evaluation images' own data set, and the file is not read another way.
    """
    held_out = saved.recipe.get("held_out_sha256") or shipped().sha256  # older files name their set only
    counts = saved.recipe.get("dataset") == DATASET and held_out == shipped().sha256 and len(saved.scored) < 2
    return saved.scores.get("test_mse") if counts else None


@dataclass(frozen=True)
class LatentSpace:
    """One trained model and what it makes of the evaluation images. Built once a checkpoint, never changed.

    ``images`` (10000, 28, 28) uint8 and ``labels`` (10000,) uint8 are the MNIST test digits, resized where
    the model takes another size; the codes ``z`` and their ``statistics`` are computed when first asked for.
    ``digit`` is what a conditional model is asked for where no label is given.

    >>> space = LatentSpace.open("checkpoints/ae-2.pt")
    >>> space.decode(space.z[:3]).shape
    (3, 28, 28)
    """

    name: str
    model: LatentModel
    checkpoint: Checkpoint
    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    digit: int = 0
    encoding: Lock = field(default_factory=Lock, compare=False, repr=False)

    @classmethod
    def open(cls, path: str | Path) -> LatentSpace:
        """The space of a checkpoint file, our own or anybody's, on the best device there is.

        Raises `CheckpointError` for a file that cannot be read as a trained autoencoder.
        """
        return cls.of(Path(path).stem, checkpoint.load(path))

    @classmethod
    def of(cls, name: str, loaded: Checkpoint) -> LatentSpace:
        """The space of a checkpoint that is loaded already."""
        # Channels last: convolutions on a processor decode many codes in two thirds of the time.
        model = loaded.model().to(inference.best_device()).to(memory_format=torch.channels_last)
        digits, labels = data.evaluation_digits()
        return cls(name, model, loaded, data.fit(digits, model.signature.image_shape), labels)

    def for_digit(self, digit: int) -> LatentSpace:
        """The same space, of whose conditional model this digit is asked where no label is given."""
        _ = self.z  # the same for every digit
        other = replace(self, digit=digit)
        for computed in ("z", "statistics", "support"):
            if computed in self.__dict__:
                other.__dict__[computed] = self.__dict__[computed]
        return other

    @property
    def identity(self) -> tuple[str, str, int]:
        """What tells this space from every other: the SHA-256 of its file, how that is read, the digit in use."""
        saved = self.checkpoint
        return saved.sha256, str(saved.scored[0].reading.to_dict()) if saved.scored else "", self.digit

    @property
    def signature(self) -> Signature:
        return self.model.signature

    @property
    def latent_dim(self) -> int:
        return self.signature.latent_dim

    @cached_property
    def z(self) -> NDArray[np.float32]:
        """Codes of the evaluation images, (10000, latent_dim), read-only.

        A decoder alone has none: there, draws from N(0, 1), what such decoders are mostly trained for.
        """
        with self.encoding:  # who asks while another thread encodes waits for that
            if "z" not in self.__dict__:
                if self.signature.has_encoder:
                    z = self.encode(self.images, self.labels)
                else:
                    z = np.random.default_rng(0).standard_normal((len(self.images), self.latent_dim), dtype=np.float32)
                z.flags.writeable = False
                self.__dict__["z"] = z
            return self.__dict__["z"]

    def codes(self, start: int, stop: int) -> NDArray[np.float32]:
        """``z[start:stop]``, without encoding all the other images where nobody has asked for them yet."""
        if "z" in self.__dict__ or not self.signature.has_encoder:
            return self.z[start:stop]
        first = start - start % inference.BATCH_SIZE  # the same batches as for all: the same numbers to the last bit
        part = slice(first, -(-stop // inference.BATCH_SIZE) * inference.BATCH_SIZE)
        return self.encode(self.images[part], self.labels[part])[start - first : stop - first]

    @cached_property
    def statistics(self) -> LatentStatistics:
        """Statistics of ``z``."""
        return LatentStatistics.of(self.z)

    def encode(self, images: NDArray[Any], labels: Labels | None = None) -> NDArray[np.float32]:
        """``z`` (n, latent_dim) of images (n, height, width), or of one image; see `inference.encode`.

        Raises `ArgumentError` where the file holds a decoder alone.
        """
        if not self.signature.has_encoder:
            raise ArgumentError(f"{self.name} is a decoder-only file and cannot encode images.")
        n = 1 if images.shape == self.images.shape[1:] else len(images)
        return inference.encode(self.model, images, self.labels_for(n) if labels is None else labels)

    def decode(self, z: ArrayLike, labels: Labels | None = None) -> NDArray[np.float32]:
        """Pictures (n, height, width) in [0, 1] of codes (n, latent_dim), or of one code; see `inference.decode`."""
        codes = inference.as_codes(z, self.latent_dim)
        return inference.decode(self.model, codes, self.labels_for(len(codes)) if labels is None else labels)

    def reconstruct(self, images: NDArray[Any], labels: Labels | None = None) -> NDArray[np.float32]:
        """What is left of images after encoding and decoding, (n, height, width) in [0, 1]."""
        return self.decode(self.encode(images, labels), labels)

    def labels_for(self, n: int) -> Labels:
        """The digit in use, ``n`` times."""
        return np.full(n, self.digit)

    @cached_property
    def errors(self) -> NDArray[np.float32]:
        """Mean squared error a pixel of every evaluation image (10000,), pixels in [0, 1]; conditional models know the
        digit."""
        errors = np.empty(len(self.images), np.float32)
        for start in range(0, len(self.images), 1000):
            part = slice(start, start + 1000)
            difference = self.decode(self.z[part], self.labels[part]) - self.images[part] / np.float32(255)
            errors[part] = np.square(difference).reshape(len(difference), -1).mean(axis=1)
        return errors

    @property
    def test_error(self) -> float:
        """Mean squared error per pixel over the evaluation images, pixels in [0, 1].

        The one that training saved where it is of these images and this reading, otherwise measured now.
        """
        saved = saved_test_error(self.checkpoint)
        return float(self.errors.mean(dtype=np.float64)) if saved is None else saved

    @cached_property
    def support(self) -> Support:
        """How close to the codes of the evaluation images a code lies."""
        return Support.of(self.z)

    def nearest(self, z: ArrayLike, k: int = 1) -> NDArray[np.intp]:
        """For each code (n, latent_dim) the ``k`` evaluation images whose codes are nearest, (n, k), nearest first."""
        return nearest(inference.as_codes(z, self.latent_dim), self.z, k)[1]

    def first_of_each_class(self) -> Rows:
        """The first evaluation image of every class that there is, in the order of the classes, (n_classes,)."""
        return np.unique(self.labels, return_index=True)[1]

    def class_mean(self, digit: int) -> NDArray[np.float32]:
        """Mean code (latent_dim,) of the evaluation images of one class."""
        return self.z[self.labels == digit].mean(axis=0)
