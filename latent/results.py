"""Keep what takes long to measure beside a model file: ``python -m latent.results MODEL …``.

It writes MODEL's name with the suffix ``.results`` beside each. The page takes the results from there instead of
measuring them, as long as they are of that very file, of the test images in use, and of these measures. What such a
file holds already is not measured again, but with ``--anew``.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from latent import report
from latent.commands import command
from latent.errors import CheckpointError, LatentError
from latent.files import check_output, label, write_atomically
from latent.measure import kept, scores
from latent.measure.evidence import PIXELS, Evidence, subject_of
from latent.measure.kept import Part
from latent.measure.scores import CURVE
from latent.space import LatentSpace


def parts_to_keep(evidence: Evidence) -> list[Part]:
    """What is kept of a space: all that a report tells, and what the sections show at first besides."""
    parts = [*evidence.parts(), ("judges_real_images",), ("tsne",)]
    if evidence.space.signature.has_encoder:
        parts += [("knowledge", PIXELS), ("clusters", "k-means", 10, 0), ("nearest_images",), ("pca_curve", CURVE)]
    return parts


def measure(evidence: Evidence, progress: Callable[[float, str], object] = lambda share, name: None) -> dict[Part, Any]:
    """All that is kept of a space, by part; ``progress`` is told the share that is done and what comes next."""
    found: dict[Part, Any] = {}
    parts = parts_to_keep(evidence)
    for place, part in enumerate(parts):
        progress(place / len(parts), report.name_of(part))
        found[part] = evidence.measure(*part)
    found |= {
        ("effects",): evidence.effects(),
        ("active",): evidence.active(),
        ("picture_units",): evidence.picture_units(),
    }
    for name, score in scores.SCORES.items():
        measures: dict[Part, Callable[[Evidence], Any]] = {("score", name): score.of}
        if score.interval is not None:
            measures["interval", name] = score.interval
        found |= {part: evidence.kept[part] if part in evidence.kept else of(evidence) for part, of in measures.items()}
    return found


def keep(
    path: Path, progress: Callable[[float, str], object] = lambda share, name: None, *, anew: bool = False
) -> Path:
    """Measure a model file on the images that ship and write its file of results.

    What is kept beside it already is taken from there, unless all is to be measured ``anew``. Raises `CheckpointError`
    where the model cannot be read or the results cannot be written.
    """
    if os.path.isdir(path):
        raise CheckpointError(f"{label(str(path))} is a folder: name a model file.")
    check_output(kept.beside(path), [path], begins=kept.BEGINS)
    space = LatentSpace.open(path)
    evidence = Evidence.of(space) if anew else Evidence.with_kept(space)
    content = kept.to_bytes(measure(evidence, progress), subject_of(space))
    write_atomically(kept.beside(path), content)
    return kept.beside(path)


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status, 1 where a model cannot be read."""
    parser = argparse.ArgumentParser(
        "python -m latent.results", description="Save what takes long to measure beside model files."
    )
    parser.add_argument("models", type=Path, nargs="+", metavar="MODEL")
    parser.add_argument("--anew", action="store_true", help="measure also what is saved already")
    options = parser.parse_args(arguments)
    status = 0
    for path in options.models:
        try:
            tell = lambda share, name: print(f"{share:4.0%}  {name} …", file=sys.stderr, flush=True)  # noqa: E731
            written = keep(path, tell, anew=options.anew)
            print(f"{label(written.name)}: {written.stat().st_size:,} bytes")
        except LatentError as error:
            print(error, file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
