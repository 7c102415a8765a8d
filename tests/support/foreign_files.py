"""Whether published files are read as their authors run them: ``python -m tests.support.foreign_files [PART OF NAME]``.

Each file beside `truth.json` is opened in a process of its own, and what its network computes is compared with what the
author's own did. Printed are the verdict, how sure the reading is, seconds of computing and the most memory that the
process took. Of a model that is two files each is opened by itself.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch

from latent import checkpoint, dataset, inference
from latent.dataset import Dataset
from latent.errors import LatentError
from tests.support import memory
from tests.support.known import apart, channels_first
from tests.support.models import FOREIGN

ALIKE = 0.01  # of the variance of what the author's network gives


def images_for(path: Path, known: Mapping[str, Any]) -> Dataset | None:
    """The images that are said to be of the kind that a network was trained on, those in colours that its author's was
    run on, or none: the digits."""
    own = path.with_name(f"{path.name}.images.npz")
    if own.exists():
        return dataset.read(own)
    return Dataset.of(known["images"]) if "images" in known and known["images"].ndim == 4 else None


def verdict_on(row: dict[str, Any]) -> tuple[str, str, float, int]:
    """How the file of a row of `truth.json` is read: the verdict, how sure or why not, seconds, and megabytes."""
    torch.set_num_threads(1)
    path = FOREIGN / row["file"]
    known = np.load(FOREIGN / row["function"]) if row["function"] else {}
    before, start = memory.forget_peak(), time.process_time()
    try:
        loaded = checkpoint.load(path, images=images_for(path, known))
    except LatentError as error:
        return "refused", str(error), time.process_time() - start, (memory.peak() - before) // 2**20
    seconds, megabytes = time.process_time() - start, (memory.peak() - before) // 2**20
    sure = f"{loaded.certainty.level} {loaded.certainty.margin:.3f}" if loaded.certainty else "as it says"
    if not known:
        return "unknown", sure, seconds, megabytes
    model, differences = loaded.model(), []
    if "images" in known and known["images"].shape[1:3] != model.signature.image_shape[1:]:
        return "WRONG", f"{sure}; of images {model.signature.image_shape}", seconds, megabytes
    if "codes" in known and known["codes"].shape[1] != model.signature.latent_dim:
        return "WRONG", f"{sure}; of {model.signature.latent_dim} dimensions", seconds, megabytes
    if "codes" in known and (loaded.described is None or loaded.described.halves.decoder is not None):
        labels = known.get("labels")
        pictures = inference.decode(model, channels_first(known["codes"], known), labels)
        differences.append(apart(pictures, known["pictures"]))
    if "image_codes" in known and model.signature.has_encoder:
        labels = known.get("image_labels")
        codes = channels_first(known["image_codes"], known)
        differences.append(apart(inference.encode(model, known["images"], labels), codes))
    return "right" if max(differences) < ALIKE else "WRONG", f"{sure}; {max(differences):.1e}", seconds, megabytes


def main() -> int:
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    rows = [row for row in json.loads((FOREIGN / "truth.json").read_text()) if wanted in row["file"]]
    counts: Counter[str] = Counter()
    for row in rows:
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            verdict, sure, seconds, megabytes = pool.submit(verdict_on, row).result()
        print(f"{row['file'][:70]:70} {verdict:8} {seconds:5.1f} s {megabytes:5} MB  {sure}", flush=True)
        counts[verdict] += 1
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    return int(bool(counts["WRONG"]))


if __name__ == "__main__":
    sys.exit(main())
