"""A store of arrays that took long to compute: in memory, and on disk across restarts."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.checkpoint import write_atomically
from latent.errors import CheckpointError

MOST_IN_MEMORY = 32
DIGEST = 32  # bytes of a SHA-256
memory: dict[Path, NDArray[Any]] = {}


def folder() -> Path:
    """Where the files are: ``LATENT_CACHE``, or the user's cache folder."""
    if named := os.environ.get("LATENT_CACHE"):
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA") or os.path.expanduser("~/.cache")
    if base.startswith("~"):  # the user of a container may have no home
        base = tempfile.gettempdir()
    return Path(base) / "latent-space-explorer"


def path_of(*key: object) -> Path:
    """The file of a key: anything whose text tells it from every other key."""
    return folder() / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.npy"


def has(*key: object) -> bool:
    """Whether the array need not be computed."""
    return path_of(*key) in memory or path_of(*key).exists()


def stored(compute: Callable[[], NDArray[Any]], *key: object) -> NDArray[Any]:
    """The array of this key, computed where it is not in the store.

    A file that is not byte for byte what was written counts as none; a disk that is full or read-only costs the next
    run its time and nothing else.
    """
    path = path_of(*key)
    array = memory.get(path)
    if array is None:
        array = memory[path] = found(path, compute)
        for oldest in list(memory)[:-MOST_IN_MEMORY]:
            memory.pop(oldest, None)  # another session may have been faster
    return array


def found(path: Path, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
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
