"""The layers that a file of named tensors holds: what their shapes and names say, and no more."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from latent.foreign.normalisations import NORMALISATIONS, Normalisation

KERAS = re.compile(r"/(kernel|gamma|moving_mean)(:0)?$")
# Names of tensors that only other kinds of networks have.
RECURRENT = re.compile(r"(weight|bias)_(ih|hh)(_l\d|$)")
DIFFUSION = re.compile(r"time_?(emb|mlp|step|proj)|timestep|alphas?_cumprod|(^|[._])betas$", re.IGNORECASE)
ATTENTION = re.compile(r"in_proj_weight|self_attn|attention\.|\.attn\.|pos_?embed|cls_token", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer with weights.

    ``name`` its path in the file; ``kind`` "linear", "conv" (of either direction until its place in the network tells
    which), the name of a `Normalisation`, or "other"; ``tensors`` by parameter name; ``modules_before`` how many
    modules without weights (activations, pools, …) stand before it in its Sequential, None where its name is no
    position in one.
    """

    name: str
    kind: str
    tensors: dict[str, Tensor] = field(repr=False)
    modules_before: int | None

    @property
    def weight(self) -> Tensor:
        return self.tensors["weight"]

    @property
    def kernel(self) -> tuple[int, int]:
        """Height and width of a convolution's kernel."""
        return int(self.weight.shape[2]), int(self.weight.shape[3])

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.weight.shape)

    @property
    def is_weighted(self) -> bool:
        """Whether it is dense or a convolution: what chains are made of."""
        return self.kind in ("linear", "conv")

    @property
    def normalisation(self) -> Normalisation | None:
        """The record of its kind, where it is a normalisation."""
        return NORMALISATIONS.get(self.kind)

    def directions(self) -> list[tuple[bool, int, int]]:
        """What a convolution can be: (transposed, channels in, channels out), one or both ways.

        ``Conv2d`` keeps its weight as (out, in, …) and ``ConvTranspose2d`` as (in, out, …); the bias has the length
        of the output.
        """
        first, second = self.shape[:2]
        ways = [(False, second, first), (True, first, second)]
        if "bias" in self.tensors:
            length = len(self.tensors["bias"])
            ways = [way for way in ways if way[2] == length]
        return ways


def in_torch_layout(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], bool]:
    """Tensors named and laid out as PyTorch does, and whether they came with channels last.

    Keras keeps a dense kernel as (in, out), a convolution's as (height, width, in, out) and a transposed one's as
    (height, width, out, in), which one permutation turns into PyTorch's.
    """
    channels_last = any(KERAS.search(name) for name in tensors)
    if not channels_last:
        return dict(tensors), False
    names = keras_names()
    turned = {}
    for name, tensor in tensors.items():
        path, _, parameter = name.removesuffix(":0").rpartition("/")
        if parameter == "kernel" and tensor.ndim in (2, 4):
            tensor = tensor.T if tensor.ndim == 2 else tensor.permute(3, 2, 0, 1)
        turned[f"{path.replace('/', '.')}.{names.get(parameter, parameter)}"] = tensor.contiguous()
    return turned, True


def keras_names() -> dict[str, str]:
    """The names in PyTorch of parameters that Keras names otherwise."""
    return {"kernel": "weight"} | {
        keras: name for kind in NORMALISATIONS.values() for keras, name in kind.keras_names.items()
    }


def parameter_names() -> set[str]:
    """The last parts of names that belong to a layer; any other name is that of a tensor by itself."""
    return {"weight", "bias"} | {name for kind in NORMALISATIONS.values() for name in kind.parameters}


def layers_of(tensors: Mapping[str, Tensor]) -> list[Layer]:
    """The layers in the order of the file."""
    known = parameter_names()
    grouped: dict[str, dict[str, Tensor]] = {}
    for name, tensor in without_weight_normalisation(tensors).items():
        path, _, parameter = name.rpartition(".")
        if parameter not in known:
            path, parameter = name, "weight"
        grouped.setdefault(path, {})[parameter] = tensor
    layers: list[Layer] = []
    last_position: dict[str, int] = {}
    for path, parameters in grouped.items():
        parent, _, leaf = path.rpartition(".")
        modules_before = None
        if leaf.isdigit():
            modules_before = int(leaf) - last_position.get(parent, -1) - 1
            last_position[parent] = int(leaf)
        layers.append(Layer(path, kind_of(parameters), parameters, modules_before))
    return layers


def kind_of(parameters: Mapping[str, Tensor]) -> str:
    """The kind of layer that has these parameters."""
    for kind in NORMALISATIONS.values():
        if kind.recognises(parameters):
            return kind.name
    weight = parameters.get("weight")
    if weight is None:
        return "other"
    if weight.ndim == 2 and ("bias" not in parameters or len(parameters["bias"]) == weight.shape[0]):
        return "linear"
    if weight.ndim == 4:
        return "conv"
    return "other"


def without_weight_normalisation(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with plain weights where a file keeps lengths and directions (Salimans & Kingma 2016)."""
    plain: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if name.endswith((".weight_g", ".parametrizations.weight.original0")):
            stem = name.removesuffix(".weight_g").removesuffix(".parametrizations.weight.original0")
            direction = tensors.get(f"{stem}.weight_v", tensors.get(f"{stem}.parametrizations.weight.original1"))
            if direction is not None and tensor.ndim == direction.ndim:
                length = direction.flatten(1).norm(dim=1).view(-1, *[1] * (direction.ndim - 1))
                plain[f"{stem}.weight"] = direction * (tensor / length)
        elif not name.endswith((".weight_v", ".parametrizations.weight.original1", ".weight_u")):
            plain[name] = tensor
    return plain
