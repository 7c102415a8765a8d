"""Selections: some of the images of a data set, by their numbers, with how they were chosen."""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent.arrays import Rows
from latent.errors import ArgumentError

LONGEST_NAME = 40  # characters
LONGEST_LINK = 2000  # characters of a selection in an address: more than any of 10,000 images takes
MOST_NUMBERED = 1 << 20  # images of a set, of which a link can name some
LINK = "images."  # what the text of a selection in an address begins with
DAMAGED = "The link is damaged: a selection in it cannot be read."


@dataclass(frozen=True, eq=False)
class Selection:
    """Some images under a ``name``: their numbers ``rows`` (n,), ascending, each once, read-only.

    ``dataset`` is the SHA-256 of the data set that the numbers are of, or of the model where a decoder alone has random
    codes in place of images; ``origin`` says how they were chosen.

    >>> Selection.of("some", "typed numbers", "0123", [5, 2, 5]).rows.tolist()
    [2, 5]
    """

    name: str
    origin: str
    dataset: str
    rows: Rows

    @classmethod
    def of(cls, name: str, origin: str, dataset: str, rows: ArrayLike) -> Self:
        """A selection of images in any order."""
        numbers = np.unique(np.asarray(rows, np.intp))
        numbers.flags.writeable = False
        return cls(name.strip()[:LONGEST_NAME] or "selection", origin, dataset, numbers)

    def __len__(self) -> int:
        return len(self.rows)

    def called(self, name: str) -> Self:
        """The same images under another name."""
        return replace(self, name=name.strip()[:LONGEST_NAME] or self.name)

    def others(self, n: int) -> Rows:
        """The images of a set of ``n`` that are not selected."""
        return np.setdiff1d(np.arange(n), self.rows)

    def to_link(self) -> str:
        """The selection as text for an address: a bit for every image, compressed.

        >>> Selection.from_link(Selection.of("a", "typed", "0123", [3, 9]).to_link()).rows.tolist()
        [3, 9]
        """
        bits = np.zeros(int(self.rows.max(initial=-1)) + 1, np.uint8)
        bits[self.rows] = 1
        about = json.dumps([self.name, self.origin, self.dataset[:8]], ensure_ascii=False, separators=(",", ":"))
        return f"{LINK}{text_of(zlib.compress(np.packbits(bits).tobytes(), 9))}.{text_of(about.encode())}"

    @classmethod
    def from_link(cls, text: str) -> Self:
        """What `to_link` wrote, with the first characters of its ``dataset``. Raises `ArgumentError` for other text."""
        if not text.startswith(LINK):
            raise ArgumentError(DAMAGED)
        numbers, _, about = text.removeprefix(LINK).partition(".")
        try:
            opened = zlib.decompressobj()
            bits = opened.decompress(bytes_of(numbers), MOST_NUMBERED // 8)
            name, origin, dataset = json.loads(bytes_of(about))
        except (zlib.error, binascii.Error, ValueError, TypeError, RecursionError) as error:
            raise ArgumentError(DAMAGED) from error
        if not opened.eof or not all(isinstance(part, str) for part in (name, origin, dataset)):
            raise ArgumentError(DAMAGED)
        return cls.of(name, origin, dataset, np.flatnonzero(np.unpackbits(np.frombuffer(bits, np.uint8))))

    def is_of(self, dataset: str, n: int) -> bool:
        """Whether the numbers are of the data set of this SHA-256, which has ``n`` images."""
        same = bool(self.dataset) and dataset.startswith(self.dataset)
        return same and len(self) > 0 and int(self.rows[-1]) < n


def numbers_in(text: str, n: int) -> Rows:
    """The numbers of images of a set of ``n`` that a text lists, single ones and ranges with both ends.

    Raises `ArgumentError` for anything else, and for a number that no image has.

    >>> numbers_in("3, 10-12 7", 100).tolist()
    [3, 7, 10, 11, 12]
    """
    found: list[NDArray[Any]] = []
    for part in re.split(r"[\s,;]+", re.sub(r"\s*[-–]\s*", "-", text.strip())):
        matched = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part, re.ASCII)
        if matched is None:
            raise ArgumentError(f"Expected image numbers such as “3, 10-12”, got {part[:20]!r}.")
        first, last = int(matched[1]), int(matched[2] or matched[1])
        if not first <= last < n:
            raise ArgumentError(f"Image numbers go from 0 to {n - 1:,}, got {part!r}.")
        found.append(np.arange(first, last + 1))
    numbers: Rows = np.unique(np.concatenate(found))
    return numbers


def inside(places: NDArray[np.floating[Any]], box: tuple[float, float, float, float]) -> Rows:
    """Which of the places (n, 2) lie in a box: left, bottom, right, top."""
    left, bottom, right, top = box
    x, y = places[:, 0], places[:, 1]
    found: Rows = np.flatnonzero((x >= left) & (x <= right) & (y >= bottom) & (y <= top))
    return found


def text_of(content: bytes) -> str:
    """Bytes as base64 for an address, without its padding."""
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def bytes_of(text: str) -> bytes:
    """The bytes that `text_of` wrote."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
