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
    parameters that Keras names otherwise. ``styles`` other functions in the place of ``torch``, by name, where several
    have the same parameters and no file tells which is meant; the first is the likeliest.
    """

    name: str
    parameters: tuple[str, ...]
    recognises: Callable[[Tensors], bool]
    channels: Callable[[Tensors], int]
    torch: Callable[[Tensor, Tensors], Tensor]
    browser: Callable[[Tensors], tuple[str, dict[str, Tensor]]] | None = None
    is_activation: bool = False
    keras_names: Mapping[str, str] = field(default_factory=dict)
    styles: Mapping[str, Callable[[Tensor, Tensors], Tensor]] = field(default_factory=dict)

    def apply(self, h: Tensor, tensors: Tensors, style: str) -> Tensor:
        """What the layer makes of what comes to it, in one of its styles where it has any."""
        return self.styles[style](h, tensors) if self.styles else self.torch(h, tensors)


def batch_norm(h: Tensor, tensors: Tensors) -> Tensor:
    """A batch normalisation with its running statistics (Ioffe & Szegedy 2015, arXiv:1502.03167)."""
    mean, variance = tensors["running_mean"], tensors["running_var"]
    return F.batch_norm(h, mean, variance, tensors.get("weight"), tensors.get("bias"), eps=EPS)


def batch_norm_as_affine(tensors: Tensors, eps: float = EPS) -> tuple[str, dict[str, Tensor]]:
    """The same as a factor and an offset for each channel, in double precision."""
    found = {name: tensor.detach().double() for name, tensor in tensors.items()}
    scale = found.get("weight", 1.0) / (found["running_var"] + eps).sqrt()
    return "affine", {"weight": scale, "bias": found.get("bias", 0.0) - found["running_mean"] * scale}


def is_feature_norm(tensors: Tensors) -> bool:
    """Whether a layer normalises each image's own features: a scale for each channel, or each place of each channel,
    and perhaps an offset.

    Slopes of a PReLU look like scales without offsets; they begin at 0.25, and scales at 1.
    """
    weight = tensors.get("weight")
    if weight is None or not set(tensors) <= {"weight", "bias"} or weight.ndim not in (1, 3) or weight.shape[0] < 2:
        return False
    if weight.ndim == 3 and weight.shape[1] != weight.shape[2]:
        return False
    return tensors["bias"].shape == weight.shape if "bias" in tensors else float(weight.float().mean()) > 0.6


def layer_norm(h: Tensor, tensors: Tensors) -> Tensor:
    """A layer normalisation over all features (Ba, Kiros & Hinton 2016, arXiv:1607.06450)."""
    weight, bias = tensors["weight"], tensors.get("bias")
    if weight.ndim == 3 or h.ndim == 2:
        return F.layer_norm(h, weight.shape, weight, bias, EPS)
    return F.group_norm(h, 1, weight, bias, EPS)


def rms_norm(h: Tensor, tensors: Tensors) -> Tensor:
    """Features divided by the root of their mean square (Zhang & Sennrich 2019, arXiv:1910.07467)."""
    return F.rms_norm(h.movedim(1, -1), tensors["weight"].shape, tensors["weight"]).movedim(-1, 1)


def norm_of_each_place(h: Tensor, tensors: Tensors) -> Tensor:
    """A layer normalisation over the channels of each place of a map."""
    weight, bias = tensors["weight"], tensors.get("bias")
    if weight.ndim == 3:
        return layer_norm(h, tensors)
    return F.layer_norm(h.movedim(1, -1), weight.shape, weight, bias, EPS).movedim(-1, 1)


def group_norm(groups: Callable[[int], int]) -> Callable[[Tensor, Tensors], Tensor]:
    """A group normalisation of maps (Wu & He 2018, arXiv:1803.08494) with so many groups for so many channels.

    Where there are no maps, a layer normalisation. `RuntimeError` where the groups do not divide the channels.
    """

    def normalise(h: Tensor, tensors: Tensors) -> Tensor:
        weight, bias = tensors["weight"], tensors.get("bias")
        if weight.ndim == 3 or h.ndim == 2:
            return layer_norm(h, tensors)
        return F.group_norm(h, max(1, groups(h.shape[1])), weight, bias, EPS)

    return normalise


def so_many(n: int) -> Callable[[int], int]:
    """``n`` groups, whatever the number of channels; never more groups than channels."""
    return lambda channels: min(n, channels)


def of_so_many(n: int) -> Callable[[int], int]:
    """As many groups as make ``n`` channels in each."""
    return lambda channels: channels // n


FEATURE_NORMS: dict[str, Callable[[Tensor, Tensors], Tensor]] = {
    "one group": layer_norm,
    "8 groups": group_norm(so_many(8)),
    "4 groups": group_norm(so_many(4)),
    "each channel": group_norm(of_so_many(1)),  # an instance normalisation (Ulyanov et al. 2016, arXiv:1607.08022)
    "32 groups": group_norm(so_many(32)),
    "16 groups": group_norm(so_many(16)),
    "2 groups": group_norm(so_many(2)),
    "groups of 4": group_norm(of_so_many(4)),
    "groups of 8": group_norm(of_so_many(8)),
    "groups of 16": group_norm(of_so_many(16)),
    "each place": norm_of_each_place,
    "root mean square": rms_norm,
}


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
        recognises=lambda tensors: (
            set(tensors) == {"weight"} and tensors["weight"].ndim == 1 and not is_feature_norm(tensors)
        ),
        channels=lambda tensors: len(tensors["weight"]),
        torch=lambda h, tensors: F.prelu(h, tensors["weight"]),
        browser=lambda tensors: ("prelu", {"weight": tensors["weight"]}),
        is_activation=True,
    ),
    Normalisation(
        "feature_norm",
        parameters=("weight", "bias"),
        recognises=is_feature_norm,
        channels=lambda tensors: len(tensors["weight"]),
        torch=layer_norm,
        styles=FEATURE_NORMS,
    ),
)  # fmt: skip
