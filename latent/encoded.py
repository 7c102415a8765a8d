"""A file of codes of any number of images: ``codes.npy``, and ``codes.json`` beside it, which says what they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent.errors import CodesError
from latent.files import write_atomically
from latent.statistics import QUANTILES, LatentStatistics
from latent.streaming import BINS, Histogram, Moments, latent_statistics

FORMAT = "latent-codes/1"
SUFFIX = ".npy"
LARGEST_SIDECAR = 256 * 1024**2  # bytes; 512 bins of 16,000 dimensions
MOST_SHOWN = 10_000  # rows of a sample
ROWS_A_MAP = (
    500  # read through one map: around each row the system maps 64 kB, which count as memory until it is closed
)
NUMBERS_A_BLOCK = 2**20


@dataclass(frozen=True, eq=False)
class Encoded:
    """Codes in a file, ``n`` rows of ``latent_dim`` float32, made by one checkpoint of one source of images.

    ``checkpoint`` the name of the checkpoint file and ``sha256`` its fingerprint; ``source`` where the images came
    from. ``moments`` and ``histogram`` are of all rows, and None until all are there. ``unreadable`` counts the rows
    of NaN, whose images could not be read, and ``first_unreadable`` names some.
    """

    path: Path
    checkpoint: str
    sha256: str
    n: int
    latent_dim: int
    source: dict[str, str]
    moments: Moments | None = None
    histogram: Histogram | None = None
    unreadable: int = 0
    first_unreadable: tuple[str, ...] = ()

    @classmethod
    def open(cls, path: str | Path) -> Encoded:
        """The codes in a finished file. Raises `CodesError` where it is missing, damaged or unfinished."""
        found = cls.read(path)
        if not found.finished:
            raise CodesError(f"{found.path} is incomplete: run the command that began it again to resume.")
        found.mapped()
        return found

    @classmethod
    def read(cls, path: str | Path) -> Encoded:
        """What the sidecar of a file says, finished or not. Raises `CodesError` where it is missing or damaged."""
        path = Path(path)
        beside = sidecar(path)
        try:
            if beside.stat().st_size > LARGEST_SIDECAR:
                raise CodesError(f"{beside} is larger than {LARGEST_SIDECAR // 1024**2} MB.")
            return cls.of(path, json.loads(beside.read_bytes()))
        except OSError as error:
            raise CodesError(
                f"{beside}, which says what {path.name} holds, cannot be read: {error.strerror}."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
            raise CodesError(
                f"{beside}, which says what {path.name} holds, is damaged or from another program."
            ) from error

    @classmethod
    def of(cls, path: Path, values: dict[str, Any]) -> Encoded:
        """What `to_dict` wrote; `ValueError`, `KeyError` and the like for anything else."""
        if values["format"] != FORMAT:
            raise ValueError(f"expected the format {FORMAT}")
        n, latent_dim = int(values["n"]), int(values["latent_dim"])
        made = values["checkpoint"]
        found = cls(path, str(made["name"]), str(made["sha256"]), n, latent_dim, dict(values["source"]))
        if not values["finished"]:
            return found
        said, bins = values["statistics"], values["statistics"]["histogram"]
        moments = Moments(int(said["count"]), *(np.array(said[name], np.float64) for name in PARTS))
        low, high = (np.array(bins[name], np.float64) for name in ("low", "high"))
        histogram = Histogram(low, high, np.array(bins["counts"], np.int64))
        check(moments, histogram, latent_dim)
        lost = values["unreadable"]
        names = tuple(map(str, lost["first"]))
        return replace(
            found, moments=moments, histogram=histogram, unreadable=int(lost["count"]), first_unreadable=names
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """What the sidecar holds: the same for the same codes, whoever made them and how often they were stopped."""
        values: dict[str, Any] = {
            "format": FORMAT,
            "checkpoint": {"name": self.checkpoint, "sha256": self.sha256},
            "n": self.n,
            "latent_dim": self.latent_dim,
            "source": self.source,
            "finished": self.finished,
        }
        if self.moments is None or self.histogram is None:
            return values
        moments, histogram = self.moments, self.histogram
        values["unreadable"] = {"count": self.unreadable, "first": list(self.first_unreadable)}
        values["statistics"] = {
            "count": moments.count,
            **{name: getattr(moments, name).tolist() for name in PARTS},
            "std": moments.std.tolist(),
            "quantiles": {
                str(probability): numbers.tolist()
                for probability, numbers in zip(QUANTILES, histogram.quantiles(QUANTILES, moments))
            },
            "resolution": histogram.widths.tolist(),
            "histogram": {
                "low": histogram.low.tolist(), "high": histogram.high.tolist(), "counts": histogram.counts.tolist(),
            },
        }  # fmt: skip
        return values

    def save(self) -> None:
        """Write the sidecar in one step. Raises `CheckpointError` where the folder cannot be written."""
        write_atomically(sidecar(self.path), json.dumps(self.to_dict()).encode())

    @property
    def finished(self) -> bool:
        return self.moments is not None and self.histogram is not None

    @cached_property
    def statistics(self) -> LatentStatistics:
        """Statistics of all rows that are not NaN, read off the sidecar; quantiles to within `resolution`.

        Raises `CodesError` for a file that is not finished.
        """
        if self.moments is None or self.histogram is None:
            raise CodesError(f"{self.path} is incomplete, so it has no statistics yet.")
        return latent_statistics(self.moments, self.histogram)

    @property
    def resolution(self) -> float:
        """How far off a quantile is at most, latent units, in the dimension where that is most."""
        return 0.0 if self.histogram is None else float(self.histogram.widths.max())

    def mapped(self) -> NDArray[np.float32]:
        """The codes (n, latent_dim), mapped into memory, read-only. Raises `CodesError` where they are not that."""
        try:
            z: NDArray[np.float32] = np.load(self.path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise CodesError(f"{self.path} cannot be read: it is missing or damaged.") from error
        if z.shape != (self.n, self.latent_dim) or z.dtype != np.float32:
            raise CodesError(
                f"{self.path} does not fit {sidecar(self.path).name}: expected float32 of shape "
                f"{(self.n, self.latent_dim)}, found {z.dtype} of shape {z.shape}."
            )
        return z

    def sample(self, most: int = MOST_SHOWN, seed: int = 0) -> NDArray[np.float32]:
        """At most ``most`` codes (m, latent_dim) drawn at random without repetition, in their own order, in memory.

        Rows of NaN are left out. No more of the file is read than that.
        """
        rows = np.arange(self.n) if self.n <= most else drawn(self.n, most, seed)
        parts = np.split(rows, range(ROWS_A_MAP, len(rows), ROWS_A_MAP))
        codes = np.concatenate([self.mapped()[part] for part in parts])
        return codes[np.isfinite(codes).all(axis=1)]

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """All codes in their order, some (m, latent_dim) at a time, in memory; about `NUMBERS_A_BLOCK` numbers."""
        rows = max(1, NUMBERS_A_BLOCK // self.latent_dim)
        for start in range(0, self.n, rows):
            yield np.array(self.mapped()[start : start + rows])  # a map each, as its pages count as memory till closed

    @property
    def stamp(self) -> tuple[object, ...]:
        """What is another one whenever the file is another one."""
        found = (path.stat() for path in (self.path, sidecar(self.path)))
        return self.path, *((status.st_ino, status.st_size, status.st_mtime_ns) for status in found)


PARTS = ("mean", "m2", "min", "max")


def check(moments: Moments, histogram: Histogram, latent_dim: int) -> None:
    """Raise `ValueError` where these are no statistics of codes of this length."""
    columns = (*(getattr(moments, name) for name in PARTS), histogram.low, histogram.high)
    if any(column.shape != (latent_dim,) or not np.isfinite(column).all() for column in columns):
        raise ValueError("a statistic does not have one finite number per dimension")
    counts = histogram.counts
    if counts.shape != (latent_dim, BINS + 2) or counts.min() < 0 or moments.count < 1:
        raise ValueError("the histogram has the wrong number of bins")
    if (counts.sum(axis=1) != moments.count).any():
        raise ValueError("the histogram does not count every code once")


def drawn(n: int, most: int, seed: int) -> NDArray[np.int64]:
    """``most`` different rows of ``n``, in order: no memory of the size of ``n`` is asked for."""
    random = np.random.default_rng(seed)
    rows = np.zeros(0, np.int64)
    while len(rows) < most:
        rows = np.union1d(rows, random.integers(0, n, most))
    return np.sort(random.choice(rows, most, replace=False))


def sidecar(path: Path) -> Path:
    """The file that says what a file of codes holds."""
    return path.with_suffix(".json")


def find(folder: Path, sha256: str) -> list[Path]:
    """The files of codes in a folder that the checkpoint with this fingerprint made, and those that are damaged."""
    try:
        candidates: Sequence[Path] = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    except OSError:
        return []
    found = []
    for path in candidates:
        try:
            status = sidecar(path).stat()
            maker = made_by(path, status.st_ino, status.st_size, status.st_mtime_ns)
        except OSError:  # an array of somebody else's, without a sidecar
            continue
        if maker in (sha256, ""):
            found.append(path)
    return found


@lru_cache(maxsize=256)
def made_by(path: Path, *stamp: int) -> str:
    """The fingerprint of the checkpoint that made a file of codes, empty where its sidecar is damaged."""
    try:
        return Encoded.read(path).sha256
    except CodesError:
        return ""
