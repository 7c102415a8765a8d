"""Layers that act on each channel by itself and stand before or behind a dense layer or a convolution.

Most are normalisations, and all are called so. Each kind is one record, from which all else follows: how its
parameters tell it, where it can stand, what torch runs and what the browser runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor

from latent.foreign.operations import by_name

EPS = 1e-5  # torch's, added to the variance of a batch normalisation

Tensors = Mapping[str, Tensor]  # of one layer, by parameter name


@dataclass(frozen=True)
class Normalisation:
    """One kind of such layers.

    ``parameters`` the names of all that a file may keep of it; ``recognises`` tells by those that it keeps whether a
    layer is of this kind; ``channels`` how many channels it has numbers for, 1 where all share one; ``torch`` applies
    it to what comes, (n, channels) or (n, channels, height, width). ``browser`` gives the operation of `decoder.js`
    that does the same, "affine" or "prelu", with a number per channel in each of its arrays; None where there is none,
    whose decoders are then run by the server. ``is_activation`` for one that takes an activation's place: it may stand
    behind another normalisation, and no activation stands before it. ``keras_names`` the names in PyTorch of
    parameters that Keras names otherwise.
    """

    name: str
    parameters: tuple[str, ...]
    recognises: Callable[[Tensors], bool]
    channels: Callable[[Tensors], int]
    torch: Callable[[Tensor, Tensors], Tensor]
    browser: Callable[[Tensors], tuple[str, dict[str, Tensor]]] | None = None
    is_activation: bool = False
    keras_names: Mapping[str, str] = field(default_factory=dict)


def batch_norm(h: Tensor, tensors: Tensors) -> Tensor:
    """A batch normalisation with its running statistics (Ioffe & Szegedy 2015, arXiv:1502.03167)."""
    mean, variance = tensors["running_mean"], tensors["running_var"]
    return F.batch_norm(h, mean, variance, tensors.get("weight"), tensors.get("bias"), eps=EPS)


def batch_norm_as_affine(tensors: Tensors, eps: float = EPS) -> tuple[str, dict[str, Tensor]]:
    """The same as a factor and an offset for each channel, in double precision."""
    found = {name: tensor.detach().double() for name, tensor in tensors.items()}
    scale = found.get("weight", 1.0) / (found["running_var"] + eps).sqrt()
    return "affine", {"weight": scale, "bias": found.get("bias", 0.0) - found["running_mean"] * scale}


NORMALISATIONS = by_name(
    Normalisation(
        "batch_norm",
        parameters=("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
        recognises=lambda tensors: "running_mean" in tensors and "running_var" in tensors,
        channels=lambda tensors: len(tensors["running_mean"]),
        torch=batch_norm,
        browser=batch_norm_as_affine,
        keras_names={
            "gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var",
        },
    ),
    Normalisation(
        "prelu",
        parameters=("weight",),
        recognises=lambda tensors: set(tensors) == {"weight"} and tensors["weight"].ndim == 1,
        channels=lambda tensors: len(tensors["weight"]),
        torch=lambda h, tensors: F.prelu(h, tensors["weight"]),
        browser=lambda tensors: ("prelu", {"weight": tensors["weight"]}),
        is_activation=True,
    ),
)  # fmt: skip
