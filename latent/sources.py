"""Where `latent.encode` takes images from: folders and arrays of any size, read in order, a batch at a time."""

from __future__ import annotations

import heapq
import json
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from latent import data
from latent.errors import DataError

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".pgm", ".ppm", ".pbm")
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM")  # whatever a file's name says; none runs a program
ARRAYS = (".npy", ".npz")
MOST_PIXELS = 50_000_000  # of one picture
SORTED_AT_ONCE = 200_000  # names in memory; as many parts as there may be open files sort a hundred million

Images = NDArray[np.uint8]


class Source(Protocol):
    """``n`` images in an order that never changes; ``labels`` (n,) where they have some."""

    n: int

    @property
    def labels(self) -> NDArray[np.uint8] | None: ...
    def read(self, start: int, stop: int, image_shape: tuple[int, int, int]) -> tuple[Images, NDArray[np.bool_]]:
        """The images of these rows as a model of ``image_shape`` takes them (`data.fit`), and which could be read."""
        ...

    def name(self, row: int) -> str:
        """What a row's image is called."""
        ...


class DataSet:
    """A torchvision data set, which is small enough for memory."""

    def __init__(self, name: str, folder: Path, *, train: bool) -> None:
        self.images, self.labels = data.load_dataset(name, folder, train=train)
        self.n = len(self.images)

    def read(self, start: int, stop: int, image_shape: tuple[int, int, int]) -> tuple[Images, NDArray[np.bool_]]:
        return data.fit(self.images[start:stop], image_shape), np.ones(stop - start, np.bool_)

    def name(self, row: int) -> str:
        return f"image {row}"


class Entry(NamedTuple):
    """A file in a listing: its first row, how many rows it has, its name."""

    first: int
    n: int
    name: str

    @property
    def stop(self) -> int:
        return self.first + self.n


class Files:
    """The images in the files of a listing, ``n`` of them. What was read last is remembered, so reading on is quick."""

    labels = None

    def __init__(self, folder: Path, listing: Path, n: int) -> None:
        self.folder, self.listing, self.n = folder, listing, n
        self.entries: Iterator[Entry] = iter(())
        self.entry = Entry(n, 0, "")
        self.zipped: ZippedImages | None = None

    def read(self, start: int, stop: int, image_shape: tuple[int, int, int]) -> tuple[Images, NDArray[np.bool_]]:
        channels, height, width = image_shape
        shape = (height, width) if channels == 1 else (height, width, channels)
        images = np.zeros((stop - start, *shape), np.uint8)
        readable = np.zeros(stop - start, np.bool_)
        row = start
        while row < stop:
            entry = self.at(row)
            last = min(stop, entry.stop)
            here = slice(row - start, last - start)
            try:
                found = self.images_in(entry, row - entry.first, last - entry.first)
                if len(found) != last - row:  # NumPy would repeat a single one
                    raise ValueError(f"{entry.name} has fewer images than when it was listed.")
                images[here] = data.fit(found, image_shape)
                readable[here] = True
            except Exception as error:  # a damaged file fails in many ways, and each format in its own
                if not self.folder.is_dir():  # all of it is gone: a disk that was taken out, not a damaged file
                    raise DataError(f"{self.folder} is no longer there; restore it and run this again.") from error
            row = last
        return images, readable

    def name(self, row: int) -> str:
        entry = self.at(row)
        return entry.name if entry.n == 1 else f"{entry.name}, image {row - entry.first}"

    def at(self, row: int) -> Entry:
        """The file that holds a row."""
        if row < self.entry.first:
            self.entries = listed(self.listing)
            self.entry = next(self.entries)
        while row >= self.entry.stop:
            self.entry = next(self.entries)
        return self.entry

    def images_in(self, entry: Entry, start: int, stop: int) -> Images:
        """Images (stop - start, height, width[, channels]) of one file."""
        path = self.folder / entry.name
        if path.suffix.lower() == ".npy":  # mapped for a moment: pages of a map that stays open count as our memory
            return np.array(mapped_images(path)[start:stop])
        if path.suffix.lower() == ".npz":
            if self.zipped is None or self.zipped.path != path:
                self.zipped = ZippedImages(path)
            return self.zipped.read(start, stop)
        return picture(path)[None]


def picture(path: Path) -> Images:
    """A picture file as (height, width) where it is grey and (height, width, 3) where it has colours; what is
    transparent has the colour that lies under it."""
    with Image.open(path, formats=FORMATS) as image:
        if image.width * image.height > MOST_PIXELS:
            raise DataError(f"{path} has more than {MOST_PIXELS // 10**6} million pixels.")
        if image.mode.startswith(("I", "F")):  # 16 bits a pixel
            return (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.asarray(image.convert("L" if image.mode in ("1", "L", "LA") else "RGB"))


def holds_images(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bool:
    """Whether an array is (n, height, width) or (n, height, width, channels) uint8."""
    return dtype == np.uint8 and (len(shape) == 3 or (len(shape) == 4 and 1 <= shape[3] <= 4)) and min(shape[1:]) > 0


def mapped_images(path: Path) -> Images:
    """The array in an ``.npy`` file, mapped into memory."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


class ZippedImages:
    """The first array of images in an ``.npz`` file, decompressed as it is read; quick where it is read in order.

    Raises `ValueError` where there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.archive = zipfile.ZipFile(path)
        for name in self.archive.namelist():
            self.file: IO[bytes] = self.archive.open(name)
            shape, fortran, dtype = header(self.file)
            if holds_images(shape, dtype) and not fortran:
                self.n, self.image = shape[0], shape[1:]
                self.start = self.file.tell()
                return
        raise ValueError(f"{path} holds no images.")

    def read(self, start: int, stop: int) -> Images:
        size = int(np.prod(self.image))
        self.file.seek(self.start + start * size)
        content = self.file.read((stop - start) * size)
        return np.frombuffer(content, np.uint8).reshape(stop - start, *self.image)


def header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type of the array that a file in NumPy's format holds."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    return read(file)


def count(path: Path) -> int:
    """How many images a file holds: 0 for an array of anything else, 1 for what turns out damaged when it is read."""
    suffix = path.suffix.lower()
    if suffix not in ARRAYS:
        return 1
    try:
        if suffix == ".npy":
            array = mapped_images(path)
            return len(array) if holds_images(array.shape, array.dtype) else 0
        if not zipfile.is_zipfile(path):
            return 1
        return ZippedImages(path).n
    except ValueError as error:  # NumPy says the same of a file that is too short, and of one that needs pickle
        return 0 if "holds no images" in str(error) or "pickle" in str(error) else 1
    except Exception:  # damaged in one of many ways
        return 1


def list_files(where: Path, listing: Path, leave_out: Path) -> int:
    """Write the listing of the images in a folder, at any depth, or in one array file; how many images there are.

    A line is ``[images, "path/in/the/folder"]``, in the order of the paths; names that start with a dot are left out,
    and so is ``leave_out``. However many files there are, `SORTED_AT_ONCE` names are in memory at a time. Raises
    `DataError` where there are no images or a folder cannot be read.
    """
    folder = where if where.is_dir() else where.parent
    if where.is_dir():
        names: Iterable[str] = in_order(names_in(folder), listing.with_name(f".{listing.name}.parts"))
    elif where.is_file():
        names = [where.name] if where.suffix.lower() in (*PICTURES, *ARRAYS) else []
    else:
        raise DataError(f"{where} not found: --data names a folder of images, or an .npy or .npz file of images.")
    total = 0
    beside = listing.with_name(f".{listing.name}.tmp")
    try:
        with beside.open("w", encoding="utf-8", errors="surrogateescape") as file:
            for name in names:
                path = folder / name
                n = 0 if path == leave_out else count(path)
                total += n
                if n:
                    file.write(json.dumps([n, name], ensure_ascii=False) + "\n")
        if total == 0:
            raise DataError(
                f"No images in {where}: expected images ({', '.join(PICTURES)}), or .npy and .npz files that hold "
                "uint8 arrays of shape (n, height, width) or (n, height, width, channels)."
            )
        os.replace(beside, listing)
    except OSError as error:
        raise DataError(f"{listing} cannot be written: {error.strerror}.") from error
    finally:
        beside.unlink(missing_ok=True)
    return total


def listed(listing: Path) -> Iterator[Entry]:
    """The files of a listing. Raises `DataError` where it is missing, damaged, or comes to an end."""
    first = 0
    try:
        with listing.open(encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                n, name = json.loads(line)
                yield Entry(first, n, name)
                first += n
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{listing}, which says which image is in which row, is missing or damaged.") from error
    raise DataError(f"{listing}, which says which image is in which row, is incomplete.")


def names_in(folder: Path) -> Iterator[str]:
    """The paths, relative to the folder and with forward slashes, of all its pictures and arrays at any depth."""
    pending = [""]
    while pending:
        inside = pending.pop()
        try:
            with os.scandir(folder / inside) as entries:
                for entry in entries:
                    name = f"{inside}/{entry.name}" if inside else entry.name
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(name)
                    elif name.lower().endswith((*PICTURES, *ARRAYS)) and entry.is_file():
                        yield name
        except OSError as error:
            raise DataError(f"The folder {folder / inside} cannot be read: {error.strerror}.") from error


def in_order(names: Iterable[str], folder: Path) -> Iterator[str]:
    """The names sorted: in parts that fit into memory, which are written into ``folder`` and merged from there."""
    names = iter(names)
    shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    folder.mkdir()
    try:
        parts: list[Path] = []
        while part := sorted(islice(names, SORTED_AT_ONCE)):
            parts.append(folder / str(len(parts)))
            with parts[-1].open("w", encoding="utf-8", errors="surrogateescape") as file:
                file.writelines(json.dumps(name, ensure_ascii=False) + "\n" for name in part)
        yield from heapq.merge(*map(from_lines, parts))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def from_lines(path: Path) -> Iterator[str]:
    """The names in a file of one JSON string a line."""
    with path.open(encoding="utf-8", errors="surrogateescape") as file:
        yield from map(json.loads, file)
