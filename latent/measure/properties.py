"""Measured properties of pictures: how thick, slanted, wide and tall a digit is, and how many holes it has.

The idea of measuring handwritten digits so is from Castro et al. 2019, Morpho-MNIST (arXiv:1809.10780). All here
are moments and coarea formulas, which are averages over the brightness levels of what a black-and-white picture
would give: no threshold is chosen but for the holes, blurred strokes do not jump, and a paler copy of a picture
measures the same in all but ``ink``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.errors import ArgumentError

Grey = NDArray[np.float32]  # (n, height, width) in [0, 1]
Measure = Callable[[NDArray[Any]], NDArray[np.float32]]

BLOCK = 200_000  # pixels measured at once: what is computed of them stays in the processor's cache
SMALLEST_HOLE = 1 / 500  # of the picture's area: what is smaller is a nick between strokes that touch


def of_pictures(measure: Callable[[Grey], NDArray[Any]]) -> Measure:
    """The measure of grey pictures as one that takes pictures (n, height, width[, 3]), uint8 or floats in [0, 1].

    It gives (n,) float32, raises `ArgumentError` for what is no such array, and works a block at a time.
    """

    @wraps(measure)
    def measured(pictures: NDArray[Any]) -> NDArray[np.float32]:
        pictures = np.asarray(pictures)
        grey_or_colour = pictures.ndim == 3 or (pictures.ndim == 4 and pictures.shape[3] == 3)
        if not grey_or_colour or 0 in pictures.shape[1:]:
            raise ArgumentError(f"Expected images (n, height, width) or (n, height, width, 3), got {pictures.shape}.")
        if pictures.dtype != np.uint8 and not np.issubdtype(pictures.dtype, np.floating):
            raise ArgumentError(f"Images must be uint8, or floats in [0, 1]; got {pictures.dtype}.")
        values = np.empty(len(pictures), np.float32)
        at_once = max(1, BLOCK // (pictures.shape[1] * pictures.shape[2]))
        for start in range(0, len(pictures), at_once):
            part = slice(start, start + at_once)
            values[part] = measure(as_grey(pictures[part]))
        return values

    return measured


def as_grey(pictures: NDArray[Any]) -> Grey:
    """Pictures (n, height, width[, 3]) as floats, the mean of the three colours. Raises `ArgumentError` off [0, 1]."""
    grey = pictures if pictures.ndim == 3 else pictures.mean(axis=3, dtype=np.float32)
    if pictures.dtype == np.uint8:
        return grey.astype(np.float32) / np.float32(255)
    grey = grey.astype(np.float32, copy=False)
    if grey.size and not (grey.min() >= 0 and grey.max() <= 1):  # NaN fails both
        raise ArgumentError("Images as floats must have pixels in [0, 1]; found values outside.")
    return grey


def ratio(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    """``a / b``, and 0 where ``b`` is 0: an empty picture's properties."""
    return np.divide(a, b, out=np.zeros_like(a), where=b != 0)


@of_pictures
def ink(grey: Grey) -> NDArray[Any]:
    """Mean brightness, (n,) in [0, 1]."""
    return grey.mean(axis=(1, 2))


@of_pictures
def thickness(grey: Grey) -> NDArray[Any]:
    """Mean thickness of the strokes in pixels, (n,): twice the area over the perimeter.

    A bar ``w`` wide has two sides for every ``w`` of area; its ends count as sides too, so that one ``l`` long
    measures w·l / (w + l). The perimeter is the total variation, by the coarea formula (Fleming & Rishel 1960)
    the mean over the levels of the lengths of their outlines, with the gradient taken between four pixels each,
    where a slanted outline is as long as an upright one.
    """
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)))
    across, down = np.diff(padded, axis=2), np.diff(padded, axis=1)
    # The gradient at the corner of four pixels, times 2.
    variation = np.hypot(across[:, 1:] + across[:, :-1], down[:, :, 1:] + down[:, :, :-1])
    return ratio(4 * grey.sum(axis=(1, 2)), variation.sum(axis=(1, 2)))


@of_pictures
def slant(grey: Grey) -> NDArray[Any]:
    """Slant in degrees, (n,): 0 upright, positive where the top leans to the right.

    The angle of the shear that deskewing undoes, arctan(-μ11 / μ02) of the second central moments; the minus since
    y points down. A pixel counts as a square of light, not a point, so that a flat line has a slant too: 0.
    """
    y, x = (np.arange(length, dtype=np.float32) for length in grey.shape[1:])
    mass, moment = grey.sum(axis=2, dtype=np.float64), (grey @ x).astype(np.float64)  # of the rows, (n, height)
    total = mass.sum(axis=1)
    mean_x, mean_y = ratio(moment.sum(axis=1), total), ratio(mass @ y, total)
    from_mean = y - mean_y[:, None]
    to_the_left = mean_x[:, None] * mass - moment
    mu02 = (np.square(from_mean) * mass).sum(axis=1) + total / 12  # 1/12 is the variance of a pixel's own light
    return np.degrees(np.arctan2((from_mean * to_the_left).sum(axis=1), mu02))


@of_pictures
def width(grey: Grey) -> NDArray[Any]:
    """Width of the ink in pixels, (n,): of the box around it once its slant is undone, as Morpho-MNIST measures it.

    Averaged over the levels up to the brightest pixel's. In the upright box a leaning stroke would count as wide.
    """
    return extent(deslanted(grey).max(axis=1))


def deslanted(grey: Grey) -> Grey:
    """Images (n, height, width) sheared upright about their centre of mass, (n, height, width + 2 · height).

    Each row moves by as much as its `slant` has moved it, at most by its distance from the centre, and is interpolated
    linearly; the borders are wide enough for all of it.
    """
    height, width = grey.shape[1:]
    y, mass = np.arange(height, dtype=np.float64), grey.sum(axis=2, dtype=np.float64)
    centre = ratio(mass @ y, mass.sum(axis=1))
    slope = np.clip(np.tan(np.radians(slant(grey).astype(np.float64))), -1, 1)
    moved = slope[:, None] * (centre[:, None] - y)  # to the right, above the centre of what leans to the right
    whole = np.floor(moved).astype(np.intp)
    part = (moved - whole)[:, :, None].astype(np.float32)
    padded = np.pad(grey, ((0, 0), (0, 0), (2 * height, 2 * height + 1)))
    columns = np.arange(width + 2 * height) + height + whole[:, :, None]
    left = np.take_along_axis(padded, columns, axis=2)
    right = np.take_along_axis(padded, columns + 1, axis=2)
    return (1 - part) * left + part * right


@of_pictures
def height(grey: Grey) -> NDArray[Any]:
    """Height of the ink in pixels, (n,): of the box around it, averaged over the levels up to the brightest pixel's."""
    return extent(grey.max(axis=2))


def extent(profiles: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far profiles (n, length) reach from their first to their last point above a level, averaged over levels."""
    from_left = np.maximum.accumulate(profiles, axis=1)
    from_right = np.maximum.accumulate(profiles[:, ::-1], axis=1)[:, ::-1]
    return ratio(np.minimum(from_left, from_right).sum(axis=1), profiles.max(axis=1))


@of_pictures
def holes(grey: Grey) -> NDArray[Any]:
    """Number of holes, (n,): dark regions that strokes enclose, at half the brightness of the brightest pixel.

    Strokes hold together over corners, dark regions over sides only; those below `SMALLEST_HOLE` do not count.
    """
    from scipy import ndimage  # where used: importing it costs a second

    half = grey.max(axis=(1, 2), keepdims=True) / 2
    dark = np.pad(grey <= half, ((0, 0), (1, 1), (1, 1)), constant_values=True)  # a frame joins all that is outside
    sides = np.zeros((3, 3, 3), bool)  # of a pixel in its own picture
    sides[1] = ndimage.generate_binary_structure(2, 1)
    regions, n_regions = ndimage.label(dark, sides)
    picture_of = np.zeros(n_regions + 1, np.intp)
    picture_of[regions] = np.arange(len(grey))[:, None, None]
    counts = np.bincount(regions.ravel()) >= SMALLEST_HOLE * grey[0].size
    counts[0] = False  # the strokes
    counts[regions[:, 0, 0]] = False  # the outside
    return np.bincount(picture_of[counts], minlength=len(grey))


@dataclass(frozen=True)
class Property:
    """Something to measure of pictures: its name, its unit, and the function (n, height, width[, 3]) -> (n,)."""

    name: str
    unit: str
    measure: Measure


PROPERTIES: dict[str, Property] = {
    each.name: each
    for each in (
        Property("ink", "share of white", ink),
        Property("thickness", "pixels", thickness),
        Property("slant", "degrees", slant),
        Property("width", "pixels", width),
        Property("height", "pixels", height),
        Property("holes", "number", holes),
    )
}


def measure_all(pictures: NDArray[Any]) -> dict[str, NDArray[np.float32]]:
    """Every one of `PROPERTIES` of pictures (n, height, width[, 3]), by name, (n,) each."""
    return {name: each.measure(pictures) for name, each in PROPERTIES.items()}
