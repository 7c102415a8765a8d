"""Measured properties of pictures: of strokes, how thick, slanted, wide and tall they are; of others, how bright,
colourful, sharp and symmetric.

`of` says which apply to given images. The idea of measuring handwritten digits so is from Castro et al. 2019,
Morpho-MNIST (arXiv:1809.10780). What is measured of strokes are moments and coarea formulas, which are averages over
the brightness levels of what a black-and-white picture would give: no threshold is chosen but for the holes, blurred
strokes do not jump, and a paler copy of a picture measures the same in all but ``ink``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.errors import ArgumentError
from latent.pixels import is_grey

Grey = NDArray[np.float32]  # (n, height, width) in [0, 1]
Colours = NDArray[np.float32]  # (n, height, width, 3) in [0, 1]
Measure = Callable[[NDArray[Any]], NDArray[np.float32]]

BLOCK = 200_000  # pixels measured at once: what is computed of them stays in the processor's cache
LOOKED_AT = 1000  # images by which it is told which properties apply
DARK = 0.1  # of the brightest pixel: at most so bright is most of an image of strokes …
THICKEST = 0.25  # … which are at most so thick, as a part of the shorter side
SMALLEST_HOLE = 1 / 500  # of the picture's area: what is smaller is a nick between strokes that touch


def blockwise(prepared: Callable[[NDArray[Any]], Any], measure: Callable[[Any], NDArray[Any]]) -> Measure:
    """The measure of ``prepared`` pictures as one that takes pictures (n, height, width[, 3 or 4]), uint8 or floats in
    [0, 1].

    It gives (n,) float32, raises `ArgumentError` for what is no such array, and works a block at a time.
    """

    @wraps(measure)
    def measured(pictures: NDArray[Any]) -> NDArray[np.float32]:
        pictures = np.asarray(pictures)
        grey_or_colour = pictures.ndim == 3 or (pictures.ndim == 4 and pictures.shape[3] in (3, 4))
        if not grey_or_colour or 0 in pictures.shape[1:]:
            raise ArgumentError(
                f"Expected images (n, height, width) or (n, height, width, 3 or 4), got {pictures.shape}."
            )
        if pictures.dtype != np.uint8 and not np.issubdtype(pictures.dtype, np.floating):
            raise ArgumentError(f"Images must be uint8, or floats in [0, 1]; got {pictures.dtype}.")
        values = np.empty(len(pictures), np.float32)
        at_once = max(1, BLOCK // (pictures.shape[1] * pictures.shape[2]))
        for start in range(0, len(pictures), at_once):
            part = slice(start, start + at_once)
            values[part] = measure(prepared(pictures[part]))
        return values

    return measured


def of_pictures(measure: Callable[[Grey], NDArray[Any]]) -> Measure:
    """The measure of grey pictures as one of any; see `blockwise`."""
    return blockwise(as_grey, measure)


def of_colours(measure: Callable[[Colours], NDArray[Any]]) -> Measure:
    """The measure of pictures in colour as one of any; see `blockwise`."""
    return blockwise(as_colours, measure)


def as_grey(pictures: NDArray[Any]) -> Grey:
    """Pictures (n, height, width[, 3 or 4]) as floats, the mean of the three colours, black where transparent.

    Raises `ArgumentError` for values off [0, 1].
    """
    if pictures.ndim == 4 and pictures.shape[3] == 4:
        return as_grey(as_colours(pictures))
    grey = pictures if pictures.ndim == 3 else pictures.mean(axis=3, dtype=np.float32)
    return as_floats(grey, pictures.dtype)


def as_colours(pictures: NDArray[Any]) -> Colours:
    """Pictures (n, height, width[, 3 or 4]) as floats in three colours. Raises `ArgumentError` off [0, 1]."""
    values = as_floats(pictures, pictures.dtype)
    if values.ndim == 3:
        return np.repeat(values[..., None], 3, axis=3)
    return values if values.shape[3] == 3 else values[..., :3] * values[..., 3:]


def as_floats(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[np.float32]:
    """Values of pictures that had this ``dtype``, in [0, 1]. Raises `ArgumentError` where they are not."""
    if dtype == np.uint8:
        return values.astype(np.float32) / np.float32(255)
    floats = values.astype(np.float32, copy=False)
    if floats.size and not (floats.min() >= 0 and floats.max() <= 1):  # NaN fails both
        raise ArgumentError("Images as floats must have pixels in [0, 1]; found values outside.")
    return floats


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


@of_pictures
def contrast(grey: Grey) -> NDArray[Any]:
    """Root mean square contrast, (n,): the standard deviation of the brightness (Peli 1990)."""
    return grey.std(axis=(1, 2))


@of_colours
def hue(colours: Colours) -> NDArray[Any]:
    """Hue of the mean colour in degrees, (n,): 0 red, 120 green, -120 blue; 0 where it is grey.

    The angle in the plane across the grey axis (Preucil 1953). It jumps from 180 to -180 at cyan.
    """
    red, green, blue = np.moveaxis(colours.mean(axis=(1, 2), dtype=np.float64), -1, 0)
    across, along = np.sqrt(3) * (green - blue), 2 * red - green - blue
    grey = np.hypot(across, along) < 1e-6
    return np.where(grey, 0, np.degrees(np.arctan2(across, along)))


@of_colours
def saturation(colours: Colours) -> NDArray[Any]:
    """Mean saturation, (n,) in [0, 1]: of each pixel the largest less the smallest colour, over the largest.

    That of the HSV model (Smith 1978); black is 0.
    """
    largest = colours.max(axis=3)
    return ratio(largest - colours.min(axis=3), largest).mean(axis=(1, 2))


@of_pictures
def sharpness(grey: Grey) -> NDArray[Any]:
    """Standard deviation of the Laplacian, (n,), 0 for an even picture: after Pech-Pacheco et al. 2000 (ICPR).

    The Laplacian is the sum of the four neighbours less four times the pixel; beyond an edge lies the pixel again.
    """
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="edge")
    neighbours = padded[:, 2:, 1:-1] + padded[:, :-2, 1:-1] + padded[:, 1:-1, 2:] + padded[:, 1:-1, :-2]
    return (neighbours - 4 * grey).std(axis=(1, 2))


@of_pictures
def centre_x(grey: Grey) -> NDArray[Any]:
    """How far the centre of mass lies right of the middle in pixels, (n,): the first moment of the brightness."""
    return first_moment(grey.sum(axis=1, dtype=np.float64))


@of_pictures
def centre_y(grey: Grey) -> NDArray[Any]:
    """How far the centre of mass lies above the middle in pixels, (n,): the first moment of the brightness."""
    return -first_moment(grey.sum(axis=2, dtype=np.float64))


def first_moment(profiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean place of profiles (n, length), from the middle, (n,)."""
    length = profiles.shape[1]
    return ratio(profiles @ (np.arange(length) - (length - 1) / 2), profiles.sum(axis=1))


@of_pictures
def symmetry(grey: Grey) -> NDArray[Any]:
    """Left–right symmetry, (n,) in [-1, 1]: Pearson's correlation of a picture with its mirror image.

    1 where both halves mirror each other, 0 for an even picture.
    """
    centred = grey - grey.mean(axis=(1, 2), keepdims=True, dtype=np.float64)
    squares = np.square(centred).mean(axis=(1, 2))
    mirrored = (centred * centred[:, :, ::-1]).mean(axis=(1, 2))
    return np.where(squares > 1e-12, ratio(mirrored, squares), 0)


@dataclass(frozen=True)
class Property:
    """Something to measure of pictures: its name, its unit, the function (n, height, width[, 3 or 4]) -> (n,), and the
    source of its definition."""

    name: str
    unit: str
    measure: Measure
    source: str


MORPHO = "after Castro et al. 2019, arXiv:1809.10780"


def by_name(*properties: Property) -> dict[str, Property]:
    """Properties by their names."""
    return {each.name: each for each in properties}


STROKES = by_name(
    Property("ink", "share of white", ink, MORPHO),
    Property("thickness", "pixels", thickness, f"{MORPHO}; Fleming & Rishel 1960"),
    Property("slant", "degrees", slant, MORPHO),
    Property("width", "pixels", width, MORPHO),
    Property("height", "pixels", height, MORPHO),
    Property("holes", "number", holes, "Kong & Rosenfeld 1989"),
)
SURFACES = by_name(
    Property("brightness", "share of white", ink, "mean of the pixels"),
    Property("contrast", "share of white", contrast, "Peli 1990"),
    Property("sharpness", "share of white", sharpness, "Pech-Pacheco et al. 2000"),
    Property("centre x", "pixels", centre_x, "first moment"),
    Property("centre y", "pixels", centre_y, "first moment"),
    Property("symmetry", "correlation", symmetry, "Pearson's correlation with the mirror image"),
)
COLOURFUL = by_name(
    Property("hue", "degrees", hue, "Preucil 1953"),
    Property("saturation", "share", saturation, "Smith 1978"),
)
PROPERTIES: Mapping[str, Property] = STROKES | SURFACES | COLOURFUL


def of(images: NDArray[Any]) -> Mapping[str, Property]:
    """The properties that apply to images like these (n, height, width[, 3 or 4]), by name.

    Those of strokes where the images are light `strokes` on dark, else those of surfaces; hue and saturation where the
    colours differ. `LOOKED_AT` images at even distances are looked at.
    """
    some = images[:: max(1, len(images) // LOOKED_AT)][:LOOKED_AT]
    grey = some.ndim == 3 or is_grey(some)
    return (STROKES if are_strokes(some) else SURFACES) | ({} if grey else COLOURFUL)


def are_strokes(images: NDArray[Any]) -> bool:
    """Whether images are light strokes on dark.

    So they are where, in most of them, most pixels are dark (at most `DARK` of the brightest) and what is light is thin
    (`thickness` at most `THICKEST` of the shorter side).
    """
    grey = as_grey(images)
    dark = np.median(grey, axis=(1, 2)) <= DARK * grey.max(axis=(1, 2))
    thin = thickness(images) <= THICKEST * min(grey.shape[1:])
    return bool(np.mean(dark & thin & (grey.max(axis=(1, 2)) > 0)) > 0.5)


def measure_all(pictures: NDArray[Any], properties: Mapping[str, Property] = STROKES) -> dict[str, NDArray[np.float32]]:
    """These properties of pictures (n, height, width[, 3 or 4]), by name, (n,) each."""
    return {name: each.measure(pictures) for name, each in properties.items()}
