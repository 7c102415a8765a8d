"""A decoder that is a graph, as layers that `decoder.js` runs: those of a single path from code to picture.

`decoder.js` keeps maps as rows, columns, channels. So it is followed how each value of the graph lies there: a value
with channels first is turned as it stands; one that is reshaped lies in the order of its own sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from latent.errors import DecoderError
from latent.files import label
from latent.foreign.described import Description
from latent.foreign.graph import Graph, Node
from latent.foreign.node_operations import same_pads
from latent.foreign.normalisations import batch_norm_as_affine
from latent.foreign.operations import PIXELS

if TYPE_CHECKING:
    from latent.browser.live import Builder

ACTIVATION_NAMES = {
    "relu": "ReLU", "sigmoid": "sigmoid", "tanh": "tanh", "silu": "SiLU", "selu": "SELU", "softplus": "softplus",
    "mish": "Mish",
}  # fmt: skip
SLOPES = {0.01: "LeakyReLU 0.01", 0.1: "LeakyReLU 0.1", 0.2: "LeakyReLU 0.2", 0.3: "LeakyReLU 0.3"}
SIZES_ONLY = ("reshape", "flatten", "squeeze", "unsqueeze")


@dataclass
class Path:
    """What has been added so far: the value ``name`` that is reached, its ``sizes`` in the graph without the batch,
    and whether it is ``turned``: a map with channels first in the graph, which lies with channels last; ``pads`` the
    zeros that the next convolution has to add, before and behind each axis."""

    builder: Builder
    graph: Graph
    values: Mapping[str, Tensor]
    name: str
    sizes: tuple[int, ...]
    turned: bool = False
    pads: tuple[int, int, int, int] | None = None

    def tensor(self, node: Node, place: int) -> Tensor | None:
        name = node.inputs[place] if place < len(node.inputs) else ""
        return self.graph.tensors.get(name)

    def as_map(self, node: Node) -> None:
        """Have the value lie as a map with channels last."""
        if len(self.sizes) != 3:
            raise refusal(node)
        if not self.turned:
            channels, height, width = self.sizes
            self.builder.unflatten((channels, height, width))
            self.turned = True

    def as_written(self) -> None:
        """Have the value lie in the order of its own sizes."""
        if self.turned:
            self.builder.flatten()
            self.turned = False


def refusal(node: Node) -> DecoderError:
    return DecoderError(f"The browser cannot run the operation {node.op} ({label(node.name)}).")


def add_graph(builder: Builder, description: Description) -> None:
    """The layers of a described decoder. Raises `DecoderError` for what `decoder.js` does not know."""
    half, image = description.halves.decoder, description.halves.decoder_image
    assert half is not None
    assert image is not None
    if half.classes is not None:
        raise DecoderError("The browser cannot run decoders that take a class in a way of their own.")
    graph = half.graph
    values = graph.looked_at(half.batch or 1)
    sizes = tuple(values[half.into].shape[1:])
    path = Path(builder, graph, values, half.into, sizes)
    if description.halves.code_channels_last and len(sizes) == 3:
        height, width, channels = sizes  # codes come with channels first
        builder.unflatten((channels, height, width))
    for node in graph.nodes:
        if values[node.outputs[0]].is_meta and path.name in node.inputs:
            takers = [each for each in graph.nodes if path.name in each.inputs]
            if len(takers) > 1 or node.inputs.count(path.name) > 1 or path.name == half.out:
                raise refusal(node)
            add_node(path, node)
            path.name, path.sizes = node.outputs[0], tuple(values[node.outputs[0]].shape[1:])
        elif any(name in graph.producers or name in graph.inputs for name in node.inputs):
            raise refusal(node)
    if path.name != half.out:
        raise DecoderError("The browser cannot run decoders whose paths part.")
    channels, height, width = image.image
    if not path.turned:
        builder.unflatten((channels, height, width), channels_last=image.channels_last)
    scale = PIXELS[description.pixels_out]
    if (scale.factor, scale.offset) != (1, 0):
        builder.affine(np.array([scale.factor]), np.array([scale.offset]))
    builder.add("clamp", builder.shape)


def add_node(path: Path, node: Node) -> None:
    """One operation, or none where it only says how numbers are arranged."""
    b = path.builder
    if node.op == "identity":
        return
    if node.inputs[0] != path.name or (path.pads and node.op != "conv"):
        raise refusal(node)
    if node.op in SIZES_ONLY:
        after = tuple(path.values[node.outputs[0]].shape[1:])
        if after != path.sizes:
            path.as_written()
            b.add("reshape", (int(np.prod(after)),))
    elif node.op == "permute":
        permuted(path, node)
    elif node.op in ADDED:
        ADDED[node.op](path, node)
    elif (name := activation_of(node)) is not None:
        b.activation(name)
    else:
        raise refusal(node)


def activation_of(node: Node) -> str | None:
    """The name of an activation of ours that is the operation, None where none is."""
    if node.op in ACTIVATION_NAMES:
        return ACTIVATION_NAMES[node.op]
    if node.op == "leaky_relu":
        return next((name for slope, name in SLOPES.items() if abs(node.attributes["slope"] - slope) < 1e-6), None)
    if node.op == "elu" and node.attributes["alpha"] == 1:
        return "ELU"
    return "GELU" if node.op == "gelu" and not node.attributes.get("approximate") else None


def permuted(path: Path, node: Node) -> None:
    """Channels first to last or back: nothing moves, since maps lie with channels last."""
    axes = tuple(node.attributes["axes"])
    if axes == (0, 2, 3, 1):
        path.as_map(node)
        path.turned = False
    elif axes == (0, 3, 1, 2) and not path.turned:
        height, width, channels = path.sizes
        path.builder.add("reshape", (height, width, channels))
        path.turned = True
    else:
        raise refusal(node)


def add_linear(path: Path, node: Node) -> None:
    weight = path.tensor(node, 1)
    if weight is None or len(path.sizes) != 1:
        raise refusal(node)
    path.builder.linear(weight.T if node.op == "matmul" else weight, path.tensor(node, 2))


def add_conv(path: Path, node: Node) -> None:
    """A convolution of either direction, square in all but its kernel."""
    weight, bias, choices = path.tensor(node, 1), path.tensor(node, 2), node.attributes
    pads = [a + b for a, b in zip(choices["pads" if node.op == "conv" else "crops"], path.pads or (0, 0, 0, 0))]
    path.pads = None
    stride = choices["stride"]
    plain = len(set(stride)) == 1 and set(choices["dilation"]) == {1} and choices.get("groups", 1) == 1
    if weight is None or weight.ndim != 4 or not plain or pads[0] != pads[1] or pads[2] != pads[3] or pads[0] < 0:
        raise refusal(node)
    path.as_map(node)
    add = path.builder.conv if node.op == "conv" else path.builder.conv_transpose
    add(weight, bias, int(stride[0]), int(pads[0]), int(pads[2]))


def add_batch_norm(path: Path, node: Node) -> None:
    names = ("weight", "bias", "running_mean", "running_var")
    found = {name: tensor for place, name in enumerate(names) if (tensor := path.tensor(node, place + 1)) is not None}
    if len(path.sizes) == 3:
        path.as_map(node)
    elif len(path.sizes) != 1:
        raise refusal(node)
    path.builder.per_channel(*batch_norm_as_affine(found, node.attributes["eps"]))


def add_group_norm(path: Path, node: Node) -> None:
    """A group or an instance normalisation of a map, by weights of the file or by none."""
    if any(name and name not in path.graph.tensors for name in node.inputs[1:]):
        raise refusal(node)
    path.as_map(node)
    groups = int(node.attributes.get("groups", path.sizes[0]))
    path.builder.group_norm(path.tensor(node, 1), path.tensor(node, 2), groups, float(node.attributes["eps"]))


def add_resize(path: Path, node: Node) -> None:
    before, after = path.sizes, tuple(path.values[node.outputs[0]].shape[1:])
    factor, choices = after[1] // before[1], node.attributes
    halves = choices["coordinates"] in ("half_pixel", "pytorch_half_pixel")
    nearest = choices["mode"] == "nearest" and (halves or choices.get("rounding") == "floor")
    known = nearest or (choices["mode"] == "linear" and halves)
    if len(before) != 3 or after[1:] != (before[1] * factor, before[2] * factor) or not known:
        raise refusal(node)
    path.as_map(node)
    path.builder.upsample(factor, "nearest" if nearest else "bilinear")


def add_number(path: Path, node: Node) -> None:
    """Times a number or plus one."""
    tensor = path.tensor(node, 1)
    if tensor is None or tensor.numel() != 1:
        raise refusal(node)
    value = float(tensor.flatten()[0])
    scale = {"mul": value, "div": 1 / value if value else 1.0}.get(node.op, 1.0)
    offset = {"add": value, "sub": -value}.get(node.op, 0.0)
    path.builder.add("affine", path.builder.shape, {"weight": np.array([scale]), "bias": np.array([offset])})


def add_pad_same(path: Path, node: Node) -> None:
    """Zeros before a convolution, which adds them itself."""
    choices = node.attributes
    if len(path.sizes) != 3 or choices.get("value", 0.0) != 0:
        raise refusal(node)
    pads = same_pads(
        path.values[path.name], choices["kernel"], choices["stride"], choices["dilation"], choices.get("lower", False)
    )
    path.as_map(node)
    path.pads = (pads[0], pads[1], pads[2], pads[3])


ADDED: dict[str, Callable[[Path, Node], Any]] = {
    "linear": add_linear, "matmul": add_linear, "conv": add_conv, "conv_transpose": add_conv,
    "batch_norm": add_batch_norm, "group_norm": add_group_norm, "instance_norm": add_group_norm, "resize": add_resize,
    "mul": add_number, "div": add_number, "add": add_number, "sub": add_number, "pad_same": add_pad_same,
}  # fmt: skip
