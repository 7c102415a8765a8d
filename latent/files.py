"""Files: read within limits, written in one step, locked while they are written, and named safely in a sentence."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from glob import escape
from itertools import chain, count
from pathlib import Path
from typing import IO

from latent.errors import CheckpointError, TrainingError

PACKAGE = Path(__file__).parent
# Where the page, its settings and the shipped models are: above the package, or in it where it was installed.
PROJECT = PACKAGE / "project" if (PACKAGE / "project").is_dir() else PACKAGE.parent
LARGEST_FILE = 512 * 1024**2  # bytes, of an archive also after inflating
SMALLEST_OUTPUT = 16 * 1024  # bytes: no command writes less
LONGEST_WRITE = 600.0  # seconds from when a file is begun to when it is in its place


def read(path: str | Path, within: Path | None = None) -> bytes:
    """The bytes of a file; with ``within``, it must lie in that folder, also where it is a link.

    Raises `CheckpointError` where it cannot be read, is no file, lies elsewhere or is larger than `LARGEST_FILE`.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise CheckpointError(f"{label(path.name)} is a folder or a device, not a file.")
        if within is not None and not real(path).is_relative_to(real(within)):
            raise CheckpointError(f"{label(path.name)} links to a file outside the model folder.")
        check_size(status.st_size, label(path.name))
        with path.open("rb") as file:
            return file.read(LARGEST_FILE + 1)  # no more, should it grow meanwhile
    except OSError as error:
        raise CheckpointError(f"{label(path.name)} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a zero byte in the name
        raise CheckpointError(f"{label(path.name)} cannot be read: its name is invalid.") from error


def check_size(size: int, name: str) -> None:
    """Raise `CheckpointError` for a file of this many bytes that is too large."""
    if size > LARGEST_FILE:
        raise CheckpointError(f"{name} is larger than {LARGEST_FILE // 1024**2} MB.")


def check_output(out: Path, inputs: Iterable[Path | None] = (), begins: bytes = b"") -> None:
    """Look, before any work, whether a file can be written at ``out``; nothing is written.

    Raises `CheckpointError` where ``out`` is one of the ``inputs`` (None is passed over), however its path is spelt,
    or a folder or a device; where its folder is missing or cannot be written; and where it holds something of another
    kind, which does not begin as what is to be written ``begins``, in any case of letters.
    """
    name = label(str(out))
    if "\0" in str(out):
        raise CheckpointError(f"{name} cannot be written: its name is invalid.")
    try:
        for path in filter(None, inputs):
            if real(path) == real(out) or (out.exists() and path.exists() and out.samefile(path)):
                raise CheckpointError(f"{name} is an input of this command: name another file to write.")
        if out.is_dir():
            raise CheckpointError(f"{name} is a folder: name a file to write.")
        if out.exists() and not out.is_file():  # a terminal, a pipe or a disk, which no file may replace
            raise CheckpointError(f"{name} is a device, not a file: name another file to write.")
        if not out.parent.is_dir():
            raise CheckpointError(f"The folder {label(str(out.parent))} does not exist.")
        with tempfile.TemporaryFile(dir=out.parent) as file:  # says more than the permissions
            file.write(bytes(SMALLEST_OUTPUT))  # for which a full disk has no room
        if out.exists() and begins:
            with out.open("rb") as file:
                start = file.read(len(begins))
            if start and start.lower() != begins.lower():
                raise CheckpointError(f"{name} exists and holds something else: name another file to write.")
    except OSError as error:
        raise CheckpointError(f"{name} cannot be written: {error.strerror}.") from error


def check_temporary_folder() -> None:
    """Raise `CheckpointError` where no folder for temporary files can be written, which libraries need."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError as error:
        raise CheckpointError(
            "No folder for temporary files can be written: free some room, or name another one in TMPDIR."
        ) from error


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file in one step, as `replaced` does. Raises `CheckpointError`."""
    with replaced(path) as file:
        file.write(content)


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """Write beside the file, flush to the disk, then rename over it: readers see the old or the new, never a part.

    What a process that was killed while it wrote the same file left beside it is removed. Raises `CheckpointError`.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished(path, older=LONGEST_WRITE)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.chmod(beside, 0o644)  # mkstemp makes files that only their owner can read
            os.replace(beside, path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error.strerror}; an existing file is unchanged.") from error


def remove_unfinished(path: Path, older: float = 0.0) -> None:
    """Remove what processes that were killed while they wrote ``path`` left beside it: of so many seconds of age, by
    default all, where nobody may be writing now."""
    for part in path.parent.glob(f".{escape(path.name)}.*.tmp"):
        with suppress(OSError):  # gone by now, or another user's
            if not older or time.time() - part.stat().st_mtime > older:
                part.unlink()


def real(path: Path) -> Path:
    """The path without links; one that leads in a circle stays as it is, for whoever opens it to complain about."""
    return Path(os.path.realpath(path))


def stamp(path: Path) -> tuple[int, ...]:
    """What is another one whenever the file is another one, without reading it. Raises `CheckpointError`.

    Times alone would miss a file that was put in place with the time of the old one, or by a clock that was set back.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}.") from error
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def unlike(name: str, others: Collection[str]) -> str:
    """A name, with a number where one of the others is the same."""
    numbered = (f"{name} ({number})" for number in count(2))
    return next(each for each in chain([name], numbered) if each not in others)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Be the only process that writes ``path``, by a lock on a file beside it, ``NAME.lock``.

    Raises `TrainingError` at once where another process holds it, `CheckpointError` where the folder cannot be
    written. A lock file that a killed process left behind stops nobody.
    """
    from filelock import FileLock, Timeout  # where used: a page that only reads needs none

    beside = path.with_name(f"{path.name}.lock")
    lock = FileLock(beside, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise TrainingError(
            f"{path} is being written by another process: wait until it is done, or choose another --out."
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        yield
    finally:
        with suppress(OSError):  # Windows removes no open file; elsewhere, who waited sees that it is gone
            beside.unlink()
        lock.release()


def label(text: str, longest: int = 80) -> str:
    """Text from a file as it may stand in a sentence: on one line, without invisible signs, and short."""
    text = "".join(sign if sign.isprintable() else "�" for sign in text[: longest + 1])
    return text if len(text) <= longest else text[: longest - 1] + "…"
