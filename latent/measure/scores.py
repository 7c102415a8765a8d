"""What a checkpoint scores: the numbers by which training runs are compared, each kept on disk once it is measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from latent import checkpoint, data, store
from latent.checkpoint import Checkpoint
from latent.foreign import container
from latent.measure import dimensions
from latent.measure.evidence import CODES, PCA, SEED, Evidence
from latent.space import LatentSpace

SAMPLER = "mixture"  # by which spaces are compared: of those that draw new codes, the one nearest to real digits
WITHOUT_CODES = "normal"  # the only one that a decoder alone has
IMAGES = "MNIST"  # of which the evaluation images are
ZOO = ("mse", "probe", "frechet")  # what a whole folder is compared by

Key = tuple[str, str]  # the SHA-256 of a file, and how it is read where somebody chose that


@dataclass(frozen=True)
class Score:
    """A number of a checkpoint: its ``name``, which is ``better``, how it is written, what it ``means``."""

    name: str
    better: Literal["less", "more", "neither"]
    form: str
    means: str
    measure: Callable[[Evidence], float]

    def text(self, value: float) -> str:
        """The number as it is shown; a dash for NaN, which stands for what cannot be measured."""
        return "–" if np.isnan(value) else format(value, self.form)

    def winner(self, a: float, b: float) -> Literal["a", "b", ""]:
        """Which of two is better; neither where they are shown alike, or one of them is not known."""
        if self.better == "neither" or np.isnan(a) or np.isnan(b) or self.text(a) == self.text(b):
            return ""
        return "a" if (a < b) == (self.better == "less") else "b"


def test_error(evidence: Evidence) -> float:
    """The error on the 10,000 digits: as training saved it, where that is of these images and this reading."""
    space = evidence.space
    saved = saved_error(space.checkpoint) if len(space.checkpoint.scored) < 2 else None
    return evidence.reconstruction().mse if saved is None else saved


def saved_error(saved: Checkpoint) -> float | None:
    """What a finished training run on the evaluation images' own data set scored on them."""
    return saved.scores.get("test_mse") if saved.recipe.get("dataset") == IMAGES else None


def training_time(evidence: Evidence) -> float:
    """Seconds; NaN where the file has no history."""
    history = evidence.space.checkpoint.history
    return float(sum(row["seconds"] for row in history)) if history else np.nan


def of_codes(measure: Callable[[Evidence], float]) -> Callable[[Evidence], float]:
    """The measurement where there are codes of real images; NaN for a decoder alone."""
    return lambda evidence: measure(evidence) if evidence.space.signature.has_encoder else np.nan


def sampler_distance(evidence: Evidence) -> float:
    """The Fréchet distance of one sampler, the same for all; NaN where the judge cannot judge."""
    if evidence.refusal:
        return np.nan
    sampler = SAMPLER if evidence.space.signature.has_encoder else WITHOUT_CODES
    return evidence.sampler(sampler, SEED).fidelity.frechet


SCORES = {
    "mse": Score(
        "Test error", "less", ".5f", "Mean squared error a pixel on the 10,000 test digits, pixels in [0, 1].",
        of_codes(test_error),
    ),
    "pca_mse": Score(
        "PCA's error at that size", "neither", ".5f",
        "The error of as many principal components as the code has dimensions: what a linear model would reach.",
        of_codes(lambda evidence: float(evidence.pca_errors()[-1])),
    ),
    "probe": Score(
        "Linear probe", "more", ".1%", "How many digits a linear function of the code tells, cross-validated.",
        of_codes(lambda evidence: evidence.knowledge(CODES).probe),
    ),
    "pca_probe": Score(
        "PCA's probe at that size", "neither", ".1%", "The same of as many principal components.",
        of_codes(lambda evidence: evidence.knowledge(PCA).probe),
    ),
    "neighbours": Score(
        "5 nearest neighbours", "more", ".1%", "How many digits the vote of the five nearest codes tells.",
        of_codes(lambda evidence: evidence.knowledge(CODES).neighbours),
    ),
    "clusters": Score(
        "k-means accuracy", "more", ".1%", "How well ten clusters, found without labels, are the ten digits.",
        of_codes(lambda evidence: evidence.knowledge(CODES).clusters),
    ),
    "frechet": Score(
        "Mixture's Fréchet distance", "less", ".2f",
        "Of its pictures from real digits, in features of the judge; of N(0, 1) where there is a decoder alone.",
        sampler_distance,
    ),
    "latent_dim": Score(
        "Dimensions", "neither", ",.0f", "The length of a code.", lambda evidence: float(evidence.space.latent_dim)
    ),
    "active_dimensions": Score(
        "Active dimensions", "neither", ",.0f", "Those that vary over real digits, by the rule of Statistics.",
        of_codes(lambda evidence: float(active(evidence.space).sum())),
    ),
    "parameters": Score(
        "Parameters", "neither", ",.0f", "All weights of encoder and decoder.",
        lambda evidence: float(sum(weights.numel() for weights in evidence.space.model.parameters())),
    ),
    "epochs": Score(
        "Epochs", "neither", ",.0f", "Passes over the training images, where the file says.",
        lambda evidence: float(len(evidence.space.checkpoint.history) or np.nan),
    ),
    "seconds": Score("Seconds trained", "less", ",.0f", "Of all epochs, where the file says.", training_time),
}  # fmt: skip


def active(space: LatentSpace) -> NDArray[np.bool_]:
    """Which dimensions vary over real digits, (latent_dim,)."""
    return space.statistics.active(space.signature.kind)


def key_of(space: LatentSpace) -> Key:
    """What tells the scores of a space from those of every other."""
    saved = space.checkpoint
    overruled = bool(saved.scored) and np.isnan(saved.scored[0].error)
    return saved.sha256, str(saved.scored[0].reading.to_dict()) if overruled else ""


def keep(key: Key, name: str, measure: Callable[[], float]) -> float:
    """The score of this name, measured where it is not in the store."""
    if not key[0]:  # of no file: there is nothing to know it by
        return measure()
    return float(store.stored(lambda: np.array(measure(), np.float64), "score", name, *key))


def score(evidence: Evidence, name: str) -> float:
    """One of `SCORES`, measured now where it is not in the store."""
    return keep(key_of(evidence.space), name, lambda: SCORES[name].measure(evidence))


def known(key: Key, name: str) -> float | None:
    """A score that was measured already, None otherwise; NaN is one that cannot be."""
    return keep(key, name, lambda: np.nan) if key[0] and store.has("score", name, *key) else None


def glance(path: Path, sha256: str, within: Path | None = None) -> tuple[str, int] | None:
    """The kind and latent_dim of a file of our own format; None for anybody else's, which takes seconds to read.

    What such a file says of itself is kept with the other scores. Raises `CheckpointError` for a damaged file, and for
    one that leads out of the folder ``within``.
    """
    values = container.open_container(path, within).content
    if not isinstance(values, dict) or values.get("format") != checkpoint.FORMAT or "config" not in values:
        return None
    saved = checkpoint.own(values, path.name, sha256)
    assert saved.config is not None
    kind, latent_dim = saved.config.kind, saved.config.latent_dim
    keep((sha256, ""), "latent_dim", lambda: float(latent_dim))
    error = saved_error(saved)
    if error is not None:
        keep((sha256, ""), "mse", lambda: error)
    return kind, latent_dim


def pca_curve(most: int) -> NDArray[Any]:
    """The error of 0 to ``most`` principal components of the evaluation digits, (most + 1,), kept on disk."""
    return store.stored(lambda: dimensions.pca_errors(data.evaluation_digits()[0], most), "pca errors", most)
