"""Where `latent.encode` takes images from: folders and arrays of any size, read in order, a batch at a time."""

from __future__ import annotations

import heapq
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from latent import data, pictures
from latent.errors import DataError
from latent.files import label, real
from latent.piles import visible
from latent.stacks import Archive, NoImages, Stack, npy_stack

ARRAYS = (".npy", ".npz")
MOST_NAMED = 10  # files that hold no images
SORTED_AT_ONCE = 200_000  # names in memory; as many parts as there may be open files sort a hundred million

Images = NDArray[np.uint8]
NOTHING = np.zeros((1, 1, 1), np.uint8), np.zeros(1, np.bool_)  # in the place of an image that cannot be read


class Source(Protocol):
    """``n`` images in an order that never changes; ``labels`` (n,) where they have some."""

    n: int

    @property
    def labels(self) -> NDArray[np.uint8] | None: ...
    def read(
        self, start: int, stop: int, image_shape: tuple[int, int, int], framed: bool = False
    ) -> tuple[Images, NDArray[np.bool_]]:
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

    def read(
        self, start: int, stop: int, image_shape: tuple[int, int, int], framed: bool = False
    ) -> tuple[Images, NDArray[np.bool_]]:
        return data.fit(self.images[start:stop], image_shape, framed), np.ones(stop - start, np.bool_)

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
        self.path: Path | None = None  # of the stacks
        self.stacks: list[Stack] = []

    def read(
        self, start: int, stop: int, image_shape: tuple[int, int, int], framed: bool = False
    ) -> tuple[Images, NDArray[np.bool_]]:
        channels, height, width = image_shape
        shape = (height, width) if channels == 1 else (height, width, channels)
        images = np.zeros((stop - start, *shape), np.uint8)
        readable = np.zeros(stop - start, np.bool_)
        row = start
        while row < stop:
            entry = self.at(row)
            last = min(stop, entry.stop)
            try:
                for found, fits in self.images_in(entry, row - entry.first, last - entry.first):
                    here = slice(row - start, row - start + len(found))
                    if fits.any():
                        images[here] = data.fit(found, image_shape, framed)
                    readable[here] = fits
                    row += len(found)
            except Exception as error:  # a damaged file fails in many ways, and each format in its own
                if not os.path.isdir(self.folder):  # all of it is gone: a disk that was taken out, not a damaged file
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

    def images_in(self, entry: Entry, start: int, stop: int) -> Iterator[tuple[Images, NDArray[np.bool_]]]:
        """Some images at a time, (m, height, width[, channels]), of one file, and which of them, (m,), can be read."""
        path = self.folder / entry.name
        if path.suffix.lower() not in ARRAYS:
            for page in pictures.pages(path, start, stop, entry.n):
                yield NOTHING if page is None else (page[None], np.ones(1, np.bool_))
            return
        if self.path != path:
            self.path, self.stacks = path, stacks_in(path)
        if sum(stack.n for stack in self.stacks) != entry.n:
            raise DataError(f"{entry.name} has another number of images than when it was listed.")
        first = 0
        for stack in self.stacks:
            if start < first + stack.n and stop > first:
                yield stack.read(max(0, start - first), min(stack.n, stop - first))
            first += stack.n


class Passed:
    """The files of a folder that hold no images: how many, and the first of them with the reason."""

    def __init__(self) -> None:
        self.n = 0
        self.first: list[str] = []

    def add(self, said: str) -> None:
        self.n += 1
        if len(self.first) < MOST_NAMED:
            self.first.append(said)

    def __str__(self) -> str:
        files = "1 file holds" if self.n == 1 else f"{self.n:,} files hold"
        return f"{files} no images that can be read and {'is' if self.n == 1 else 'are'} left out: " + "; ".join(
            self.first
        )


def counted(path: Path) -> int:
    """How many images a file holds; 1 for what turns out damaged when it is read. Raises `NoImages` where it is in
    order, and holds something else."""
    suffix = path.suffix.lower()
    if suffix in pictures.SUFFIXES:
        return pictures.n_pages(path)
    if suffix not in ARRAYS:
        raise NoImages(label(path.name))
    try:
        return sum(stack.n for stack in stacks_in(path))
    except NoImages:
        raise
    except DataError:
        return 1


def stacks_in(path: Path) -> list[Stack]:
    """The arrays of images in an ``.npy`` or ``.npz`` file, of which there is one at least.

    Raises `NoImages` where there is none, `DataError` where the file is damaged.
    """
    if path.suffix.lower() == ".npy":
        found, reason = [npy_stack(path)], ""
    else:
        found, reason = Archive(path).stacks(), "no array has the shape of images"
    readable = []
    for stack in found:
        try:
            _ = stack.scale
            readable.append(stack)
        except DataError as error:
            reason = str(error).rstrip(".")
    if not readable:
        raise NoImages(f"{label(path.name)}: {reason}.")
    return readable


def list_files(where: Path, listing: Path, leave_out: Path, say: Callable[[str], None] = lambda line: None) -> int:
    """Write the listing of the images in a folder, at any depth, or in one array file; how many images there are.

    A line is ``[images, "path/in/the/folder"]``, in the order of the paths; names that start with a dot are left out,
    and so is ``leave_out``. ``say`` is told which files hold no images, and of an archive of several arrays which are
    taken. However many files there are, `SORTED_AT_ONCE` names are in memory at a time. Raises `DataError` where there
    are no images or a folder cannot be read.
    """
    folder = where if os.path.isdir(where) else where.parent
    if os.path.isdir(where):
        names: Iterable[str] = in_order(names_in(folder), listing.with_name(f".{listing.name}.parts"))
    elif os.path.isfile(where):
        names = [where.name]
    else:
        raise DataError(f"{where} not found: --data names a folder of images, or an .npy or .npz file of images.")
    total, passed = 0, Passed()
    beside = listing.with_name(f".{listing.name}.tmp")
    try:
        with beside.open("w", encoding="utf-8", errors="surrogateescape") as file:
            for name in names:
                path = folder / name
                if path == leave_out:
                    continue
                try:
                    n = counted(path)
                except NoImages as error:
                    if not path.name.startswith(f"{leave_out.stem}."):  # what belongs to this run is no surprise
                        passed.add(str(error).rstrip("."))
                    continue
                total += n
                file.write(json.dumps([n, name], ensure_ascii=False) + "\n")
                if path.suffix.lower() == ".npz" and (arrays := arrays_of(path)):
                    say(arrays)
        if total == 0:
            raise DataError(
                f"No images in {where}: expected images ({', '.join(pictures.SUFFIXES)}), or .npy and .npz files that "
                f"hold arrays of shape (n, height, width) or (n, height, width, channels), of uint8 or of numbers from "
                f"0 to 1, -1 to 1 or 0 to 255.{f' {passed}.' if passed.n else ''}"
            )
        os.replace(beside, listing)
    except OSError as error:
        raise DataError(f"{listing} cannot be written: {error.strerror}.") from error
    finally:
        beside.unlink(missing_ok=True)
    if passed.n:
        say(f"{passed}.")
    return total


def arrays_of(path: Path) -> str:
    """Which arrays of an archive are taken, where it is not the only one; else nothing."""
    try:
        found = stacks_in(path)
    except DataError:
        return ""
    names = ", ".join(f"{label(stack.name)} ({stack.n:,})" for stack in found)
    return f"{label(path.name)}: the images of {len(found)} arrays are taken, {names}." if len(found) > 1 else ""


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
    """The paths, relative to the folder and with forward slashes, of all files in it at any depth.

    Links are followed, but every folder is walked once: those inside by their own path, others by the first link.
    """
    root, walked = real(folder), set[Path]()
    pending, links = [("", False)], list[str]()
    while pending or links:
        inside, linked = pending.pop() if pending else (heapq.heappop(links), True)
        if linked:
            place = real(folder / inside)
            if place in walked or place.is_relative_to(root):
                continue
            walked.add(place)
        with visible(folder, inside) as entries:
            for name, entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    pending.append((name, linked))
                elif os.path.isdir(entry.path):
                    heapq.heappush(links, name)
                elif os.path.isfile(entry.path) or not os.path.exists(entry.path):  # a pipe would be waited for
                    yield name


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
