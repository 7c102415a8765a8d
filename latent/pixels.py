"""Pixels: arrays of any type, range and order of axes as images of uint8, and images with an alpha channel without it.

Every image that comes from outside goes through here, so that the same file is the same image wherever it is read.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageStat

from latent.errors import DataError

Pixels = NDArray[np.uint8]
"""An image (height, width), (height, width, 3) or (height, width, 4), or many of them (n, …)."""

MOST_PIXELS = 50_000_000  # of one image
SLACK = 0.002  # of a range: how far rounding and resizing leave it
WHITES = (1, 255, 65535)  # the usual largest values of pixels
WHITES_OF_SETS = (1, 16, 255, 65535)  # of many images together; 16 is that of scikit-learn's digits
VANISHES = 0.25  # contrast on white over contrast on black, below which a drawing is lost on white


@dataclass(frozen=True)
class Scale:
    """The values that are ``black`` and ``white``, in the units of an array of pixels."""

    black: float
    white: float

    @classmethod
    def of(cls, values: NDArray[Any], whites: tuple[int, ...] = WHITES) -> Scale:
        """The usual range that these values lie in; numbers that are not finite do not count.

        From 0 to the smallest of ``whites`` that no value exceeds; floats also from -1 to 1, integers up to the largest
        of their type. uint8 is taken as it is unless its largest value is 1. Raises `DataError` where the values lie in
        no such range, or are no numbers.
        """
        kind = values.dtype.kind
        if kind not in "biuf":
            raise DataError(f"Expected pixels that are numbers, got the type {values.dtype}.")
        if kind == "f":
            values = values[np.isfinite(values)]
        if not values.size:
            raise DataError("No pixel has a finite value.")
        low, high = float(values.min()), float(values.max())
        if values.dtype == np.uint8:
            return cls(0, 1 if high == 1 else 255)
        if kind == "b":
            return cls(0, 1)
        if kind == "f" and -1 - 2 * SLACK <= low <= -0.5 and high <= 1 + 2 * SLACK:
            return cls(-1, 1)
        if kind != "f":
            largest = np.iinfo(values.dtype).max
            whites = (*(white for white in whites if white < largest), int(largest))
        white = next((white for white in whites if high <= white * (1 + SLACK * (kind == "f"))), None)
        if high == 0:
            white = 255
        if white is None or low < -SLACK * white:
            expected = "0 to 1, -1 to 1, 0 to 255 or 0 to 65,535" if kind == "f" else "none below 0"
            raise DataError(f"Expected pixel values of {expected}, got {low:.4g} to {high:.4g}.")
        return cls(0, white)

    @property
    def usual(self) -> bool:
        """Whether these are the values of uint8."""
        return (self.black, self.white) == (0, 255)

    def to_uint8(self, values: NDArray[Any]) -> tuple[Pixels, NDArray[np.bool_]]:
        """Values (n, …) as uint8, and for which of them, (n,), all values lie in the range; the others are black.

        Floats and small integers are scaled and rounded; of integers with 16 bits and more, the upper eight are taken.
        """
        if values.dtype == np.uint8 and self.usual:
            return values, np.ones(len(values), np.bool_)
        slack = SLACK * (self.white - self.black)
        inside = (values >= self.black - slack) & (values <= self.white + slack)  # NaN is outside
        fits: NDArray[np.bool_] = np.all(inside, axis=tuple(range(1, values.ndim)))
        if not fits.all():
            values = np.where(fits.reshape(-1, *[1] * (values.ndim - 1)), values, values.dtype.type(0))
        if values.dtype.kind in "iu" and self.white > 255:
            pixels = (values >> int(math.log2(self.white + 1) - 8)).astype(np.uint8)
        else:
            part = (values.astype(np.float32) - self.black) / (self.white - self.black)
            pixels = np.rint(np.clip(part, 0, 1) * 255).astype(np.uint8)
        pixels[~fits] = 0
        return pixels, fits


@dataclass(frozen=True)
class Layout:
    """How ``n`` images lie in an array: ``item`` is the shape of one as it is stored, ``first`` whether its channels
    come before its rows."""

    n: int
    item: tuple[int, ...]
    first: bool = False

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> Layout:
        """The layout of an array of this shape.

        (n, height, width), (n, height, width, 1 to 4) or (n, 1, 3 or 4, height, width); where both of the last fit,
        that in which height and width differ less. (height, width, 3 or 4) with more than 4 rows and columns is one
        image in colour. Raises `DataError` for any other shape and for images without pixels.
        """
        if len(shape) == 3 and shape[2] in (3, 4) and min(shape[:2]) > 4:
            return cls(1, shape)
        orders = []
        if len(shape) == 3:
            orders = [(0, False, shape[1], shape[2])]
        elif len(shape) == 4:
            orders = [(0, False, shape[1], shape[2])] if 1 <= shape[3] <= 4 else []
            orders += [(1, True, shape[2], shape[3])] if shape[1] in (1, 3, 4) else []
        if not orders:
            raise DataError(
                f"Expected images of shape (n, height, width), (n, height, width, channels) or (n, channels, height, "
                f"width) with at most 4 channels, got an array of shape {shape}."
            )
        if min(shape) < 1:
            raise DataError(f"The array holds no images: its shape is {shape}.")
        _, first, height, width = min(orders, key=lambda order: (abs(math.log(order[2] / order[3])), order[0]))
        if height * width > MOST_PIXELS:
            raise DataError(f"The images are too large: at most {MOST_PIXELS // 10**6} million pixels.")
        return cls(shape[0], shape[1:], first)

    @property
    def image(self) -> tuple[int, ...]:
        """The shape of one image with its channels last: (height, width) or (height, width, channels)."""
        return self.arranged(np.empty((0, *self.item), np.uint8)).shape[1:]

    def arranged(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Some of the images (m, *item) with their channels last, (m, height, width) where there is one."""
        images = np.moveaxis(stored, 1, -1) if self.first else stored
        return images[..., 0] if images.ndim == 4 and images.shape[3] == 1 else images


def flattened(image: Image.Image) -> Image.Image:
    """A picture with transparent parts in mode L or RGB, as it looks on white paper; on black where it would vanish.

    It vanishes on white where its contrast there (the standard deviation of its brightness) is below a quarter of that
    on black: white strokes whose shape is in the alpha channel alone. Raises `DataError` where all is transparent.
    """
    mode = "L" if image.mode == "LA" else "RGB"
    image = image.convert("RGBA")
    low, high = image.getchannel("A").getextrema()
    if low == 255:
        return image.convert(mode)
    if high == 0:
        raise DataError("The image is transparent everywhere.")
    white, black = (
        Image.alpha_composite(Image.new("RGBA", image.size, ground), image).convert(mode)
        for ground in ("white", "black")
    )
    return black if contrast(white) < VANISHES * contrast(black) else white


def contrast(image: Image.Image) -> float:
    """The standard deviation of the brightness of a picture, 0 to 127.5."""
    return float(ImageStat.Stat(image.convert("L")).stddev[0])


def is_grey(images: Pixels) -> bool:
    """Whether images (…, 3 or 4) have three equal channels of colour, and what may be a fourth is opaque everywhere."""
    red, opaque = images[..., 0], images.shape[-1] == 3 or bool((images[..., 3] == 255).all())
    return opaque and all(np.array_equal(red, images[..., channel]) for channel in (1, 2))


def size_within(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height of an image after no side of it is longer than ``side``; smaller ones stay as they are."""
    scale = min(1.0, side / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


def size_of_area(width: int, height: int, most: float) -> tuple[int, int]:
    """Width and height of an image after it has at most so many pixels; smaller ones stay as they are."""
    scale = min(1.0, math.sqrt(most / (width * height)))
    return max(1, int(width * scale)), max(1, int(height * scale))


def all_resized(images: Pixels, size: tuple[int, int]) -> Pixels:
    """Images (n, height, width[, channels]) of another width and height, each as `resized`."""
    return images if images.shape[2:0:-1] == size else np.stack([resized(image, size) for image in images])


def resized(image: Pixels, size: tuple[int, int]) -> Pixels:
    """An image of another width and height, bilinear; averaged over areas where it becomes smaller, as Pillow does."""
    if image.shape[1::-1] == size:
        return image
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
