"""Tiny models made by hand, and where the shipped ones lie."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from latent import data
from latent.checkpoint import Checkpoint
from latent.model import AutoencoderConfig
from latent.snapshots import N_IMAGES, N_PICTURES, Snapshots
from latent.train import initial_model

ROOT = Path(__file__).parents[2]
CHECKPOINTS = ROOT / "checkpoints"
FOREIGN = ROOT.parent / "shared" / "foreign_checkpoints"  # files that others published, beside this checkout


def tiny(kind="ae", latent_dim=2, image_shape=(1, 28, 28), seed=0) -> Checkpoint:
    """A finished checkpoint of a tiny untrained network."""
    config = AutoencoderConfig(kind, latent_dim, image_shape, width=4, hidden=16)
    state = initial_model(config, seed).state_dict()
    history = [{"epoch": 1, "train_loss": 0.2, "test_loss": 0.1, "test_mse": 0.1, "seconds": 1.5}]
    recipe = {"kind": kind, "latent_dim": latent_dim, "dataset": "MNIST", "epochs": 1}
    return Checkpoint(config, state, history, scores={"test_mse": 0.1}, recipe=recipe)


def settling(latent_dim=2, n_epochs=6, seed=0):
    """A film whose codes draw together by digit and whose pictures grow brighter."""
    images, labels = (part[:N_IMAGES] for part in data.evaluation_digits())
    random = np.random.default_rng(seed)
    ends, starts = random.normal(0, 3, (10, latent_dim))[labels], random.normal(size=(N_IMAGES, latent_dim))
    film = Snapshots.plan(labels, latent_dim, (28, 28))
    for epoch in range(n_epochs):
        share = epoch / (n_epochs - 1)
        film = film.after(epoch, starts + share * (ends - starts), images[:N_PICTURES] / 255 * share)
    return film


def history(n_epochs):
    """The history of a film of so many frames, the first being the untrained network."""
    return [
        {"epoch": epoch, "train_loss": 1 / epoch, "test_loss": 1 / epoch, "test_mse": 1 / epoch, "seconds": 1.0}
        for epoch in range(1, n_epochs)
    ]


def filmed(latent_dim=2) -> Checkpoint:
    """A tiny checkpoint with a film."""
    film = settling(latent_dim)
    return replace(tiny(latent_dim=latent_dim), snapshots=film, history=history(len(film)))
