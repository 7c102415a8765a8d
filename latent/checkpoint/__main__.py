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
from latent.dataset import Dataset, add_option
from latent.errors import LatentError
from latent.space import LatentSpace


def description(path: Path, images: Dataset | None = None) -> dict[str, Any]:
    """How a file is read, judged by these images, as plain values; where it was refused, ``ok`` is false and ``error``
    a sentence."""
    start = time.perf_counter()
    found: dict[str, Any] = {"path": str(path), "ok": False}
    found |= dict.fromkeys(("kind", "latent_dim", "image_shape", "mse", "reading", "runner_up", "seconds", "error"))
    found |= {"certainty": None, "margin": None, "doubts": [], "remedy": None, "not_run": [], "left_aside": []}
    try:
        loaded = checkpoint.load(path)
        space = LatentSpace.of(path.stem, loaded, images)
        signature = space.signature
        found |= {"ok": True, "kind": signature.kind, "latent_dim": signature.latent_dim}
        found |= {
            "image_shape": list(signature.image_shape),
            "mse": space.test_error if signature.has_encoder else None,
        }
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
        lines += [f"  how sure: {found['certainty']}", *(f"    {doubt}" for doubt in found["doubts"])]
        lines += [f"    {found['remedy']}"] * bool(found["remedy"])
    lines += [f"  left aside: {', '.join(found['left_aside'])}"] * bool(found["left_aside"])
    if found["reading"]:
        lines += ["  inferred architecture:", *(f"    {name}: {value}" for name, value in found["reading"].items())]
    if found["runner_up"]:
        lines.append(
            f"  second-best interpretation: {found['runner_up']['margin']:.2f} times the MSE with "
            f"{found['runner_up']['differs']}"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m latent.checkpoint FILE…``: how each file is read; the exit status, 1 where one was refused."""
    parser = argparse.ArgumentParser(
        "python -m latent.checkpoint", description="Show the inferred architecture of model files."
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="print JSON: a list with one object per file")
    add_option(parser)
    options = parser.parse_args(arguments)
    try:
        images = None if options.images is None else dataset.read(options.images)
    except LatentError as error:
        print(error, file=sys.stderr)
        return 1
    descriptions = [description(path, images) for path in options.files]
    print(json.dumps(descriptions, indent=1) if options.json else "\n".join(map(as_text, descriptions)))
    return 0 if all(found["ok"] for found in descriptions) else 1


if __name__ == "__main__":
    sys.exit(main())
