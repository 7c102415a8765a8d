"""A reading: one way to run a file's weights as an autoencoder, with every choice that the weights leave open."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import astuple, dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latent.foreign.chains import (
    USUAL_CLASSES,
    Chain,
    Joint,
    Link,
    Skip,
    classes_told,
    numbers_taken,
    side_of,
)
from latent.foreign.geometry import SAME, Geometry, Step, geometries
from latent.foreign.layers import TABLE, Layer, in_torch_layout, layers_of
from latent.foreign.node_operations import largest_of_four, nearest
from latent.foreign.normalisations import FEATURE_NORMS, NORMALISATIONS
from latent.foreign.operations import ACTIVATIONS, OUTPUTS, PIXELS, USUAL_VIEW, VIEWS

SPLITS: dict[str, Callable[[int], slice]] = {  # which of so many numbers are the half that is meant
    "first half": lambda n: slice(0, -(-n // 2), 1),
    "second half": lambda n: slice(-(-n // 2), n, 1),
    "even places": lambda n: slice(0, n, 2),
    "odd places": lambda n: slice(1, n, 2),
}
OTHER_HALF = {
    "first half": "second half", "second half": "first half", "even places": "odd places", "odd places": "even places"
}  # fmt: skip
SPLIT_WORDS = {"even places": "even indices", "odd places": "odd indices"}  # what people read; files hold the names

FITS: dict[str, Callable[[Tensor, int], Tensor]] = {  # how maps of another side than the image's are made to fit it
    "bilinear": lambda h, side: F.interpolate(h, size=(side, side), mode="bilinear"),
    "nearest": lambda h, side: F.interpolate(h, size=(side, side)),
    "cropped around the middle": lambda h, side: cropped(h, side, (h.shape[2] - side) // 2),
    "cropped on the right and below": lambda h, side: cropped(h, side, 0),
}
POOLINGS = ("max", "average")
PADDINGS = {"zeros": "constant", "reflect": "reflect", "replicate": "replicate", "circular": "circular"}  # in torch
UPSAMPLINGS = ("nearest", "bilinear")

LARGEST_CHOICE = 128  # of sides, strides and the like in a saved reading
PLAIN_CHOICES = {  # by the names under which they are saved in files and links, which stay
    "code": "code", "norm_gap": "norm_activation", "code_activation": "code_activation", "split": "split",
    "pixels": "pixels", "output": "output", "label_first": "label_first", "upsampling": "upsampling",
    "channels_last": "channels_last",
}  # fmt: skip
LATER_CHOICES = (  # which files that were saved earlier lack; their names are those under which they are saved
    "view", "norm_style", "pooling", "padding", "fit", "residual", "skip_activated", "codebook",
)  # fmt: skip


@dataclass(frozen=True)
class Reading:
    """One way to run a file's weights as an autoencoder.

    ``code`` the index of the first link behind the code; ``activations`` the one before each link (that before the
    first link and that before ``code`` are never used); ``norm_activation`` the one between a link and the
    normalisation behind it; ``code_activation`` the one that the code has gone through; ``split`` which half of a
    double head is the mean, where there is one; ``pixels`` the scale of the pixels that go in, ``output`` how those
    that come out are made; ``label_first`` whether a label stands before what it joins; ``channels_last`` whether
    maps are flattened with the channels last, as Keras does. ``view`` how the network sees the images; ``norm_style``
    which of the normalisations that no file tells apart; ``padding`` what stands around maps, ``fit`` how the last map
    is brought to the image's side; ``residual`` whether the ways round links are taken, ``skip_activated`` whether what
    goes there has gone through the activation; ``codebook`` the name of the table whose nearest row takes the place of
    each vector of the code, or "". Activations, ``split``, ``pixels``, ``output`` and ``view`` are names of records.
    """

    chain: Chain
    geometry: Geometry
    code: int
    activations: tuple[str, ...]
    norm_activation: str = "none"
    code_activation: str = "none"
    split: str = "first half"
    pixels: str = "[0, 1]"
    output: str = "sigmoid"
    label_first: bool = False
    upsampling: str = "nearest"
    channels_last: bool = False
    view: str = USUAL_VIEW
    norm_style: str = "one group"
    pooling: str = "max"
    padding: str = "zeros"
    fit: str = "bilinear"
    residual: bool = True
    skip_activated: bool = False
    codebook: str = ""

    def with_output(self, output: str) -> Reading:
        """This reading with another output; not by `replace`, which takes longer than to try it on a few images."""
        other = copy(self)
        object.__setattr__(other, "output", output)
        return other

    @property
    def side(self) -> int:
        return self.geometry.side

    @property
    def channels(self) -> int:
        last = self.chain.links[-1]
        return last.n_out if last.is_conv else max(1, last.n_out // self.side**2)

    @property
    def conditional(self) -> bool:
        return self.chain.n_classes > 0

    @property
    def variational(self) -> bool:
        """Whether a log-variance stands beside the code's mean."""
        if self.chain.links[self.code].joint == Joint.HALVE:
            return True
        if not self.chain.has_encoder:
            return False
        return bool(self.twins_of_the_head())

    @property
    def layers(self) -> list[Layer]:
        """Every layer that is run, normalisations and tables among them."""
        links = [*self.chain.links, *(skip.projection for skip in self.skips if skip.projection)]
        found = [each for link in links for each in (*link.before, link.layer, *link.after, link.label) if each]
        return found + [layer for layer in self.chain.unused if layer.name == self.codebook]

    @property
    def skips(self) -> tuple[Skip, ...]:
        """The ways round links that are taken."""
        return self.chain.skips if self.residual else ()

    def codebooks(self) -> list[Layer]:
        """The tables whose rows are as long as the vectors of the code; tables by themselves only for maps."""
        if not self.chain.has_encoder:
            return []
        kinds = ("linear", TABLE) if len(self.code_shape) == 3 else ("linear",)
        used = self.chain.used
        return [
            layer
            for layer in self.chain.unused
            if layer.kind in kinds and "bias" not in layer.tensors and layer.name not in used
            and layer.shape[1] == self.code_shape[0] and layer.shape[0] > 3
        ]  # fmt: skip

    @property
    def code_shape(self) -> tuple[int, ...]:
        """(latent_dim,) of a flat code, (channels, height, width) of a spatial one."""
        behind = self.chain.links[self.code]
        if behind.is_conv and behind.joint not in (Joint.UNFLATTEN, Joint.CODE):
            side = self.geometry.sides[self.code - 1]
            return behind.n_in, side, side
        if behind.joint == Joint.FLATTEN:
            before, side = self.chain.links[self.code - 1], self.geometry.sides[self.code - 1]
            return before.n_out, side, side
        if behind.joint == Joint.UNFLATTEN:
            return (self.chain.links[self.code - 1].n_out,)
        return (behind.n_in - behind.condition,)

    def describe(self) -> dict[str, Any]:
        """The reading for people: the layers in order, and what was inferred."""
        return {"layers": self.layer_lines()} | self.choices()

    def choices(self) -> dict[str, str]:
        """What was inferred, by name, in words."""
        links, places = self.chain.links, range(1, len(self.chain.links))
        activations = {self.activations[index] for index in places if index != self.code}
        found = {
            "pixels in": self.pixels,
            "pixels out": self.output,
            "activations": ", ".join(sorted(activations)) or "none",
            "activation of the code": self.code_activation,
            "code": " × ".join(map(str, self.code_shape)),
            "image side": str(self.side),
        }
        if links[self.code].joint == Joint.HALVE:
            found["mean"] = SPLIT_WORDS.get(self.split, self.split)
        elif self.variational:
            found["mean"] = links[self.code - 1].layer.name
        if self.conditional:
            found["label"] = "before" if self.label_first else "after"
            labels = dict.fromkeys(link.label.name for link in links if link.label)
            if labels:
                found["label through"] = ", ".join(labels)
        found |= self.rare_choices()
        unused = self.left_aside
        if unused:
            found["unused layers"] = ", ".join(unused)
        if self.chain.not_run:
            found["not run"] = ", ".join(self.chain.not_run)
        return found

    @property
    def left_aside(self) -> list[str]:
        """The names of layers, and of other networks in the file, that are not run and not missed."""
        beside = [layer.name for layer in self.chain.unused if layer.name not in (self.codebook, *self.chain.not_run)]
        return beside + [f"{name}.*" for name in self.chain.elsewhere]

    def rare_choices(self) -> dict[str, str]:
        """What was inferred for parts that few networks have, by name, in words."""
        steps = [step for step in self.geometry.steps if step]
        norms = {norm.kind for link in self.chain.links for norm in (*link.before, *link.after)}
        found = {}
        if self.view != USUAL_VIEW:
            found["images"] = self.view
        if any(NORMALISATIONS[kind].styles for kind in norms):
            found["normalisation"] = self.norm_style
        if self.pooling != "max" and any(step.pool for step in steps):
            found["pooling"] = self.pooling
        if self.padding != "zeros":
            found["padding"] = self.padding
        if steps and self.geometry.sides[-1] not in (0, self.side):
            found["fitted to the image"] = self.fit
        if self.chain.skips:
            found["residual blocks"] = str(len(self.chain.skips)) if self.residual else "none"
        if self.codebook:
            found["codebook"] = self.codebook
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
        if links[self.code].joint == Joint.HALVE:
            found["Mean of the code"] = {
                SPLIT_WORDS.get(name, name): replace(self, split=name) for name in (self.split, *SPLITS)
            } | {SPLIT_WORDS.get(self.split, self.split): self}
        elif self.variational:
            found["Mean of the code"] = {links[self.code - 1].layer.name: self}
            found["Mean of the code"] |= {layer.name: with_head(self, layer) for layer in self.twins_of_the_head()}
        if self.conditional:
            words = {True: "before", False: "after"}
            found["Label"] = {
                words[first]: replace(self, label_first=first) for first in (self.label_first, not self.label_first)
            }
        steps = [step for step in self.geometry.steps if step is not None]
        if steps:
            others = geometries(self.chain, {}, same_padding=self.channels_last)
            found["Convolutions"] = {"as inferred": self}
            found["Convolutions"] |= {
                f"{geometry.side}: " + " | ".join(str(step) for step in geometry.steps if step): replace(
                    self, geometry=geometry
                )
                for geometry in others
                if geometry.steps != self.geometry.steps and geometry.turn == self.geometry.turn
            }
        if any(step.upsample > 1 for step in steps):
            found["Upsampling"] = self.with_each("upsampling", UPSAMPLINGS)
        found["Images"] = self.with_each("view", tuple(VIEWS))
        if "normalisation" in self.rare_choices():
            found["Normalisation"] = self.with_each("norm_style", tuple(FEATURE_NORMS))
        if any(step.pool for step in steps):
            found["Pooling"] = self.with_each("pooling", POOLINGS)
        return found

    def with_each(self, choice: str, values: Sequence[str]) -> dict[str, Reading]:
        """The readings with each of these values of a choice, by the value, its own first."""
        own = getattr(self, choice)
        changes: dict[str, Any] = {value: {choice: value} for value in (own, *values)}
        return {value: self if value == own else replace(self, **change) for value, change in changes.items()}

    def layer_lines(self) -> list[str]:
        """A line for every layer, in the order in which they run."""
        lines = []
        for index, link in enumerate(self.chain.links):
            step = self.geometry.steps[index]
            kind = "Linear" if step is None else "ConvTranspose2d" if step.transposed else "Conv2d"
            words = [f"{link.layer.name}: {kind} {link.n_in} → {link.n_out}"]
            if step is not None:
                words += [f"kernel {link.layer.kernel[0]}", str(step), f"maps of {self.geometry.sides[index]}"]
            if index not in (0, self.code) and self.activations[index] != "none":
                words.append(f"{self.activations[index]} before")
            if link.after:
                words.append(f"{' and '.join(norm.name for norm in link.after)} after")
            lines.append(", ".join(words) + (" ⟵ code" if index == self.code else ""))
        return lines

    def differences(self, other: Reading) -> str:
        """What another reading has that differs, in words: its choices or, where those agree, its layers."""
        mine, theirs = self.choices(), other.choices()
        differing = [f"{name} {theirs.get(name, '–')}" for name in theirs if theirs.get(name) != mine.get(name)]
        if self.layer_lines() != other.layer_lines() and not differing:
            pairs = zip(self.layer_lines(), other.layer_lines(), strict=False)
            differing = [their_line for my_line, their_line in pairs if my_line != their_line]
        return "; ".join(differing) or "another order of layers"

    def to_dict(self) -> dict[str, object]:
        """The choices as plain values, from which `from_dict` makes the reading again without a search."""
        geometry = self.geometry
        return {
            "links": [link_to_dict(link) for link in self.chain.links],
            "side": geometry.side,
            "turn": geometry.turn,
            "steps": [None if step is None else step_to_list(step) for step in geometry.steps],
            "sides": list(geometry.sides),
            "variational": self.variational,
            "gaps": list(self.activations),
            **{saved: getattr(self, name) for saved, name in PLAIN_CHOICES.items()},
            **self.rare_parts(),
        }

    def rare_parts(self) -> dict[str, object]:
        """Of the plain values those that few readings need, so that the others stay as they always were saved."""
        chain = self.chain
        unused = [layer.name for layer in chain.unused]
        usual = not chain.elsewhere and all(layer.is_weighted for layer in chain.unused)
        skips = [[skip.first, skip.last, skip.projection and link_to_dict(skip.projection)] for skip in chain.skips]
        parts: dict[str, object] = {"skips": skips, "not_run": list(chain.not_run), "elsewhere": list(chain.elsewhere)}
        found = {name: part for name, part in parts.items() if part}
        found |= {"n_classes": chain.n_classes} if chain.n_classes not in (0, USUAL_CLASSES) else {}
        found |= {} if usual else {"unused": unused}
        found |= {} if chain.heads >= set(unused) else {"heads": sorted(chain.heads)}
        defaults = {each.name: each.default for each in fields(self)}
        return found | {name: getattr(self, name) for name in LATER_CHOICES if getattr(self, name) != defaults[name]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Reading:
        """The reading that `to_dict` wrote, for these weights; `KeyError`, `TypeError`, `ValueError` if it is none."""
        turned, _ = in_torch_layout(tensors)
        floats = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in turned.items()}
        layers = {layer.name: layer for layer in layers_of(floats)}
        links = tuple(link_from_dict(each, layers) for each in values["links"])
        skips = tuple(
            Skip(first, last, around and link_from_dict(around, layers))
            for first, last, around in values.get("skips", ())
        )
        not_run, elsewhere = (tuple(map(str, values.get(name, ()))) for name in ("not_run", "elsewhere"))
        n_classes = classes_told(links, (values.get("n_classes", USUAL_CLASSES),))
        if n_classes != values.get("n_classes", n_classes):
            raise ValueError(f"its reading names {values['n_classes']!r} classes, and its layers take {n_classes}")
        chain = Chain(
            links,
            (),
            skips=skips,
            not_run=not_run,
            elsewhere=elsewhere,
            n_classes=n_classes,
            image_sides=(values["side"],),
        )
        weighted = [name for name, layer in layers.items() if layer.is_weighted]
        names = [name for name in values.get("unused", weighted) if name not in chain.used]
        heads = frozenset(map(str, values.get("heads", names)))
        chain = replace(chain, unused=tuple(layers[name] for name in names), heads=heads)
        steps = tuple(None if step is None else Step(*step) for step in values["steps"])
        geometry = Geometry(values["side"], values["turn"], steps, tuple(values["sides"]), 0.0)
        choices = {name: values[saved] for saved, name in PLAIN_CHOICES.items()}
        choices |= {name: values[name] for name in LATER_CHOICES if name in values}
        reading = cls(chain, geometry, activations=tuple(values["gaps"]), **choices)
        reading.check()
        return reading

    def check(self) -> None:
        """Raise `ValueError` where the choices do not fit the weights, before anything large is computed."""
        numbers = [self.geometry.side, *self.geometry.sides, self.code]
        numbers += [int(number) for step in self.geometry.steps if step for number in astuple(step)[1:]]
        if len({len(self.chain.links), len(self.activations), len(self.geometry.steps), len(self.geometry.sides)}) > 1:
            raise ValueError("its reading names different numbers of layers")
        if not all(isinstance(number, int) and SAME <= number <= LARGEST_CHOICE for number in numbers):
            raise ValueError("its reading holds sizes that no supported network has")
        if self.side < 1:
            raise ValueError("its reading is of images without a pixel")
        if any(step and (step.upsample > 4 or step.stride < 1) for step in self.geometry.steps):
            raise ValueError("its reading holds strides that no supported network has")
        if not all(0 <= skip.first <= skip.last < len(self.chain.links) for skip in self.chain.skips):
            raise ValueError("its reading goes round layers that are not there")
        if self.codebook and not any(layer.name == self.codebook for layer in self.codebooks()):
            raise ValueError("its reading names a codebook that is not there")
        try:
            with torch.inference_mode():
                label = torch.zeros(1, self.chain.n_classes)
                z = torch.zeros(1, *self.code_shape)
                if self.chain.has_encoder:
                    z = self.encode(torch.zeros(1, self.channels, self.side, self.side), label)
                self.picture(self.decode(z, label))
        except (RuntimeError, IndexError, KeyError) as error:
            raise ValueError("its reading does not fit its weights") from error

    def encode(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """Images (n, channels, side, side) in [0, 1] to codes (n, *code_shape), ``label`` one-hot (n, n_classes)."""
        return self.quantised(self.unquantised(x, label))

    def unquantised(self, x: Tensor, label: Tensor | None = None) -> Tensor:
        """The codes of images before a codebook, where there is one, puts its rows in their place."""
        h = PIXELS[self.pixels].from_unit(VIEWS[self.view].torch(x))
        if not self.chain.links[0].is_conv:
            h = h.flatten(1)
        h = self.run(range(self.code), h, label)
        if self.chain.links[self.code].joint == Joint.HALVE:
            h = h[:, SPLITS[self.split](h.shape[1])]
        return self.pooled(self.code - 1, ACTIVATIONS[self.code_activation].torch(h))

    def posterior(self, x: Tensor, label: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """The code of images, as `encode` gives it, and what stands `beside` it; None where there is nothing."""
        beside = self.beside()
        return self.encode(x, label), None if beside is None else beside.encode(x, label)

    def beside(self) -> Reading | None:
        """The reading whose code is what stands beside this one's: the other half of a double head, or the output of
        the first unused layer like the head; None where there is none."""
        if self.chain.links[self.code].joint == Joint.HALVE:
            return replace(self, split=OTHER_HALF[self.split], code_activation="none")
        twins = self.twins_of_the_head() if self.variational else []
        return with_head(replace(self, code_activation="none"), twins[0]) if twins else None

    def twins_of_the_head(self) -> list[Layer]:
        """The heads beside the layer that gives the code."""
        head = self.chain.links[self.code - 1]
        return [layer for layer in self.chain.unused if self.chain.is_head(head, layer)]

    def quantised(self, z: Tensor) -> Tensor:
        """Codes with the nearest row of the codebook in the place of each vector (van den Oord et al. 2017,
        arXiv:1711.00937); unchanged where there is no codebook."""
        book = next((layer.weight for layer in self.chain.unused if layer.name == self.codebook), None)
        if book is None:
            return z
        vectors = z.movedim(1, -1)
        return book[nearest(vectors.reshape(-1, vectors.shape[-1]), book)].reshape(vectors.shape).movedim(-1, 1)

    def decode(self, z: Tensor, label: Tensor | None = None) -> Tensor:
        """Codes to what the last layer puts out, (n, channels, side, side), before `OUTPUTS`."""
        h = self.run(range(self.code, len(self.chain.links)), z, label)
        h = self.pooled(len(self.chain.links) - 1, h)
        if h.ndim == 4 and h.shape[2] != self.side:
            h = FITS[self.fit](h, self.side)
        return h.reshape(len(h), self.channels, self.side, self.side)

    def picture(self, y: Tensor) -> Tensor:
        """What the last layer puts out as pixels in [0, 1]."""
        return VIEWS[self.view].torch(OUTPUTS[self.output].torch(y).clamp(0, 1))

    def run(self, places: range, h: Tensor, label: Tensor | None) -> Tensor:
        """What these links make of what comes to the first, with the ways round them."""
        begun: dict[Skip, Tensor] = {}
        for index in places:
            came = h
            if index not in (0, self.code):
                early = h if self.chain.links[index].activated_late else self.activated(index, h)
                h, came = self.pooled(index - 1, early), self.pooled(index - 1, came)
            begun |= {skip: h if self.skip_activated else came for skip in self.skips if skip.first == index}
            h = self.run_link(index, h, label)
            for skip in self.skips:
                if skip.last == index and skip in begun:
                    h = h + self.run_projection(skip, begun[skip], h)
        return h

    def activated(self, index: int, h: Tensor) -> Tensor:
        """What the activation before a link makes of what comes; nothing else before the first one, and the code."""
        return h if index in (0, self.code) else ACTIVATIONS[self.activations[index]].torch(h)

    def pooled(self, index: int, h: Tensor) -> Tensor:
        """Maps behind the pool of a link, where it has one.

        It stands behind normalisation and activation, as nearly all authors write it: for averages, and activations
        that also fall, another order gives other maps.
        """
        step = self.geometry.steps[index]
        if step is None or not step.pool:
            return h
        if self.pooling != "max":
            return F.avg_pool2d(h, 2, step.pool, ceil_mode=step.rounded_up)
        return F.max_pool2d(h, 2, step.pool, ceil_mode=True) if step.rounded_up else largest_of_four(h, step.pool)

    def run_link(self, index: int, h: Tensor, label: Tensor | None) -> Tensor:
        """What a link makes of what comes to it, behind the activation, with the normalisations around it."""
        link = self.chain.links[index]
        if link.joint == Joint.UNFLATTEN or (link.is_conv and h.ndim == 2):
            side = round((h.shape[1] / link.n_in) ** 0.5)
            if self.channels_last:
                h = h.reshape(len(h), side, side, link.n_in).movedim(3, 1)
            else:
                h = h.reshape(len(h), link.n_in, side, side)
        elif not link.is_conv and h.ndim == 4:
            if link.joint == Joint.FLATTEN:
                side = side_of((link.n_in - link.condition) // h.shape[1]) or h.shape[2]
                h = F.adaptive_avg_pool2d(h, side) if h.shape[2] > side else h
            h = (h.movedim(1, 3) if self.channels_last else h).flatten(1)
        for norm in link.before:
            h = self.normalised(norm, h)
        if link.activated_late:
            h = self.activated(index, h)
        if link.condition and label is not None:
            joined = numbers_of_label(label, link.label)
            h = torch.cat([joined, h] if self.label_first else [h, joined], dim=1)
        h = run_layer(link, self.geometry.steps[index], h, self)
        for norm in link.after:
            h = self.normalised(norm, ACTIVATIONS[self.norm_activation].torch(h))
        return h

    def run_projection(self, skip: Skip, h: Tensor, target: Tensor) -> Tensor:
        """What goes round the links of a skip, in the shape of ``target``, which it joins."""
        link = skip.projection
        if link is None:
            return h
        weight, bias = link.layer.weight, link.layer.tensors.get("bias")
        if not link.is_conv:
            h = F.linear(h, weight, bias)
        elif link.transposed:
            stride, kernel = max(1, target.shape[2] // h.shape[2]), link.layer.kernel[0]
            padding = max(0, kernel - stride + 1) // 2
            more = target.shape[2] - ((h.shape[2] - 1) * stride - 2 * padding + kernel)
            h = F.conv_transpose2d(h, weight, bias, stride, padding, more)
        else:
            if target.shape[2] > h.shape[2]:
                h = F.interpolate(h, size=target.shape[2:], mode=self.upsampling)
            h = F.conv2d(h, weight, bias, -(-h.shape[2] // target.shape[2]), (link.layer.kernel[0] - 1) // 2)
        for norm in link.after:
            h = self.normalised(norm, h)
        return h

    def normalised(self, norm: Layer, h: Tensor) -> Tensor:
        """What a normalisation makes of what comes to it."""
        return NORMALISATIONS[norm.kind].apply(h, norm.tensors, self.norm_style)

    def moved(self, move: Callable[[Tensor], Tensor]) -> Reading:
        """The reading with its tensors moved to another device."""

        def layer(each: Layer) -> Layer:
            return replace(each, tensors={name: move(tensor) for name, tensor in each.tensors.items()})

        def link(each: Link) -> Link:
            before, after = tuple(map(layer, each.before)), tuple(map(layer, each.after))
            return replace(
                each, layer=layer(each.layer), before=before, after=after, label=each.label and layer(each.label)
            )

        chain = self.chain
        skips = tuple(replace(skip, projection=skip.projection and link(skip.projection)) for skip in chain.skips)
        unused = tuple(layer(each) if each.name == self.codebook else each for each in chain.unused)
        return replace(self, chain=replace(chain, links=tuple(map(link, chain.links)), skips=skips, unused=unused))


def step_to_list(step: Step) -> list[float]:
    """A step as plain values, of which the last one is left out where it says nothing: that is how it always was."""
    values = list(astuple(step))
    return values if step.rounded_up else values[:-1]


def link_to_dict(link: Link) -> dict[str, Any]:
    """A link as plain values."""
    label = {"label": link.label.name} if link.label else {}
    return {
        "layer": link.layer.name, "transposed": link.transposed, "n_in": link.n_in, "n_out": link.n_out,
        "joint": link.joint.value, "condition": link.condition,
        "before": [norm.name for norm in link.before], "after": [norm.name for norm in link.after],
    } | label  # fmt: skip


def link_from_dict(values: Mapping[str, Any], layers: Mapping[str, Layer]) -> Link:
    """The link that `link_to_dict` wrote, of these layers by name."""
    layer, joint = layers[values["layer"]], Joint(values["joint"])
    before, after = (tuple(layers[name] for name in values[place]) for place in ("before", "after"))
    sizes = values["transposed"], values["n_in"], values["n_out"]
    label = layers[values["label"]] if values.get("label") else None
    return Link(layer, *sizes, joint, values["condition"], before, after, label)


def numbers_of_label(label: Tensor, layer: Layer | None) -> Tensor:
    """The numbers (n, width) that stand for labels in one-hot form (n, n_classes): these, or what a layer makes of
    them."""
    if layer is None:
        return label
    if numbers_taken(layer):
        return F.linear(label, layer.weight, layer.tensors.get("bias"))
    return label @ layer.weight[: label.shape[1]]


def cropped(h: Tensor, side: int, begin: int) -> Tensor:
    """Maps cut to a side, from ``begin`` on; `RuntimeError` where they are too small."""
    if h.shape[2] < side:
        raise RuntimeError("a map is smaller than what is to be cut out of it")
    return h[:, :, begin : begin + side, begin : begin + side]


def run_layer(link: Link, step: Step | None, h: Tensor, reading: Reading) -> Tensor:
    """The link's own layer."""
    weight, bias = link.layer.weight, link.layer.tensors.get("bias")
    if step is None:
        return F.linear(h, weight, bias)
    if step.upsample > 1:
        h = F.interpolate(h, scale_factor=step.upsample, mode=reading.upsampling)
    if step.padding == SAME:
        h = same_padded_convolution(h, weight, bias, step)
    elif step.transposed:
        h = F.conv_transpose2d(h, weight, bias, step.stride, step.padding, step.output_padding)
    elif step.padding and reading.padding != "zeros":
        padded = F.pad(h, (step.padding,) * 4, mode=PADDINGS[reading.padding])
        h = F.conv2d(padded, weight, bias, step.stride)
    else:
        h = F.conv2d(h, weight, bias, step.stride, step.padding)
    return h


def same_padded_convolution(h: Tensor, weight: Tensor, bias: Tensor | None, step: Step) -> Tensor:
    """A convolution with TensorFlow's "same" padding, whose odd pixel goes to the right and the bottom."""
    kernel, stride, side = weight.shape[2], step.stride, h.shape[2]
    if step.transposed:
        before = max(0, kernel - stride) // 2
        whole = F.conv_transpose2d(h, weight, bias, stride, output_padding=max(0, stride - kernel))
        return whole[:, :, before : before + side * stride, before : before + side * stride]
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    before, behind = total // 2, total - total // 2
    return F.conv2d(F.pad(h, (before, behind, before, behind)), weight, bias, stride)


def possible_splits(reading: Reading) -> list[str]:
    """The ways to take the mean from a double head; where there is none, the one that the reading has, unused."""
    return list(SPLITS) if reading.chain.links[reading.code].joint == Joint.HALVE else [reading.split]


def with_activation(reading: Reading, activation: str, where: Callable[[int], bool] = lambda index: True) -> Reading:
    """The reading with this activation in every place that has one; with ``where``, only before the links meant.

    Where the file shows that it stands before the normalisations, that is such a place.
    """
    before = enumerate(reading.activations)
    changed = tuple(activation if each != "none" and where(index) else each for index, each in before)
    late = reading.chain.normalised_late
    return replace(reading, activations=changed, norm_activation=activation if late else reading.norm_activation)


def with_activation_before(reading: Reading, index: int, activation: str) -> Reading:
    """The reading with this activation before one link."""
    return replace(reading, activations=(*reading.activations[:index], activation, *reading.activations[index + 1 :]))


def with_head(reading: Reading, layer: Layer) -> Reading:
    """The reading with another layer of the same shape as the head that gives the code."""
    links, place = reading.chain.links, reading.code - 1
    head = links[place]
    unused = tuple(head.layer if each is layer else each for each in reading.chain.unused)
    changed = (*links[:place], replace(head, layer=layer), *links[place + 1 :])
    heads = (reading.chain.heads - {layer.name}) | {head.layer.name}
    return replace(reading, chain=replace(reading.chain, links=changed, unused=unused, heads=heads))
