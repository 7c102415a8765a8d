"""`LatentSpace`: one trained model together with the codes of the images that it is judged by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from latent import checkpoint, dataset, inference
from latent.arrays import Labels, Pictures, Rows
from latent.checkpoint import Checkpoint
from latent.dataset import Dataset
from latent.errors import ArgumentError, CheckpointError
from latent.files import label
from latent.labels import one_of_each
from latent.model import LatentModel, Signature
from latent.neighbours import nearest
from latent.statistics import LatentStatistics
from latent.support import Support

LARGEST_BLOCK = 25_000_000  # values of pictures that are compared at a time
BLOCK = 1000  # pictures at a time, where they are small


def saved_test_error(saved: Checkpoint, images: Dataset) -> float | None:
    """The test error that a finished training run saved; None where it is not that of `LatentSpace` on these images.

    It counts only where it is of these very images, and the file is not read another way.
    """
    held_out = saved.recipe.get("held_out_sha256")  # older files of ours name their set only
    of_these = held_out == images.sha256 if held_out else images.ships and saved.recipe.get("dataset") == dataset.MNIST
    counts = of_these and len(saved.scored) < 2
    return saved.scores.get("test_mse") if counts else None


class Identity(NamedTuple):
    """What tells a space from every other: the SHA-256 of its file, how that is read, the SHA-256 of its images, and
    the class that a conditional model is asked for."""

    sha256: str
    reading: str
    images: str
    asked: int

    @property
    def of_codes(self) -> tuple[str, str, str]:
        """What the codes depend on."""
        return self[:3]


@dataclass(frozen=True)
class LatentSpace:
    """One trained model and what it makes of the images it is judged by. Built once for both, never changed.

    ``dataset`` are those images, by default the MNIST test digits, and ``images`` the same in the size and the colours
    that the model takes; the codes ``z`` and their ``statistics`` are computed when first asked for. ``asked`` is the
    class that a conditional model is asked for where none is given, ``complaint`` a sentence where the model is not on
    the best device.

    >>> space = LatentSpace.open("checkpoints/ae-2.pt")
    >>> space
    <LatentSpace ae-2: autoencoder, 2 latent dimensions, 10,000 images of MNIST>
    >>> space.decode(space.z[:3]).shape
    (3, 28, 28)
    """

    name: str
    model: LatentModel
    checkpoint: Checkpoint
    dataset: Dataset
    images: NDArray[np.uint8]
    asked: int = 0
    complaint: str = ""
    encoding: Lock = field(default_factory=Lock, compare=False, repr=False)

    def __repr__(self) -> str:
        kind = "VAE" if self.signature.kind == "vae" else "autoencoder"
        what = kind if self.signature.has_encoder else "decoder"
        images = f"{len(self.images):,} images of {self.dataset.name}"
        return f"<LatentSpace {self.name}: {what}, {self.latent_dim} latent dimensions, {images}>"

    @classmethod
    def open(
        cls, path: str | Path, images: Dataset | str | Path | None = None, other: str | Path | None = None
    ) -> LatentSpace:
        """The space of a checkpoint file, our own or anybody's, on the best device there is.

        ``images`` are a data set, or the file or folder of one (`dataset.read`); by default those that the file holds,
        or the MNIST test digits. ``other`` is the other half where encoder and decoder are two files. Raises
        `CheckpointError` for a file that cannot be read as a trained autoencoder, `DataError` for images that cannot
        be read.
        """
        given = dataset.read(images) if isinstance(images, str | Path) else images
        return cls.of(Path(path).stem, checkpoint.load(path, other=other, images=given), given)

    @classmethod
    def of(cls, name: str, loaded: Checkpoint, images: Dataset | None = None) -> LatentSpace:
        """The space of a checkpoint that is loaded already."""
        if loaded.described is not None and loaded.described.halves.decoder is None:
            raise CheckpointError(
                f"{label(name)} is an encoder-only file: open it together with its decoder, which is another file."
            )
        # Channels last: convolutions on a processor decode many codes in two thirds of the time.
        model, complaint = inference.placed(loaded.model().to(memory_format=torch.channels_last))
        images = images or loaded.images or dataset.shipped()
        return cls(
            name,
            model,
            loaded,
            images,
            images.fitted(model.signature.image_shape, model.signature.framed),
            complaint=complaint,
        )

    def check_encodes(self, what: str) -> None:
        """Raise `ArgumentError` where the file holds a decoder alone; ``what`` needs codes of images, in words."""
        if not self.signature.has_encoder:
            raise ArgumentError(f"{self.name} is a decoder-only file without codes of images, which {what} needs.")

    @property
    def codes_noun(self) -> str:
        """What ``z`` is, in words: a decoder alone has no codes of images."""
        return "real codes" if self.signature.has_encoder else "draws from N(0, 1)"

    def judged_by(self, images: Dataset) -> LatentSpace:
        """The space of the same model and of other images."""
        fitted = images.fitted(self.signature.image_shape, self.signature.framed)
        return LatentSpace(self.name, self.model, self.checkpoint, images, fitted, self.asked, self.complaint)

    def asked_for(self, index: int) -> LatentSpace:
        """The same space, of whose conditional model this class is asked where none is given."""
        _ = self.z  # the same for every class
        other = replace(self, asked=index)
        for computed in ("z", "statistics", "support"):
            if computed in self.__dict__:
                other.__dict__[computed] = self.__dict__[computed]
        return other

    @property
    def identity(self) -> Identity:
        saved = self.checkpoint
        reading = str(saved.scored[0].reading.to_dict()) if saved.scored else ""
        return Identity(saved.sha256, reading, self.dataset.sha256, self.asked)

    # The classes of the images.

    @property
    def has_classes(self) -> bool:
        """Whether the class of every image is known."""
        return self.dataset.has_classes

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; none where they are not known."""
        return self.dataset.classes

    def class_names(self, rows: Rows) -> NDArray[np.str_]:
        """What the classes of these images are called, (n,); only where they are known."""
        return np.array(self.classes)[self.labels[rows]]

    @cached_property
    def labels(self) -> Labels:
        """The class of every image (n,), as an index of ``classes``; all 0 where they are not known."""
        labels = self.dataset.labels
        return np.zeros(len(self.images), np.uint8) if labels is None else labels

    def image_name(self, index: int) -> str:
        """What an image is called: its class, where that is known, and its number."""
        of_class = f"class {self.classes[self.labels[index]]}, " if self.has_classes else ""
        return f"{of_class}image {index}"

    def examples(self, n: int) -> Rows:
        """The first ``n`` images, or fewer, in an order in which every class comes once, then a second time, …"""
        return one_of_each(self.labels)[:n]

    def class_mean(self, index: int) -> NDArray[np.float32]:
        """Mean code (latent_dim,) of the images of one class."""
        return self.z[self.labels == index].mean(axis=0)

    @property
    def signature(self) -> Signature:
        return self.model.signature

    @property
    def latent_dim(self) -> int:
        return self.signature.latent_dim

    @cached_property
    def z(self) -> NDArray[np.float32]:
        """Codes of the images, (n, latent_dim), read-only.

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
        return inference.encode(self.model, images, self.conditions(n, labels))

    def decode(self, z: ArrayLike, labels: Labels | None = None) -> Pictures:
        """Pictures (n, height, width[, channels]) in [0, 1] of codes (n, latent_dim), or of one; see
        `inference.decode`."""
        codes = inference.as_codes(z, self.latent_dim)
        return inference.decode(self.model, codes, self.conditions(len(codes), labels))

    def reconstruct(self, images: NDArray[Any], labels: Labels | None = None) -> Pictures:
        """What is left of images after encoding and decoding, (n, height, width[, channels]) in [0, 1]."""
        return self.decode(self.encode(images, labels), labels)

    def conditions(self, n: int, labels: Labels | None) -> Labels:
        """What a conditional model is told of ``n`` images: their ``labels``, or the class that is asked for.

        That class also where the images have other classes than those that the model knows.
        """
        return np.full(n, self.asked) if labels is None or not self.knows_classes else labels

    @property
    def knows_classes(self) -> bool:
        """Whether the model is told a class, and the images have as many of them."""
        return self.signature.conditional and len(self.classes) == self.signature.n_classes

    @property
    def classes_of_model(self) -> tuple[str, ...]:
        """What the classes of a conditional model are called: as those of the images, where they are as many."""
        return self.classes if self.knows_classes else tuple(map(str, range(self.signature.n_classes)))

    @cached_property
    def errors(self) -> NDArray[np.float32]:
        """Mean squared error a pixel of every image (n,), pixels in [0, 1]; conditional models know the class."""
        errors = np.empty(len(self.images), np.float32)
        block = max(1, min(BLOCK, LARGEST_BLOCK // self.images[0].size))
        for start in range(0, len(self.images), block):
            part = slice(start, start + block)
            difference = self.decode(self.z[part], self.labels[part]) - self.images[part] / np.float32(255)
            errors[part] = np.square(difference).reshape(len(difference), -1).mean(axis=1)
        return errors

    @property
    def test_error(self) -> float:
        """Mean squared error per pixel over the images, pixels in [0, 1].

        The one that training saved where it is of these images and this reading, otherwise measured now.
        """
        saved = saved_test_error(self.checkpoint, self.dataset)
        return float(self.errors.mean(dtype=np.float64)) if saved is None else saved

    @cached_property
    def support(self) -> Support:
        """How close to the codes of the images a code lies."""
        return Support.of(self.z)

    def nearest(self, z: ArrayLike, k: int = 1) -> NDArray[np.intp]:
        """For each code (n, latent_dim) the ``k`` images, or all, whose codes are nearest, (n, k), nearest first."""
        return nearest(inference.as_codes(z, self.latent_dim), self.z, min(k, len(self.z)))[1]
