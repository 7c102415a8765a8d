"""How files are read: ``python -m latent.checkpoint FILE…``, or ``--json``."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from latent import checkpoint, dataset
from latent.commands import command
from latent.dataset import Dataset, add_option
from latent.errors import LatentError
from latent.space import LatentSpace

AS_WRITTEN = "as the file says"


def description(path: Path, other: Path | None = None, images: Dataset | None = None) -> dict[str, Any]:
    """How a file is read, with the ``other`` half of its model where there is one, judged by these images, as plain
    values; where it was refused, ``ok`` is false and ``error`` a sentence."""
    start = time.perf_counter()
    found: dict[str, Any] = {"path": str(path), "ok": False}
    found |= dict.fromkeys(("kind", "latent_dim", "image_shape", "mse", "reading", "runner_up", "seconds", "error"))
    found |= {"certainty": None, "margin": None, "doubts": [], "remedy": None, "not_run": [], "left_aside": []}
    try:
        loaded = checkpoint.load(path, other=other, images=images)
        space = LatentSpace.of(path.stem, loaded, images)
        signature = space.signature
        found |= {"ok": True, "kind": signature.kind, "latent_dim": signature.latent_dim}
        found |= {
            "image_shape": list(signature.image_shape),
            "mse": space.test_error if signature.has_encoder else None,
        }
        if loaded.described is not None:
            found["reading"] = {"container": loaded.container, "run": AS_WRITTEN} | loaded.described.describe()
        if loaded.scored:
            reading = loaded.scored[0].reading
            found["reading"] = reading.describe() | {"container": loaded.container}
            found |= {"not_run": list(reading.chain.not_run), "left_aside": [*reading.left_aside, *loaded.left_aside]}
        if loaded.certainty:
            found |= {"certainty": loaded.certainty.level.value, "doubts": loaded.certainty.reasons()}
            found["remedy"] = loaded.certainty.remedy or None
            found["margin"] = loaded.certainty.margin if isfinite(loaded.certainty.margin) else None
        if len(loaded.scored) > 1:
            best, second = loaded.scored[:2]
            differing = best.reading.differences(second.reading)
            found["runner_up"] = {"mse": second.error, "margin": second.relative / best.relative, "differs": differing}
    except LatentError as error:
        found["error"] = str(error)
    return found | {"seconds": round(time.perf_counter() - start, 2)}


def as_text(found: dict[str, Any]) -> str:
    """A `description` for people."""
    if not found["ok"]:
        return f"{found['path']}\n  refused: {found['error']}"
    lines = [str(found["path"])]
    lines += [f"  {name}: {found[name]}" for name in ("kind", "latent_dim", "image_shape", "mse", "seconds")]
    if found["certainty"]:
        lines += [f"  certainty: {found['certainty']}", *(f"    {doubt}" for doubt in found["doubts"])]
        lines += [f"    {found['remedy']}"] * bool(found["remedy"])
    lines += [f"  not run: {', '.join(found['left_aside'])}"] * bool(found["left_aside"])
    if found["reading"]:
        heading = "run as the file says" if "run" in found["reading"] else "inferred architecture"
        lines += [
            f"  {heading}:",
            *(f"    {name}: {value}" for name, value in found["reading"].items() if name != "run"),
        ]
    if found["runner_up"]:
        lines.append(
            f"  second-best interpretation: {found['runner_up']['margin']:.2f} times the MSE with "
            f"{found['runner_up']['differs']}"
        )
    return "\n".join(lines)


def models_in(files: Sequence[Path]) -> list[tuple[Path, Path | None]]:
    """The files, an encoder with its decoder: those that lie side by side, or the only two that are given."""
    if len(files) == 2 and not any(checkpoint.other_half(path) for path in files):
        first, second = files
        if {checkpoint.half_in(first), checkpoint.half_in(second)} == {"encoder", "decoder"}:
            return [(first, second)]
    found: list[tuple[Path, Path | None]] = []
    for path in files:
        if checkpoint.other_half(path) not in [before for before, _ in found]:  # which opens with the other half
            found.append((path, None))
    return found


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m latent.checkpoint FILE…``: how each file is read; the exit status, 1 where one was refused."""
    parser = argparse.ArgumentParser(
        "python -m latent.checkpoint",
        description="Show how model files are run. An encoder and a decoder in two files are shown as one model.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print JSON: a list with one object per file")
    add_option(parser)
    options = parser.parse_args(arguments)
    images = None if options.images is None else dataset.read(options.images)
    descriptions = [description(path, other, images) for path, other in models_in(options.files)]
    print(json.dumps(descriptions, indent=1) if options.json else "\n".join(map(as_text, descriptions)))
    return 0 if all(found["ok"] for found in descriptions) else 1


if __name__ == "__main__":
    sys.exit(main())
