"""Work out the network in a file of weights: enumerate the readings that the shapes allow, keep the one that works.

Shapes and names tell neither activations nor strides, nor pixel scale, nor which head is the mean. But the right
reading reconstructs real digits clearly better than every wrong one, so each is scored, in three rounds: a coarse one
over chains and geometries, a full one over what holds for the whole network, and a fine one, choice by choice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from latent import data
from latent.chains import N_CLASSES, Chain, Link, candidates, chains, from_image, image_shape
from latent.errors import CheckpointError
from latent.geometry import SAME, Geometry, Step, geometries
from latent.layers import ATTENTION, DIFFUSION, RECURRENT, Layer, in_torch_layout, layers_of
from latent.unpickling import Record

MEAN, STD = 0.1307, 0.3081  # of MNIST's pixels, by which many authors standardise

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "ReLU": F.relu,
    "LeakyReLU 0.01": lambda x: F.leaky_relu(x, 0.01),
    "LeakyReLU 0.2": lambda x: F.leaky_relu(x, 0.2),
    "GELU": F.gelu,
    "SiLU": F.silu,
    "ELU": F.elu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "LeakyReLU 0.1": lambda x: F.leaky_relu(x, 0.1),
    "LeakyReLU 0.3": lambda x: F.leaky_relu(x, 0.3),
    "SELU": F.selu,
    "softplus": F.softplus,
    "Mish": F.mish,
}
USUAL_ACTIVATIONS = tuple(ACTIVATIONS)[1:9]
COARSE_ACTIVATIONS = ("ReLU", "tanh")
COARSE_PIXELS = ("[0, 1]", "[-1, 1]")

PIXELS: dict[str, Callable[[Tensor], Tensor]] = {
    "[0, 1]": lambda x: x,
    "[-1, 1]": lambda x: 2 * x - 1,
    "standardised": lambda x: (x - MEAN) / STD,
    "[0, 255]": lambda x: 255 * x,
}
USUAL_PIXELS = ("[0, 1]", "[-1, 1]", "standardised")

OUTPUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "sigmoid": torch.sigmoid,
    "linear": lambda y: y,
    "tanh for [-1, 1]": lambda y: (torch.tanh(y) + 1) / 2,
    "tanh": torch.tanh,
    "linear for [-1, 1]": lambda y: (y + 1) / 2,
    "linear for standardised": lambda y: y * STD + MEAN,
    "sigmoid for standardised": lambda y: torch.sigmoid(y) * STD + MEAN,
    "sigmoid for [-1, 1]": lambda y: (torch.sigmoid(y) + 1) / 2,
    "tanh for standardised": lambda y: torch.tanh(y) * STD + MEAN,
    "linear for [0, 255]": lambda y: y / 255,
}

SPLITS: dict[str, Callable[[Tensor], Tensor]] = {
    "first half": lambda h: h.chunk(2, dim=1)[0],
    "second half": lambda h: h.chunk(2, dim=1)[1],
    "even places": lambda h: h[:, 0::2],
    "odd places": lambda h: h[:, 1::2],
}

LIKELY_OUTPUTS = {
    "[0, 1]": ("sigmoid", "linear"),
    "[-1, 1]": ("tanh for [-1, 1]", "linear for [-1, 1]"),
    "standardised": ("linear for standardised", "sigmoid", "linear"),
    "[0, 255]": ("linear for [0, 255]",),
}

PLAIN_CHOICES = (
    "code", "norm_gap", "code_activation", "split", "pixels", "output", "label_first", "upsampling", "channels_last",
)  # fmt: skip

COARSE_IMAGES, FULL_IMAGES, FINE_IMAGES, JUDGING_IMAGES = 16, 24, 64, 500
KEPT, REFINED, JUDGED = 6, 2, 6  # readings after the coarse and the full round, in the fine one, and on most images
KEPT_ALIKE = 2  # of those with the same sizes of image and code
FAR_BEHIND = 1.0  # in the logarithm of the error
PRICE = 0.03  # of one odd choice: the part by which it has to lower the error to be believed
GEOMETRY_PRICE = 0.03  # of a unit of the cost of a geometry
CODE_PRICE = 1.0  # of a code e times as long
SIDE_PRICES = {32: 0.5, 64: 1.0}  # of digits enlarged
DOES_NOT_WORK = 10.0  # readings that do not work come after all that do, and among them only the error counts
WORKS = 0.045  # an error below this is a reading that works
MEAN_DIGIT_ERROR = 0.067  # of the mean digit as the answer to every digit
SECONDS = 6.5  # of the processor for the search; what is left of it then is not tried


@dataclass(frozen=True)
class Reading:
    """One way to run a file's weights as an autoencoder.

    ``gaps`` the activation before each link (the first is never used); ``norm_gaps`` the activation between a link
    and the normalisation behind it; ``code`` the index of the first link behind the code; ``split`` which half of a
    double head is the mean, where there is one; ``label_first`` whether a label stands before what it joins.
    """

    chain: Chain
    geometry: Geometry
    code: int
    gaps: tuple[str, ...]
    norm_gap: str = "none"
    code_activation: str = "none"
    split: str = "first half"
    pixels: str = "[0, 1]"
    output: str = "sigmoid"
    label_first: bool = False
    upsampling: str = "nearest"
    channels_last: bool = False

    @property
    def side(self) -> int:
        return self.geometry.side

    @property
    def channels(self) -> int:
        last = self.chain.links[-1]
        shape = image_shape(last.n_out)
        return last.n_out if last.is_conv else shape[0] if shape else 1

    @property
    def conditional(self) -> bool:
        return any(link.condition for link in self.chain.links)

    @property
    def variational(self) -> bool:
        """Whether a log-variance stands beside the code's mean."""
        if self.chain.links[self.code].joint == "halve":
            return True
        if not self.chain.has_encoder:
            return False
        head = self.chain.links[self.code - 1].layer
        return any(layer.shape == head.shape and layer.kind == head.kind for layer in self.chain.unused)

    @property
    def code_shape(self) -> tuple[int, ...]:
        """(latent_dim,) of a flat code, (channels, height, width) of a spatial one."""
        behind = self.chain.links[self.code]
        if behind.is_conv and behind.joint not in ("unflatten", "code"):
            side = self.geometry.sides[self.code - 1]
            return behind.n_in, side, side
        if behind.joint == "flatten":
            before, side = self.chain.links[self.code - 1], self.geometry.sides[self.code - 1]
            return before.n_out, side, side
        if behind.joint == "unflatten":
            return (self.chain.links[self.code - 1].n_out,)
        return (behind.n_in - behind.condition,)

    def describe(self) -> dict[str, Any]:
        """The reading for people: the layers in order, and what was inferred."""
        return {"layers": self.layer_lines()} | self.choices()

    def choices(self) -> dict[str, str]:
        """What was inferred, by name, in words."""
        links, places = self.chain.links, range(1, len(self.chain.links))
        gaps = {self.gaps[index] for index in places if index != self.code}
        found = {
            "pixels in": self.pixels,
            "pixels out": self.output,
            "activations": ", ".join(sorted(gaps)) or "none",
            "activation of the code": self.code_activation,
            "code": " × ".join(map(str, self.code_shape)),
            "image side": str(self.side),
        }
        if links[self.code].joint == "halve":
            found["mean"] = self.split
        elif self.variational:
            found["mean"] = links[self.code - 1].layer.name
        if self.conditional:
            found["label"] = "before" if self.label_first else "behind"
        if self.chain.unused:
            found["left aside"] = ", ".join(layer.name for layer in self.chain.unused)
        return found

    def alternatives(self) -> dict[str, dict[str, Reading]]:
        """Every inferred choice by name, with the readings that another choice gives, by that choice in words.

        The first of each is the reading itself.
        """
        found: dict[str, dict[str, Reading]] = {
            "Pixels in": {self.pixels: self} | {name: replace(self, pixels=name) for name in PIXELS},
            "Pixels out": {self.output: self} | {name: replace(self, output=name) for name in OUTPUTS},
            "Activations": {"as inferred": self}
            | {name: with_activation(self, name) for name in ACTIVATIONS if name != "none"},
            "Activation of the code": {self.code_activation: self}
            | {name: replace(self, code_activation=name) for name in ACTIVATIONS},
        }
        links = self.chain.links
        if links[self.code].joint == "halve":
            found["Mean of the code"] = {self.split: self} | {name: replace(self, split=name) for name in SPLITS}
        elif self.variational:
            head = links[self.code - 1]
            twins = [
                layer for layer in self.chain.unused if (layer.kind, layer.shape) == (head.layer.kind, head.layer.shape)
            ]
            found["Mean of the code"] = {head.layer.name: self}
            found["Mean of the code"] |= {layer.name: with_head(self, layer) for layer in twins}
        if self.conditional:
            words = {True: "before", False: "behind"}
            found["Label"] = {
                words[first]: replace(self, label_first=first) for first in (self.label_first, not self.label_first)
            }
        steps = [step for step in self.geometry.steps if step is not None]
        if steps:
            others = geometries(self.chain, {}, same=self.channels_last)
            found["Convolutions"] = {"as inferred": self}
            found["Convolutions"] |= {
                f"{geometry.side}: " + " | ".join(str(step) for step in geometry.steps if step): replace(
                    self, geometry=geometry
                )
                for geometry in others
                if geometry.steps != self.geometry.steps and geometry.turn == self.geometry.turn
            }
        if any(step.upsample > 1 for step in steps):
            modes = (self.upsampling, "bilinear" if self.upsampling == "nearest" else "nearest")
            found["Upsampling"] = {mode: replace(self, upsampling=mode) for mode in modes}
        return found

    def layer_lines(self) -> list[str]:
        """A line for every layer, in the order in which they run."""
        lines = []
        for index, link in enumerate(self.chain.links):
            step = self.geometry.steps[index]
            kind = "Linear" if step is None else "ConvTranspose2d" if step.transposed else "Conv2d"
            words = [f"{link.layer.name}: {kind} {link.n_in} → {link.n_out}"]
            if step is not None:
                words += [f"kernel {link.layer.kernel[0]}", str(step), f"maps of {self.geometry.sides[index]}"]
            if index not in (0, self.code) and self.gaps[index] != "none":
                words.append(f"{self.gaps[index]} before")
            if link.after:
                words.append(f"{' and '.join(norm.name for norm in link.after)} behind")
            lines.append(", ".join(words) + (" ⟵ code" if index == self.code else ""))
        return lines

    def differences(self, other: Reading) -> str:
        """What is otherwise in another reading, in words."""
        mine, theirs = self.choices(), other.choices()
        told = [f"{name} {theirs.get(name, '–')}" for name in theirs if theirs.get(name) != mine.get(name)]
        if self.layer_lines() != other.layer_lines() and not told:
            pairs = zip(self.layer_lines(), other.layer_lines(), strict=False)
            told = [theirs for mine_line, theirs in pairs if mine_line != theirs]
        return "; ".join(told) or "another order of layers"

    def to_dict(self) -> dict[str, object]:
        """The choices as plain values, from which `from_dict` makes the reading again without a search."""
        links = [
            {
                "layer": link.layer.name, "transposed": link.transposed, "n_in": link.n_in, "n_out": link.n_out,
                "joint": link.joint, "condition": link.condition,
                "before": [norm.name for norm in link.before], "after": [norm.name for norm in link.after],
            }
            for link in self.chain.links
        ]  # fmt: skip
        geometry = self.geometry
        return {
            "links": links,
            "side": geometry.side,
            "turn": geometry.turn,
            "steps": [None if step is None else list(astuple(step)) for step in geometry.steps],
            "sides": list(geometry.sides),
            "variational": self.variational,
            "gaps": list(self.gaps),
            **{name: getattr(self, name) for name in PLAIN_CHOICES},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Reading:
        """The reading that `to_dict` wrote, for these weights; `KeyError`, `TypeError`, `ValueError` if none."""
        turned, _ = in_torch_layout(tensors)
        layers = {layer.name: layer for layer in layers_of(turned)}
        links = []
        for each in values["links"]:
            norms = [tuple(layers[name] for name in each[place]) for place in ("before", "after")]
            rest = [each[name] for name in ("transposed", "n_in", "n_out", "joint", "condition")]
            links.append(Link(layers[each["layer"]], *rest, *norms))
        used = {link.layer.name for link in links}
        chain = Chain(tuple(links), tuple(layer for name, layer in layers.items() if name not in used))
        steps = tuple(None if step is None else Step(*step) for step in values["steps"])
        geometry = Geometry(values["side"], values["turn"], steps, tuple(values["sides"]), 0.0)
        choices = {name: values[name] for name in PLAIN_CHOICES}
        if not (len(links) == len(steps) == len(values["gaps"]) and choices["output"] in OUTPUTS):
            raise ValueError("its reading does not fit together")
        return cls(chain, geometry, gaps=tuple(values["gaps"]), **choices)

    def encode(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Images (n, channels, side, side) in [0, 1] to codes (n, *code_shape), ``label`` one-hot (n, 10)."""
        h = PIXELS[self.pixels](x)
        if not self.chain.links[0].is_conv:
            h = h.flatten(1)
        for index in range(self.code):
            h = self.through(index, h, label)
        if self.chain.links[self.code].joint == "halve":
            h = SPLITS[self.split](h)
        return ACTIVATIONS[self.code_activation](h)

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Codes to what the last layer puts out, (n, channels, side, side), before `OUTPUTS`."""
        h = z
        for index in range(self.code, len(self.chain.links)):
            h = self.through(index, h, label)
        return h.reshape(len(h), self.channels, self.side, self.side)

    def picture(self, y: Tensor) -> Tensor:
        """What the last layer puts out as pixels in [0, 1]."""
        return OUTPUTS[self.output](y).clamp(0, 1)

    def through(self, index: int, h: Tensor, label: Tensor | None) -> Tensor:
        """What comes to a link, as it leaves the link."""
        link = self.chain.links[index]
        if index not in (0, self.code):
            h = ACTIVATIONS[self.gaps[index]](h)
        if link.joint == "unflatten" or (link.is_conv and h.ndim == 2):
            side = round((h.shape[1] / link.n_in) ** 0.5)
            if self.channels_last:
                h = h.reshape(len(h), side, side, link.n_in).movedim(3, 1)
            else:
                h = h.reshape(len(h), link.n_in, side, side)
        elif not link.is_conv and h.ndim == 4:
            h = (h.movedim(1, 3) if self.channels_last else h).flatten(1)
        for norm in link.before:
            h = normalised(norm, h)
        if link.condition and label is not None:
            h = torch.cat([label, h] if self.label_first else [h, label], dim=1)
        h = weighted(link, self.geometry.steps[index], h, self.upsampling)
        for norm in link.after:
            h = normalised(norm, ACTIVATIONS[self.norm_gap](h))
        return h


def weighted(link: Link, step: Step | None, h: Tensor, upsampling: str) -> Tensor:
    """The link's own layer, with the pool behind it."""
    weight, bias = link.layer.weight, link.layer.tensors.get("bias")
    if step is None:
        return F.linear(h, weight, bias)
    if step.upsample > 1:
        h = F.interpolate(h, scale_factor=step.upsample, mode=upsampling)
    if step.padding == SAME:
        h = convolved_same(h, weight, bias, step)
    elif step.transposed:
        h = F.conv_transpose2d(h, weight, bias, step.stride, step.padding, step.output_padding)
    else:
        h = F.conv2d(h, weight, bias, step.stride, step.padding)
    return F.max_pool2d(h, 2, step.pool) if step.pool else h


def convolved_same(h: Tensor, weight: Tensor, bias: Tensor | None, step: Step) -> Tensor:
    """A convolution with TensorFlow's "same" padding, whose odd pixel goes to the right and the bottom."""
    kernel, stride, side = weight.shape[2], step.stride, h.shape[2]
    if step.transposed:
        before = max(0, kernel - stride) // 2
        whole = F.conv_transpose2d(h, weight, bias, stride, output_padding=max(0, stride - kernel))
        return whole[:, :, before : before + side * stride, before : before + side * stride]
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    before, behind = total // 2, total - total // 2
    return F.conv2d(F.pad(h, (before, behind, before, behind)), weight, bias, stride)


def normalised(norm: Layer, h: Tensor) -> Tensor:
    """A batch normalisation with its running statistics, or a PReLU."""
    if norm.kind == "prelu":
        return F.prelu(h, norm.weight)
    tensors = norm.tensors
    return F.batch_norm(
        h, tensors["running_mean"], tensors["running_var"], tensors.get("weight"), tensors.get("bias"), eps=1e-5
    )


@dataclass(frozen=True)
class Scored:
    """A reading and its mean squared error a pixel on real digits, pixels in [0, 1]."""

    reading: Reading
    error: float


@dataclass
class Digits:
    """Real digits in the sizes that readings ask for."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    fitted: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def batch(self, reading: Reading, n: int) -> tuple[Tensor, Tensor]:
        """``n`` images (n, channels, side, side) in [0, 1] and one-hot labels (n, 10)."""
        key = reading.side, reading.channels
        if key not in self.fitted:
            fitted = data.fit(self.images, (1, reading.side, reading.side)).astype(np.float32) / 255
            self.fitted[key] = torch.from_numpy(fitted)[:, None].repeat(1, reading.channels, 1, 1)
        return self.fitted[key][:n], F.one_hot(torch.tensor(self.labels[:n]).long(), N_CLASSES).float()


def read(tensors: Mapping[str, Tensor], modules: Mapping[str, Record] | None = None) -> list[Scored]:
    """The readings of a file's named tensors that were looked at longest, the best first.

    ``modules`` are the file's own, by path, where it has any: evidence of strides and the like. Raises
    `CheckpointError` where no chain of layers leads from an image or a code to an image, with what the file seems
    to be.
    """
    turned, channels_last = in_torch_layout(tensors)
    layers = layers_of({name: t.float() if t.is_floating_point() else t for name, t in turned.items()})
    refuse_others(layers, tensors)
    found = chains(layers)
    if not found:
        raise CheckpointError(what_it_is(layers))
    images, labels = data.evaluation_digits()
    search = Search(Digits(images[:JUDGING_IMAGES], labels[:JUDGING_IMAGES]), time.process_time() + SECONDS)
    longest = len(found[0].links)
    tiers = [(longest, False), (longest, True), (longest - 1, False)]
    results: list[Scored] = []
    with torch.inference_mode():
        for n_links, wide in tiers:  # rare strides, or leaving a layer aside: only where nothing likelier works
            tier = [chain for chain in found if len(chain.links) == n_links]
            bases = [base for chain in tier for base in first_readings(chain, told(modules or {}), wide, channels_last)]
            if bases:
                results = sorted([*results, *search.run(bases)], key=merit)
            if (results and results[0].error < WORKS) or time.process_time() > search.deadline:
                break
    if not results:
        raise CheckpointError("its convolutions cannot be given strides that lead from an image back to one")
    if results[0].error >= MEAN_DIGIT_ERROR and results[0].reading.chain.has_encoder:
        raise CheckpointError(
            f"no way to run its layers reconstructs real digits better than one grey mean digit would "
            f"(error {results[0].error:.3f} against {MEAN_DIGIT_ERROR})"
        )
    return results


def told(modules: Mapping[str, Record]) -> dict[str, tuple[int, int, int]]:
    """What a file with its modules tells of its convolutions, by name: stride, padding and output padding."""
    found = {}
    for path, record in modules.items():
        if record.class_name.rpartition(".")[2].startswith(("Conv2d", "ConvTranspose2d")):
            values = [first_number(record.attributes.get(name)) for name in ("stride", "padding", "output_padding")]
            if values[0] is not None and values[1] is not None:
                found[path] = (values[0], values[1], values[2] or 0)
    return found


def first_number(value: object) -> int | None:
    """A whole number, or the first of several; None for anything else."""
    if isinstance(value, tuple | list) and value:
        value = value[0]
    return value if isinstance(value, int) and 0 <= value < 100 else None


def first_readings(
    chain: Chain, known: Mapping[str, tuple[int, int, int]], wide: bool, channels_last: bool
) -> Iterator[Reading]:
    """A reading to start from for every geometry of a chain."""
    for geometry in geometries(chain, known, wide, same=channels_last):
        code = code_position(chain, geometry)
        gaps = tuple("none" if closed(chain, index) else "ReLU" for index in range(len(chain.links)))
        yield Reading(chain, geometry, code, gaps, channels_last=channels_last)


def closed(chain: Chain, index: int) -> bool:
    """Whether the file shows that no activation stands before this link: nothing stands there in its Sequential."""
    layer = chain.links[index].layer
    inside = index > 0 and layer.name.rpartition(".")[0] == chain.links[index - 1].layer.name.rpartition(".")[0]
    return inside and layer.gap == 0 and not chain.links[index].before


def code_position(chain: Chain, geometry: Geometry) -> int:
    """The index of the first link behind the code: behind the heads, else where the fewest numbers go through."""
    if not chain.has_encoder:
        return 0
    links = chain.links
    for index, link in enumerate(links):
        if link.joint == "halve":
            return index
    unused = {(layer.kind, layer.shape) for layer in chain.unused}
    twins = [(link.layer.kind, link.layer.shape) in unused for link in links]
    if any(twins[1:-1]):
        head = twins.index(True, 1)
        return next(index for index in range(head + 1, len(links)) if not twins[index])
    if all(link.is_conv for link in links):
        return geometry.turn

    def numbers(index: int) -> tuple[int, int]:
        side = geometry.sides[index - 1]
        through = links[index - 1].n_out * (side * side if side else 1)
        same_part = links[index].layer.name.split(".")[0] == links[index - 1].layer.name.split(".")[0]
        return through, same_part

    return min(range(1, len(links)), key=numbers)


class Search:
    """The three rounds. Every score is kept, so nothing is run twice."""

    def __init__(self, digits: Digits, deadline: float) -> None:
        self.digits = digits
        self.deadline = deadline
        self.errors: dict[tuple[Reading, int], float] = {}

    def run(self, bases: list[Reading]) -> list[Scored]:
        """The best readings, best first."""
        kept = self.best(coarse(bases), COARSE_IMAGES, 0.4)
        kept = self.best(full([scored.reading for scored in kept]), FULL_IMAGES, 0.6)
        for scored in sorted(kept, key=merit)[:REFINED]:
            self.refine(scored.reading)
        fine = [Scored(reading, error) for (reading, n), error in self.errors.items() if n == FINE_IMAGES]
        fine = sorted(fine, key=merit)[:JUDGED]
        return sorted((Scored(each.reading, self.error(each.reading, JUDGING_IMAGES)) for each in fine), key=merit)

    def best(self, readings: Iterable[Reading], n: int, share: float) -> list[Scored]:
        """The best of these readings on ``n`` images, each of another chain or geometry, in a share of the time left.

        Of those with the same sizes of image and code only the best `KEPT_ALIKE`, and none that is far behind.
        """
        until = time.process_time() + share * max(0.0, self.deadline - time.process_time())
        best: dict[object, Scored] = {}
        for reading in readings:
            base = reading.chain, reading.geometry
            try:
                outcome = self.with_outputs(reading, n)
            except RuntimeError:  # sizes that do not meet after all: no reading
                continue
            for scored in outcome:
                if base not in best or rough(scored) < rough(best[base]):
                    best[base] = scored
            if time.process_time() > until:
                break
        if not best:
            return []
        alike: dict[object, list[Scored]] = {}
        for scored in sorted(best.values(), key=rough):
            alike.setdefault((scored.reading.side, scored.reading.code_shape), []).append(scored)
        ranked = sorted((scored for group in alike.values() for scored in group[:KEPT_ALIKE]), key=rough)[:KEPT]
        return [scored for scored in ranked if rough(scored) < rough(ranked[0]) + FAR_BEHIND]

    def with_outputs(self, reading: Reading, n: int) -> list[Scored]:
        """The reading with each way to make pixels of what it puts out: they share all the work before."""
        images, labels = self.digits.batch(reading, n)
        if reading.chain.has_encoder:
            z = reading.encode(images, labels)
        else:
            z = torch.randn(n, *reading.code_shape, generator=torch.Generator().manual_seed(0))
        y = reading.decode(z, labels)
        found = []
        for output in OUTPUTS:
            each = replace(reading, output=output)
            pictures = each.picture(y)
            error = float(F.mse_loss(pictures, images)) if reading.chain.has_encoder else self.strangeness(pictures)
            self.errors[each, n] = error = error if np.isfinite(error) else np.inf
            found.append(Scored(each, error))
        return found

    def strangeness(self, pictures: Tensor) -> float:
        """How far pictures are from the nearest real digits, mean squared a pixel: what tells for a decoder alone."""
        side, channels = pictures.shape[2], pictures.shape[1]
        real = self.digits.fitted[side, channels].flatten(1)
        return float(torch.cdist(pictures.flatten(1), real).min(dim=1).values.square().mean()) / real.shape[1]

    def error(self, reading: Reading, n: int) -> float:
        """Mean squared error a pixel of one reading on ``n`` images."""
        if (reading, n) not in self.errors:
            self.with_outputs(reading, n)
        return self.errors[reading, n]

    def refine(self, reading: Reading) -> None:
        """Make the one change that helps most, for as long as one helps."""
        best = min(self.with_outputs(reading, FINE_IMAGES), key=merit)
        while True:
            tried = [best]
            for changed in neighbours(best.reading):
                tried += self.with_outputs(changed, FINE_IMAGES)
                if time.process_time() > self.deadline:
                    return
            better = min(tried, key=merit)
            if better is best:
                return
            best = better


def rough(scored: Scored) -> float:
    """What readings are ranked by in the first rounds: the logarithm of the error, and the price of the sizes.

    A longer code reconstructs better whatever the network is, and so do larger digits, which are smoother.
    """
    reading = scored.reading
    price = GEOMETRY_PRICE * reading.geometry.cost + CODE_PRICE * np.log(np.prod(reading.code_shape))
    return float(np.log(max(scored.error, 1e-12)) + price + SIDE_PRICES.get(reading.side, 0.0))


def merit(scored: Scored) -> float:
    """What readings are ranked by in the end, the smaller the better: as in the first rounds, and a price for oddity.

    Of two readings that reconstruct about equally well, the one that an author is likelier to have written is meant:
    each activation unlike the others, and each unusual choice, has to lower the error by some per cent to be believed.
    """
    reading = scored.reading
    if scored.error >= WORKS:
        return float(np.log(scored.error)) + DOES_NOT_WORK
    open_gaps = [gap for index, gap in enumerate(reading.gaps) if index not in (0, reading.code)]
    usual = max(set(open_gaps), key=open_gaps.count, default="ReLU")
    odd = sum(gap != usual and not closed(reading.chain, index) for index, gap in enumerate(reading.gaps)
              if index not in (0, reading.code))  # fmt: skip
    odd += reading.code_activation != "none"
    odd += 2 * (reading.code_activation not in ("none", *USUAL_ACTIVATIONS))
    odd += 2 * (usual not in USUAL_ACTIVATIONS)
    odd += reading.pixels not in USUAL_PIXELS
    odd += reading.output not in LIKELY_OUTPUTS[reading.pixels]
    odd += reading.label_first
    odd += reading.norm_gap != "none"
    return rough(scored) + PRICE * odd


def coarse(bases: list[Reading]) -> Iterator[Reading]:
    """Each base, the likeliest first, with a few activations and pixel scales."""
    for base in sorted(bases, key=lambda base: base.geometry.cost):
        for pixels in COARSE_PIXELS:
            for activation in COARSE_ACTIVATIONS:
                for split in splits(base):
                    yield replace(with_activation(base, activation), pixels=pixels, split=split)


def full(bases: list[Reading]) -> Iterator[Reading]:
    """Each base with everything that holds for the whole network."""
    for base in bases:
        for activation in USUAL_ACTIVATIONS:
            for pixels in USUAL_PIXELS:
                one = replace(with_activation(base, activation), pixels=pixels)
                yield one
                if not one.variational:
                    yield replace(one, code_activation=activation)
                elif one.code > 1 and one.gaps[one.code - 1] != "none":
                    yield with_gap(one, one.code - 1, "none")


def neighbours(reading: Reading) -> Iterator[Reading]:
    """The reading with one choice changed."""
    places = [i for i in range(1, len(reading.gaps)) if i != reading.code and not closed(reading.chain, i)]
    for index in places:
        for activation in ("none", "ReLU", "tanh"):
            if activation != reading.gaps[index]:
                yield with_gap(reading, index, activation)
    for activation in USUAL_ACTIVATIONS:  # authors who mix do so between encoder and decoder
        yield replace(reading, gaps=gaps_with(reading, activation, lambda index: index < reading.code))
        yield replace(reading, gaps=gaps_with(reading, activation, lambda index: index > reading.code))
    for activation in ACTIVATIONS:
        if activation not in USUAL_ACTIVATIONS and activation != "none":
            yield with_activation(reading, activation)
        if activation != reading.code_activation:
            yield replace(reading, code_activation=activation)
    for pixels in PIXELS:
        if pixels != reading.pixels:
            yield replace(reading, pixels=pixels)
    if any(norm.kind == "batch_norm" and norm.gap != 0 for link in reading.chain.links for norm in link.after):
        for activation in ("none", *USUAL_ACTIVATIONS):
            if activation != reading.norm_gap:
                yield replace(reading, norm_gap=activation)
    if reading.conditional:
        yield replace(reading, label_first=not reading.label_first)
    if any(step and step.upsample > 1 for step in reading.geometry.steps):
        yield replace(reading, upsampling="bilinear" if reading.upsampling == "nearest" else "nearest")
    for split in splits(reading):
        if split != reading.split:
            yield replace(reading, split=split)


def splits(reading: Reading) -> list[str]:
    """The ways to take the mean from a double head; one that means nothing where there is none."""
    return list(SPLITS) if reading.chain.links[reading.code].joint == "halve" else [reading.split]


def gaps_with(reading: Reading, activation: str, where: Callable[[int], bool]) -> tuple[str, ...]:
    """The reading's gaps with this activation in the places meant that have one."""
    return tuple(activation if gap != "none" and where(index) else gap for index, gap in enumerate(reading.gaps))


def with_activation(reading: Reading, activation: str) -> Reading:
    """The reading with this activation in every place that has one."""
    return replace(reading, gaps=gaps_with(reading, activation, lambda index: True))


def with_head(reading: Reading, layer: Layer) -> Reading:
    """The reading with another layer of the same shape as the head that gives the code."""
    links, place = reading.chain.links, reading.code - 1
    head = links[place]
    unused = tuple(head.layer if each is layer else each for each in reading.chain.unused)
    changed = (*links[:place], replace(head, layer=layer), *links[place + 1 :])
    return replace(reading, chain=replace(reading.chain, links=changed, unused=unused))


def with_gap(reading: Reading, index: int, activation: str) -> Reading:
    return replace(reading, gaps=(*reading.gaps[:index], activation, *reading.gaps[index + 1 :]))


def refuse_others(layers: list[Layer], tensors: Mapping[str, Tensor]) -> None:
    """Raise `CheckpointError` for networks that are certainly no autoencoder of layers in a chain."""
    if any(RECURRENT.search(name) for name in tensors):
        raise CheckpointError("it is a recurrent network, whose layers pass a state along a sequence")
    if any(DIFFUSION.search(name) for name in tensors):
        raise CheckpointError("it is a diffusion model, which removes noise step by step and has no code")
    if any(ATTENTION.search(name) for name in tensors):
        raise CheckpointError("it is a transformer, whose layers attend to each other and do not form a chain")
    if not any(layer.kind in ("linear", "conv") for layer in layers):
        raise CheckpointError("it holds no dense or convolutional layers")


def what_it_is(layers: list[Layer]) -> str:
    """What a file seems to hold that has no chain to an image."""
    links = candidates(layers)
    if any(from_image(link) for link in links):
        last = links[-1]
        if not last.is_conv and last.n_out in (10, 26, 47, 62, 100, 1000):
            return (
                f"it is a classifier, or an encoder alone: it leads from an image to {last.n_out} numbers and not back"
            )
        return "it is an encoder alone, or the other half is missing: nothing in it leads back to an image"
    return "none of its layers takes or makes a grey or colour image of 28, 32 or 64 pixels a side"
