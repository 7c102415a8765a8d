"""One writer a file: a lock that the operating system lets go when its process ends, however it ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from latent.errors import CheckpointError, TrainingError


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Be the only process that writes ``path``, by a lock on a file beside it, ``NAME.lock``.

    Raises `TrainingError` at once where another process holds it, `CheckpointError` where the folder cannot be
    written. A lock file that a killed process left behind stops nobody.
    """
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
