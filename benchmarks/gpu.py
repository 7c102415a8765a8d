"""The package on a GPU beside the same on the processor; the names of the rows say which card it is."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.comparison import MissingPeer, Row, compare
from latent import data
from latent.space import LatentSpace
from latent.train import Recipe, train

N_TRAINING, N_TEST = 8192, 1024  # of the digits that come with the clone
PAIRS = 3


def on_a_gpu(checkpoint: Path) -> list[Row]:
    """Encoding, decoding and training: how many times as fast as on the processor, with all of its cores."""
    if not torch.cuda.is_available():
        raise MissingPeer("no GPU that torch can use is in this machine")
    card = torch.cuda.get_device_name()
    space = LatentSpace.open(checkpoint)
    other = replace(space, model=space.checkpoint.model())
    images = np.tile(space.images, (4, 1, 1))
    z = np.tile(space.z, (4, 1))
    against = f"processor, {torch.get_num_threads()} threads"
    rows = [
        compare(
            f"{card}: encode {len(images):,} images", against, 1.0,
            lambda: space.encode(images), lambda: other.encode(images), pairs=PAIRS,
        ),
        compare(
            f"{card}: decode {len(z):,} codes", against, 1.0,
            lambda: space.decode(z), lambda: other.decode(z), pairs=PAIRS,
        ),
        compare(
            f"{card}: train an epoch of {N_TRAINING:,} images", against, 1.0,
            lambda: an_epoch("cuda"), lambda: an_epoch("cpu"), pairs=PAIRS,
        ),
    ]  # fmt: skip
    return rows


def an_epoch(device: str) -> None:
    """Train and evaluate once over the images."""
    digits, _ = data.evaluation_digits()
    parts = digits[:N_TRAINING], digits[N_TRAINING : N_TRAINING + N_TEST]
    with tempfile.TemporaryDirectory() as folder:
        train(Recipe(epochs=1), parts, Path(folder) / "a.pt", device=torch.device(device), show=lambda line: None)
