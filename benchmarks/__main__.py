"""``python -m benchmarks``: a table of ratios, each the product's time over its limit's, in the same run.

The two sides of a row take turns, so that a machine whose speed drifts slows both; a ratio is the median of
the pairs' ratios. ``--json`` prints the same for programs.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the page serves

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from latent.inference import BATCH_SIZE
from latent.space import LatentSpace
from latent.statistics import QUANTILES, LatentStatistics, histograms

PAIRS = 7
DEFAULT_CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "ae-16.pt"


@dataclass(frozen=True)
class Row:
    """One comparison: median seconds of the product and of its limit, the median ratio, and the ratio aimed at."""

    name: str
    against: str
    seconds: float
    limit_seconds: float
    ratio: float
    reach: float


def compare(name: str, against: str, reach: float, ours: Callable[[], object], limit: Callable[[], object]) -> Row:
    """Time both sides in turn, after one uncounted round."""
    pairs = []
    for _ in range(PAIRS + 1):
        times = []
        for side in (ours, limit):
            start = time.perf_counter()
            side()
            times.append(time.perf_counter() - start)
        pairs.append(times)
    counted = pairs[1:]
    ratio = statistics.median(mine / theirs for mine, theirs in counted)
    return Row(name, against, *(statistics.median(column) for column in zip(*counted)), ratio, reach)


def rows(space: LatentSpace) -> list[Row]:
    """Every comparison, in the order of the table."""
    x = torch.from_numpy(space.images.copy())
    z = torch.from_numpy(space.z.copy())

    def bare_encode() -> torch.Tensor:
        with torch.inference_mode():
            parts = x.split(BATCH_SIZE)
            return torch.cat([space.model.encode(part[:, None].float().div_(255)) for part in parts])

    def bare_decode(n: int) -> torch.Tensor:
        with torch.inference_mode():
            return torch.cat([space.model.decode(part) for part in z[:n].split(BATCH_SIZE)])

    def numpy_statistics() -> None:
        space.z.mean(axis=0), space.z.std(axis=0), space.z.min(axis=0), space.z.max(axis=0)
        np.quantile(space.z, QUANTILES, axis=0)
        for column in space.z.T:
            np.histogram(column, 40)

    return [
        compare("encode 10,000 images", "bare torch loop", 1.15, lambda: space.encode(space.images), bare_encode),
        compare("decode 100 codes", "bare torch", 1.15, lambda: space.decode(space.z[:100]), lambda: bare_decode(100)),
        compare("decode 10,000 codes", "bare torch", 1.15, lambda: space.decode(space.z), lambda: bare_decode(10_000)),
        compare(
            "statistics, quantiles and histograms", "numpy on the same array", 1.2,
            lambda: (LatentStatistics.of(space.z), histograms(space.z)), numpy_statistics,
        ),
    ]  # fmt: skip


def machine() -> str:
    """The machine, in a few words."""
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    return f"{platform.machine()}, {os.cpu_count()} processors, {versions}"


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT, help="default: the shipped ae-16")
    options = parser.parse_args()
    found = rows(LatentSpace.open(options.checkpoint))
    if options.json:
        print(json.dumps({"machine": machine(), "rows": [asdict(row) for row in found]}, indent=1))
        return
    print(machine())
    print(f"{'':38}{'against':26}{'ms':>9}{'limit ms':>10}{'ratio':>8}{'reach':>8}")
    for row in found:
        times = f"{1000 * row.seconds:9.2f}{1000 * row.limit_seconds:10.2f}"
        print(f"{row.name:38}{row.against:26}{times}{row.ratio:8.2f}{row.reach:8.2f}")


if __name__ == "__main__":
    main()
