"""A store of arrays that took long to compute: in memory, and on disk across restarts."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.checkpoint import write_atomically
from latent.errors import CheckpointError

MOST_IN_MEMORY = 32
memory: dict[Path, NDArray[Any]] = {}


def folder() -> Path:
    """Where the files are: ``LATENT_CACHE``, or the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".cache"
    return Path(os.environ.get("LATENT_CACHE") or Path(base) / "latent-space-explorer")


def path_of(*key: object) -> Path:
    """The file of a key: anything whose text tells it from every other key."""
    return folder() / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.npy"


def has(*key: object) -> bool:
    """Whether the array need not be computed."""
    return path_of(*key) in memory or path_of(*key).exists()


def stored(compute: Callable[[], NDArray[Any]], *key: object) -> NDArray[Any]:
    """The array of this key, computed where it is not in the store.

    A damaged file counts as none; a disk that is full or read-only costs the next run its time and nothing else.
    """
    path = path_of(*key)
    if path not in memory:
        memory[path] = found(path, compute)
        while len(memory) > MOST_IN_MEMORY:
            memory.pop(next(iter(memory)), None)
    return memory[path]


def found(path: Path, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
    """The array in the file, or computed and written there."""
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
        return array
    except (OSError, ValueError, EOFError):
        pass
    array = compute()
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    with suppress(CheckpointError):
        write_atomically(path, buffer.getvalue())
    return array
