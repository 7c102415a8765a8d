"""Picture files: PNG, JPEG, WebP, BMP, GIF, TIFF and PNM as arrays of uint8, upright, whatever their mode and bits.

Files are held to be hostile: only these formats reach a decoder, whatever a file's name says, and none runs a program;
the size is looked at before the pixels.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps
from PIL.TiffImagePlugin import PHOTOMETRIC_INTERPRETATION, TiffImageFile

from latent.errors import DataError
from latent.pixels import MOST_PIXELS, Pixels, Scale, flattened, is_grey

SUFFIXES = (
    ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff",
    ".pgm", ".ppm", ".pbm", ".pnm",
)  # fmt: skip
PAGED = (".png", ".apng", ".webp", ".gif", ".tif", ".tiff")  # may hold several images
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")
NAMES = {"WEBP": "WebP", "PPM": "PNM"}  # of formats, where Pillow's are not the usual ones


def picture(
    file: str | Path | IO[bytes],
    *,
    formats: tuple[str, ...] = FORMATS,
    most_pixels: int = MOST_PIXELS,
    least_side: int = 0,
) -> Pixels:
    """The first image of a picture file: (height, width) where it is grey and (height, width, 3) where it has colours.

    It is turned as its camera was held (EXIF) and put onto a ground where it is transparent (`pixels.flattened`);
    floats and more than 8 bits are scaled (`pixels.Scale`). With ``least_side``, a JPEG may come smaller, but with no
    side below. Raises `DataError` for what is no such picture, is damaged or has more than ``most_pixels``.
    """
    with opened(file, formats, most_pixels) as image:
        if least_side:
            image.draft(None, (least_side, least_side))
        return pixels_of(image)


def pages(file: str | Path | IO[bytes], start: int, stop: int, expected: int | None = None) -> Iterator[Pixels | None]:
    """The images ``start`` to ``stop`` of a file of several, in order; None for one that cannot be read.

    Raises `DataError` as `picture` does, and where the file does not have the ``expected`` number of images.
    """
    with opened(file, FORMATS, MOST_PIXELS) as image:
        if expected is not None and expected != n_images(image):
            raise DataError("The file has another number of images than before.")
        for page in range(start, min(stop, n_images(image))):
            try:
                image.seek(page)
                if image.width * image.height > MOST_PIXELS:
                    raise DataError("A page is too large.")
                yield pixels_of(image)
            except Exception:  # a damaged page fails in many ways, and each format in its own
                yield None


def n_pages(path: Path) -> int:
    """How many images a picture file holds; 1 for one that turns out damaged when it is read."""
    if path.suffix.lower() not in PAGED:
        return 1
    try:
        with opened(path, FORMATS, MOST_PIXELS) as image:
            return n_images(image)
    except DataError:
        return 1


def n_images(image: Image.Image) -> int:
    """How many images an open picture has; the second one in a JPEG is a preview and does not count."""
    return 1 if image.format in ("JPEG", "MPO") else int(getattr(image, "n_frames", 1))


@contextmanager
def opened(file: str | Path | IO[bytes], formats: tuple[str, ...], most_pixels: int) -> Iterator[Image.Image]:
    """A picture file whose pixels are not read yet. Raises `DataError`, also for what fails while it is open."""
    too_large = DataError(f"The image is too large: at most {most_pixels // 10**6} million pixels.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=formats) as image:
                if image.width * image.height > most_pixels:
                    raise too_large
                yield image
    except DataError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise too_large from error
    except Exception as error:  # a damaged picture fails in many ways, and each format in its own
        *others, last = (NAMES.get(name, name) for name in formats)
        raise DataError(
            f"The file is not an image that can be read: expected a {', '.join(others)} or {last}."
        ) from error


def pixels_of(image: Image.Image) -> Pixels:
    """The pixels of an open picture as `picture` returns them."""
    white_is_zero = isinstance(image, TiffImageFile) and image.tag_v2.get(PHOTOMETRIC_INTERPRETATION) == 0
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):  # more than 8 bits, or floats
        values = np.asarray(upright)[None]
        pixels, fits = Scale.of(values).to_uint8(values)
        if not fits.all():
            raise DataError("The image has pixels that are not finite numbers.")
        return 255 - pixels[0] if white_is_zero else pixels[0]
    if upright.has_transparency_data:
        upright = flattened(upright)
    if upright.mode in ("1", "L"):
        return np.asarray(upright.convert("L"))
    colours = np.asarray(upright.convert("RGB"))
    return colours[..., 0] if is_grey(colours) else colours
