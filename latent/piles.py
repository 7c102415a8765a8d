"""Piles: the picture files of a folder or of a zip of one, with their classes, of which any are opened.

Sub-folders are classes as torchvision's ImageFolder reads them. Files are held to be hostile: nothing outside of the
folder or archive is opened, nothing is unpacked onto the disk, and sizes are looked at before anything is read.
"""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from latent import pictures
from latent.errors import DataError
from latent.files import label, real

LARGEST_ENTRY = 256 * 1024**2  # bytes of a picture file in an archive, unpacked
LARGEST_TOTAL = 4 * 1024**3  # bytes of all that are read of an archive, unpacked
LONGEST_PATH = 1000  # characters of a path in a sentence
MOST_ENTRIES = 1_000_000  # files in a folder or archive
SPLITS = (
    ("test", "testing"),
    ("val", "valid", "validation"),
    ("train", "training"),
)  # names of folders, the best first

Opener = Callable[[str], AbstractContextManager[IO[bytes]]]


class TooLarge(DataError):
    """An archive that would unpack to more than is sensible."""


@dataclass(frozen=True)
class Pile:
    """Picture files by their paths in the folder or archive, sorted; ``open`` gives the bytes of one.

    ``labels`` are their classes as indices of ``classes``, None where there are none. ``note`` says what was left out.
    """

    paths: tuple[str, ...]
    open: Opener
    labels: tuple[int, ...] | None = None
    classes: tuple[str, ...] = ()
    note: str = ""

    @classmethod
    def of(cls, paths: list[str], open_one: Opener, training: bool = False) -> Pile:
        """The pictures of a folder or archive with these files; one folder that holds all of them is no class.

        Of folders that are named as the parts of a data set, only the test images are taken, or what is nearest to
        them; for ``training`` the training images. Raises `DataError` where there are no pictures.
        """
        files = sorted(path for path in paths if is_picture(path))
        if not files:
            raise DataError(f"No images found: expected image files ({', '.join(pictures.SUFFIXES)}).")
        notes, inside = [], 0  # how many folders deep the classes begin
        while True:
            folders = {part.split("/")[inside] for part in files if part.count("/") > inside}
            loose = [path for path in files if path.count("/") == inside]
            split = split_among(folders, training) if not loose else None
            if split and len(folders) > 1:
                others = ", ".join(label(name) for name in sorted(folders - {split}))
                notes.append(f"The images in {label(split)} are used, those in {others} are not.")
                files = [path for path in files if path.split("/")[inside] == split]
            elif loose or len(folders) != 1:
                break
            inside += 1
        if not folders:
            return cls(tuple(files), open_one, note=" ".join(notes))
        if loose:
            notes.append(f"{len(loose):,} {'image lies' if len(loose) == 1 else 'images lie'} in no class and "
                         f"{'is' if len(loose) == 1 else 'are'} left out.")  # fmt: skip
            files = [path for path in files if path.count("/") > inside]
        classes = tuple(sorted(folders))
        index = {name: number for number, name in enumerate(classes)}
        return cls(
            tuple(files), open_one, tuple(index[path.split("/")[inside]] for path in files), classes, " ".join(notes)
        )


def is_picture(path: str) -> bool:
    """Whether a file is named as a picture; those of hidden folders and of macOS's archives are not."""
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return path.lower().endswith(pictures.SUFFIXES) and not hidden


def split_among(folders: set[str], training: bool) -> str | None:
    """The folder with the test or training images, where all of the folders are named as parts of a data set."""
    kind = {name: next((n for n, names in enumerate(SPLITS) if name.lower() in names), None) for name in folders}
    found = [(number, name) for name, number in kind.items() if number is not None]
    wanted = max if training else min
    return wanted(found)[1] if found and len(found) == len(kind) else None


@contextmanager
def visible(folder: Path, inside: str) -> Iterator[Iterator[tuple[str, os.DirEntry[str]]]]:
    """What lies in a folder ``inside`` this one, or in itself where that is empty, but for what is hidden: each by its
    path from this one, with forward slashes. Raises `DataError` where the folder or what is in it cannot be read."""
    try:
        with os.scandir(folder / inside) as entries:
            seen = (entry for entry in entries if not entry.name.startswith("."))
            yield ((f"{inside}/{entry.name}" if inside else entry.name, entry) for entry in seen)
    except OSError as error:
        path = label(str(folder / inside), LONGEST_PATH)
        raise DataError(f"The folder {path} cannot be read: {error.strerror}.") from error


def folder_pile(folder: Path, training: bool = False) -> Pile:
    """The pictures in a folder, at any depth. Raises `DataError` where a link leaves it or there are none."""
    root = real(folder)
    found: list[str] = []
    pending = [""]
    while pending:
        with visible(folder, pending.pop()) as entries:
            for name, entry in entries:
                if entry.is_symlink() and not real(Path(entry.path)).is_relative_to(root):
                    raise DataError(f"{label(name)} links to a place outside of the folder {label(folder.name)}.")
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name)
                elif os.path.isfile(entry.path):  # and no link that leads in a circle
                    found.append(name)
        if len(found) > MOST_ENTRIES:
            raise DataError(f"The folder {label(folder.name)} has more than {MOST_ENTRIES:,} files.")
    return Pile.of(found, lambda name: (folder / name).open("rb"), training)


def zip_pile(path: Path, training: bool = False) -> Pile:
    """The pictures in a zip, of which none is unpacked onto the disk.

    Raises `DataError` for paths and links that leave the archive, for encrypted files and for what would unpack to more
    than is sensible.
    """
    archive = zipfile.ZipFile(path)
    entries = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    if len(entries) > MOST_ENTRIES:
        raise DataError(f"{label(path.name)} has more than {MOST_ENTRIES:,} files.")
    for name, info in entries.items():
        if leaves(name):
            raise DataError(f"{label(path.name)} has a file whose path leaves the archive: {label(name)}.")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DataError(f"{label(path.name)} has a link, {label(name)}: put the file in its place.")
        if info.flag_bits & 1 and is_picture(name):
            raise DataError(f"{label(path.name)} is encrypted: save it without a password.")
        if info.file_size > LARGEST_ENTRY and is_picture(name):
            raise TooLarge(f"{label(name)} in {label(path.name)} unpacks to more than {LARGEST_ENTRY // 1024**2} MB.")
    read = 0

    def open_one(name: str) -> IO[bytes]:
        nonlocal read
        size = entries[name].file_size
        read += size
        if read > LARGEST_TOTAL:
            raise TooLarge(f"{label(path.name)} unpacks to more than {LARGEST_TOTAL // 1024**3} GB.")
        with archive.open(name) as file:
            return io.BytesIO(file.read(size))  # no more than the archive says; its checksum is checked at the end

    return Pile.of(list(entries), open_one, training)


def leaves(name: str) -> bool:
    """Whether a path in an archive would lead out of the folder it is unpacked into."""
    windows = PureWindowsPath(name)
    return PurePosixPath(name).is_absolute() or bool(windows.drive or windows.root) or ".." in windows.parts
