"""What is concluded of a model by other seeds: ``python -m tests.support.seeds MODEL … --seeds 10``.

A conclusion is a finding without the numbers that were measured: which sampler is best, which dimensions are inactive,
which class is rarest. Each that not all seeds give is printed, with the seeds that give it.
"""

import argparse
import re
import sys
from pathlib import Path

from latent.measure.evidence import Evidence
from latent.measure.findings import findings
from latent.space import LatentSpace

MEASURED = re.compile(
    r"-?\d+\.\d+%?|\d+%"  # decimals and shares
    r"|(?<=length )\d+|(?<=against )\d+(?= on )|(?<=length \()\d+"  # path lengths
    r"|(?<= and )\d+(?=\)\. On linear)"
)
RANGE = re.compile(r" ?\(#(?:–| to )#\)")


def conclusion(text: str) -> str:
    """A finding without its measured numbers.

    >>> conclusion("Dimension 5 correlates with slant (r = -0.81): 94% of single images follow.")
    'Dimension 5 correlates with slant (r = #): # of single images follow.'
    >>> conclusion("Perceptual path length (495 and 577). On linear paths, 0% are out of distribution.")
    'Perceptual path length (# and #). On linear paths, # are out of distribution.'
    """
    return RANGE.sub("", MEASURED.sub("#", text))


def conclusions(evidence: Evidence) -> list[str]:
    """All that is concluded of a model, which is measured where it is not yet."""
    while missing := evidence.missing():
        evidence.measure(*missing[0])
    return [conclusion(each.text) for each in findings(evidence)]


def seeds_by_conclusion(path: Path, n_seeds: int) -> dict[str, list[int]]:
    """Which of the first seeds give each conclusion about a model file."""
    found: dict[str, list[int]] = {}
    first = Evidence.of(LatentSpace.open(path))
    for seed in range(n_seeds):
        for each in conclusions(first if seed == 0 else first.drawn_by(seed)):
            found.setdefault(each, []).append(seed)
    return found


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.support.seeds", description=__doc__)
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    status = 0
    for path in options.models:
        found = seeds_by_conclusion(path, options.seeds)
        moved = {text: seeds for text, seeds in found.items() if len(seeds) < options.seeds}
        print(f"{path.stem}: {len(found) - len(moved)} conclusions by all {options.seeds} seeds, {len(moved)} not")
        for text, seeds in moved.items():
            print(f"  {', '.join(map(str, seeds))}: {text}", flush=True)
        status = status or int(bool(moved))
    return status


if __name__ == "__main__":
    sys.exit(main())
