"""Data sets: the images that a model is judged by, with their classes where they have any.

The MNIST test digits that ship are one, `shipped`; `read` makes one of a file or folder, `named` one of torchvision's,
`Dataset.of` one of arrays. Whatever it was, the images are uint8 of one size, at most `MOST` of them unless they are to
train on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latent import data, pictures
from latent.arrays import Labels, Rows
from latent.errors import DataError
from latent.files import label, real
from latent.labels import LONGEST_NAME, check_classes, drawn_evenly, drawn_in_proportion, indexed
from latent.piles import LARGEST_TOTAL, Pile, TooLarge, folder_pile, zip_pile
from latent.pixels import WHITES_OF_SETS, Layout, Pixels, Scale, flattened, is_grey, resized, size_within
from latent.stacks import Archive, Stack, idx_labels, idx_stack, is_idx, npy_stack, whole

MNIST = "MNIST"  # the set that ships
SHIPPED = "the 10,000 test images of MNIST, which ship"
MOST = 10_000  # images of a set
MOST_BYTES = 1024**3  # of their pixels
MOST_TRAINING_BYTES = 4 * 1024**3  # of the pixels of a set to train on, which may have any number of images
HELD_OUT = 0.15  # of the images of a set that has no test part, which are kept from training …
MOST_HELD_OUT = 10_000  # … and at most so many
LARGEST_SIDE = 256  # pixels
# Names of arrays in .npz files, as Keras, MedMNIST and others have them: images and their labels, the best first.
PAIRS = (
    ("images", "labels"), ("x_test", "y_test"), ("test_images", "test_labels"), ("imgs", "labels"),
    ("x_val", "y_val"), ("val_images", "val_labels"), ("x_train", "y_train"), ("train_images", "train_labels"),
)  # fmt: skip
LABELS = ("labels", "label", "y", "targets", "target")
SUFFIXES = (".npz", ".npy", ".zip")
CLASS_NAMES = ("classes", "class_names", "label_names", "target_names")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images (n, height, width) or (n, height, width, 3 or 4) uint8, read-only, under a ``name``.

    ``labels`` (n,), the class of each as an index of ``classes``, their names; None and empty where there are no
    classes. ``source`` says where the images come from and ends no sentence; ``note`` has sentences about what was done
    to them, empty where nothing was; ``place`` is the file or folder that `read` made it of.
    Raises `DataError` where these do not fit each other.
    """

    name: str
    images: Pixels = field(repr=False)
    labels: Labels | None = field(default=None, repr=False)
    classes: tuple[str, ...] = ()
    source: str = "an array"
    note: str = ""
    place: str = ""

    def __post_init__(self) -> None:
        shape = self.images.shape
        if self.images.dtype != np.uint8 or len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (3, 4)):
            raise DataError(
                f"Expected uint8 images of shape (n, height, width) or (n, height, width, 3 or 4), got "
                f"{self.images.dtype} of shape {shape}."
            )
        if 0 in shape:
            raise DataError(f"{label(self.name)} holds no images: its shape is {shape}.")
        object.__setattr__(self, "images", read_only(self.images))
        object.__setattr__(self, "classes", tuple(label(name, LONGEST_NAME) for name in self.classes))
        check_classes(self.classes)
        if self.labels is None:
            if self.classes:
                raise DataError("Class names need labels: give both, or none.")
            return
        labels = self.labels
        if labels.shape != (len(self),):
            raise DataError(f"Expected {len(self):,} labels, one for each image, got {labels.shape}.")
        if labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= len(self.classes):
            raise DataError(f"Expected labels from 0 to {len(self.classes) - 1}, one for each of the class names.")
        object.__setattr__(self, "labels", read_only(labels))

    def __len__(self) -> int:
        return len(self.images)

    def called(self, name: str) -> Dataset:
        """The same set under another name."""
        return replace(self, name=name)

    def select(self, rows: Rows) -> Dataset:
        """The set of some of the images."""
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, images=self.images[rows], labels=labels, source=f"some of {self.source}")

    @property
    def ships(self) -> bool:
        """Whether this is the set that ships."""
        return (self.name, self.source) == (MNIST, SHIPPED)

    @property
    def has_classes(self) -> bool:
        """Whether the class of every image is known."""
        return self.labels is not None

    def fitted(self, image_shape: tuple[int, int, int], framed: bool = False) -> Pixels:
        """The images as a model of this shape (channels, height, width) takes them (`data.fit`), read-only."""
        return read_only(data.fit(self.images, image_shape, framed))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of an image."""
        shape = self.images.shape
        return shape[3] if len(shape) == 4 else 1, shape[1], shape[2]

    @cached_property
    def sha256(self) -> str:
        """What identifies the images with their classes: the hash of shape, pixels, labels and class names."""
        found = hashlib.sha256(json.dumps([self.images.shape, self.classes, self.labels is not None]).encode())
        found.update(np.ascontiguousarray(self.images).data)
        if self.labels is not None:
            found.update(self.labels.astype("<i8").tobytes())
        return found.hexdigest()

    def split(self, seed: int = 0) -> tuple[Dataset, Dataset]:
        """The images to train on, and those held out: a share of `HELD_OUT` of every class, at most `MOST_HELD_OUT`.

        Raises `DataError` where there are fewer than 3 images.
        """
        n = len(self)
        if n < 3:
            raise DataError(f"{label(self.name)} has too few images to train on: expected at least 3, got {n}.")
        kept = drawn_in_proportion(self.labels, n, min(MOST_HELD_OUT, max(1, round(HELD_OUT * n))), seed)
        return self.select(np.setdiff1d(np.arange(n), kept)), self.select(kept)

    @classmethod
    def of(
        cls,
        images: NDArray[Any],
        labels: NDArray[Any] | None = None,
        classes: Sequence[str] = (),
        *,
        name: str = "images",
        source: str = "an array",
        seed: int = 0,
    ) -> Dataset:
        """A set of images in memory, of any layout (`Layout`) and range (`Scale`), and labels of any kind.

        At most `MOST` are used, as `drawn_evenly` draws them. Raises `DataError` where the array holds no such images.
        """
        layout = Layout.of(images.shape)
        images = images.reshape(layout.n, *layout.item)
        index, names, note = indexed(labels, classes, layout.n)
        rows, said = Request(seed).rows(index, layout.n, bytes_of(layout))
        part = images[rows]
        scale = Scale.of(part, WHITES_OF_SETS)
        pixels, fits = scale.to_uint8(part)
        if not fits.all():
            raise DataError(unusable(int(rows[np.flatnonzero(~fits)[0]]), scale))
        pixels, reduced = tidied(layout.arranged(pixels))
        notes = [note, said, scaled(scale), reduced]
        return cls(name, pixels, None if index is None else index[rows], names, source, joined(notes))


@dataclass(frozen=True)
class Request:
    """Which images of a file are asked for: at most `MOST` of the test images, or all for ``training``; by a seed."""

    seed: int = 0
    training: bool = False

    def most(self, size: int) -> int:
        """How many images of ``size`` bytes are used."""
        if self.training:
            return max(1, MOST_TRAINING_BYTES // size)
        return min(MOST, max(1, MOST_BYTES // size))

    def rows(self, labels: NDArray[np.int64] | None, n: int, size: int) -> tuple[Rows, str]:
        """The rows of ``n`` images of ``size`` bytes that are used, and a sentence where they are not all."""
        most = self.most(size)
        if n <= most:
            return np.arange(n), ""
        how = "at random" if labels is None else "at random, evenly over the classes"
        return drawn_evenly(labels, n, most, self.seed), (
            f"{most:,} of {n:,} images are used, drawn {how} (seed {self.seed})."
        )

    def pairs(self) -> Iterable[tuple[str, str]]:
        """The names of images and labels in an archive, the best first."""
        return sorted(PAIRS, key=lambda pair: self.training and "train" not in pair[0])


def shipped() -> Dataset:
    """The 10,000 MNIST test digits that ship. Raises `DataError` where their file is missing or damaged."""
    images, labels = data.evaluation_digits()
    classes = tuple(str(digit) for digit in range(10))
    return Dataset(MNIST, images, labels, classes, SHIPPED)


def named(name: str, folder: str | Path, *, train: bool = False, download: bool = True, seed: int = 0) -> Dataset:
    """A data set of torchvision (`data.load_dataset`), its test part unless ``train`` is set. Raises `DataError`."""
    images, labels = data.load_dataset(name, folder, train=train, download=download)
    source = f"the {'training' if train else 'test'} images of {name}"
    return Dataset.of(images, labels, data.class_names(name), name=name, source=source, seed=seed)


def read(path: str | Path, *, seed: int = 0, training: bool = False) -> Dataset:
    """The data set in a file or folder, by what it holds and not by how it is named.

    - ``.npz``: an array of images with its labels, under one of the pairs of names in `PAIRS`, or the only such array;
      names of the classes under one of `CLASS_NAMES`.
    - ``.npy``: an array of images, without labels.
    - MNIST's idx files, gzipped or not: the images, and the labels in the file beside it; or a folder of them.
    - Picture files: one, a folder of them, or a zip of a folder. Sub-folders are classes (`piles`). What cannot be
      read is left out, and what has another size than most is resized to that.

    Only the images that are used are read: at most `MOST`, drawn with the seed. Of a set in parts, those are the test
    images. For ``training`` they are the training images, or all where there are no parts, as many as there are (at
    most `MOST_TRAINING_BYTES`). What was done is in `Dataset.note`.
    Raises `DataError` for anything else. Nothing in a file is executed.
    """
    path = Path(path)
    return replace(found_in(path, Request(seed, training)), place=str(path))


def add_option(parser: argparse.ArgumentParser) -> None:
    """Give a command the option ``--images``, the path of a data set that models are judged by."""
    parser.add_argument(
        "--images", type=Path, metavar="IMAGES",
        help="images to evaluate on: a folder, a zip of one, .npz, .npy or idx file (default: MNIST's test images)",
    )  # fmt: skip


def found_in(path: Path, request: Request) -> Dataset:
    """The data set in a file or folder, as `read` has it."""
    if os.path.isdir(path):
        found = idx_among(path, request)
        if found:
            return of_idx(found, request)
        return of_pile(path, folder_pile(path, request.training), f"the folder {label_of(path)}", request)
    with whole(path):
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
            raise DataError(f"{label_of(path)} is a device, not a file or folder.")
        with path.open("rb") as file:
            start = file.read(6)
    if start == b"\x93NUMPY":
        return of_stack(path, npy_stack(path), None, (), "", request)
    if start.startswith((b"PK\3\4", b"PK\5\6")):
        archive = Archive(path)
        if archive.heads:
            return of_archive(path, archive, request)
        with whole(path):
            pile = zip_pile(path, request.training)
        return of_pile(path, pile, f"the archive {label_of(path)}", request)
    if is_idx(path):
        return of_idx(path, request)
    if path.suffix.lower() in pictures.SUFFIXES:
        return of_pile(path, Pile((path.name,), lambda name: path.open("rb")), f"the file {label_of(path)}", request)
    raise DataError(
        f"{label_of(path)} is not a data set: expected a folder of images, a zip of one, an .npz or .npy file, or "
        f"MNIST's idx files."
    )


def may_be_one(path: Path) -> bool:
    """Whether a file or folder may be a data set, by its name alone."""
    name = path.name.lower()
    return os.path.isdir(path) or name.endswith(SUFFIXES) or ("images" in name and "idx" in name)


def label_of(path: Path) -> str:
    """The name of a file or folder as it may stand in a sentence."""
    return label(real(path).name or str(path))


def name_of(path: Path) -> str:
    """What a data set from this file or folder is called."""
    name = real(path).name
    return label(name if os.path.isdir(path) else name.removesuffix(".gz").rpartition(".")[0] or name)


def of_archive(path: Path, archive: Archive, request: Request) -> Dataset:
    """The data set in an ``.npz`` file."""
    by_name = {name.lower(): name for name in archive.heads}
    images, labels = next((pair for pair in request.pairs() if pair[0] in by_name), ("", "labels"))
    if not images:
        found = archive.stacks()
        if len(found) != 1:
            held = ", ".join(f"{label(name)} {head[0]}" for name, head in archive.heads.items())
            raise DataError(
                f"{label_of(path)}: expected one array of images, or names that say which it is (images, x_test, "
                f"test_images), found {held}."
            )
        images = found[0].name.lower()
    if labels == "labels":
        labels = next((name for name in LABELS if name in by_name), "")
    stack = archive.stack(by_name[images])
    index = archive.array(by_name[labels]) if labels in by_name else None
    classes = next((archive.array(by_name[name]) for name in CLASS_NAMES if name in by_name), np.zeros(0, "U1"))
    if classes.ndim != 1 or classes.dtype.kind not in "US":
        raise DataError(f"{label_of(path)}: expected class names that are strings, got {classes.dtype}.")
    names = [name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in classes.tolist()]
    others = [label(each.name) for each in archive.stacks() if each.name != stack.name]
    note = f"The images in {label(stack.name)} are used, those in {', '.join(others)} are not." if others else ""
    return of_stack(path, stack, index, names, note, request)


def idx_among(folder: Path, request: Request) -> Path | None:
    """The idx file of images in a folder that has no pictures: of several the test images, or those to train on."""
    found = [path for path in sorted(folder.glob("*images*idx[34]*")) if path.is_file() and not path.is_symlink()]
    first = ("train",) if request.training else ("t10k", "test")
    return min(found, key=lambda path: not path.name.startswith(first), default=None)


def of_idx(path: Path, request: Request) -> Dataset:
    """The data set in an idx file of images, with the labels in the file beside it where there is one."""
    name = path.name.removesuffix(".gz").replace("images", "labels")
    places = [path.with_name(name.replace(axes, "idx1") + end) for axes in ("idx3", "idx4") for end in ("", ".gz")]
    beside = next((place for place in places if place != path and os.path.isfile(place)), None)
    index = idx_labels(beside) if beside else None
    return of_stack(path, idx_stack(path), index, (), "", request)


def of_stack(
    path: Path, stack: Stack, labels: NDArray[Any] | None, classes: Sequence[str], note: str, request: Request
) -> Dataset:
    """The data set of an array in a file."""
    size = bytes_of(stack.layout)
    if stack.streamed and stack.n * size * stack.dtype.itemsize > LARGEST_TOTAL:
        limit = LARGEST_TOTAL // 1024**3
        raise DataError(f"{label_of(path)} unpacks to more than {limit} GB: save the images as an .npy file.")
    index, names, unused = indexed(labels, classes, stack.n)
    rows, said = request.rows(index, stack.n, size)
    images, first = np.empty((len(rows), *stack.layout.image), np.uint8), 0
    for pixels, fits in stack.take(rows):
        if not fits.all():
            raise DataError(f"{label_of(path)}: {unusable(int(rows[first + np.flatnonzero(~fits)[0]]), stack.scale)}")
        images[first : first + len(pixels)] = pixels
        first += len(pixels)
    images, reduced = tidied(images)
    notes = joined([note, unused, said, scaled(stack.scale), reduced])
    source = f"the file {label_of(path)}"
    return Dataset(name_of(path), images, None if index is None else index[rows], names, source, notes)


def of_pile(path: Path, pile: Pile, source: str, request: Request) -> Dataset:
    """The data set of picture files: those that are used are read one after the other, and then made one size."""
    index = None if pile.labels is None else np.array(pile.labels, np.int64)
    size = next((page.size for page, _ in read_pages(pile, pile.paths[0], 1)), 1)  # all are taken to be about as large
    rows, said = request.rows(index, len(pile.paths), size)
    most = request.most(size)
    found: list[Pixels] = []
    files: list[int] = []  # the row in the pile of each image found
    damaged: list[str] = []
    notes, n_reduced = [pile.note, said], 0
    for row in rows.tolist():
        pages = read_pages(pile, pile.paths[row], most + 1 - len(found))
        if not pages:
            damaged.append(pile.paths[row])
        found += [page for page, _ in pages]
        files += [row] * len(pages)
        n_reduced += sum(reduced for _, reduced in pages)
        if len(found) > most:  # of files with several images
            notes.append(f"Only the first {most:,} images in these files are used.")
            del found[most:], files[most:]
            break
    if not found:
        raise DataError(f"None of the {len(rows):,} images can be read; the first is {label(damaged[0])}.")
    if damaged:
        names = ", ".join(label(name) for name in damaged[:3])
        notes.append(f"{len(damaged):,} of {len(rows):,} files cannot be read and are left out; the first: {names}.")
    if n_reduced:
        notes.append(
            f"{n_reduced:,} of {len(files):,} images were reduced to {LARGEST_SIDE} pixels on their longer side."
        )
    (width, height), n = Counter(image.shape[1::-1] for image in found).most_common(1)[0]
    if n < len(found):
        notes.append(f"{len(found) - n:,} of {len(found):,} images were resized to {width} × {height} pixels.")
    images, _ = tidied(of_one_size(found, (width, height)))
    labels = None if index is None else index[files]
    return Dataset(name_of(path), images, labels, pile.classes, source, joined(notes))


def read_pages(pile: Pile, name: str, most: int) -> list[tuple[Pixels, bool]]:
    """At most ``most`` images in a file of a pile, no side above `LARGEST_SIDE`, and whether one was; none of a damaged
    file."""
    try:
        with pile.open(name) as file:
            return [
                (
                    resized(page, size_within(page.shape[1], page.shape[0], LARGEST_SIDE)),
                    max(page.shape[:2]) > LARGEST_SIDE,
                )
                for page in pictures.pages(file, 0, most)
                if page is not None
            ]
    except TooLarge:
        raise
    except Exception:  # a damaged file or archive fails in many ways, and each format in its own
        return []


def of_one_size(images: list[Pixels], size: tuple[int, int]) -> Pixels:
    """Images, grey and in colour, as one array of this width and height. The list is emptied meanwhile, so that memory
    does not hold all of them twice."""
    colours = (3,) if any(image.ndim == 3 for image in images) else ()
    made = np.empty((len(images), size[1], size[0], *colours), np.uint8)
    for row in reversed(range(len(images))):
        image = resized(images.pop(), size)
        made[row] = image[..., None] if colours and image.ndim == 2 else image
    return made


def read_only(array: NDArray[Any]) -> NDArray[Any]:
    """The same array, which nobody can change by this name."""
    array = array.view()
    array.flags.writeable = False
    return array


def bytes_of(layout: Layout) -> int:
    """Of the pixels of one image, as it is kept."""
    return math.prod(layout.item)


def tidied(images: Pixels) -> tuple[Pixels, str]:
    """Images of one size as a set keeps them, and a sentence where they were reduced.

    Two channels are grey with alpha; four that are opaque are colours, and colours that are equal are grey. No side is
    longer than `LARGEST_SIDE`.
    """
    if images.ndim == 4 and images.shape[3] == 2:
        images = np.stack([np.asarray(flattened(Image.fromarray(image))) for image in images])
    if images.ndim == 4 and is_grey(images):
        images = images[..., 0]
    elif images.ndim == 4 and images.shape[3] == 4 and (images[..., 3] == 255).all():
        images = images[..., :3]
    height, width = images.shape[1:3]
    if max(height, width) <= LARGEST_SIDE:
        return np.ascontiguousarray(images), ""
    size = size_within(width, height, LARGEST_SIDE)
    reduced = np.stack([resized(image, size) for image in images])
    return reduced, f"The images were reduced from {width} × {height} to {size[0]} × {size[1]} pixels."


def scaled(scale: Scale) -> str:
    """A sentence about values that were not those of uint8."""
    return "" if scale.usual else f"Pixel values from {scale.black:,g} to {scale.white:,g} were scaled to 0–255."


def unusable(row: int, scale: Scale) -> str:
    """Why an image cannot be used."""
    return (
        f"Image {row:,} has pixels that are not finite or lie outside of {scale.black:,g} to {scale.white:,g}, where "
        f"the others lie."
    )


def joined(sentences: Iterable[str]) -> str:
    """Sentences in a row, without the empty ones."""
    return " ".join(sentence for sentence in sentences if sentence)
