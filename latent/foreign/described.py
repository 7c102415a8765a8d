"""A network that its file describes, as a model like our own: run as the file says, nothing guessed from shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latent import data
from latent.errors import CheckpointError
from latent.foreign.chains import MOST_CLASSES, USUAL_CLASSES
from latent.foreign.graph import Graph, Node
from latent.foreign.halves import (
    CHANNELS,
    NOT_SAID,
    REARRANGING,
    SPREADS,
    Classes,
    Half,
    Halves,
    Layout,
    Spread,
    half_of,
)
from latent.foreign.operations import PIXELS
from latent.foreign.search import Examples
from latent.model import Signature

TRIED_IMAGES = 16
CLEARLY = 0.8  # of the error: another scale of pixels has to lower it so far to be believed
SAME = 1e-4  # of the spread: what images may differ by that are run together and alone


@dataclass(frozen=True)
class Description:
    """An autoencoder that its file describes.

    ``pixels_in`` and ``pixels_out`` the scales of pixels, which no format says: told by the last activation, by
    factors at both ends, or by the error on the images in use, as ``why`` says in words.
    """

    halves: Halves
    pixels_in: str = "[0, 1]"
    pixels_out: str = "[0, 1]"
    why: str = "as usual"

    @classmethod
    def of(cls, halves: Halves, examples: Examples | None = None) -> Description:
        """With the scales of pixels worked out, where the file does not tell them by these images or the digits that
        ship."""
        return with_mean(with_pixels(cls(halves), examples), examples)

    def remarked(self, *remarks: str) -> Description:
        """The same with more sentences for people."""
        return replace(self, halves=replace(self.halves, remarks=(*self.halves.remarks, *remarks)))

    def describe(self) -> dict[str, Any]:
        """For people: how the file is run."""
        halves = self.halves
        found: dict[str, Any] = {"operations": self.lines()}
        found["code"] = " × ".join(map(str, signature_of(self).code_shape))
        found["pixels"] = f"{self.pixels_in} in, {self.pixels_out} out ({self.why})"
        if halves.remarks:
            found["remarks"] = list(halves.remarks)
        return found

    def lines(self) -> list[str]:
        """A line for every operation but those that only rearrange numbers, in the order in which they run."""
        lines = []
        for part, half in (("encoder", self.halves.encoder), ("decoder", self.halves.decoder)):
            if half is not None:
                lines += [f"{part}: {line_of(half.graph, node)}" for node in half.graph.nodes if node.op not in QUIET]
        return lines

    def tensors(self) -> dict[str, Tensor]:
        """The tensors of both graphs, by the half and the name."""
        found: dict[str, Tensor] = {}
        for part, half in self.halves.parts.items():
            own = half.graph.tensors.items()
            shared = found if part == "spread" else {}
            found |= {f"{part}/{name}": t for name, t in own if shared.get(f"encoder/{name}") is not t}
        return found

    def to_dict(self) -> dict[str, Any]:
        """All but the tensors, as plain values, from which `from_dict` makes it again."""
        halves = self.halves
        return {
            "encoder": half_to_dict(halves.encoder), "decoder": half_to_dict(halves.decoder),
            "encoder_image": halves.encoder_image and layout_to_list(halves.encoder_image),
            "decoder_image": halves.decoder_image and layout_to_list(halves.decoder_image),
            "code": list(halves.code), "code_channels_last": halves.code_channels_last,
            "variational": halves.variational, "remarks": list(halves.remarks),
            "spread": halves.spread and [half_to_dict(halves.spread.half), halves.spread.kind],
            "pixels_in": self.pixels_in, "pixels_out": self.pixels_out, "why": self.why,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Description:
        """What `to_dict` wrote. Raises `CheckpointError`, `KeyError`, `TypeError` or `ValueError` for anything else."""
        encoder, decoder = (half_from_dict(values[part], part, tensors) for part in ("encoder", "decoder"))
        images = [each and Layout(tuple(each[0]), tuple(each[1]), bool(each[2])) for each in
                  (values["encoder_image"], values["decoder_image"])]  # fmt: skip
        spread = None
        if values.get("spread"):  # which files that were saved earlier lack
            half, kind = values["spread"]
            own = {name: t for name, t in tensors.items() if name.startswith("encoder/")}
            shared = {name.replace("encoder/", "spread/", 1): tensor for name, tensor in own.items()}
            beside = half_from_dict(half, "spread", {**shared, **tensors})
            spread = Spread(beside, str(kind)) if beside is not None else None
        halves = Halves(
            encoder, decoder, images[0], images[1], tuple(values["code"]), bool(values["code_channels_last"]),
            bool(values["variational"]), tuple(map(str, values["remarks"])), spread,
        )  # fmt: skip
        found = cls(halves, values["pixels_in"], values["pixels_out"], str(values["why"]))
        check(found)
        return found


def half_to_dict(half: Half | None) -> dict[str, Any] | None:
    if half is None:
        return None
    classes = half.classes
    return {
        "graph": half.graph.to_dict(), "into": half.into, "out": half.out, "batch": half.batch,
        "classes": classes and [classes.name, list(classes.sizes), classes.index, classes.n],
    }  # fmt: skip


def half_from_dict(values: Mapping[str, Any] | None, part: str, tensors: Mapping[str, Tensor]) -> Half | None:
    if values is None:
        return None
    own = {name.removeprefix(f"{part}/"): t for name, t in tensors.items() if name.startswith(f"{part}/")}
    graph = Graph.from_dict(values["graph"], own)
    classes = None
    if values["classes"] is not None:
        name, sizes, index, *n = values["classes"]
        n = n or [USUAL_CLASSES]  # of files that were saved when there was no other number
        classes = Classes(name, tuple(sizes), bool(index), graph.inputs[name].dtype, as_count(n[0]))
    if set(graph.inputs) != {values["into"], *([classes.name] if classes else [])}:
        raise ValueError("its graph has other inputs than it says")
    half = half_of(graph, values["into"], values["out"], classes)
    return half if half.batch == values["batch"] else replace(half, batch=int(values["batch"]))


def as_count(n: object) -> int:
    """A number of classes that a file names. Raises `ValueError`."""
    if not isinstance(n, int) or isinstance(n, bool) or not 1 <= n <= MOST_CLASSES:
        raise ValueError(f"it names {n!r} classes")
    return n


def layout_to_list(layout: Layout) -> list[Any]:
    return [list(layout.sizes), list(layout.image), layout.channels_last]


def check(description: Description) -> None:
    """Raise `ValueError` where the parts of a description do not fit each other, before anything large is computed."""
    halves = description.halves
    if not {description.pixels_in, description.pixels_out} <= set(PIXELS):
        raise ValueError("its pixels have a scale that is not known")
    for half, image, inwards in (
        (halves.encoder, halves.encoder_image, True), (halves.decoder, halves.decoder_image, False),
    ):  # fmt: skip
        if half is None:
            continue
        if image is None or math.prod(image.sizes) != math.prod(image.image):
            raise ValueError("its images have two sizes")
        n = half.batch or 1
        value = half.graph.looked_at(n)[half.out]
        sizes = [size or 0 for size in half.graph.inputs[half.into].sizes[1:]]
        pixels, numbers = (sizes, value.shape[1:]) if inwards else (value.shape[1:], sizes)
        if math.prod(pixels) != math.prod(image.image) or math.prod(numbers) != math.prod(halves.code):
            raise ValueError("its graphs do not fit the sizes of its images and codes")
    if halves.spread is not None:
        half = halves.spread.half
        numbers = half.graph.looked_at(half.batch or 1)[half.out].shape[1:]
        if halves.encoder is None or math.prod(numbers) != math.prod(halves.code) or halves.spread.kind not in SPREADS:
            raise ValueError("what stands beside its codes is not their spread")
    if halves.encoder is None and halves.decoder is None:
        raise ValueError("it holds neither an encoder nor a decoder")


QUIET = {
    "reshape", "flatten", "permute", "reversed", "squeeze", "unsqueeze", "shape", "identity", "cast", "expand", "full",
    "full_like", "slice", "cast_like",
}  # fmt: skip


def line_of(graph: Graph, node: Node) -> str:
    """What a node does, in words."""
    shapes = [list(graph.tensors[name].shape) for name in node.inputs if name in graph.tensors]
    weights = " ".join(" × ".join(map(str, shape)) for shape in shapes[:1] if len(shape) > 1)
    choices = ", ".join(
        f"{name} {' '.join(map(str, value)) if isinstance(value, list | tuple) else value}"
        for name, value in node.attributes.items()
        if isinstance(value, int | float | str | list | tuple) and not isinstance(value, bool)
    )
    return ", ".join(part for part in (f"{node.name}: {node.op}", weights, choices) if part)


def signature_of(description: Description) -> Signature:
    halves = description.halves
    layout = halves.encoder_image or halves.decoder_image
    assert layout is not None
    shape = halves.code
    if len(shape) == 3 and halves.code_channels_last:
        shape = (shape[2], shape[0], shape[1])
    if len(shape) not in (1, 3):
        shape = (math.prod(shape),)
    return Signature(
        kind="vae" if halves.variational else "ae",
        latent_dim=math.prod(shape),
        image_shape=layout.image,
        code_shape=shape,
        n_classes=halves.n_classes,
        has_encoder=halves.encoder is not None,
        says_spread=halves.spread is not None and halves.spread.kind != NOT_SAID,
    )


class Described(nn.Module):
    """Runs a description. A code that is a map goes in and out flat, channels first."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        self.description = description
        self.signature = signature_of(description)
        graphs = [half.graph for half in description.halves.parts.values()]
        weights = {id(t): t for graph in graphs for t in graph.tensors.values() if t.is_floating_point() and t.ndim}
        self.weights = nn.ParameterList([nn.Parameter(tensor, requires_grad=False) for tensor in weights.values()])
        self.limits: dict[str, int] = {}

    @property
    def has_decoder(self) -> bool:
        return self.description.halves.decoder is not None

    def encode(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """``x`` (n, channels, height, width) in [0, 1] -> ``z`` (n, latent_dim)."""
        halves = self.description.halves
        assert halves.encoder is not None
        return self.of_images(halves.encoder, x, label)

    def of_images(self, half: Half, x: Tensor, label: Tensor | None) -> Tensor:
        """What a graph gives for images, flat as codes are."""
        halves = self.description.halves
        assert halves.encoder_image is not None
        given = halves.encoder_image.put(PIXELS[self.description.pixels_in].from_unit(x))
        code = in_parts(half, given, label)
        if len(halves.code) == 3 and halves.code_channels_last:
            code = code.reshape(len(code), *halves.code).movedim(-1, 1)
        return code.flatten(1)

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The code as the mean, and the logarithm of its variance where a spread stands beside it; of one that does
        not say what it is, as it stands."""
        spread = self.description.halves.spread
        if spread is None:
            return self.encode(x, label), None
        return self.encode(x, label), SPREADS[spread.kind](self.of_images(spread.half, x, label))

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """``z`` (n, latent_dim) -> ``x_hat`` (n, channels, height, width) in [0, 1]."""
        halves = self.description.halves
        assert halves.decoder is not None
        assert halves.decoder_image is not None
        sizes = tuple(int(size or 1) for size in halves.decoder.graph.inputs[halves.decoder.into].sizes[1:])
        if len(halves.code) == 3 and halves.code_channels_last:
            height, width, channels = halves.code
            z = z.reshape(len(z), channels, height, width).movedim(1, -1)
        y = halves.decoder_image.take(in_parts(halves.decoder, z.reshape(len(z), *sizes), label))
        return PIXELS[self.description.pixels_out].to_unit(y).clamp(0, 1)

    def _apply(self, move, recurse: bool = True):  # type: ignore[no-untyped-def]
        """Moves to another device as a module does, the graphs' tensors with it."""
        super()._apply(move, recurse)  # type: ignore[no-untyped-call]
        halves = self.description.halves
        moved = {name: replace(half, graph=half.graph.moved(move)) for name, half in halves.parts.items()}
        spread = None if halves.spread is None else replace(halves.spread, half=moved["spread"])
        halves = replace(halves, encoder=moved.get("encoder"), decoder=moved.get("decoder"), spread=spread)
        self.description = replace(self.description, halves=halves)
        return self


def in_parts(half: Half, x: Tensor, label: Tensor | None) -> Tensor:
    """What a half makes of ``x``, so many at once as its file allows and memory is meant for."""
    n = half.batch or half.most_at_once
    if len(x) == n or (len(x) < n and half.batch is None):
        return half.run(x, label)
    parts = []
    for start in range(0, len(x), n):
        part = x[start : start + n]
        classes = None if label is None else label[start : start + n]
        missing = n - len(part) if half.batch else 0
        if missing:  # filled up to the number that the file takes
            part = torch.cat([part, part[-1:].expand(missing, *part.shape[1:])])
            classes = None if classes is None else torch.cat([classes, classes[-1:].expand(missing, classes.shape[1])])
        parts.append(half.run(part, classes)[: n - missing])
    return parts[0] if len(parts) == 1 else torch.cat(parts)


# ------------------------------------------------------------------------------------------------- scales of pixels


def with_pixels(description: Description, examples: Examples | None) -> Description:
    """The description with the scales of its pixels: those that its operations tell, or that suit images best."""
    halves = with_batches(description.halves)
    told_in = halves.encoder and told_by_first(halves.encoder)
    told_out = halves.decoder and told_by_last(halves.decoder)
    usual_out = told_out or told_in or "[0, 1]"
    usual = (told_in or (usual_out if usual_out in ("[0, 1]", "[-1, 1]") else "[0, 1]"), usual_out)
    words = [part for part, told in (("in", told_in), ("out", told_out)) if told]
    why = f"{' and '.join(words)} as its operations say" if words else "as usual; the file does not say"
    first = replace(description, halves=halves, pixels_in=usual[0], pixels_out=usual[1], why=why)
    if halves.encoder is None or halves.decoder is None or (told_in and told_out):
        return first
    pairs = [(told_in, each) for each in PIXELS] if told_in else [(each, told_out or each) for each in PIXELS]
    found = {pair: error_of(replace(first, pixels_in=pair[0], pixels_out=pair[1]), examples) for pair in pairs}
    best = min(found, key=lambda pair: found[pair])
    if best != usual and found[best] < CLEARLY * found.get(usual, math.inf):
        why = "by the least error on the images in use" + (f"; {words[0]} as its operations say" if words else "")
        return replace(first, pixels_in=best[0], pixels_out=best[1], why=why)
    return first


def with_mean(description: Description, examples: Examples | None) -> Description:
    """The description with mean and spread exchanged, where nothing tells them apart but their order and images are
    reconstructed far better so."""
    halves = description.halves
    if not halves.mean_is_first or halves.encoder is None or halves.decoder is None:
        return description
    other = replace(description, halves=halves.exchanged())
    if error_of(other, examples) < CLEARLY * error_of(description, examples):
        return other.remarked("The second of the encoder's results is the mean, by the error on the images in use.")
    return description


def error_of(description: Description, examples: Examples | None) -> float:
    """Mean squared error per pixel on a few of these images, the digits that ship by default."""
    model = Described(description)
    examples = examples or Examples.shipped()
    shape = model.signature.image_shape
    fitted = torch.from_numpy(data.fit(examples.images[:TRIED_IMAGES], shape).astype(np.float32) / 255)
    x = fitted[:, None] if shape[0] == 1 else fitted.movedim(-1, 1)
    if x.shape[1:] != shape:
        x = x.expand(-1, *shape)
    one_hot = examples.told(model.signature.n_classes)[:TRIED_IMAGES]
    with torch.inference_mode():
        error = float(F.mse_loss(model.decode(model.encode(x, one_hot), one_hot), x))
    return error if math.isfinite(error) else math.inf


def with_batches(halves: Halves) -> Halves:
    """The halves, with a batch that gives each image what is its own."""
    encoder, decoder = halves.encoder and batched(halves.encoder), halves.decoder and batched(halves.decoder)
    spread = halves.spread
    if spread is not None and encoder is not None:
        spread = replace(spread, half=replace(spread.half, batch=encoder.batch))
    return replace(halves, encoder=encoder, decoder=decoder, spread=spread)


def batched(half: Half) -> Half:
    """A half run one image at a time where images that are run together change each other, and two at a time where one
    alone loses the axis of the images, as by ``squeeze()``."""
    if half.batch is not None:
        return half
    sizes = [int(size or 1) for size in half.graph.inputs[half.into].sizes[1:]]
    x = torch.rand(2, *sizes, generator=torch.Generator().manual_seed(0))
    n_classes = 1 if half.classes is None else half.classes.n
    one_hot = torch.eye(n_classes)[torch.arange(2) % n_classes]
    with torch.inference_mode():
        together = half.run(x, one_hot)
        try:
            alone = torch.cat([half.run(x[i : i + 1], one_hot[i : i + 1]) for i in range(2)])
        except (CheckpointError, RuntimeError):
            return replace(half, batch=2)
    if alone.shape != together.shape:
        return replace(half, batch=2)
    spread = float(alone.std()) + 1e-6
    return half if float((together - alone).abs().max()) <= SAME * spread else replace(half, batch=1)


def constant_in(graph: Graph, node: Node, most: int = 1) -> float | None:
    """The number that an operation adds or multiplies by, None where there is none; the mean of up to ``most``, as of
    the channels of an image."""
    if node.op not in ("mul", "div", "add", "sub") or len(node.inputs) != 2:
        return None
    tensor = graph.tensors.get(node.inputs[1], graph.tensors.get(node.inputs[0]) if node.op in ("mul", "add") else None)
    return float(tensor.float().mean()) if tensor is not None and 1 <= tensor.numel() <= most else None


def told_by_first(half: Half) -> str | None:
    """The scale of pixels that what comes first tells: factor · pixel + offset goes into the first layer.

    Where it divides by 100 and more, pixels go up to 255; where it spreads [0, 1] around 0, as a mean and a standard
    deviation do, or [0, 255], they go in so, and where it brings [-1, 1] to [0, 1], as that.
    """
    name, factor, offset = half.into, 1.0, 0.0
    while True:
        takers = [node for node in half.graph.nodes if name in node.inputs]
        if len(takers) != 1:
            return None
        (node,) = takers
        number = constant_in(half.graph, node, max(CHANNELS))
        if number is not None and node.op in ("mul", "div"):
            scale = number if node.op == "mul" else 1 / number if number else 1.0
            factor, offset = factor * scale, offset * scale
        elif number is not None:
            offset += number if node.op == "add" else -number
        elif node.op not in REARRANGING:
            if 0 < factor <= 0.01:
                return "[0, 255]"
            if factor >= 1 and offset < 0 < factor + offset:
                return "[0, 1]"
            return "[-1, 1]" if math.isclose(factor, 0.5) and math.isclose(offset, 0.5) else None
        if node.inputs[0] != name and node.op not in ("mul", "add"):
            return None
        name = node.outputs[0]


def told_by_last(half: Half) -> str | None:
    """The scale of pixels that the last activation tells, with the factors behind it."""
    name, scale, offset = half.out, 1.0, 0.0
    while True:
        node = half.graph.producers.get(name)
        if node is None:
            return None
        number = constant_in(half.graph, node)
        if number is not None:  # y = scale · (what the node gives) + offset
            if node.op in ("mul", "div"):
                scale *= number if node.op == "mul" else 1 / number if number else 1.0
            else:
                offset += scale * (number if node.op == "add" else -number)
            name = node.inputs[0] if node.inputs[0] not in half.graph.tensors else node.inputs[1]
        elif node.op in REARRANGING:
            name = node.inputs[0]
        else:
            break
    ends = {"sigmoid": (0.0, 1.0), "hard_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}.get(node.op)
    if node.op == "bounded":
        ends = (node.attributes["low"], node.attributes["high"])
    if node.op == "clamp" and all(name in half.graph.tensors for name in node.inputs[1:]) and len(node.inputs) == 3:
        low, high = (float(half.graph.tensors[name].flatten()[0]) for name in node.inputs[1:])
        ends = (low, high)
    if ends is None:
        return "[0, 255]" if scale >= 100 else None
    found = scale * ends[0] + offset, scale * ends[1] + offset
    return next((name for name, each in PIXELS.items() if np.allclose(found, each.ends, atol=1e-3)), None)
