"""What a graph is of an autoencoder: where images, codes and classes go in and come out.

Graph ──> which of its inputs and outputs are images ──> whole: cut at the code ──> Halves: encoder and decoder
                                                    └──> one half alone
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from latent.errors import CheckpointError
from latent.files import label
from latent.foreign.chains import MOST_CLASSES, USUAL_CLASSES
from latent.foreign.graph import Graph, Input, Node
from latent.foreign.node_operations import OPERATIONS
from latent.foreign.rewriting import (
    fixed_batch,
    for_any_batch,
    settled,
    with_its_batch,
    with_own_batch,
    without_zeros,
)

LEAST_PIXELS = 64  # of an image
LEAST_VARIANCE = 1e-12
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


NOT_SAID = "not said"
SPREADS: dict[str, Callable[[Tensor], Tensor]] = {  # as the logarithm of a variance
    "log-variance": lambda y: y,
    "log-deviation": lambda y: 2 * y,
    "variance": lambda y: y.clamp(min=LEAST_VARIANCE).log(),
    "deviation": lambda y: 2 * y.clamp(min=LEAST_VARIANCE).log(),
    NOT_SAID: lambda y: y,
}


@dataclass(frozen=True)
class Spread:
    """What stands beside a code's mean: what ``half`` gives, and which of `SPREADS` it is."""

    half: Half
    kind: str


@dataclass(frozen=True)
class Halves:
    """An autoencoder, or a half of one, as graphs.

    ``encoder_image`` and ``decoder_image`` how images lie in what it takes and gives; ``code`` its shape in the graphs
    without the batch, ``code_channels_last`` whether channels come last in it; ``variational`` whether a spread stands
    beside the code's mean; ``remarks`` what people should know, in sentences. ``spread`` that of the code where it is
    found; ``mean_is_first`` whether nothing tells the mean from the spread but that it comes first.
    """

    encoder: Half | None
    decoder: Half | None
    encoder_image: Layout | None
    decoder_image: Layout | None
    code: tuple[int, ...]
    code_channels_last: bool = False
    variational: bool = False
    remarks: tuple[str, ...] = ()
    spread: Spread | None = None
    mean_is_first: bool = False

    def __post_init__(self) -> None:
        """Raises `CheckpointError` where the encoder needs another number of classes than the decoder."""
        for classes in self.classes:
            if not classes.index and classes.n != self.n_classes:
                raise CheckpointError(f"takes classes of two numbers, {classes.n} and {self.n_classes}")

    @property
    def parts(self) -> dict[str, Half]:
        """The graphs that there are, by what they give."""
        spread = None if self.spread is None else self.spread.half
        parts = {"encoder": self.encoder, "decoder": self.decoder, "spread": spread}
        return {name: half for name, half in parts.items() if half is not None}

    def exchanged(self) -> Halves:
        """The mean for the spread, and the spread for the mean."""
        assert self.spread is not None
        assert self.encoder is not None
        return replace(self, encoder=self.spread.half, spread=replace(self.spread, half=self.encoder))

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
    graph, deviations = without_zeros(settled(for_any_batch(with_its_batch(graph))))
    deviations = deviations if has_noise(graph) else {}
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
            return whole(graph, values, main, same, classes, image, picture, remarks, deviations)
    larger = [name for name, layout in pictures.items() if layout and math.prod(layout.sizes) > numbers]
    if larger and numbers <= LARGEST_CODE:
        out = max(larger, key=lambda name: math.prod(found[name]))
        half = half_of(graph, main, out, classes)
        last = graph.channels_last or is_last(graph, main, sizes)
        return Halves(None, half, None, pictures[out], sizes, len(sizes) == 3 and last, False, remarks)
    smaller = [name for name, shape in found.items() if math.prod(shape) < numbers]
    if image is not None and smaller:
        return encoder_alone(graph, main, classes, image, {name: found[name] for name in smaller}, remarks, deviations)
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
    given_too = {into} if classes is None else {into, classes.name}
    if not given_too.issuperset(part.inputs):
        part = with_own_batch(graph, into).part(start, [out])
    used = classes if classes is not None and classes.name in part.inputs else None
    extra = [name for name in part.inputs if name not in given_too]
    if extra:
        raise CheckpointError(
            f"makes its images of {label(into)} and of {label(extra[0])} too, so there is no code alone"
        )
    batch = fixed_batch(graph)
    largest = max(value.numel() for value in part.looked_at(batch or 1).values() if value.is_meta)
    return Half(part, into, out, used, batch, at_once(largest))


def at_once(largest: int) -> int:
    """How many images a computer has memory for, by the numbers in the largest value of one."""
    return max(1, MOST_NUMBERS // largest)


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
    deviations: Mapping[str, str],
) -> Halves:
    """An encoder: of its outputs, the one that is the mean."""
    size = next(iter(found.values()))
    alike = [name for name, shape in found.items() if shape == size]
    means = [name for name in alike if is_mean(graph, name)] or [name for name in alike if name in deviations]
    spreads = [name for name in alike if SPREAD_NAMES.search(name)]
    out = next(iter(means), None) or next((name for name in alike if name not in spreads), alike[0])
    if len(alike) > 1:
        remarks = (*remarks, f"Of the encoder's {len(alike)} outputs, {label(out)} is taken as the mean.")
    half = half_of(graph, main, out, classes)
    last = len(size) == 3 and is_last(graph, out, size)
    spread = spread_of(graph, main, out, classes, deviations, [name for name in alike if name not in means])
    is_first = len(alike) == 2 and not means and not spreads
    variational = len(alike) > 1 or has_noise(graph)
    return Halves(half, None, image, None, size, last, variational, remarks, spread, is_first)


def spread_of(
    graph: Graph,
    main: str,
    code: str,
    classes: Classes | None,
    deviations: Mapping[str, str],
    others: Sequence[str],
) -> Spread | None:
    """What stands beside a code: what multiplied the noise that was added to it, else one of the ``others``, outputs of
    its size, by its name or where it is the only one."""
    if code in deviations:
        return Spread(half_of(graph, main, deviations[code], classes), "deviation")
    others = [name for name in others if name != code and name not in deviations]
    kinds = {name: kind_of_spread(name) for name in others}
    said = [name for name in others if kinds[name] != NOT_SAID]
    name = said[0] if len(said) == 1 else others[0] if len(others) == 1 else None
    return None if name is None else Spread(half_of(graph, main, name, classes), kinds[name])


def kind_of_spread(name: str) -> str:
    """Which of `SPREADS` an output is by its name."""
    kinds = {
        r"log_?(v|sigma_?(2|sq))|(^|_)lv": "log-variance", r"log_?(std|sigma|dev|scale)": "log-deviation",
        r"var|sigma_?(2|sq)": "variance", r"std|sigma|dev|scale": "deviation",
    }  # fmt: skip
    return next((kind for words, kind in kinds.items() if re.search(words, name, re.IGNORECASE)), NOT_SAID)


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
    deviations: Mapping[str, str],
) -> Halves:
    """An autoencoder, cut at its code."""
    code = code_of(graph, values, main, picture_name)
    shape = tuple(values[code].shape[1:])
    given = Input((graph.inputs[main].sizes[0], *shape))
    encoder = half_of(graph, main, code, classes)
    decoder = half_of(graph, code, picture_name, classes, given)
    beside = [name for name in graph.outputs if name not in (picture_name, code)]
    others = [name for name in beside if tuple(values[name].shape[1:]) == shape]
    last = len(shape) == 3 and is_last(graph, code, shape)
    same = [name for name in others if not is_same(graph, name, code)]
    spread = spread_of(graph, main, code, classes, deviations, same)
    return Halves(encoder, decoder, image, picture, shape, last, has_noise(graph) or bool(others), remarks, spread)


def is_same(graph: Graph, name: str, other: str) -> bool:
    """Whether two values are one under two names."""

    def root(value: str) -> str:
        node = graph.producers.get(value)
        return root(node.inputs[0]) if node is not None and node.op == "identity" else value

    return root(name) == root(other)


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
    fitted, deviations = zip(*(without_zeros(settled(for_any_batch(graph))) for graph in (encoder, decoder)))
    halves = [
        half_of(graph, next(iter(graph.inputs)), graph.outputs[0], classes)
        for graph, classes in zip(fitted, (encoder_classes, decoder_classes))
    ]
    code = tuple(int(size or 1) for size in fitted[1].inputs[halves[1].into].sizes[1:])
    remarks = tuple(dict.fromkeys((*encoder.remarks, *decoder.remarks)))
    into, out = halves[0].into, halves[0].out
    found = deviations[0] if variational and has_noise(encoder) else {}
    spread = spread_of(fitted[0], into, out, encoder_classes, found, ())
    return Halves(halves[0], halves[1], image, picture, code, False, variational, remarks, spread)


def joined(encoder: Halves, decoder: Halves) -> Halves:
    """Encoder and decoder from two graphs as one autoencoder. Raises `CheckpointError` where they do not fit."""
    if encoder.encoder is None or decoder.decoder is None:
        raise CheckpointError("is not an encoder and a decoder")
    if math.prod(encoder.code) == 2 * math.prod(decoder.code):
        encoder = in_two(encoder)
    assert encoder.encoder_image is not None
    assert decoder.decoder_image is not None
    if math.prod(encoder.code) != math.prod(decoder.code):
        raise CheckpointError(
            f"is one of two files that do not fit: the encoder gives {math.prod(encoder.code)} numbers, the decoder "
            f"takes {math.prod(decoder.code)}"
        )
    image, picture = encoder.encoder_image, decoder.decoder_image
    if math.prod(image.sizes) != math.prod(picture.sizes):
        raise CheckpointError(
            f"is one of two files that do not fit: the encoder takes images of {' × '.join(map(str, image.image))}, "
            f"the decoder gives {' × '.join(map(str, picture.image))}"
        )
    if image.image != picture.image:
        picture = replace(picture, image=image.image)
    return Halves(
        encoder.encoder, decoder.decoder, image, picture, encoder.code, encoder.code_channels_last,
        encoder.variational, (*encoder.remarks, *decoder.remarks), encoder.spread, encoder.mean_is_first,
    )  # fmt: skip


def in_two(encoder: Halves) -> Halves:
    """An encoder that gives mean and spread side by side: the first half of its channels is taken as the mean."""
    half, axis = encoder.encoder, len(encoder.code) if encoder.code_channels_last else 1
    assert half is not None
    n = encoder.code[axis - 1]
    if n % 2:
        return encoder
    parts = ("\0first half", "\0second half")
    node = Node("split", "two halves", (half.out,), parts, {"axis": axis, "parts": 2})
    graph = replace(half.graph, nodes=(*half.graph.nodes, node), outputs=parts)
    mean, spread = (replace(half, graph=graph, out=part) for part in parts)
    code = tuple(size // 2 if place == axis - 1 else size for place, size in enumerate(encoder.code))
    remark = f"Of the {n} channels that the encoder gives, {n // 2} are taken as the mean: the decoder takes no more."
    return replace(
        encoder, encoder=mean, code=code, variational=True, remarks=(*encoder.remarks, remark),
        spread=Spread(spread, NOT_SAID), mean_is_first=True,
    )  # fmt: skip
