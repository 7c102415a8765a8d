"""A drawn or photographed digit as MNIST would hold it, and such a picture as a short text.

A canvas or a photo gives *ink*: (height, width) floats in [0, 1], strokes light, the rest 0. `normalise` makes of it
the (28, 28) uint8 that models of MNIST were trained on.
"""

from __future__ import annotations

import base64
import binascii
import io
import zlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latent import pictures
from latent.errors import ArgumentError, DataError

SIDE = 28  # of a picture, in pixels
BOX = 20  # of the digit in it
CENTRE = 14  # the pixel, in both directions, that holds the centre of mass
FAINTEST = 0.1  # a drawing all of whose ink is below has none
EDGE = 0.2  # of the strongest ink: what is above lies in the box
WORKING_SIDE = 800  # a photo is reduced to this before the digit is looked for
CANVAS_SIDE = 140  # pixels in which a browser sends what was drawn
PHOTO_FORMATS = ("PNG", "JPEG", "WEBP", "BMP")  # of the others, few are asked for and some are risky to decode
MOST_PIXELS = 50_000_000  # of a photo

PAPER = 0.3  # of a photo's side: strokes are narrower than this, and shadows wider
NEAR = 0.75  # of the digit's longest part: what lies within belongs to it, a bar or a dot that stands apart

Ink = NDArray[np.float32]
Grey = NDArray[np.float32]  # (height, width) in [0, 1], 1 is white


def normalise(ink: Ink) -> NDArray[np.uint8]:
    """The digit as MNIST has it, (28, 28) uint8, light on dark.

    Its box is scaled into 20 × 20 pixels, the aspect kept, by averaging areas, which makes the soft edges; then it is
    placed so that the centre of mass is the centre of the picture (LeCun et al. 1998; Cortes & Burges' description
    of the database). Raises `ArgumentError` where there is no ink.
    """
    if ink.ndim != 2 or not ink.size or not ink.max() > FAINTEST:
        raise ArgumentError("Nothing drawn yet: draw a digit first.")
    there = ink > EDGE * ink.max()
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    digit = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    side = max(digit.shape)
    above, before = ((side - length) // 2 for length in digit.shape)
    square = np.zeros((side, side), np.float32)
    square[above : above + digit.shape[0], before : before + digit.shape[1]] = digit
    box = np.asarray(Image.fromarray(square).resize((BOX, BOX), Image.Resampling.BOX))  # averages of areas
    middles = np.arange(BOX) + 0.5
    top, left = (
        int(np.clip(np.floor(CENTRE + 1 - np.average(middles, weights=box.sum(axis=axis))), 0, SIDE - BOX))
        for axis in (1, 0)
    )
    picture = np.zeros((SIDE, SIDE), np.float32)
    picture[top : top + BOX, left : left + BOX] = box
    return np.rint(picture / picture.max() * 255).astype(np.uint8)


def canvas_ink(address: str) -> Ink:
    """The ink on a surface in a browser: a ``data:`` address of a PNG of `CANVAS_SIDE` pixels a side, light on black.

    Raises `ArgumentError` for any other text.
    """
    try:
        content = base64.b64decode(address.removeprefix("data:image/png;base64,"), validate=True)
        picture = Image.open(io.BytesIO(content), formats=["PNG"])
        if picture.size != (CANVAS_SIDE, CANVAS_SIDE):  # before its pixels are read
            raise ValueError(picture.size)
        grey = picture.convert("L")
    except Exception as error:  # a damaged picture fails in many ways
        raise ArgumentError(f"Expected a drawing: a PNG of {CANVAS_SIDE} × {CANVAS_SIDE} pixels.") from error
    return np.asarray(grey, np.float32) / np.float32(255)


def photo_ink(content: bytes) -> Ink:
    """The ink of the digit in a photo or scan, dark on light or light on dark: the bytes of a PNG, JPEG, WebP, ….

    The paper's brightness is estimated around every place and divided out, so that shadows vanish; what stands
    out from it clearly enough (Otsu 1979) is ink, and of that the strongest region with what lies close to it
    is the digit. Raises `ArgumentError` for what is no picture, too large, or shows nothing on its paper.
    """
    grey = opened(content)
    darkness = shadowless(1 - grey if ink_is_light(grey) else grey)
    strokes = darkness > threshold_of(darkness)
    digit = digit_among(darkness, strokes)
    paper, full = (np.median(part) if part.size else 0 for part in (darkness[~strokes], darkness[digit]))
    if strokes.all() or not full - paper > FAINTEST:
        raise ArgumentError("No digit found. Use one dark digit on light paper, or the reverse.")
    from scipy import ndimage

    around = ndimage.binary_dilation(digit, np.ones((3, 3)), iterations=max(1, round(max(grey.shape) / 400)))
    return np.where(around, ((darkness - paper) / (full - paper)).clip(0, 1), 0).astype(np.float32)


def opened(content: bytes) -> Grey:
    """A photo as grey, upright, at most `WORKING_SIDE` pixels a side; what is transparent is paper."""
    try:
        pixels = pictures.picture(
            io.BytesIO(content), formats=PHOTO_FORMATS, most_pixels=MOST_PIXELS, least_side=WORKING_SIDE
        )
    except DataError as error:
        raise ArgumentError(str(error)) from error
    grey = Image.fromarray(pixels).convert("L")
    grey.thumbnail((WORKING_SIDE, WORKING_SIDE), Image.Resampling.BOX)
    return np.asarray(grey, np.float32) / np.float32(255)


def ink_is_light(grey: Grey) -> bool:
    """Whether strokes are lighter than what is around them: where there are edges, brightness is above its blur."""
    from scipy import ndimage  # where used: importing it costs a second

    small = reduced(grey, 192)
    edges = ndimage.sobel(small, 0) ** 2 + ndimage.sobel(small, 1) ** 2
    around = ndimage.gaussian_filter(small, 0.1 * max(small.shape), mode="nearest")
    return float((edges * (around - small)).sum()) < 0


def shadowless(grey: Grey) -> Grey:
    """How much darker than its paper every place is, 0 to 1: paper is what closing by more than a stroke leaves."""
    from scipy import ndimage

    small = reduced(grey, 64)
    side = max(3, round(PAPER * max(small.shape)))
    paper = ndimage.grey_closing(np.pad(small, side), (side, side))[side:-side, side:-side]
    paper = ndimage.gaussian_filter(paper, side / 8, mode="nearest")
    paper = np.asarray(Image.fromarray(paper).resize(grey.shape[::-1], Image.Resampling.BILINEAR))
    smooth = ndimage.gaussian_filter(grey, max(grey.shape) / 800)
    return np.clip(1 - smooth / np.maximum(paper, 0.02), 0, 1).astype(np.float32)


def reduced(grey: Grey, side: int) -> Grey:
    """A picture of at most ``side`` pixels a side, by averaging areas."""
    scale = side / max(grey.shape)
    if scale >= 1:
        return grey
    size = tuple(max(1, round(length * scale)) for length in grey.shape[::-1])
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX))


def threshold_of(darkness: Grey) -> float:
    """The darkness that tells strokes from paper: Otsu's, where places count by how steep they are.

    Steep places lie on either side of an outline in equal parts, however little of the picture is ink.
    """
    from scipy import ndimage

    steepness = ndimage.sobel(darkness, 0) ** 2 + ndimage.sobel(darkness, 1) ** 2
    counts, edges = np.histogram(darkness, 256, (0, 1), weights=steepness)
    middles = (edges[1:] + edges[:-1]) / 2
    below, moment = np.cumsum(counts), np.cumsum(counts * middles)
    both = below * (below[-1] - below)
    between = np.divide((moment[-1] * below - below[-1] * moment) ** 2, both, out=np.zeros(256), where=both > 0)
    return float(edges[1:][between.argmax()])


def digit_among(darkness: Grey, strokes: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Of all regions of strokes those of the digit: the one with the strongest outline, and what lies near it.

    Regions that touch the border of the photo are shadows and edges of the page, unless there is nothing else.
    """
    from scipy import ndimage

    regions, n = ndimage.label(strokes, np.ones((3, 3)))
    if n == 0:
        return strokes
    steepness = ndimage.sobel(darkness, 0) ** 2 + ndimage.sobel(darkness, 1) ** 2
    outline = strokes & ~ndimage.binary_erosion(strokes)
    strength = np.bincount(regions[outline], steepness[outline], minlength=n + 1)[1:]
    area = np.bincount(regions.ravel())[1:]
    boxes = np.array(
        [(rows.start, columns.start, rows.stop, columns.stop) for rows, columns in ndimage.find_objects(regions)]
    )
    tops, lefts, bottoms, rights = boxes.T
    longest = np.maximum(bottoms - tops, rights - lefts)
    at_border = (tops == 0) | (lefts == 0) | (bottoms == darkness.shape[0]) | (rights == darkness.shape[1])
    large = longest >= 0.08 * min(darkness.shape)
    candidates = next(some for some in (large & ~at_border, large, area > 0) if some.any())
    digit = np.where(candidates, strength, -1).argmax()
    gap = np.maximum.reduce(
        [tops[digit] - bottoms, tops - bottoms[digit], lefts[digit] - rights, lefts - rights[digit]]
    )  # fmt: skip
    kept = (area >= 0.03 * area[digit]) & (gap <= NEAR * longest[digit]) & (~at_border | at_border[digit])
    kept[digit] = True
    return np.concatenate([[False], kept])[regions]


def to_text(picture: NDArray[np.uint8]) -> str:
    """A picture (28, 28) uint8 as a short text for an address, every bit of it.

    >>> picture = np.eye(28, dtype=np.uint8)
    >>> bool((from_text(to_text(picture)) == picture).all())
    True
    """
    return base64.urlsafe_b64encode(zlib.compress(picture.tobytes(), 9)).decode().rstrip("=")


def from_text(text: str) -> NDArray[np.uint8]:
    """The picture (28, 28) that `to_text` wrote. Raises `ArgumentError` for any other text."""
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        content = zlib.decompressobj().decompress(packed, SIDE * SIDE + 1)  # no more, whatever the text claims
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ArgumentError("The link is damaged: the drawing in it cannot be read.") from error
    if len(content) != SIDE * SIDE:
        raise ArgumentError("The link is damaged: the drawing in it is incomplete.")
    return np.frombuffer(content, np.uint8).reshape(SIDE, SIDE)
