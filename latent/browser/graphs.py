"""A decoder that is a graph, as layers that `decoder.js` runs, node by node.

`decoder.js` keeps maps as rows, columns, channels. So it is followed how each value of the graph lies there: a value
with channels first is turned as it stands; one that is reshaped lies in the order of its own sizes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latent.errors import CheckpointError, DecoderError
from latent.files import label
from latent.foreign.described import Description
from latent.foreign.graph import Graph, Node, results
from latent.foreign.halves import Half
from latent.foreign.node_operations import pad, repeats_pixels, same_pads
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
MOVING = (*SIZES_ONLY, "permute", "reversed", "slice", "split", "pad", "pad_same", "expand", "tile", "depth_to_space",
          "space_to_depth")  # fmt: skip
OF_SHAPES = ("shape", "full_like")  # which know of a value no more than its sizes
MOST_MOVED = 2**22  # numbers of a map whose places are told one by one

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Value:
    """A value of the graph as it lies in the browser.

    ``layer`` what puts it out, -1 for the code; ``sizes`` those in the graph, without the batch; ``turned`` whether it
    is a map with channels first in the graph, which lies with channels last; ``pads`` the zeros that the next
    convolution has to add, before and behind each axis.
    """

    layer: int
    sizes: tuple[int, ...]
    turned: bool = False
    pads: tuple[int, int, int, int] | None = None


@dataclass
class Path:
    """Where the following has got to: what is added next works on the value ``here``.

    ``values`` those that have been reached, by name; ``seen`` every value of the graph for a code of zeros and
    ``batch`` images, which says its sizes, and its numbers where they depend on no code and no class.
    """

    builder: Builder
    graph: Graph
    seen: Mapping[str, Tensor]
    batch: int
    values: dict[str, Value] = field(default_factory=dict)
    here: Value = Value(-1, ())
    takers: Counter[str] = field(default_factory=Counter)  # how many nodes take each value

    def go(self, name: str) -> None:
        """Work on this value next."""
        self.here = self.values[name]
        self.builder.at = self.here.layer

    def give(self, name: str, node: Node) -> None:
        """The value that is reached is this one of the graph. Raises `DecoderError` for one that is no image's own."""
        fits = self.here.pads or prod(self.sizes_of(name)) == prod(self.builder.shape)
        if self.seen[name].shape[:1] != (self.batch,) or not fits:
            raise refusal(node)
        self.values[name] = replace(self.here, layer=self.builder.at, sizes=self.sizes_of(name))
        if self.takers[name] > 1:
            self.builder.shared.add(self.builder.at)

    def sizes_of(self, name: str) -> tuple[int, ...]:
        return tuple(self.seen[name].shape[1:])

    def tensor(self, node: Node, place: int) -> Tensor | None:
        """What a node takes in that place, where it depends on no code and no class."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        return self.seen[name] if name and name not in self.values else None

    def as_map(self, node: Node) -> None:
        """Have the value lie as a map with channels last."""
        if len(self.here.sizes) != 3:
            raise refusal(node)
        if not self.here.turned:
            channels, height, width = self.here.sizes
            self.builder.unflatten((channels, height, width))
            self.here = replace(self.here, turned=True)

    def as_written(self) -> None:
        """Have the value lie in the order of its own sizes."""
        if self.here.turned:
            self.builder.flatten()
            self.here = replace(self.here, turned=False)

    def lie_as(self, other: Value, node: Node) -> None:
        """Have the value lie in the order in which another one does."""
        if other.turned:
            self.as_map(node)
        else:
            self.as_written()

    def in_memory(self, tensor: Tensor) -> Tensor:
        """A tensor of the value's own number of axes in the order in which its numbers lie."""
        return tensor.permute(1, 2, 0) if self.here.turned else tensor

    def move(self, function: Callable[[Tensor], Tensor], node: Node) -> None:
        """What a function that only moves numbers makes of the value: it is given their places."""
        n = prod(self.here.sizes)
        places = torch.arange(1, n + 1, dtype=torch.float64)
        if self.here.turned:
            channels, height, width = self.here.sizes
            places = places.reshape(height, width, channels).permute(2, 0, 1)
        places = places.reshape(1, *self.here.sizes).expand(self.batch, *self.here.sizes)
        found = function(places)[0]
        zeros = function(torch.zeros_like(places))
        if max(n, found.numel()) > MOST_MOVED or zeros.any():  # anything else than zeros is put in
            raise refusal(node)
        self.here = replace(self.here, sizes=tuple(found.shape), turned=found.ndim == 3)
        found = self.in_memory(found)
        shape = tuple(found.shape) if self.here.turned else (found.numel(),)
        self.builder.gather(found.flatten().numpy(), shape)

    def by_channel(self, tensor: Tensor) -> Numbers | None:
        """The tensor as one number for all or one for each channel of the value, as it lies; None where it is more."""
        if tensor.numel() == 1:
            return tensor.double().cpu().flatten().numpy()
        missing = len(self.here.sizes) + 1 - tensor.ndim
        if missing < 0 or tensor.shape[: max(0, 1 - missing)] not in ((), (1,)):
            return None
        whole = self.in_memory(tensor.reshape((1,) * missing + tuple(tensor.shape))[0])
        return whole.double().cpu().flatten().numpy() if whole.numel() == whole.shape[-1] else None


def refusal(node: Node) -> DecoderError:
    return DecoderError(f"The browser cannot run the operation {node.op} ({label(node.name)}).")


def add_graph(builder: Builder, description: Description) -> None:
    """The layers of a described decoder. Raises `DecoderError` for what `decoder.js` does not know."""
    half, image = description.halves.decoder, description.halves.decoder_image
    assert half is not None
    assert image is not None
    try:
        path = Path(builder, half.graph, values_seen(half), half.batch or 1)
    except CheckpointError as error:
        raise DecoderError(str(error)) from error
    path.takers.update([half.out, *(name for node in half.graph.nodes for name in node.inputs)])
    sizes = path.sizes_of(half.into)
    if description.halves.code_channels_last and len(sizes) == 3:
        height, width, channels = sizes  # codes come with channels first
        builder.unflatten((channels, height, width))
    path.values[half.into] = Value(builder.at, sizes)
    if path.takers[half.into] > 1:
        builder.shared.add(builder.at)
    drawn = depending_on(half.graph, half.into)
    add_classes(path, half, drawn)
    for node in half.graph.nodes:
        if not drawn.isdisjoint(node.outputs):
            add_node(path, node)
    path.go(half.out)
    if path.here.turned and path.here.sizes != image.image:
        path.as_written()
    if not path.here.turned:
        builder.unflatten(image.image, channels_last=image.channels_last)
    scale = PIXELS[description.pixels_out]
    if (scale.factor, scale.offset) != (1, 0):
        builder.affine(np.array([scale.factor]), np.array([scale.offset]))
    builder.clamp()


def values_seen(half: Half) -> dict[str, Tensor]:
    """Every value of a half for a code of zeros and as many images as it takes at once, at least one."""
    graph, n = half.graph, half.batch or 1
    given = {half.into: zeros_for(half)}
    if half.classes is not None:
        given[half.classes.name] = half.classes.put(torch.eye(half.classes.n)[:1].expand(n, -1)).to(device_of(graph))
    names = [name for node in graph.nodes for name in node.outputs if name]
    with torch.inference_mode():
        return {**graph.tensors, **given, **dict(zip(names, graph.run(given, names)))}


def zeros_for(half: Half) -> Tensor:
    sizes = [int(size or 1) for size in half.graph.inputs[half.into].sizes[1:]]
    return torch.zeros(half.batch or 1, *sizes, device=device_of(half.graph))


def device_of(graph: Graph) -> torch.device:
    return next((tensor.device for tensor in graph.tensors.values()), torch.device("cpu"))


def depending_on(graph: Graph, name: str) -> set[str]:
    """The values that depend on one, itself among them, and not on its sizes alone."""
    found = {name}
    for node in graph.nodes:
        if node.op not in OF_SHAPES and not found.isdisjoint(node.inputs):
            found.update(each for each in node.outputs if each)
    return found


def add_classes(path: Path, half: Half, drawn: set[str]) -> None:
    """What the operations on the code take that depends on the class alone: a table with a row for each class."""
    if half.classes is None:
        return
    told = depending_on(half.graph, half.classes.name) - drawn
    taken = {name for node in half.graph.nodes if not drawn.isdisjoint(node.outputs) for name in node.inputs}
    names = sorted(told & taken)
    for name, rows in zip(names, rows_of(half, names)):
        if path.seen[name].shape[:1] != (path.batch,):
            raise DecoderError("The browser cannot run decoders that take a class in a way of their own.")
        turned = rows.ndim == 4
        rows = rows.movedim(1, -1) if turned else rows
        shape = tuple(rows.shape[1:]) if turned else (prod(rows.shape[1:]),)
        path.builder.label(rows.double().cpu().flatten(1).numpy(), shape)
        path.values[name] = Value(path.builder.at, path.sizes_of(name), turned)


def rows_of(half: Half, names: Sequence[str]) -> list[Tensor]:
    """These values (classes, …) for each of the classes, on which alone they depend."""
    classes = half.classes
    assert classes is not None
    part = half.graph.part({classes.name: half.graph.inputs[classes.name]}, names)
    given = {half.into: zeros_for(half)} if half.into in part.inputs else {}  # whose sizes some ask for
    found = []
    for one_hot in torch.eye(classes.n):
        same = classes.put(one_hot.expand(half.batch or 1, -1)).to(device_of(half.graph))
        with torch.inference_mode():
            found.append([value[0] for value in part.run({**given, classes.name: same}, names)])
    return [torch.stack(rows) for rows in zip(*found)]


def add_node(path: Path, node: Node) -> None:
    """One operation, or none where it only says how numbers are arranged."""
    if node.op in COMBINED:
        COMBINED[node.op](path, node)
        path.give(node.outputs[0], node)
        return
    taken = [name for name in node.inputs if name in path.values]
    if taken != [node.inputs[0]]:
        raise refusal(node)
    path.go(taken[0])
    if path.here.pads and node.op not in ("conv", "identity"):
        raise refusal(node)
    if node.op == "split":
        split(path, node)
        return
    if node.op in ADDED:
        ADDED[node.op](path, node)
    elif node.op in MOVING:
        moved(path, node)
    elif (name := activation_of(node)) is not None:
        path.builder.activation(name)
    elif node.op != "identity":
        raise refusal(node)
    path.give(node.outputs[0], node)


def activation_of(node: Node) -> str | None:
    """The name of an activation of ours that is the operation, None where none is."""
    if node.op == "activation":
        return str(node.attributes["name"])
    if node.op in ACTIVATION_NAMES:
        return ACTIVATION_NAMES[node.op]
    if node.op == "leaky_relu":
        return next((name for slope, name in SLOPES.items() if abs(node.attributes["slope"] - slope) < 1e-6), None)
    if node.op == "elu" and node.attributes["alpha"] == 1:
        return "ELU"
    return "GELU" if node.op == "gelu" and not node.attributes.get("approximate") else None


# ---------------------------------------------------------------------------------------------- what moves numbers


def moved(path: Path, node: Node, place: int = 0) -> None:
    """What a node that only moves numbers gives in one place of its outputs."""

    def run(x: Tensor) -> Tensor:
        known = [path.tensor(node, other) for other in range(1, len(node.inputs))]
        return results(node, [x, *(None if each is None else each.cpu() for each in known)])[place]

    path.move(run, node)


def split(path: Path, node: Node) -> None:
    for place, name in enumerate(node.outputs):
        if name in path.seen:
            path.go(node.inputs[0])
            moved(path, node, place)
            path.give(name, node)


def reshaped(path: Path, node: Node) -> None:
    """Other sizes of the same numbers."""
    after = path.sizes_of(node.outputs[0])
    if after != path.here.sizes:
        path.as_written()
        path.builder.add("reshape", (prod(after),))


def permuted(path: Path, node: Node) -> None:
    """Of channels first to last or back nothing moves, since maps lie with channels last."""
    axes, b = tuple(node.attributes["axes"]), path.builder
    if axes == (0, 2, 3, 1):
        path.as_map(node)
        path.here = replace(path.here, turned=False)
    elif axes == (0, 3, 1, 2) and not path.here.turned:
        height, width, channels = path.here.sizes
        b.add("reshape", (height, width, channels))
        path.here = replace(path.here, turned=True)
    else:
        moved(path, node)


def add_pad_same(path: Path, node: Node) -> None:
    """Zeros before a convolution, which adds them itself."""
    choices = node.attributes
    followers = [each.op for each in path.graph.nodes if node.outputs[0] in each.inputs]
    if len(path.here.sizes) != 3 or choices.get("value", 0.0) != 0 or followers != ["conv"]:
        moved(path, node)
        return
    x = torch.empty(1, *path.here.sizes, device="meta")
    pads = same_pads(x, choices["kernel"], choices["stride"], choices["dilation"], choices.get("lower", False))
    path.as_map(node)
    path.here = replace(path.here, pads=(pads[0], pads[1], pads[2], pads[3]))


def add_resize(path: Path, node: Node) -> None:
    before, after, choices = path.here.sizes, path.sizes_of(node.outputs[0]), node.attributes
    if len(before) != 3 or before[0] != after[0]:
        raise refusal(node)
    whole = after[1] % before[1] == after[2] % before[2] == 0
    by_size = path.tensor(node, 2) is not None or "sizes" in choices
    coordinates, rounding = choices["coordinates"], choices.get("rounding", "floor")
    halves = coordinates == "half_pixel" or (whole and coordinates == "pytorch_half_pixel")
    if choices["mode"] == "linear" and halves and (whole or by_size):
        path.as_map(node)
        path.builder.upsample(after[1], after[2], "bilinear")
    elif choices["mode"] == "nearest" and whole and repeats_pixels(coordinates, rounding):
        path.as_map(node)
        path.builder.upsample(after[1], after[2], "nearest")
    elif choices["mode"] == "nearest":
        moved(path, node)
    else:
        raise refusal(node)


# -------------------------------------------------------------------------------------------------- what has weights


def add_linear(path: Path, node: Node) -> None:
    weight = path.tensor(node, 1)
    if weight is None or weight.ndim != 2 or len(path.here.sizes) != 1:
        raise refusal(node)
    path.builder.linear(weight.T if node.op == "matmul" else weight, path.tensor(node, 2))


def add_conv(path: Path, node: Node) -> None:
    """A convolution of either direction, square in all but its kernel."""
    weight, bias, choices = path.tensor(node, 1), path.tensor(node, 2), node.attributes
    pads = [a + b for a, b in zip(choices["pads" if node.op == "conv" else "crops"], path.here.pads or (0, 0, 0, 0))]
    path.here = replace(path.here, pads=None)
    stride = choices["stride"]
    plain = len(set(stride)) == 1 and set(choices["dilation"]) == {1} and choices.get("groups", 1) == 1
    if weight is None or weight.ndim != 4 or not plain:
        raise refusal(node)
    uneven = pads[0] != pads[1] or pads[2] != pads[3] or pads[0] < 0
    if uneven and node.op == "conv":
        around, pads = [0, 0, *pads[:2], 0, 0, *pads[2:]], [0, 0, 0, 0]
        path.move(lambda x: pad(x, around), node)
    elif uneven:
        raise refusal(node)
    path.as_map(node)
    add = path.builder.conv if node.op == "conv" else path.builder.conv_transpose
    add(weight, bias, int(stride[0]), int(pads[0]), int(pads[2]))


def add_batch_norm(path: Path, node: Node) -> None:
    names = ("weight", "bias", "running_mean", "running_var")
    found = {name: tensor for place, name in enumerate(names) if (tensor := path.tensor(node, place + 1)) is not None}
    as_channels(path, node)
    path.builder.per_channel(*batch_norm_as_affine(found, node.attributes["eps"]))


def add_normalisation(path: Path, node: Node) -> None:
    """A normalisation that is a record of ours."""
    found = {name: path.tensor(node, place + 1) for place, name in enumerate(node.attributes["parameters"])}
    as_channels(path, node)
    path.builder.normalisation(
        node.attributes["kind"], {name: tensor for name, tensor in found.items() if tensor is not None}
    )


def as_channels(path: Path, node: Node) -> None:
    """Have the value lie so that an operation can take its numbers channel by channel."""
    if len(path.here.sizes) == 3:
        path.as_map(node)
    elif len(path.here.sizes) != 1:
        raise refusal(node)


def add_group_norm(path: Path, node: Node) -> None:
    """A group or an instance normalisation of a map, or of rows of numbers, by weights of the file or by none."""
    are_rows = len(path.here.sizes) == 2  # as ONNX writes groups: a map a pixel wide
    if are_rows:
        path.here = replace(path.here, sizes=(*path.here.sizes, 1))
    path.as_map(node)
    groups = int(node.attributes.get("groups", path.here.sizes[0]))
    path.builder.group_norm(path.tensor(node, 1), path.tensor(node, 2), groups, float(node.attributes["eps"]))
    if are_rows:
        path.as_written()


def add_prelu(path: Path, node: Node) -> None:
    found = channelwise(path, node, path.tensor(node, 1))
    if found is None:
        raise refusal(node)
    path.builder.add("prelu", path.builder.shape, {"weight": found})


def add_bounds(path: Path, node: Node) -> None:
    """Numbers kept between two, perhaps of a line through them."""
    choices, b = node.attributes, path.builder
    known = [path.tensor(node, place) for place in (1, 2)]
    ends: dict[str, tuple[Any, ...]] = {
        "bounded": (choices.get("low"), choices.get("high")), "relu6": (0, 6), "hard_sigmoid": (0, 1),
        "clamp": tuple(None if each is None or each.numel() != 1 else each.item() for each in known),
    }  # fmt: skip
    low, high = ends[node.op]
    if low is None or high is None:
        raise refusal(node)
    if node.op == "hard_sigmoid":
        b.affine(np.array([float(choices["slope"])]), np.array([float(choices["offset"])]))
    b.clamp(float(low), float(high))


def add_pool(path: Path, node: Node) -> None:
    """The largest or the mean of windows that lie inside the map."""
    choices = node.attributes
    kernel, stride = choices["kernel"], choices["stride"]
    plain = not any(choices["pads"]) and not choices.get("ceil") and set(choices.get("dilation", [1])) == {1}
    if not plain or len(kernel) != 2 or stride[0] != stride[1]:
        raise refusal(node)
    path.as_map(node)
    path.builder.pool("max" if node.op == "max_pool" else "mean", [int(n) for n in kernel], int(stride[0]))


# --------------------------------------------------------------------------------------------- what takes several


def add_terms(path: Path, node: Node) -> None:
    """A sum or a difference: numbers of the file are added channel by channel, else value by value."""
    factors = [-1.0 if node.op == "sub" and place else 1.0 for place in range(len(node.inputs))]
    base = base_of(path, node)
    if factors[base] < 0:
        path.builder.affine(np.array([-1.0]), np.array([0.0]))
    for place, factor in enumerate(factors):
        known = path.tensor(node, place)
        if place == base:
            continue
        if (found := channelwise(path, node, known)) is not None:
            path.builder.affine(np.array([1.0]), factor * found)
        else:
            combine(path, node, place, "add", factor)


def add_factors(path: Path, node: Node) -> None:
    """A product or a quotient, in the same way; nothing is divided by what is drawn."""
    base = base_of(path, node)
    for place in range(len(node.inputs)):
        known = path.tensor(node, place)
        divides = node.op == "div" and place == 1
        if divides and (known is None or place == base or not known.all()):
            raise refusal(node)
        if place == base:
            continue
        if (found := channelwise(path, node, known)) is not None:
            path.builder.affine(1 / found if divides else found, np.array([0.0]))
        elif divides:
            raise refusal(node)
        else:
            combine(path, node, place, "mul")


def channelwise(path: Path, node: Node, known: Tensor | None) -> Numbers | None:
    """A known tensor as a number for all or one for each channel of the value; None for anything else."""
    if known is None:
        return None
    found = path.by_channel(known)
    if found is None and len(path.here.sizes) == 3 and not path.here.turned:
        path.as_map(node)
        found = path.by_channel(known)
    return found


def base_of(path: Path, node: Node) -> int:
    """Go to the first of the values that a node combines that has the sizes of the result: its place."""
    after = path.sizes_of(node.outputs[0])
    for place, name in enumerate(node.inputs):
        if name in path.values and path.values[name].sizes == after and not path.values[name].pads:
            path.go(name)
            return place
    raise refusal(node)


def combine(path: Path, node: Node, place: int, op: str, factor: float = 1.0) -> None:
    """Another value that a node takes, times a factor, joins the one that is worked on, in the sizes of that one."""
    base = path.here = replace(path.here, layer=path.builder.at)
    take(path, node, place)
    if path.here.sizes != base.sizes:
        path.move(lambda x: x.expand(len(x), *base.sizes), node)
    path.lie_as(base, node)
    if factor != 1:
        path.builder.affine(np.array([factor]), np.array([0.0]))
    other, path.builder.at = path.builder.at, base.layer
    path.builder.add(op, path.builder.shape, of=(base.layer, other))
    path.here = base


def take(path: Path, node: Node, place: int) -> None:
    """Go to a value that a node takes; one that is known is put in as it is."""
    name = node.inputs[place]
    known = path.tensor(node, place)
    if known is None:
        path.go(name)
        if path.here.pads:
            raise refusal(node)
        return
    missing = path.seen[node.outputs[0]].ndim - known.ndim
    known = known.reshape((1,) * missing + tuple(known.shape))
    if known.shape[0] not in (1, path.batch) or not known.is_floating_point():
        raise refusal(node)
    path.here = Value(-1, tuple(known.shape[1:]))
    path.builder.label(known[:1].double().cpu().flatten(1).numpy(), (known[0].numel(),))


def add_concat(path: Path, node: Node) -> None:
    """Values one behind the other along an axis."""
    after = path.sizes_of(node.outputs[0])
    axis = int(node.attributes["axis"]) % (len(after) + 1) - 1
    is_map = len(after) == 3 and any(path.values[name].turned for name in node.inputs if name in path.values)
    order = (1, 2, 0) if is_map else tuple(range(len(after)))  # of the axes as the values lie
    if axis < 0:
        raise refusal(node)
    layers, widths = [], []
    for place in range(len(node.inputs)):
        take(path, node, place)
        if is_map:
            path.as_map(node)
        layers.append(path.builder.at)
        widths.append(prod(path.here.sizes[each] for each in order[order.index(axis) :]))
    shape = tuple(after[each] for each in order) if is_map else (prod(after),)
    path.builder.concat(layers, widths, shape)
    path.here = Value(path.builder.at, after, is_map)


COMBINED: dict[str, Callable[[Path, Node], Any]] = {
    "add": add_terms, "sub": add_terms, "mul": add_factors, "div": add_factors, "concat": add_concat,
}  # fmt: skip
ADDED: dict[str, Callable[[Path, Node], Any]] = {
    "linear": add_linear, "matmul": add_linear, "conv": add_conv, "conv_transpose": add_conv,
    "batch_norm": add_batch_norm, "normalisation": add_normalisation, "group_norm": add_group_norm,
    "instance_norm": add_group_norm, "prelu": add_prelu, "max_pool": add_pool, "avg_pool": add_pool,
    "resize": add_resize, "pad_same": add_pad_same, "permute": permuted,
    **dict.fromkeys(("bounded", "clamp", "relu6", "hard_sigmoid"), add_bounds),
    **dict.fromkeys(SIZES_ONLY, reshaped),
}  # fmt: skip
