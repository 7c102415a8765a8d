"""Training that takes a second: its recipe, its images, and its command."""

import os
import sys

import torch

from latent import data, train
from latent.train import Recipe

SMALL = Recipe(latent_dim=2, epochs=3, batch_size=50, width=4, hidden=16, seed=3)
SMALL_OPTIONS = (
    "--batch-size=250", "--width=4", "--hidden=8", "--latent-dim=2", "--dataset=FashionMNIST", "--augment=0",
)  # fmt: skip
CPU = torch.device("cpu")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def some_images():
    images, _ = data.evaluation_digits()
    return images[:400], images[400:600]


def run(recipe, out, **more):
    return train.train(recipe, some_images(), out, device=CPU, show=more.pop("show", lambda line: None), **more)


def same_weights(a, b):
    return a.state.keys() == b.state.keys() and all(torch.equal(a.state[name], b.state[name]) for name in a.state)


def command(*options, processes=0):
    launcher = ["-m", "torch.distributed.run", f"--nproc-per-node={processes}"] if processes else []
    return [sys.executable, *launcher, "-m", "latent.train", *SMALL_OPTIONS, *map(str, options)]


def main(*options):
    """The same command in this process, where nothing is to be seen of a process's own: starting one takes seconds."""
    return train.main([*SMALL_OPTIONS, *map(str, options)])
