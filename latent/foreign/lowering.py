"""A reading as graphs, which compute what `Reading.encode`, `Reading.decode` and `Reading.picture` do, node by node.

Activations and normalisations stay what they are, records by name; all else becomes operations as files have them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from latent.foreign.chains import Joint, Link, Skip, numbers_taken, side_of
from latent.foreign.described import Description
from latent.foreign.geometry import SAME, Step
from latent.foreign.graph import Graph, Input, Node, run_on
from latent.foreign.halves import Classes, Half, Halves, Layout, at_once
from latent.foreign.layers import Layer
from latent.foreign.operations import OUTPUTS, PIXELS, VIEWS
from latent.foreign.reading import PADDINGS, SPLITS, Reading

IMAGE, CODE, LABEL = "image", "code", "label"  # the names of what goes into the graphs
TO_LAST, TO_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)  # axes of maps whose channels go last, and first again


def lowered(reading: Reading) -> Description:
    """The reading as an autoencoder of graphs, with pixels in [0, 1] at both ends.

    Raises `CheckpointError` where its layers do not fit together.
    """
    encoder = encoder_of(reading) if reading.chain.has_encoder else None
    layout = Layout(image_sizes(reading), image_sizes(reading))
    return Description(
        Halves(
            encoder, decoder_of(reading), layout if encoder else None, layout, reading.code_shape,
            variational=reading.variational,
        )
    )  # fmt: skip


def encoder_of(reading: Reading) -> Half:
    """From images (n, channels, side, side) in [0, 1], and labels where it takes them, to codes (n, *code_shape)."""
    tracer = Tracer(reading)
    tracer.image_as_seen()
    tracer.run(range(reading.code))
    tracer.split()
    tracer.activate(reading.code_activation)
    tracer.pool(reading.code - 1)
    tracer.quantise()
    return tracer.half(IMAGE)


def decoder_of(reading: Reading) -> Half:
    """From codes (n, *code_shape), and labels where it takes them, to images (n, channels, side, side), of which all
    that is not in [0, 1] is still to be clamped."""
    tracer = Tracer(reading)
    tracer.take(CODE, reading.code_shape)
    tracer.run(range(reading.code, len(reading.chain.links)))
    tracer.pool(len(reading.chain.links) - 1)
    tracer.fit()
    tracer.picture()
    return tracer.half(CODE)


def image_sizes(reading: Reading) -> tuple[int, int, int]:
    return reading.channels, reading.side, reading.side


@dataclass
class Tracer:
    """Goes through a reading as `Reading.run` does, with one image of zeros, and writes down what is done.

    Nodes are added one after the other: each takes ``value``, the name of what the last one gave, and what else it is
    told. ``where`` is the name of the layer that the next ones belong to.
    """

    reading: Reading
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    inputs: dict[str, Input] = field(default_factory=dict)
    value: str = ""
    where: str = ""
    seen: dict[str, Tensor] = field(default_factory=dict)  # every value for that image, and every tensor

    def half(self, into: str) -> Half:
        """What leads from there to the value that has been reached."""
        graph = Graph(tuple(self.nodes), self.tensors, self.inputs, (self.value,), self.reading.channels_last)
        n = self.reading.chain.n_classes
        classes = Classes(LABEL, (n,), False, self.a_weight.dtype, n) if LABEL in self.inputs else None
        largest = max(value.numel() for name, value in self.seen.items() if name not in self.tensors)
        return Half(graph, into, self.value, classes, most_at_once=at_once(largest))

    # ------------------------------------------------------------------------------------------- values and nodes

    @property
    def a_weight(self) -> Tensor:
        """One of the weights, which tells their type and where they lie."""
        return self.reading.chain.links[0].layer.weight

    def take(self, name: str, sizes: tuple[int, ...]) -> None:
        """What comes from outside, of these sizes without the batch."""
        self.inputs[name] = Input((None, *sizes))
        self.seen[name] = self.a_weight.new_zeros(1, *sizes)
        self.value = name

    def tensor(self, name: str, tensor: Tensor) -> str:
        self.tensors[name] = self.seen[name] = tensor
        return name

    def parameters(self, layer: Layer) -> tuple[str, ...]:
        """A layer's weight and, where it has one, its bias."""
        names = [name for name in ("weight", "bias") if name in layer.tensors]
        return tuple(self.tensor(f"{layer.name}.{name}", layer.tensors[name]) for name in names)

    def sizes(self, name: str = "") -> tuple[int, ...]:
        """Of a value, by default that which has been reached, without the batch."""
        return tuple(self.seen[name or self.value].shape[1:])

    def add(self, op: str, *others: str, **attributes: Any) -> None:
        """An operation on the value that has been reached, and on others behind it."""
        self.join(op, self.value, *others, **attributes)

    def join(self, op: str, *inputs: str, **attributes: Any) -> None:
        """An operation on values. Raises `CheckpointError` where they do not fit it."""
        node = Node(op, self.where, inputs, (f"value {len(self.nodes)}",), attributes)
        with torch.inference_mode():
            (self.seen[node.outputs[0]],) = run_on(node, [self.seen[name] for name in inputs])
        self.nodes.append(node)
        self.value = node.outputs[0]

    def number(self, op: str, number: float) -> None:
        """Plus, minus, times or by a number, left out where that changes nothing."""
        if number != {"add": 0, "sub": 0}.get(op, 1):
            self.add(op, self.tensor(f"number {number}", self.a_weight.new_tensor(number)))

    # --------------------------------------------------------------------------------------------- the way through

    def image_as_seen(self) -> None:
        """The image as the network sees it, in its own scale of pixels."""
        self.take(IMAGE, image_sizes(self.reading))
        self.where = "the image"
        self.view()
        scale = PIXELS[self.reading.pixels]
        self.number("sub", scale.mean)
        self.number("div", scale.std)
        self.number("mul", scale.top)
        if not self.reading.chain.links[0].is_conv:
            self.add("flatten", axis=1)

    def view(self) -> None:
        """The network's own images of those that people see, or the other way round."""
        view = VIEWS[self.reading.view]
        if view.transposed:
            self.add("permute", axes=[0, 1, 3, 2])
        if view.inverted:
            self.number("mul", -1)
            self.number("add", 1)

    def run(self, places: range) -> None:
        """These links, with the ways round them."""
        reading, begun = self.reading, dict[Skip, str]()
        for index in places:
            came = self.value
            self.where = reading.chain.links[index].layer.name
            if index not in (0, reading.code):
                if not reading.chain.links[index].activated_late:
                    self.activate(reading.activations[index])
                self.pool(index - 1)
            for skip in reading.skips:
                if skip.first == index:
                    begun[skip] = self.value if reading.skip_activated else self.pooled(index, came)
            self.link(index)
            for skip in reading.skips:
                if skip.last == index and skip in begun:
                    self.join("add", self.value, self.projected(skip, begun[skip]))

    def pooled(self, index: int, came: str) -> str:
        """What came to a link, pooled as what goes through it but not activated; the value that is reached stays."""
        here, self.value = self.value, came
        if index not in (0, self.reading.code):
            self.pool(index - 1)
        pooled, self.value = self.value, here
        return pooled

    def link(self, index: int) -> None:
        """A link with the normalisations around it."""
        reading = self.reading
        link = reading.chain.links[index]
        self.arrange(link)
        for norm in link.before:
            self.normalise(norm)
        if link.activated_late and index not in (0, reading.code):
            self.activate(reading.activations[index])
        if link.condition:
            self.tell(link.label)
        self.layer(link, reading.geometry.steps[index])
        for norm in link.after:
            self.activate(reading.norm_activation)
            self.normalise(norm)

    def arrange(self, link: Link) -> None:
        """Numbers as maps before a convolution, maps as numbers before a dense layer."""
        sizes, last = self.sizes(), self.reading.channels_last
        if link.joint == Joint.UNFLATTEN or (link.is_conv and len(sizes) == 1):
            side = round((sizes[0] / link.n_in) ** 0.5)
            if last:
                self.add("reshape", shape=[0, side, side, link.n_in])
                self.add("permute", axes=TO_FIRST)
            else:
                self.add("reshape", shape=[0, link.n_in, side, side])
        elif not link.is_conv and len(sizes) == 3:
            if link.joint == Joint.FLATTEN:
                side = side_of((link.n_in - link.condition) // sizes[0]) or sizes[1]
                if sizes[1] > side:
                    self.add("adaptive_avg_pool", size=[side, side])
            if last:
                self.add("permute", axes=TO_LAST)
            self.add("flatten", axis=1)

    def tell(self, layer: Layer | None) -> None:
        """The numbers that stand for the label beside those that have come."""
        came, n = self.value, self.reading.chain.n_classes
        self.take(LABEL, (n,))
        if layer is not None and numbers_taken(layer):
            self.add("linear", *self.parameters(layer))
        elif layer is not None:
            self.add("matmul", self.tensor(f"{layer.name}.weight", layer.weight[:n]))
        parts = (self.value, came) if self.reading.label_first else (came, self.value)
        self.join("concat", *parts, axis=1)

    def layer(self, link: Link, step: Step | None) -> None:
        """The link's own layer."""
        if step is None:
            self.add("linear", *self.parameters(link.layer))
            return
        if step.upsample > 1:
            self.resize(scales=[1.0, 1.0, float(step.upsample), float(step.upsample)])
        kernel, side = link.layer.kernel[0], self.sizes()[1]
        if step.padding == SAME and step.transposed:
            before = max(0, kernel - step.stride) // 2
            self.conv_transpose(link.layer, step.stride, before, kernel - step.stride - before)
        elif step.padding == SAME:
            total = max((-(-side // step.stride) - 1) * step.stride + kernel - side, 0)
            self.conv(link.layer, step.stride, total // 2, total - total // 2)
        elif step.transposed:
            self.conv_transpose(link.layer, step.stride, step.padding, step.padding - step.output_padding)
        elif step.padding and self.reading.padding != "zeros":
            pads = [0, 0, step.padding, step.padding]
            self.add("pad", pads=[*pads, *pads], mode=PADDINGS[self.reading.padding])
            self.conv(link.layer, step.stride, 0, 0)
        else:
            self.conv(link.layer, step.stride, step.padding, step.padding)

    def conv(self, layer: Layer, stride: int, before: int, behind: int) -> None:
        """A convolution with so many zeros before and behind each axis."""
        pads = [before, before, behind, behind]
        self.add("conv", *self.parameters(layer), stride=[stride, stride], pads=pads, dilation=[1, 1])

    def conv_transpose(self, layer: Layer, stride: int, before: int, behind: int) -> None:
        """A transposed convolution, of which so much is cut off before and behind each axis."""
        crops = [before, before, behind, behind]
        self.add("conv_transpose", *self.parameters(layer), stride=[stride, stride], crops=crops, dilation=[1, 1])

    def resize(self, **sizes: list[float] | list[int]) -> None:
        """Maps that grow as the reading says, by ``scales`` or to ``sizes``."""
        self.add("resize", **sizes, **RESIZED[self.reading.upsampling])

    def activate(self, name: str) -> None:
        if name != "none":
            self.add("activation", name=name)

    def normalise(self, norm: Layer) -> None:
        names = [self.tensor(f"{norm.name}.{name}", tensor) for name, tensor in norm.tensors.items()]
        self.add("normalisation", *names, kind=norm.kind, style=self.reading.norm_style, parameters=list(norm.tensors))

    def pool(self, index: int) -> None:
        """The pool behind a link, where it has one."""
        step = self.reading.geometry.steps[index]
        if step is None or not step.pool:
            return
        windows: dict[str, Any] = {"kernel": [2, 2], "stride": [step.pool, step.pool], "pads": [0, 0, 0, 0]}
        windows |= {"ceil": True} if step.rounded_up else {}
        if self.reading.pooling == "max":
            self.add("max_pool", **windows, dilation=[1, 1])
        else:
            self.add("avg_pool", **windows, count_padding=True)

    def projected(self, skip: Skip, begun: str) -> str:
        """What goes round the links of a skip, in the shape of the value that has been reached, which it joins."""
        link, target = skip.projection, self.sizes()
        if link is None:
            return begun
        here, self.value = self.value, begun
        came, kernel = self.sizes(), link.layer.kernel[0] if link.is_conv else 0
        if not link.is_conv:
            self.add("linear", *self.parameters(link.layer))
        elif link.transposed:
            stride = max(1, target[1] // came[1])
            padding = max(0, kernel - stride + 1) // 2
            behind = (came[1] - 1) * stride + kernel - padding - target[1]
            self.conv_transpose(link.layer, stride, padding, behind)
        else:
            if target[1] > came[1]:
                self.resize(sizes=list(target[1:]))
            self.conv(link.layer, -(-self.sizes()[1] // target[1]), (kernel - 1) // 2, (kernel - 1) // 2)
        for norm in link.after:
            self.normalise(norm)
        around, self.value = self.value, here
        return around

    # ------------------------------------------------------------------------------------------------- at the ends

    def split(self) -> None:
        """Of a double head the half that is the mean."""
        if self.reading.chain.links[self.reading.code].joint == Joint.HALVE:
            part = SPLITS[self.reading.split](self.sizes()[0])
            self.add("slice", starts=[part.start], ends=[part.stop], axes=[1], steps=[part.step])

    def quantise(self) -> None:
        """The nearest row of the codebook, where there is one, in the place of each vector of the code."""
        book = next((layer for layer in self.reading.chain.unused if layer.name == self.reading.codebook), None)
        if book is None:
            return
        sizes, rows = self.sizes(), self.tensor(f"{book.name}.weight", book.weight)
        if len(sizes) == 3:
            self.add("permute", axes=TO_LAST)
        last = self.sizes()
        self.add("reshape", shape=[-1, last[-1]])
        self.add("nearest", rows)
        self.add("embedding", rows)
        self.add("reshape", shape=[-1, *last])
        if len(sizes) == 3:
            self.add("permute", axes=TO_FIRST)

    def fit(self) -> None:
        """The last map brought to the side of the image."""
        side, sizes, fit = self.reading.side, self.sizes(), self.reading.fit
        if len(sizes) == 3 and sizes[1] != side:
            if fit in RESIZED:
                self.add("resize", sizes=[side, side], **RESIZED[fit])
            else:
                begin = (sizes[1] - side) // 2 if fit == "cropped around the middle" else 0
                self.add("slice", starts=[begin] * 2, ends=[begin + side] * 2, axes=[2, 3], steps=[1, 1])
        if self.sizes() != image_sizes(self.reading):
            self.add("reshape", shape=[0, *image_sizes(self.reading)])

    def picture(self) -> None:
        """What the last layer puts out as pixels in [0, 1], but for those that are still to be clamped."""
        output = OUTPUTS[self.reading.output]
        scale = PIXELS[output.pixels]
        self.activate(output.activation)
        self.number("div", scale.top)
        self.number("mul", scale.std)
        self.number("add", scale.mean)
        self.view()


RESIZED: dict[str, dict[str, Any]] = {  # how torch makes maps larger or smaller, by the names that readings have for it
    "nearest": {"mode": "nearest", "coordinates": "asymmetric", "rounding": "floor"},
    "bilinear": {"mode": "linear", "coordinates": "half_pixel"},
}
