"""Pictures: floats in [0, 1] to pixels, tiles to one sheet, sheets to PNG and GIF bytes.

One sheet for many pictures: a page then makes one request, and every gap is the same. Gaps are transparent,
so that a sheet suits a light page and a dark one; pixels stay hard squares.
"""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from latent.errors import ArgumentError
from latent.pixels import all_resized, size_within

GAP = 2  # pixels between tiles, before enlarging
USUAL_SIDE = 28  # pixels of a picture, from which zooms are counted
TOO_LARGE = 1.5  # times as large as that, from which pictures are reduced
GREY = (128, 136, 148)  # of names: legible on white and on black

COLOUR_TYPES = {"L": 0, "RGB": 2, "LA": 4, "RGBA": 6}  # of PNG, by Pillow's modes
UP = 2  # PNG's filter that writes a line as its difference from the one above
COMPRESSION = 1  # half the time of 3, for a tenth more bytes


def to_uint8(pictures: NDArray[Any]) -> NDArray[np.uint8]:
    """Floats in [0, 1] as uint8, clipped and rounded; uint8 as it is."""
    if pictures.dtype == np.uint8:
        return pictures
    return np.rint(np.clip(pictures, 0, 1) * 255).astype(np.uint8)


def signed_to_rgb(differences: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Differences in [-1, 1] (…, height, width) as colours (…, height, width, 3): blue is less, white none, red more.

    The three colours are the ends and the middle of ColorBrewer's RdBu (Brewer 2003), safe for the colour-blind.
    """
    less, none, more = (np.array(colour, np.float32) for colour in ((33, 102, 172), (247, 247, 247), (178, 24, 43)))
    amount = np.clip(np.abs(differences), 0, 1)[..., None]
    end = np.where(differences[..., None] > 0, more, less)
    return np.rint(none + amount * (end - none)).astype(np.uint8)


def changes_to_rgb(pictures: NDArray[np.floating], base: NDArray[np.floating]) -> NDArray[np.uint8]:
    """How pictures (n, height, width[, 3]) differ from another, in brightness, as `signed_to_rgb` colours it."""
    difference = pictures - base
    return signed_to_rgb(difference if base.ndim == 2 else difference.mean(axis=-1))


@dataclass(frozen=True)
class Names:
    """Names beside the rows and below the columns of a sheet: ``size`` of the letters, room for them, in its pixels."""

    rows: Sequence[str]
    columns: Sequence[str]
    size: float
    tile: tuple[int, int]  # width and height
    step: tuple[int, int]  # from one tile to the next
    room: tuple[int, int]  # to the left, below

    @classmethod
    def of(cls, rows: Sequence[str], columns: Sequence[str], tile: tuple[int, int], step: tuple[int, int]) -> Names:
        """Names as large as tiles have room for: five characters are as wide as one."""
        size = 0.3 * tile[0] * min(1, 5 / max(map(len, (*rows, *columns)), default=1))
        left = round(max(map(font_of(size).getlength, rows)) + size) if rows else 0
        return cls(rows, columns, size, tile, step, (left, round(1.4 * size) if columns else 0))

    def beside(self, tiles: Image.Image) -> Image.Image:
        """The tiles, with the names."""
        (left, below), font = self.room, font_of(self.size)
        named = Image.new(tiles.mode, (left + tiles.width, tiles.height + below))
        named.paste(tiles, (left, 0))
        draw = ImageDraw.Draw(named)
        grey = (*GREY, 255) if tiles.mode == "RGBA" else (GREY[1], 255)
        for row, name in enumerate(self.rows):
            draw.text((left - self.size / 2, row * self.step[1] + self.tile[1] / 2), name, grey, font, anchor="rm")
        for column, name in enumerate(self.columns):
            middle = left + column * self.step[0] + self.tile[0] / 2
            draw.text((middle, named.height - below / 2), name, grey, font, anchor="mm")
        return named


@dataclass(frozen=True)
class Sheet:
    """Many pictures on one sheet, and where each is: ``boxes`` (n, 4) left, top, right, bottom in pixels of `image`."""

    tiles: Image.Image  # before enlarging
    boxes: NDArray[np.int64] = field(repr=False)
    zoom: int = 1
    names: Names | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the whole in pixels."""
        left, below = self.names.room if self.names else (0, 0)
        return self.tiles.width * self.zoom + left, self.tiles.height * self.zoom + below

    @property
    def image(self) -> Image.Image:
        """The whole sheet: the tiles, enlarged to hard squares, and the names; not kept, since it is large."""
        larger = (self.tiles.width * self.zoom, self.tiles.height * self.zoom)
        enlarged = self.tiles if self.zoom == 1 else self.tiles.resize(larger, Image.Resampling.NEAREST)
        return self.names.beside(enlarged) if self.names else enlarged

    def png(self) -> bytes:
        """The whole sheet as a PNG file."""
        return png_bytes(self.image)

    @cached_property
    def address(self) -> str:
        """The sheet as a ``data:`` address for a page that shows it in its `size`, with hard pixels.

        Without names it is the tiles alone, which the browser enlarges: a tenth of the time and of the bytes.
        """
        return data_uri(png_bytes(self.image if self.names else self.tiles))


@lru_cache(maxsize=32)
def font_of(size: float) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The font of the names; Pillow unpacks it anew each time."""
    return ImageFont.load_default(size)


def sheet(
    pictures: NDArray[Any],
    columns: int,
    zoom: int = 1,
    *,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    gap: int = GAP,
) -> Sheet:
    """Pictures (n, height, width[, 3]) in reading order on one sheet of ``columns``.

    ``zoom`` is how wide a pixel is in a picture of 28 × 28; others are shown about as large (`as_large`). The sheet has
    an alpha channel, and colours where the pictures have them (Pillow's modes LA and RGBA).

    ``gap`` pixels lie between them, before enlarging. Names, where given, stand in grey to the left of the rows and
    below the columns. Raises `ArgumentError` where there is no picture or no column.
    """
    pictures = to_uint8(np.asarray(pictures))
    if len(pictures) == 0 or columns < 1 or zoom < 1:
        raise ArgumentError(
            f"A sheet needs at least 1 image, column and zoom, got {len(pictures)}, {columns} and {zoom}."
        )
    pictures, zoom = as_large(pictures, zoom)
    return tiled(pictures, columns, zoom, row_names=row_names, column_names=column_names, gap=gap)


def tiled(
    pictures: NDArray[np.uint8],
    columns: int,
    zoom: int,
    *,
    row_names: Sequence[str] = (),
    column_names: Sequence[str] = (),
    gap: int = GAP,
) -> Sheet:
    """The `sheet` of pictures as they are, each pixel ``zoom`` wide."""
    pictures = pictures[..., None] if pictures.ndim == 3 else pictures
    n, height, width, channels = pictures.shape
    rows = -(-n // columns)
    places = np.zeros((rows * columns, height + gap, width + gap, channels + 1), np.uint8)
    places[:n, :height, :width, :channels] = pictures
    places[:n, :height, :width, channels] = 255
    canvas = places.reshape(rows, columns, *places.shape[1:]).swapaxes(1, 2)
    canvas = canvas.reshape(rows * (height + gap), columns * (width + gap), channels + 1)
    canvas = canvas[: len(canvas) - gap, : canvas.shape[1] - gap]  # no gap after the last
    tile, step = (width * zoom, height * zoom), ((width + gap) * zoom, (height + gap) * zoom)
    names = Names.of(row_names, column_names, tile, step) if row_names or column_names else None
    left, top = np.arange(n) % columns * step[0], np.arange(n) // columns * step[1]
    left = left + names.room[0] if names else left
    boxes = np.stack([left, top, left + tile[0], top + tile[1]], axis=1)
    return Sheet(Image.fromarray(canvas), boxes, zoom, names)


def as_large(pictures: NDArray[np.uint8], zoom: int) -> tuple[NDArray[np.uint8], int]:
    """Pictures (n, height, width[, 3]) and a zoom, with which they are about as large as 28 × 28 pixels at ``zoom``.

    Smaller ones are enlarged by whole numbers, and none at a zoom of 1; much larger ones are reduced, bilinear.
    """
    height, width = pictures.shape[1:3]
    wanted = USUAL_SIDE * zoom
    if max(height, width) > TOO_LARGE * wanted:
        return all_resized(pictures, size_within(width, height, wanted)), 1
    return pictures, max(1, round(wanted / max(height, width))) if zoom > 1 else 1


def rows_sheet(rows: Sequence[NDArray[Any]], zoom: int = 1) -> Sheet:
    """Rows of equally many pictures, one below the other: originals over reconstructions, for instance."""
    return sheet(np.concatenate([to_uint8(np.asarray(row)) for row in rows]), columns=len(rows[0]), zoom=zoom)


def pairs_sheet(upper: NDArray[Any], lower: NDArray[Any], columns: int, zoom: int = 1) -> Sheet:
    """Each picture of ``upper`` (n, height, width) on top of its partner in ``lower``, which is tinted blue
    where it is grey.

    The boxes are those of the upper ones, then those of the lower ones.
    """
    upper, lower = (as_large(to_uint8(np.asarray(part)), zoom)[0] for part in (upper, lower))
    zoom = as_large(upper, zoom)[1]
    if upper.ndim == 3:
        upper, lower = (np.repeat(part[..., None], 3, axis=-1) for part in (upper, lower))
        lower = np.rint(lower * np.array([0.55, 0.8, 1.0])).astype(np.uint8)
    pairs = tiled(np.concatenate([upper, lower], axis=1), min(columns, len(upper)), zoom)
    half = upper.shape[1] * zoom
    boxes = np.concatenate([pairs.boxes - np.array([0, 0, 0, half]), pairs.boxes + np.array([0, half, 0, 0])])
    return replace(pairs, boxes=boxes)


def png_bytes(image: Image.Image) -> bytes:
    """The picture as a PNG file (PNG specification, 3rd edition; colour types and filters by its sections 6 and 9).

    Written here, and not by Pillow, for speed: enlarged pixels make most lines repeat the one above, and a line that
    does is written as no difference from it ("up"), which costs next to nothing. Other lines are written as they are.
    """
    image = image if image.mode in COLOUR_TYPES else image.convert("RGBA")
    lines = np.asarray(image).reshape(image.height, -1)
    filtered = np.empty((image.height, 1 + lines.shape[1]), np.uint8)
    filtered[:, 0], filtered[:, 1:] = 0, lines
    repeats = 1 + np.flatnonzero((lines[1:] == lines[:-1]).all(axis=1))
    filtered[repeats] = 0
    filtered[repeats, 0] = UP
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, COLOUR_TYPES[image.mode], 0, 0, 0)
    parts = {b"IHDR": header, b"IDAT": zlib.compress(filtered.tobytes(), COMPRESSION), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts.items()
    )


def gif_bytes(pictures: NDArray[Any], zoom: int = 6, milliseconds: int = 80) -> bytes:
    """Pictures (n, height, width) as a GIF that plays forwards and back for ever, ``milliseconds`` a frame."""
    if len(pictures) == 0:
        raise ArgumentError("A GIF needs at least one image.")
    frames, zoom = as_large(to_uint8(np.asarray(pictures)), zoom)
    frames = frames.repeat(zoom, axis=1).repeat(zoom, axis=2)
    there_and_back = [Image.fromarray(frame) for frame in (*frames, *frames[-2:0:-1])]
    buffer = io.BytesIO()
    there_and_back[0].save(
        buffer, format="GIF", save_all=True, append_images=there_and_back[1:], duration=milliseconds, loop=0
    )
    return buffer.getvalue()


def data_uri(content: bytes, mime: str = "image/png") -> str:
    """The bytes as a ``data:`` address, which a page shows without another request."""
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
