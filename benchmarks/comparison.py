"""One row of the table: the product beside its limit or a peer, taking turns in the same run."""

import importlib
import math
import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PAIRS = 7


class MissingPeer(Exception):
    """What a row is compared with is not installed; the text says what that is."""


@dataclass(frozen=True)
class Row:
    """The product's median and its peer's, in ``unit``; the figure that the row is about, and the figure aimed at.

    The figure is a ratio unless ``figure_unit`` says otherwise; ``reach`` is its upper bound, or where ``at_least``
    its lower one. Without a peer there are no figures, and ``missing`` names it.
    """

    name: str
    against: str
    unit: str = ""
    ours: float = math.nan
    peer: float = math.nan
    figure: float = math.nan
    reach: float | None = None
    at_least: bool = False
    figure_unit: str = ""
    missing: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the figure is as good as aimed at; None where nothing is aimed at or measured."""
        if self.reach is None or self.missing:
            return None
        return self.figure >= self.reach if self.at_least else self.figure <= self.reach


def compare(
    name: str, against: str, reach: float, ours: Callable[[], object], peer: Callable[[], object], *, pairs: int = PAIRS
) -> Row:
    """Seconds of both sides, in turn, after one uncounted round; the figure is the median of the pairs' ratios."""
    times = []
    for _ in range(pairs + 1):
        times.append([seconds(side) for side in (ours, peer)])
    mine, theirs = zip(*times[1:])
    return paired(name, against, reach, [1000 * t for t in mine], [1000 * t for t in theirs])


def seconds(side: Callable[[], object]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    side()
    return time.perf_counter() - start


def paired(name: str, against: str, reach: float, ours: Sequence[float], peer: Sequence[float]) -> Row:
    """The row of pairs that were timed already, in milliseconds."""
    ratio = statistics.median(mine / theirs for mine, theirs in zip(ours, peer))
    return Row(name, against, "ms", statistics.median(ours), statistics.median(peer), ratio, reach)


def at_95_percent(name: str, against: str, reach: float, ours: Sequence[float], peer: Sequence[float]) -> Row:
    """The same for what 95 % are below, of either side by itself."""
    mine, theirs = (float(np.percentile(side, 95)) for side in (ours, peer))
    return Row(name, against, "ms", mine, theirs, mine / theirs, reach)


def peer(module: str, package: str) -> Any:
    """A module of something to compare with. Raises `MissingPeer` where it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingPeer(f"{package} is not installed") from error


def machine() -> str:
    """The machine, in a few words, and how busy it is with other things."""
    import torch

    versions = f"Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}"
    return f"{processor()}, {os.cpu_count()} cores, {memory()}{versions}, load {os.getloadavg()[0]:.2f}"


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def memory() -> str:
    """The machine's memory, where the system tells it."""
    try:
        return f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GB, "
    except (AttributeError, ValueError, OSError):
        return ""
