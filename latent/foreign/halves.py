"""What a graph is of an autoencoder: where images, codes and classes go in and come out.

Graph ──> which of its inputs and outputs are images ──> whole: cut at the code ──> Halves: encoder and decoder
                                                    └──> one half alone
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from latent.errors import CheckpointError
from latent.files import label
from latent.foreign.chains import MOST_CLASSES, USUAL_CLASSES
from latent.foreign.graph import Graph, Input, Node
from latent.foreign.node_operations import OPERATIONS
from latent.foreign.rewriting import fixed_batch, for_any_batch, settled, with_own_batch, without_zeros

LEAST_PIXELS = 64  # of an image
MOST_NUMBERS = 2**25  # in the largest value of a batch: 128 MB
LARGEST_CODE = 2**17  # numbers
CHANNELS = (1, 3, 4)
SIDES = (28, 32, 64, 128, 256)  # tried where a graph takes images of any size
REARRANGING = {"reshape", "flatten", "permute", "squeeze", "unsqueeze", "identity", "cast", "cast_like", "reversed"}
CLASS_NAMES = re.compile(r"label|class|cond|(^|_)(y|c|lbl)($|_)", re.IGNORECASE)
MEAN_NAMES = re.compile(r"mean|(^|[^a-z])(mu|loc)([^a-z]|$)|^z_?mu", re.IGNORECASE)
SPREAD_NAMES = re.compile(r"log_?var|logvar|var|std|sigma|scale", re.IGNORECASE)
ENCODER_NAMES, DECODER_NAMES = re.compile(r"enc", re.IGNORECASE), re.compile(r"dec", re.IGNORECASE)


@dataclass(frozen=True)
class Layout:
    """How images lie in a value of a graph: ``sizes`` without the batch, ``image`` (channels, height, width)."""

    sizes: tuple[int, ...]
    image: tuple[int, int, int]
    channels_last: bool = False

    def put(self, x: Tensor) -> Tensor:
        """Images (n, channels, height, width) as the graph takes them."""
        x = x.movedim(1, -1) if self.channels_last else x
        return x.reshape(len(x), *self.sizes)

    def take(self, y: Tensor) -> Tensor:
        """Images as the graph gives them, (n, channels, height, width)."""
        channels, height, width = self.image
        if self.channels_last:
            return y.reshape(len(y), height, width, channels).movedim(-1, 1)
        return y.reshape(len(y), channels, height, width)


@dataclass(frozen=True)
class Classes:
    """How a graph takes the class of an image, of ``n`` classes: ``sizes`` without the batch, one-hot or its index."""

    name: str
    sizes: tuple[int, ...]
    index: bool
    dtype: torch.dtype
    n: int

    def put(self, one_hot: Tensor) -> Tensor:
        """One-hot classes (n images, n classes) as the graph takes them."""
        values = one_hot.argmax(1) if self.index else one_hot
        return values.reshape(len(one_hot), *self.sizes).to(self.dtype)


@dataclass(frozen=True)
class Half:
    """An encoder or a decoder: a graph with what goes ``into`` it and what comes ``out``, by name."""

    graph: Graph
    into: str
    out: str
    classes: Classes | None = None
    batch: int | None = None  # how many it takes at once, None for any number
    most_at_once: int = 1  # how many a computer has memory for

    def run(self, x: Tensor, one_hot: Tensor | None) -> Tensor:
        given = {self.into: x}
        if self.classes is not None and one_hot is not None:
            given[self.classes.name] = self.classes.put(one_hot)
        return self.graph.run(given, [self.out])[0]


@dataclass(frozen=True)
class Halves:
    """An autoencoder, or a half of one, as graphs.

    ``encoder_image`` and ``decoder_image`` how images lie in what it takes and gives; ``code`` its shape in the graphs
    without the batch, ``code_channels_last`` whether channels come last in it; ``variational`` whether a spread stands
    beside the code's mean; ``remarks`` what people should know, in sentences.
    """

    encoder: Half | None
    decoder: Half | None
    encoder_image: Layout | None
    decoder_image: Layout | None
    code: tuple[int, ...]
    code_channels_last: bool = False
    variational: bool = False
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises `CheckpointError` where the encoder needs another number of classes than the decoder."""
        for classes in self.classes:
            if not classes.index and classes.n != self.n_classes:
                raise CheckpointError(f"takes classes of two numbers, {classes.n} and {self.n_classes}")

    @property
    def classes(self) -> list[Classes]:
        """How the classes go into the halves that take them."""
        return [half.classes for half in (self.encoder, self.decoder) if half is not None and half.classes is not None]

    @property
    def n_classes(self) -> int:
        """Of how many classes one has to be named, 0 where none has."""
        return min((classes.n for classes in self.classes), default=0)


def halves_of(graph: Graph) -> Halves:
    """The autoencoder, or half of one, that a graph is. Raises `CheckpointError`, a sentence without its subject."""
    graph.check()
    graph, remark = with_sizes(graph)
    graph = without_zeros(settled(for_any_batch(graph)))
    remarks = (*graph.remarks, *([remark] if remark else []))
    n = fixed_batch(graph) or 2
    values = graph.looked_at(n)
    main, classes = inputs_of(graph, values)
    if classes is not None and classes.index and classes_taken(graph, values, classes.name) is None:
        remarks += (f"The file does not say how many classes it takes; here they are {classes.n}.",)
    given = tuple(graph.inputs[main].sizes[1:])
    sizes = tuple(int(size) for size in given if size is not None)
    image = layout_of(sizes, graph.channels_last)
    reached = graph.reached_from([main])
    found = {name: tuple(values[name].shape[1:]) for name in graph.outputs if name in reached}
    found = {name: shape for name, shape in found.items() if values[name].shape[:1] == (n,)}
    if not found:
        raise CheckpointError(f"gives nothing for each of the images that its input {label(main)} takes")
    pictures = {name: layout_of(shape, graph.channels_last) for name, shape in found.items()}
    numbers = math.prod(sizes)
    if image is not None:
        same = next((name for name, shape in found.items() if math.prod(shape) == numbers), None)
        if same is not None:
            picture = pictures[same]
            picture = picture if picture and picture.image == image.image else replace(image, sizes=found[same])
            return whole(graph, values, main, same, classes, image, picture, remarks)
    larger = [name for name, layout in pictures.items() if layout and math.prod(layout.sizes) > numbers]
    if larger and numbers <= LARGEST_CODE:
        out = max(larger, key=lambda name: math.prod(found[name]))
        half = half_of(graph, main, out, classes)
        last = graph.channels_last or is_last(graph, main, sizes)
        return Halves(None, half, None, pictures[out], sizes, len(sizes) == 3 and last, False, remarks)
    smaller = [name for name, shape in found.items() if math.prod(shape) < numbers]
    if image is not None and smaller:
        return encoder_alone(graph, main, classes, image, {name: found[name] for name in smaller}, remarks)
    described = ", ".join(f"{label(name)} ({' × '.join(map(str, shape))})" for name, shape in found.items())
    raise CheckpointError(
        f"leads from {label(main)} ({' × '.join(map(str, sizes))}) to {described}: neither from an image to a code "
        "nor from a code to an image"
    )


def with_sizes(graph: Graph) -> tuple[Graph, str]:
    """The graph with a size for images where it leaves that open, and a sentence about it, or an empty one."""
    open_ones = [name for name, each in graph.inputs.items() if None in each.sizes[1:]]
    if not open_ones:
        return graph, ""
    for side in SIDES:
        inputs = dict(graph.inputs)
        for name in open_ones:
            sizes = graph.inputs[name].sizes
            inputs[name] = replace(
                inputs[name], sizes=(sizes[0], *(side if size is None else size for size in sizes[1:]))
            )
        tried = replace(graph, inputs=inputs)
        try:
            n = fixed_batch(tried) or 2
            values = tried.looked_at(n)
        except CheckpointError:
            continue
        takes = math.prod(size or 1 for size in inputs[open_ones[0]].sizes[1:])
        if any(math.prod(values[name].shape[1:]) == takes for name in graph.outputs) or side == SIDES[-1]:
            return tried, f"The file takes images of any size; here they are {side} × {side}."
    raise CheckpointError("leaves open how large images are, and none of the usual sizes fits its operations")


def inputs_of(graph: Graph, values: Mapping[str, Tensor]) -> tuple[str, Classes | None]:
    """The input that images or codes go into, and how classes go in, where they do; of a graph with these values."""
    names = list(graph.inputs)
    if not names:
        raise CheckpointError("has no input: there is nothing that an image or a code could go into")
    if len(names) == 1:
        return names[0], None
    if len(names) > 2:
        raise CheckpointError(f"has {len(names)} inputs; at most two are supported, an image or a code, and its class")

    def is_class(name: str) -> tuple[bool, bool, bool]:
        each = graph.inputs[name]
        sizes = tuple(size or 0 for size in each.sizes[1:])
        whole_number = each.dtype != torch.float32
        return whole_number, math.prod(sizes) in (1, USUAL_CLASSES), bool(CLASS_NAMES.search(name))

    second, first = sorted(names, key=is_class, reverse=True)
    if is_class(second) == is_class(first):
        raise CheckpointError(f"has two inputs, {label(names[0])} and {label(names[1])}, of which neither is a class")
    each = graph.inputs[second]
    sizes = tuple(size or 1 for size in each.sizes[1:])
    is_index = math.prod(sizes) == 1
    n = (classes_taken(graph, values, second) or USUAL_CLASSES) if is_index else math.prod(sizes)
    if n > MOST_CLASSES:
        raise CheckpointError(f"takes {n:,} classes, {label(second)}; at most {MOST_CLASSES:,} are supported")
    if not is_index and max(sizes) != n:
        raise CheckpointError(f"takes {label(second)} of {' × '.join(map(str, sizes))} numbers, which is no class")
    return first, Classes(second, sizes, is_index, each.dtype, n)


def layout_of(sizes: tuple[int, ...], channels_last: bool) -> Layout | None:
    """How a value of these sizes is an image, None where it is none."""
    if math.prod(sizes) < LEAST_PIXELS:
        return None
    long = [size for size in sizes if size != 1]
    if len(sizes) == 3:
        first, last = sizes[0] in CHANNELS, sizes[2] in CHANNELS
        if last and (channels_last or not first):
            return Layout(sizes, (sizes[2], sizes[0], sizes[1]), True)
        if first and min(sizes[1:]) > 1:
            return Layout(sizes, sizes)
    if len(long) == 2 and min(long) >= 8:
        return Layout(sizes, (1, long[0], long[1]))
    if len(long) == 1:
        side = math.isqrt(long[0])
        if side * side == long[0]:
            return Layout(sizes, (1, side, side))
        side = math.isqrt(long[0] // 3)
        if 3 * side * side == long[0]:
            return Layout(sizes, (3, side, side), channels_last)
    return None


def half_of(graph: Graph, into: str, out: str, classes: Classes | None, given: Input | None = None) -> Half:
    """The part of the graph from one value to another. Raises `CheckpointError` where it needs more than that."""
    start = {into: given or graph.inputs[into]}
    part = graph.part(start, [out])
    if len(part.inputs) > 1:
        part = with_own_batch(graph, into).part(start, [out])
    used = classes if classes is not None and classes.name in part.inputs else None
    extra = [name for name in part.inputs if name != into and (used is None or name != used.name)]
    if extra:
        raise CheckpointError(
            f"makes its images of {label(into)} and of {label(extra[0])} too, so there is no code alone"
        )
    batch = fixed_batch(graph)
    largest = max(value.numel() for value in part.looked_at(batch or 1).values() if value.is_meta)
    return Half(part, into, out, used, batch, max(1, MOST_NUMBERS // largest))


def classes_taken(graph: Graph, values: Mapping[str, Tensor], name: str) -> int | None:
    """How many classes the index of one may be of: as many as a table has rows, a one-hot form numbers, or as there are
    numbers that it is compared with. None where no operation tells."""
    index, found = {name}, []
    for node in graph.nodes:
        if not index.intersection(node.inputs):
            continue
        others = [values[each] for each in node.inputs if each and each not in index]
        if node.op in REARRANGING or node.op in ("expand", "clamp"):
            index.update(node.outputs)
        elif node.op in ("embedding", "gather"):
            found += [len(table) for table in others if table.ndim == 2 and table.is_floating_point()]
        elif node.op == "one_hot":
            found.append(node.attributes["depth"])
        elif node.op == "equal":
            found += [numbers.numel() for numbers in others if numbers.numel() > 1 and not numbers.is_meta]
    return min((n for n in found if n > 0), default=None)


def encoder_alone(
    graph: Graph,
    main: str,
    classes: Classes | None,
    image: Layout,
    found: Mapping[str, tuple[int, ...]],
    remarks: tuple[str, ...],
) -> Halves:
    """An encoder: of its outputs, the one that is the mean."""
    size = next(iter(found.values()))
    alike = [name for name, shape in found.items() if shape == size]
    out = next((name for name in alike if is_mean(graph, name)), alike[0])
    if len(alike) > 1:
        remarks = (*remarks, f"Of the encoder's {len(alike)} outputs, {label(out)} is taken as the mean.")
    half = half_of(graph, main, out, classes)
    last = len(size) == 3 and is_last(graph, out, size)
    return Halves(half, None, image, None, size, last, len(alike) > 1 or has_noise(graph), remarks)


def is_mean(graph: Graph, name: str) -> bool:
    """Whether an output is called a mean, itself or what gives it."""
    node = graph.producers.get(name)
    names = [name, *([node.name] if node else [])]
    return any(MEAN_NAMES.search(each) and not SPREAD_NAMES.search(each) for each in names)


def has_noise(graph: Graph) -> bool:
    return any("noise" in remark for remark in graph.remarks)


def whole(
    graph: Graph,
    values: Mapping[str, Tensor],
    main: str,
    picture_name: str,
    classes: Classes | None,
    image: Layout,
    picture: Layout,
    remarks: tuple[str, ...],
) -> Halves:
    """An autoencoder, cut at its code."""
    code = code_of(graph, values, main, picture_name)
    shape = tuple(values[code].shape[1:])
    given = Input((graph.inputs[main].sizes[0], *shape))
    encoder = half_of(graph, main, code, classes)
    decoder = half_of(graph, code, picture_name, classes, given)
    others = [tuple(values[name].shape[1:]) for name in graph.outputs if name not in (picture_name, code)]
    variational = has_noise(graph) or sum(each == shape for each in others) > 0
    last = len(shape) == 3 and is_last(graph, code, shape)
    return Halves(encoder, decoder, image, picture, shape, last, variational, remarks)


def is_last(graph: Graph, name: str, sizes: Sequence[int]) -> bool:
    """Whether channels come last in a map: what gives it turns it so, or what takes it turns it back."""
    node = graph.producers.get(name)
    if node is not None and node.op == "permute":
        return tuple(node.attributes["axes"]) == (0, 2, 3, 1)
    if node is not None and (OPERATIONS[node.op].is_activation or node.op == "identity"):
        return is_last(graph, node.inputs[0], sizes)
    takers = [each for each in graph.nodes if name in each.inputs]
    return bool(takers) and all(
        each.op == "permute" and tuple(each.attributes["axes"]) == (0, 3, 1, 2) for each in takers
    )


def code_of(graph: Graph, values: Mapping[str, Tensor], main: str, picture: str) -> str:
    """The value that is the code: the narrowest through which all goes from image to picture.

    An output that all goes through is the code; else the narrowest value, behind the activation that follows it.
    Where several are equally narrow and the nodes are named after encoder and decoder, the last that the encoder gives.
    """
    cuts = cuts_between(graph, values, main, picture)
    if not cuts:
        raise CheckpointError("has no code: paths around every narrow value lead from image to image")
    named = [name for name in cuts if name in graph.outputs]
    if named:
        return min(named, key=lambda name: values[name].numel())
    least = min(values[name].numel() for name in cuts)
    narrow = [name for name in cuts if values[name].numel() == least]
    words = [graph.producers[name].name for name in narrow]
    decoded = [bool(DECODER_NAMES.search(word)) and not ENCODER_NAMES.search(word) for word in words]
    encoded = [bool(ENCODER_NAMES.search(word)) for word in words]
    if any(encoded) and not all(encoded[: len(narrow)]) and any(decoded):
        return [name for name, is_encoded in zip(narrow, encoded) if is_encoded][-1]
    chosen = narrow[0]
    for name in narrow[1:]:
        node = graph.producers[name]
        if node.inputs[0] != chosen or not (OPERATIONS[node.op].is_activation or node.op == "identity"):
            break
        chosen = name
    return chosen


def cuts_between(graph: Graph, values: Mapping[str, Tensor], main: str, picture: str) -> list[str]:
    """The values through which everything goes from ``main`` to ``picture``, with layers on both sides, in order."""
    forward = graph.reached_from([main])
    wanted, inner = {picture}, []
    for node in reversed(graph.nodes):
        if any(name in wanted and name in forward for name in node.outputs):
            inner.append(node)
            wanted.update(name for name in node.inputs if name in forward and is_data(values[name]))
    inner.reverse()
    last_use = {name: place for place, node in enumerate(inner) for name in node.inputs}
    layers = [place for place, node in enumerate(inner) if is_layer(graph, node)]
    crossing, found = {main}, []
    for place, node in enumerate(inner):
        crossing = {name for name in crossing if last_use.get(name, -1) > place}
        crossing.update(name for name in node.outputs if last_use.get(name, -1) > place and is_data(values[name]))
        if len(crossing) == 1 and layers and layers[0] <= place < layers[-1]:
            (name,) = crossing
            if name in node.outputs and values[name].ndim > 1 and values[name].is_floating_point():
                found.append(name)
    return found


def is_data(value: Tensor) -> bool:
    """Whether a value depends on what the image shows, and not on its size alone."""
    return value.is_meta


def is_layer(graph: Graph, node: Node) -> bool:
    """Whether a node multiplies by weights of the file."""
    return OPERATIONS[node.op].is_layer and any(name in graph.tensors for name in node.inputs)


def made_of(
    encoder: Graph,
    decoder: Graph,
    image: Layout,
    picture: Layout,
    variational: bool,
    encoder_classes: Classes | None = None,
    decoder_classes: Classes | None = None,
) -> Halves:
    """The autoencoder of two graphs of which it is known what they are; what each takes is its first input, what it
    gives its first output. Raises `CheckpointError`, a sentence without its subject."""
    fitted = [without_zeros(settled(for_any_batch(graph))) for graph in (encoder, decoder)]
    halves = [
        half_of(graph, next(iter(graph.inputs)), graph.outputs[0], classes)
        for graph, classes in zip(fitted, (encoder_classes, decoder_classes))
    ]
    code = tuple(int(size or 1) for size in fitted[1].inputs[halves[1].into].sizes[1:])
    remarks = tuple(dict.fromkeys((*encoder.remarks, *decoder.remarks)))
    return Halves(halves[0], halves[1], image, picture, code, False, variational, remarks)


def joined(encoder: Halves, decoder: Halves) -> Halves:
    """Encoder and decoder from two graphs as one autoencoder. Raises `CheckpointError` where they do not fit."""
    if encoder.encoder is None or decoder.decoder is None:
        raise CheckpointError("is not an encoder and a decoder")
    assert encoder.encoder_image is not None
    assert decoder.decoder_image is not None
    if math.prod(encoder.code) != math.prod(decoder.code):
        raise CheckpointError(
            f"is an encoder to {math.prod(encoder.code)} numbers, while the decoder takes {math.prod(decoder.code)}"
        )
    image, picture = encoder.encoder_image, decoder.decoder_image
    if math.prod(image.sizes) != math.prod(picture.sizes):
        raise CheckpointError(
            f"is an encoder of images of {' × '.join(map(str, image.image))}, while the decoder gives "
            f"{' × '.join(map(str, picture.image))}"
        )
    if image.image != picture.image:
        picture = replace(picture, image=image.image)
    return Halves(
        encoder.encoder, decoder.decoder, image, picture, encoder.code, encoder.code_channels_last,
        encoder.variational, (*encoder.remarks, *decoder.remarks),
    )  # fmt: skip
