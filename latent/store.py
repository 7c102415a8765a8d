"""A store of arrays that took long to compute: in memory, and on disk across restarts."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.errors import CheckpointError
from latent.files import write_atomically

MOST_IN_MEMORY = 128 * 1024**2  # bytes
SETTINGS = ("LATENT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME")  # of the environment: where the files are
DIGEST = 32  # bytes of a SHA-256


def folder() -> Path:
    """Where the files are: ``LATENT_CACHE``, or the user's cache folder."""
    return folder_by(*map(os.environ.get, SETTINGS))


@lru_cache(maxsize=64)
def folder_by(named: str | None, cache: str | None, local: str | None, home: str | None) -> Path:
    """The folder by these settings of the environment; to look it up took longer than all else about a key."""
    if named:
        return Path(named)
    base = cache or local or os.path.expanduser("~/.cache")  # which follows from ``home``
    if base.startswith("~"):  # the user of a container may have no home
        base = tempfile.gettempdir()
    return Path(base) / "latent-space-explorer"


def path_of(*key: object) -> Path:
    """The file of a key: anything whose text tells it from every other key."""
    return path_in(folder(), repr(key))


@lru_cache(maxsize=4096)
def path_in(where: Path, key: str) -> Path:
    """The file in this folder of a key's text."""
    return where / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npy"


@dataclass(frozen=True)
class Store:
    """Arrays by the path of their file; ``memory`` holds those that were asked for last."""

    memory: dict[Path, NDArray[Any]] = field(default_factory=dict)

    def has(self, path: Path) -> bool:
        """Whether the array need not be computed."""
        return path in self.memory or os.path.exists(path)  # of a folder that may not be looked into, none does

    def stored(self, compute: Callable[[], NDArray[Any]], path: Path) -> NDArray[Any]:
        """The array of this file, computed where neither memory nor disk has it."""
        array = self.memory.get(path)
        if array is None:
            array = self.memory[path] = read_or_compute(path, compute)
            self.forget_oldest()
        return array

    def forget_oldest(self) -> None:
        """Keep what came last, as much as `MOST_IN_MEMORY` has room for."""
        room = MOST_IN_MEMORY
        for path, array in reversed(list(self.memory.items())):
            room -= array.nbytes
            if room < 0:
                self.memory.pop(path, None)  # another session may have been faster


@lru_cache(maxsize=1)
def store_of_process() -> Store:
    """The one store that all sessions of this process share; to clear this cache is to forget all but the files."""
    return Store()


def has(*key: object) -> bool:
    """Whether the array of this key need not be computed."""
    return store_of_process().has(path_of(*key))


def stored(compute: Callable[[], NDArray[Any]], *key: object) -> NDArray[Any]:
    """The array of this key, computed where it is not in the store.

    A file that is not byte for byte what was written counts as none; a disk that is full or read-only costs the next
    run its time and nothing else.
    """
    return store_of_process().stored(compute, path_of(*key))


def read_or_compute(path: Path, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """The array in the file, or computed and written there, with its SHA-256 behind it."""
    with suppress(OSError, ValueError, EOFError):
        content = path.read_bytes()
        if hashlib.sha256(content[:-DIGEST]).digest() == content[-DIGEST:]:
            array: NDArray[Any] = np.load(io.BytesIO(content), allow_pickle=False)
            return array
    array = compute()
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    content = buffer.getvalue()
    with suppress(CheckpointError):
        write_atomically(path, content + hashlib.sha256(content).digest())
    return array
