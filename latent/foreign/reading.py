"""A reading: one way to run a file's weights as an autoencoder, with every choice that the weights leave open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latent.foreign.chains import N_CLASSES, Chain, Link, image_shape
from latent.foreign.geometry import SAME, Geometry, Step, geometries
from latent.foreign.layers import Layer, in_torch_layout, layers_of

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

PIXELS: dict[str, Callable[[Tensor], Tensor]] = {
    "[0, 1]": lambda x: x,
    "[-1, 1]": lambda x: 2 * x - 1,
    "standardised": lambda x: (x - MEAN) / STD,
    "[0, 255]": lambda x: 255 * x,
}

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

LARGEST_CHOICE = 128  # of sides, strides and the like in a saved reading
PLAIN_CHOICES = (
    "code", "norm_gap", "code_activation", "split", "pixels", "output", "label_first", "upsampling", "channels_last",
)  # fmt: skip


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
        """The reading that `to_dict` wrote, for these weights; `KeyError`, `TypeError`, `ValueError` if it is none."""
        turned, _ = in_torch_layout(tensors)
        floats = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in turned.items()}
        layers = {layer.name: layer for layer in layers_of(floats)}
        links = []
        for each in values["links"]:
            norms = [tuple(layers[name] for name in each[place]) for place in ("before", "after")]
            rest = [each[name] for name in ("transposed", "n_in", "n_out", "joint", "condition")]
            links.append(Link(layers[each["layer"]], *rest, *norms))
        used = {link.layer.name for link in links}
        chain = Chain(tuple(links), tuple(layer for name, layer in layers.items() if name not in used))
        steps = tuple(None if step is None else Step(*step) for step in values["steps"])
        geometry = Geometry(values["side"], values["turn"], steps, tuple(values["sides"]), 0.0)
        reading = cls(chain, geometry, gaps=tuple(values["gaps"]), **{name: values[name] for name in PLAIN_CHOICES})
        reading.check()
        return reading

    def check(self) -> None:
        """Raise `ValueError` where the choices do not fit the weights, before anything large is computed."""
        numbers = [self.geometry.side, *self.geometry.sides, self.code]
        numbers += [int(number) for step in self.geometry.steps if step for number in astuple(step)[1:]]
        if len({len(self.chain.links), len(self.gaps), len(self.geometry.steps), len(self.geometry.sides)}) > 1:
            raise ValueError("its reading names different numbers of layers")
        if not all(isinstance(number, int) and SAME <= number <= LARGEST_CHOICE for number in numbers):
            raise ValueError("its reading holds sizes that no network for digits has")
        if any(step and (step.upsample > 4 or step.stride < 1) for step in self.geometry.steps):
            raise ValueError("its reading holds strides that no network for digits has")
        try:
            with torch.inference_mode():
                label = torch.zeros(1, N_CLASSES)
                z = torch.zeros(1, *self.code_shape)
                if self.chain.has_encoder:
                    z = self.encode(torch.zeros(1, self.channels, self.side, self.side), label)
                self.picture(self.decode(z, label))
        except (RuntimeError, IndexError, KeyError) as error:
            raise ValueError("its reading does not fit its weights") from error

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
