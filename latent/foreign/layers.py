"""The layers that a file of named tensors holds: what their shapes and names say, and no more."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, pairwise

from torch import Tensor

from latent.foreign.normalisations import NORMALISATIONS, Normalisation

KERAS = re.compile(r"/(kernel|gamma|moving_mean)(:0)?$")
REPARAMETRISATIONS = {  # what a weight is computed from, by the ends of names of tensors
    "weight_g": "length", "weight_v": "v", "weight_orig": "whole", "weight_u": "u",
    "parametrizations.weight.original0": "length", "parametrizations.weight.original1": "v",
    "parametrizations.weight.original": "whole",
    "parametrizations.weight.0._u": "u", "parametrizations.weight.0._v": "v",
}  # fmt: skip
REPARAMETRISED = re.compile(rf"(?:(.*)\.)?({'|'.join(map(re.escape, REPARAMETRISATIONS))})$")
WEIGHTED = ("linear", "conv")
TABLE = "table"  # the kind of a matrix that stands by itself
NUMBERED = re.compile(r"/vars/\d+$")  # as Keras 3 names parameters
VECTORS = {2: ("gamma", "beta"), 4: ("gamma", "beta", "moving_mean", "moving_variance")}  # of its normalisations
LISTED = "keras.layers."  # what classes begin with that are told by Keras' own names of layers
# Of the layers without weights those that leave maps as large as they are, or make vectors of them and the reverse.
SHAPELESS = {
    "activation", "re_lu", "leaky_re_lu", "elu", "softmax", "dropout", "spatial_dropout2d", "gaussian_noise",
    "gaussian_dropout", "alpha_dropout", "input", "input_layer", "flatten", "reshape", "activity_regularization",
}  # fmt: skip
SHAPING = {"max_pooling2d": "pool ", "average_pooling2d": "pool ", "up_sampling2d": "grow ", "zero_padding2d": "pad "}
KERAS_LAYERS = {*SHAPELESS, *SHAPING, "conv2d", "conv2d_transpose", "dense", "batch_normalization", "cropping2d"}
IN_ORDER = re.compile(r"(pool )?(grow )?(pad )?")  # in which readings can run them
# Names of tensors that only other kinds of networks have.
RECURRENT = re.compile(r"(weight|bias)_(ih|hh)(_l\d|$)")
DIFFUSION = re.compile(r"time_?(emb|mlp|step|proj)|timestep|alphas?_cumprod|(^|[._])betas$", re.IGNORECASE)
ATTENTION = re.compile(r"in_proj_weight|self_attn|attention\.|\.attn\.|pos_?embed|cls_token", re.IGNORECASE)


@dataclass(frozen=True)
class Gap:
    """What a file says that stands between two layers with weights, where it lists those without, too: behind which
    one, "" for none, and whether there maps are pooled, then made larger, then padded."""

    behind: str
    pooled: bool
    upsampled: bool
    padded: bool


@dataclass(frozen=True, eq=False)
class Layer:
    """One layer with weights.

    ``name`` its path in the file; ``kind`` "linear", "conv" (of either direction until its place in the network tells
    which), the name of a `Normalisation`, or "other"; ``tensors`` by parameter name; ``modules_before`` how many
    modules without weights (activations, pools, …) stand before it in its Sequential, None where its name is no
    position in one. ``gap`` what the file lists before it, None where it lists nothing; ``transposed`` whether the file
    says that it is a transposed convolution, None where it does not say.
    """

    name: str
    kind: str
    tensors: dict[str, Tensor] = field(repr=False)
    modules_before: int | None
    gap: Gap | None = None
    transposed: bool | None = None

    @property
    def weight(self) -> Tensor:
        return self.tensors["weight"]

    @cached_property
    def kernel(self) -> tuple[int, int]:
        """Height and width of a convolution's kernel."""
        return int(self.weight.shape[2]), int(self.weight.shape[3])

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.weight.shape)

    @property
    def is_weighted(self) -> bool:
        """Whether it is dense or a convolution: what chains are made of."""
        return self.kind in WEIGHTED

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
        if self.transposed is not None:
            ways = [way for way in ways if way[0] == self.transposed] or ways
        return ways


def with_gaps(layers: Sequence[Layer], classes: Mapping[str, str]) -> list[Layer]:
    """The layers with what stands between them, where the file lists the classes of all by path, in order.

    Nothing is said of a gap that holds a layer of unknown class, or several in an order that no reading has.
    """
    weighted = {layer.name: layer for layer in layers if layer.is_weighted}
    parts: dict[str, list[str]] = {}
    for name in (layer.name for layer in layers):
        ways = accumulate(name.split("."), "{}.{}".format)
        path = next((path for path in ways if path in classes), "")
        parts.setdefault(path, []).append(name)
    found: dict[str, Layer] = {}
    last: str | None = ""
    between = ""
    for path, name in classes.items():
        kind = name.removeprefix(LISTED)
        inside = parts.get(path, [])
        own = [each for each in inside if each in weighted]
        if not inside:
            between += "" if kind in SHAPELESS else SHAPING.get(kind, "? ")
        elif len(inside) > 1:  # a network of its own
            last, between = None, ""
        elif own:
            gap = None
            if last is not None and IN_ORDER.fullmatch(between):
                gap = Gap(last, "pool" in between, "grow" in between, "pad" in between)
            transposed = {"conv2d": False, "conv2d_transpose": True}.get(kind)
            found[own[0]] = replace(weighted[own[0]], gap=gap, transposed=transposed)
            last, between = own[0], ""
    return [found.get(layer.name, layer) for layer in layers]


def in_torch_layout(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], bool]:
    """Tensors named and laid out as PyTorch does, and whether they came with channels last.

    Keras keeps a dense kernel as (in, out), a convolution's as (height, width, in, out) and a transposed one's as
    (height, width, out, in), which one permutation turns into PyTorch's. Keras 3 numbers the parameters of a layer.
    """
    if any(NUMBERED.search(name) for name in tensors):
        tensors = with_keras_names(tensors)
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


def with_keras_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors that Keras 3 numbers (``layers/dense/vars/0``), by the names that they have in older files."""
    layers: dict[str, list[Tensor]] = {}
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        path, _, number = name.rpartition("/vars/")
        if number.isdigit() and tensor.is_floating_point():
            layers.setdefault(path, []).append(tensor)
        else:
            found[name] = tensor
    for path, parameters in layers.items():
        ranks = [tensor.ndim for tensor in parameters]
        names = VECTORS.get(len(ranks), ()) if set(ranks) == {1} else ("kernel", "bias")
        found |= {f"{path}/{name}": tensor for name, tensor in zip(names, parameters)}
    return found


def keras_names() -> dict[str, str]:
    """The names in PyTorch of parameters that Keras names otherwise."""
    return {"kernel": "weight"} | {
        keras: name for kind in NORMALISATIONS.values() for keras, name in kind.keras_names.items()
    }


def parameter_names() -> set[str]:
    """The last parts of names that belong to a layer; any other name is that of a tensor by itself."""
    return {"weight", "bias"} | {name for kind in NORMALISATIONS.values() for name in kind.parameters}


def layers_of(tensors: Mapping[str, Tensor]) -> list[Layer]:
    """The layers in the order of the file; behind them, those that use the weights of others a second time.

    A tensor that is no layer's parameter by its name is no layer, but a table where it is a matrix; where the file has
    no other weights, these are its layers.
    """
    known = parameter_names()
    plain = without_reparametrisation(tensors)
    named = {name: tensor for name, tensor in plain.items() if name.rpartition(".")[2] in known}
    bare = {name: tensor for name, tensor in plain.items() if name not in named}
    grouped: dict[str, dict[str, Tensor]] = {}
    for name, tensor in named.items():
        path, _, parameter = name.rpartition(".")
        grouped.setdefault(path, {})[parameter] = tensor
    if not any(kind_of(parameters) in WEIGHTED for parameters in grouped.values()):
        grouped |= bare_layers(bare)
    tables = {name: t.squeeze(0) for name, t in bare.items() if name not in grouped and t.ndim in (2, 3)}
    layers: list[Layer] = []
    last_position: dict[str, int] = {}
    lists = lists_of_layers(grouped)
    for path, parameters in grouped.items():
        parent, _, leaf = path.rpartition(".")
        modules_before = None
        if leaf.isdigit() and parent not in lists:
            modules_before = int(leaf) - last_position.get(parent, -1) - 1
            last_position[parent] = int(leaf)
        layers.append(Layer(path, kind_of(parameters), parameters, modules_before))
    layers += tied_layers(layers, bare)
    return layers + [Layer(name, TABLE, {"weight": t}, None) for name, t in tables.items() if t.ndim == 2]


def lists_of_layers(grouped: Mapping[str, Mapping[str, Tensor]]) -> set[str]:
    """The parts of the file that are lists of layers and no Sequentials: several, numbered without a gap in which an
    activation could stand. What runs between them is code of their author's."""
    numbers: dict[str, list[int]] = {}
    weighted: dict[str, int] = {}
    for path, parameters in grouped.items():
        parent, _, leaf = path.rpartition(".")
        if leaf.isdigit():
            numbers.setdefault(parent, []).append(int(leaf))
            weighted[parent] = weighted.get(parent, 0) + (kind_of(parameters) in WEIGHTED)
    return {parent for parent, found in numbers.items() if weighted[parent] > 1 and found == list(range(len(found)))}


def bare_layers(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Layers of tensors that are named by themselves, such as W1, b1, W2, b2: each matrix or kernel with the vector
    behind it, turned round where the vector says that its outputs come last."""
    found: dict[str, dict[str, Tensor]] = {}
    rest = list(tensors.items())
    for place, (name, tensor) in enumerate(rest):
        if tensor.ndim not in (2, 4) or min(tensor.shape[:2]) < 1 or max(tensor.shape) < 2:
            continue
        vector = next((t for _, t in rest[place + 1 : place + 2] if t.ndim == 1), None)
        if vector is not None and tensor.ndim == 2 and len(vector) == tensor.shape[1] != tensor.shape[0]:
            tensor = tensor.T.contiguous()
        fits = vector is not None and len(vector) in tensor.shape[:2]
        found[name] = {"weight": tensor} | ({"bias": vector} if fits and vector is not None else {})
    return found


def tied_layers(layers: list[Layer], bare: Mapping[str, Tensor]) -> list[Layer]:
    """The dense layers of an encoder transposed, the last one first, as decoders with tied weights run them.

    Only where no layer leads back to as many numbers as the first one takes: then a vector of each length, by itself
    in the file, is the bias.
    """
    dense = [layer for layer in layers if layer.kind == "linear"]
    while len(dense) > 1 and dense[-1].shape == dense[-2].shape:
        dense.pop()  # a log-variance beside a mean
    shapes = [layer.shape for layer in dense]
    meet = all(first[0] == then[1] for first, then in pairwise(shapes))
    others = sum(layer.is_weighted for layer in layers) - len(dense)
    if not dense or not meet or others > 1 or shapes[0][1] <= shapes[-1][0]:
        return []
    biases = [tensor for tensor in bare.values() if tensor.ndim == 1]
    found = []
    for layer in reversed(dense):
        bias = next((each for each in biases if len(each) == layer.shape[1]), None)
        tensors = {"weight": layer.weight.T} | ({} if bias is None else {"bias": bias})
        found.append(Layer(f"{layer.name} transposed", "linear", tensors, None))
    return found


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


def without_reparametrisation(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with plain weights where a file keeps what they are computed from.

    Lengths and directions (Salimans & Kingma 2016, arXiv:1602.07868), or a weight that is divided by its largest
    singular value, with both vectors of it (Miyato et al. 2018, arXiv:1802.05957).
    """
    parts: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if match := REPARAMETRISED.match(name):
            parts.setdefault(match[1], {})[REPARAMETRISATIONS[match[2]]] = tensor
    plain: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        match = REPARAMETRISED.match(name)
        if not match:
            plain[name] = tensor
        elif (weight := weight_of(parts[match[1]])) is not None:
            plain[f"{match[1]}.weight"] = weight
    return plain


def weight_of(parts: Mapping[str, Tensor]) -> Tensor | None:
    """The weight that these parts give, by their names in `REPARAMETRISATIONS`; None where some are missing."""
    match parts:
        case {"length": length, "v": direction} if length.ndim == direction.ndim:
            norm = direction.flatten(1).norm(dim=1).view(-1, *[1] * (direction.ndim - 1))
            return direction * (length / norm)
        case {"whole": whole, "u": u, "v": v}:
            matrices = [whole.movedim(axis, 0).flatten(1) for axis in (0, 1)]  # of transposed convolutions the second
            values = [float(u @ each @ v) for each in matrices if each.shape == (len(u), len(v))]
            return whole / max(values) if values and max(values) > 0 else None
    return None
