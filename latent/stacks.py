"""Stacks: arrays of images in .npy, .npz and MNIST's idx files, of which any rows are read without the rest.

Nothing in a file is executed: arrays of Python objects, which are pickles, are refused.
"""

from __future__ import annotations

import gzip
import math
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from latent.errors import DataError
from latent.files import LARGEST_FILE, label
from latent.pixels import WHITES_OF_SETS, Layout, Pixels, Scale

SAMPLE = 8 * 1024**2  # bytes of pixels that tell the scale
AT_ONCE = 4 * 1024**2  # values that are read and scaled together
IDX_TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}

Head = tuple[tuple[int, ...], bool, np.dtype[Any]]
"""Shape, whether columns come first, and type of an array."""
Stored = Callable[[int, int], NDArray[Any]]
"""Gives the rows of an array from one to another as they lie in a file."""


class NoImages(DataError):
    """A file that is in order, but holds something other than images."""


@dataclass(frozen=True, eq=False)
class Stack:
    """``n`` images in a file: ``stored`` gives the rows from one to another as they lie there, (m, *item).

    ``name`` is the array's within its file, empty where there is only one; ``streamed`` whether rows are quick to read
    in order only.
    """

    name: str
    layout: Layout
    dtype: np.dtype[Any]
    stored: Stored
    streamed: bool

    @property
    def n(self) -> int:
        return self.layout.n

    @cached_property
    def scale(self) -> Scale:
        """What is black and white, from a sample: of streamed rows the first, else some from everywhere.

        Raises `DataError` where that cannot be told: the values lie in no usual range, or all are 0 and no uint8.
        """
        most = max(1, SAMPLE // (math.prod(self.layout.item) * self.dtype.itemsize))
        if self.n <= most or self.streamed:
            sample = self.stored(0, min(self.n, most))
        else:
            rows = np.unique(np.linspace(0, self.n - 1, min(most, 1000)).astype(int))
            sample = np.concatenate([self.stored(row, row + 1) for row in rows])
        if self.dtype != np.uint8 and not sample.any():
            raise DataError(f"All pixels are 0, and {self.dtype} does not say how much is white: save them as uint8.")
        return Scale.of(sample, WHITES_OF_SETS)

    def read(self, start: int, stop: int) -> tuple[Pixels, NDArray[np.bool_]]:
        """The images (m, height, width[, channels]) of these rows, and which of them, (m,), can be understood."""
        pixels, fits = self.scale.to_uint8(self.stored(start, stop))
        return self.layout.arranged(pixels), fits

    def take(self, rows: NDArray[np.intp]) -> Iterator[tuple[Pixels, NDArray[np.bool_]]]:
        """The images of these rows, which ascend, some at a time."""
        at_once = max(1, AT_ONCE // math.prod(self.layout.item))
        for part in np.split(rows, range(at_once, len(rows), at_once)):
            if part[-1] - part[0] == len(part) - 1:
                yield self.read(int(part[0]), int(part[-1]) + 1)
            else:
                found = np.concatenate([self.stored(int(row), int(row) + 1) for row in part])
                pixels, fits = self.scale.to_uint8(found)
                yield self.layout.arranged(pixels), fits


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Raise `DataError` for what reading a file that is missing or damaged raises."""
    try:
        yield
    except DataError:
        raise
    except OSError as error:
        reason = error.strerror or "it is damaged"
        raise DataError(f"{label(path.name)} cannot be read: {reason}.") from error
    except Exception as error:  # damaged archives and heads fail in many ways: BadZipFile, zlib.error, struct.error …
        raise damaged(path) from error


def damaged(path: Path) -> DataError:
    """What is said of a file that breaks off or contradicts itself."""
    return DataError(f"{label(path.name)} cannot be read: it is damaged or incomplete.")


def header(file: IO[bytes]) -> Head:
    """What NumPy's format says of the array that follows in a file."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def npy_stack(path: Path) -> Stack:
    """The images in an ``.npy`` file. Raises `NoImages` where it holds none, `DataError` where it is damaged."""
    with whole(path), path.open("rb") as file:
        shape, fortran, dtype = header(file)
        start = file.tell()
    return mapped_stack(path, shape, fortran, dtype, start)


def mapped_stack(path: Path, shape: tuple[int, ...], fortran: bool, dtype: np.dtype[Any], start: int) -> Stack:
    """The images in an array that begins at byte ``start`` of a file, mapped for a moment whenever some are read: pages
    of a map that stays open count as our memory."""
    layout = layout_of(path.name, shape, dtype)
    with whole(path):
        if path.stat().st_size - start < math.prod(shape) * dtype.itemsize:
            raise damaged(path)

    def stored(first: int, stop: int) -> NDArray[Any]:
        with whole(path):
            mapped = np.memmap(path, dtype, "r", start, shape, "F" if fortran else "C")
            return np.array(mapped.reshape(layout.n, *layout.item)[first:stop])

    return Stack("", layout, dtype, stored, streamed=False)


def layout_of(name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Layout:
    """The layout of an array that holds images. Raises `NoImages` where it holds something else."""
    if dtype.hasobject:
        raise NoImages(f"{label(name)} holds Python objects, which are not opened: save it as an array of numbers.")
    if dtype.kind not in "biuf":
        raise NoImages(f"{label(name)} holds no images: its type is {dtype}, not a number.")
    try:
        return Layout.of(shape)
    except DataError as error:
        raise NoImages(f"{label(name)}: {error}") from error


class Archive:
    """An ``.npz`` file: its arrays by their names, of which each is decompressed as it is read. Raises `DataError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with whole(path):
            self.zip = zipfile.ZipFile(path)
            self.heads: dict[str, Head] = {}
            for info in self.zip.infolist():
                if info.filename.endswith(".npy"):
                    with self.zip.open(info) as file:
                        shape, fortran, dtype = header(file)
                        held = info.file_size - file.tell()
                    if not dtype.hasobject and held != math.prod(shape) * dtype.itemsize:
                        raise damaged(path)
                    self.heads[info.filename.removesuffix(".npy")] = shape, fortran, dtype

    def stacks(self) -> list[Stack]:
        """All its arrays of images, in the order of the file."""
        found = []
        for name, (shape, _, dtype) in self.heads.items():
            try:
                layout_of(name, shape, dtype)
            except DataError:
                continue
            found.append(self.stack(name))
        return found

    def stack(self, name: str) -> Stack:
        """The images in one of its arrays; quick where they are read in order. Raises `DataError` for any other."""
        shape, fortran, dtype = self.heads[name]
        layout = layout_of(name, shape, dtype)
        if fortran:
            array = self.array(name).reshape(layout.n, *layout.item)
            return Stack(name, layout, dtype, lambda first, stop: array[first:stop], streamed=False)
        file: IO[bytes] = self.zip.open(f"{name}.npy")
        header(file)
        return Stack(name, layout, dtype, in_stream(self.path, file, file.tell(), layout, dtype), streamed=True)

    def array(self, name: str) -> NDArray[Any]:
        """One of its arrays, in memory. Raises `DataError` where it holds Python objects or is too large for that."""
        shape, _, dtype = self.heads[name]
        if dtype.hasobject:
            raise DataError(
                f"The array {label(name)} in {label(self.path.name)} holds Python objects, which are not opened: save "
                f"it as numbers or strings."
            )
        if math.prod(shape) * dtype.itemsize > LARGEST_FILE:
            raise DataError(f"The array {label(name)} in {label(self.path.name)} is larger than 512 MB.")
        with whole(self.path), self.zip.open(f"{name}.npy") as file:
            return np.lib.format.read_array(file, allow_pickle=False)


def is_idx(path: Path) -> bool:
    """Whether a file, gzipped or not, begins as MNIST's files do."""
    with whole(path), unzipped(path) as file:
        start = file.read(4)
    return len(start) == 4 and start[:2] == b"\0\0" and start[2] in IDX_TYPES and 1 <= start[3] <= 4


def unzipped(path: Path) -> IO[bytes]:
    """A file whose content may be gzipped."""
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(path)) if zipped else path.open("rb")


def idx_header(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and type of the array that follows in an idx file (LeCun, Cortes & Burges, the MNIST database)."""
    _, kind, n_axes = struct.unpack(">HBB", file.read(4))
    return struct.unpack(f">{n_axes}I", file.read(4 * n_axes)), np.dtype(IDX_TYPES[kind])


def idx_stack(path: Path) -> Stack:
    """The images in an idx file, gzipped or not. Raises `DataError` where it holds none or is damaged."""
    with whole(path):
        file = unzipped(path)
        shape, dtype = idx_header(file)
    start = 4 * (1 + len(shape))
    if not isinstance(file, gzip.GzipFile):
        file.close()
        return mapped_stack(path, shape, False, dtype, start)
    layout = layout_of(path.name, shape, dtype)
    return Stack("", layout, dtype, in_stream(path, file, start, layout, dtype), streamed=True)


def in_stream(path: Path, file: IO[bytes], start: int, layout: Layout, dtype: np.dtype[Any]) -> Stored:
    """The rows of an array that begins at byte ``start`` of a stream; quick where they are read in order."""
    size = math.prod(layout.item) * dtype.itemsize

    def stored(first: int, stop: int) -> NDArray[Any]:
        with whole(path):
            file.seek(start + first * size)
            content = file.read((stop - first) * size)
            return np.frombuffer(content, dtype).reshape(stop - first, *layout.item)

    return stored


def idx_labels(path: Path) -> NDArray[Any]:
    """The labels (n,) in an idx file, gzipped or not. Raises `DataError` where it holds something else."""
    with whole(path), unzipped(path) as file:
        shape, dtype = idx_header(file)
        if len(shape) != 1 or shape[0] * dtype.itemsize > LARGEST_FILE:
            raise DataError(f"{label(path.name)} does not hold labels.")
        return np.frombuffer(file.read(shape[0] * dtype.itemsize), dtype, shape[0])
