"""``python -m benchmarks``: a table of ratios, each the product beside its limit or a peer, in the same run.

The two sides of a row take turns, so that a machine whose speed drifts slows both; a ratio is the median of the
pairs' ratios. ``--only`` runs some rows, ``--json`` prints the same for programs, ``--markdown`` also writes them into
the table of ``docs/performance.md``. A row whose peer is not installed says so. `python -m benchmarks.load` does the
same for many visitors at once.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # as the page serves

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path

from benchmarks import computing, dataset, fidelity, first_clicks, gpu, live, memory, page, table, training
from benchmarks.comparison import MissingPeer, Row, machine, processor

DEFAULT_CHECKPOINT = Path(__file__).parents[1] / "checkpoints" / "ae-16.pt"
ROWS: dict[str, Callable[[Path], list[Row]]] = {
    "encode": computing.encoding,
    "decode": computing.decoding,
    "statistics": computing.describing,
    "strip": computing.sweeping,
    "dataset": dataset.opening_images,
    "mixture": computing.mixing,
    "samples": fidelity.sampling_by_mixtures,
    "flow": fidelity.sampling_by_a_flow,
    "training": training.training,
    "collection": memory.freezing,
    "controls": page.moving,
    "map": page.drawing_the_map,
    "opening": page.opening,
    "start": page.starting,
    "clicks": first_clicks.first_clicks,
    "live": live.lagging,
    "memory": memory.remembering,
    "gpu": gpu.on_a_gpu,
}


def rows(names: list[str], checkpoint: Path) -> Iterator[Row]:
    """The rows of these names, each as soon as it is measured."""
    for name in names:
        try:
            yield from ROWS[name](checkpoint)
        except MissingPeer as missing:
            yield Row(name, "", missing=str(missing))


def line(row: Row) -> str:
    """A row of the table."""
    if row.missing:
        return f"{row.name:44}{row.missing}"
    sign = "≥" if row.at_least else "≤"
    reach = "" if row.reach is None else f"{sign} {row.reach:g} {row.figure_unit}".rstrip()
    verdict = "missed" if row.reached is False else ""
    times = f"{row.ours:10.2f}{row.peer:10.2f} {row.unit:9}"
    return f"{row.name:44}{row.against:44}{times}{row.figure:8.2f}  {reach:16}{verdict}".rstrip()


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--markdown", action="store_true", help="also write the rows into docs/performance.md")
    parser.add_argument("--only", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME", help=", ".join(ROWS))
    parser.add_argument("--checkpoint", type=Path, default=DEFAULT_CHECKPOINT, help="a shipped one; default: ae-16")
    options = parser.parse_args()
    if options.json:
        found = [asdict(row) for row in rows(options.only, options.checkpoint)]
        json.dump({"machine": machine(), "rows": found}, sys.stdout, indent=1)
        print()
        return
    print(machine())
    print(f"{'':44}{'against':44}{'ours':>10}{'peer':>10} {'':9}{'figure':>8}  reach")
    for row in rows(options.only, options.checkpoint):
        print(line(row), flush=True)
        if options.markdown and not row.missing:
            table.renew([row], f"{date.today()}, {processor()}, {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
