"""Where the images come from: the MNIST test digits shipped here, full data sets through torchvision."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latent.errors import DataError
from latent.pixels import flattened

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

EVALUATION_FILE = Path(__file__).parent / "assets" / "mnist_test.npz"
DATASETS = ("MNIST", "FashionMNIST", "KMNIST")


@lru_cache(maxsize=1)
def evaluation_digits() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The 10,000 MNIST test images (10000, 28, 28) uint8 and their labels (10000,) uint8, read-only.

    They are the evaluation images of every section and are never trained on. Raises `DataError` where the
    shipped file is missing or damaged. Source: LeCun, Cortes & Burges, the MNIST database (CC BY-SA 3.0).
    """
    try:
        with np.load(EVALUATION_FILE, allow_pickle=False) as archive:
            images, labels = archive["images"], archive["labels"]
    except Exception as error:  # a damaged archive fails in many ways: OSError, BadZipFile, zlib.error, KeyError
        raise DataError(
            f"The test images cannot be read from {EVALUATION_FILE}: the file is missing or damaged. Restore it "
            f"with: git checkout -- latent/assets/{EVALUATION_FILE.name}"
        ) from error
    images.flags.writeable = labels.flags.writeable = False
    return images, labels


def fit(images: NDArray[np.uint8], image_shape: tuple[int, int, int], framed: bool = False) -> NDArray[np.uint8]:
    """Images (n, height, width[, channels]) as a model of another ``image_shape`` (channels, height, width) takes them.

    Bilinear resizing; with ``framed``, smaller images are put in the middle of black ones instead. Colour is kept for
    three channels and else made grey, grey is repeated over the channels. An alpha channel is kept for four channels,
    else the image is put onto a ground (`pixels.flattened`), and what is transparent everywhere is black. Returned as
    they are where the shape is theirs already.
    """
    channels, height, width = image_shape
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if framed:
        margins = [(max(0, n - m) // 2, -(-max(0, n - m) // 2)) for n, m in zip((height, width), images.shape[1:3])]
        images = np.pad(images, [(0, 0), *margins, *[(0, 0)] * (images.ndim - 3)])
    mode = "L" if images.ndim == 3 or channels not in (3, 4) else "RGB" if channels == 3 else "RGBA"
    if images.shape[1:] != ((height, width) if mode == "L" else (height, width, channels)):
        pictures = [as_mode(Image.fromarray(image), mode) for image in images]
        resized = [picture.resize((width, height), Image.Resampling.BILINEAR) for picture in pictures]
        images = np.stack([np.asarray(image) for image in resized])
    return images if channels == 1 or mode != "L" else np.repeat(images[..., None], channels, axis=-1)


def as_mode(image: Image.Image, mode: str) -> Image.Image:
    """A picture of mode L, LA, RGB or RGBA in mode L, RGB or RGBA, black where it is transparent everywhere."""
    if image.mode in ("LA", "RGBA") and mode != "RGBA":
        try:
            image = flattened(image)
        except DataError:
            image = Image.new("L", image.size)
    return image.convert(mode)


def load_dataset(
    name: str, folder: str | Path, *, train: bool, download: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, height, width) or (n, height, width, channels) uint8 and labels (n,) uint8 of a torchvision data set.

    ``folder`` is torchvision's root; the files are downloaded into it when they are missing and ``download``
    is left on. Raises `DataError` for an unknown name, missing or damaged files, or no network.
    """
    if name not in DATASETS:
        raise DataError(f"The data set must be one of {', '.join(DATASETS)}, got {name!r}.")
    import torchvision  # where used: importing it costs a second that the page need not pay

    dataset_class = getattr(torchvision.datasets, name)
    try:
        dataset = open_or_download(dataset_class, Path(folder), train, download)
        images = dataset.data.numpy()
        labels = dataset.targets.numpy().astype(np.uint8)
    except Exception as error:  # torchvision raises RuntimeError, OSError, ValueError, EOFError, BadGzipFile …
        raise DataError(
            f"{name} cannot be read from {folder} nor downloaded into it: a file there is missing or damaged, or there "
            f"is no network. Put the four original files into {Path(folder) / name / 'raw'}, or delete that folder "
            f"and run this again with a network."
        ) from error
    if images.dtype != np.uint8 or len(images) != len(labels) or len(images) == 0:
        raise DataError(
            f"{name} in {folder} is damaged: {len(images)} images of type {images.dtype} and {len(labels)} labels. "
            f"Delete {Path(folder) / name} and run this again with a network."
        )
    return images, labels


def class_names(name: str) -> tuple[str, ...]:
    """The names of the classes of a torchvision data set, in the order of its labels."""
    import torchvision  # where used: importing it costs a second that the page need not pay

    if name == "MNIST":  # torchvision's are "0 - zero" and so on
        return tuple(str(digit) for digit in range(10))
    return tuple(getattr(torchvision.datasets, name).classes)


def open_or_download(dataset_class: type[MNIST], folder: Path, train: bool, download: bool) -> MNIST:
    """The data set from its files; only where they are not there, from the network."""
    try:
        return dataset_class(folder, train=train)
    except RuntimeError:  # torchvision's word for "not found"
        if not download:
            raise
        return dataset_class(folder, train=train, download=True)
