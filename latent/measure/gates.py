"""Gates: what has to hold before a finding means anything. Where one is closed, that is the finding.

To add one, write the function that looks and its name in `GATES`: it gives the sentence, and the subjects it closes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from latent.measure.health import VISIBLE, Health
from latent.model import Signature

Subject = Literal[
    "reconstruction", "activity", "properties", "samplers", "coverage", "overlap", "classes", "paths",
]  # fmt: skip
ALL: frozenset[Subject] = frozenset(get_args(Subject))
PRESUMES_THAT_IT_WORKS = ALL - {"activity"}
UNRELATED = 0.1  # correlation of reconstructions with images below which they have nothing in common
OVERFITTED = 1.5  # test loss over training loss


@dataclass(frozen=True)
class Gate:
    """A closed gate: the sentence ``text``, the number ``value`` it rests on, and the subjects that it ``closes``.

    Nothing else is said of these. One that closes none stands before the rest, which it puts in its light.
    ``doubts_images`` says that the images in use may not be of the kind that the model was trained on.
    """

    name: str
    text: str
    value: float
    closes: frozenset[Subject]
    topic: str = "reconstruction"
    doubts_images: bool = False


@dataclass(frozen=True)
class Looked:
    """What gates look at: the ``health`` of a model, its ``signature``, how it was trained, as far as its file says
    (``recipe`` and ``history``, a row per epoch), and the ``dataset`` that its images are of, empty where unknown."""

    health: Health
    signature: Signature
    recipe: Mapping[str, Any]
    history: Sequence[Mapping[str, float]]
    dataset: str = ""


def closed(looked: Looked) -> list[Gate]:
    """The gates that are closed; behind one that closes everything, no others are looked at."""
    found: list[Gate] = []
    for look in GATES:
        found += look(looked)
        if found and found[-1].closes == ALL:
            break
    return found


def constant_decoder(looked: Looked) -> Iterator[Gate]:
    """A decoder that makes one image of all codes, near and far."""
    if looked.health.most_spread < VISIBLE:
        yield Gate(
            "constant decoder",
            "The decoder draws one image, whatever the code: nothing else can be said of this model.",
            looked.health.most_spread, ALL,
        )  # fmt: skip


def constant_encoder(looked: Looked) -> Iterator[Gate]:
    """An encoder whose codes do not differ enough for the decoder, which answers to others, to show it."""
    health = looked.health
    if health.reconstruction_spread < VISIBLE < health.prior_spread:
        yield Gate(
            "constant encoder",
            f"The encoder gives every image the same code (standard deviation at most {health.code_spread:.1g}), so "
            "every reconstruction is the same image.",
            health.code_spread, ALL,
        )  # fmt: skip


def untrained(looked: Looked) -> Iterator[Gate]:
    """Reconstructions that have nothing to do with the images."""
    health = looked.health
    same = health.reconstruction_spread < VISIBLE
    if (same or health.agreement < UNRELATED) and not better_than_mean_image(health):
        alike = "are all the same" if same else "have nothing in common with the images"
        yield Gate(
            "untrained",
            f"Not trained, or not on such images: reconstructions {alike}, and their test MSE is {health.mse:.4f}, "
            f"against {health.mean_image_mse:.4f} for the mean image.",
            health.agreement, ALL, doubts_images=True,
        )  # fmt: skip


def worse_than_mean_image(looked: Looked) -> Iterator[Gate]:
    """Reconstructions that follow the images, and are still no nearer to them than their mean is."""
    health = looked.health
    if np.isfinite(health.mse) and not better_than_mean_image(health):
        how = "worse than" if health.gain[1] < 0 else "no better than"
        yield Gate(
            "mean image",
            f"Reconstructions are {how} the mean image: test MSE {health.mse:.4f}, against "
            f"{health.mean_image_mse:.4f} for always drawing the mean image. {of_what_it_was_trained(looked)}",
            health.mean_image_mse - health.mse, PRESUMES_THAT_IT_WORKS, doubts_images=True,
        )  # fmt: skip


def of_what_it_was_trained(looked: Looked) -> str:
    """Why reconstructions may be so bad, as far as the file says."""
    trained_on = looked.recipe.get("dataset")
    if trained_on and looked.dataset and trained_on != looked.dataset:
        return f"It was trained on {trained_on}, not on these images."
    return "It was likely trained on other images, or its weights are damaged."


def better_than_mean_image(health: Health) -> bool:
    """Whether reconstructions are nearer to the images than the mean image, beyond the interval; NaN is not."""
    return health.gain[0] > 0


def other_images(looked: Looked) -> Iterator[Gate]:
    """A model that works on these images, though it was trained on others."""
    trained_on = looked.recipe.get("dataset")
    if trained_on and looked.dataset and trained_on != looked.dataset and better_than_mean_image(looked.health):
        yield Gate(
            "other images",
            f"It was trained on {trained_on}, and all that follows was measured on {looked.dataset}.",
            looked.health.mse, frozenset(),
        )  # fmt: skip


def conditional(looked: Looked) -> Iterator[Gate]:
    """A model that is told the class beside the code."""
    if looked.signature.conditional:
        yield Gate(
            "conditional",
            "The class is an input of this model beside the code, so codes need not hold it: samples show the classes "
            "they are asked for, and paths are of one class.",
            float(looked.signature.latent_dim), frozenset({"coverage", "overlap"}), "overlap",
        )  # fmt: skip


def overfitted(looked: Looked) -> Iterator[Gate]:
    """A model whose training error says nothing of other images."""
    if not looked.history:
        return
    last, best = looked.history[-1], min(looked.history, key=lambda row: row["test_loss"])
    ratio = last["test_loss"] / last["train_loss"] if last["train_loss"] > 0 else np.nan
    if ratio >= OVERFITTED:
        yield Gate(
            "overfitted",
            f"Overfitted: after {last['epoch']:.0f} epochs the test loss is {last['test_loss']:.4f}, against "
            f"{last['train_loss']:.4f} in training; it was lowest, {best['test_loss']:.4f}, after epoch "
            f"{best['epoch']:.0f}.",
            ratio, frozenset(),
        )  # fmt: skip


GATES: tuple[Callable[[Looked], Iterator[Gate]], ...] = (
    constant_decoder, constant_encoder, untrained, worse_than_mean_image, other_images, overfitted, conditional
)  # fmt: skip
