"""Work out the network in a file of weights: enumerate the readings that the shapes allow, keep the one that works.

Shapes and names tell neither activations nor strides, nor pixel scale, nor which head is the mean. But the right
reading reconstructs real digits clearly better than every wrong one, so each is scored, in three rounds: a coarse one
over chains and geometries, a full one over what holds for the whole network, and a fine one, choice by choice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from latent import data
from latent.chains import N_CLASSES, Chain, Link, chains, image_shape
from latent.errors import CheckpointError
from latent.geometry import Geometry, Step, geometries
from latent.layers import Layer, layers_of

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

COARSE_IMAGES, FULL_IMAGES, FINE_IMAGES, JUDGING_IMAGES = 16, 24, 64, 500
KEPT, REFINED, JUDGED = 6, 2, 6  # readings after the coarse and the full round, in the fine one, and on most images
KEPT_ALIKE = 2  # of those with the same sizes of image and code
FAR_BEHIND = 1.0  # in the logarithm of the error
PRICE = 0.03  # of one odd choice: the part by which it has to lower the error to be believed
GEOMETRY_PRICE = 0.03  # of a unit of the cost of a geometry
CODE_PRICE = 1.0  # of a code e times as long
SIDE_PRICES = {32: 0.5, 64: 1.0}  # of digits enlarged
DOES_NOT_WORK = 10.0  # readings that do not work come after all that do, and among them only the error counts
WORKS = 0.045  # an error below this is a reading that works; the mean digit as the answer to everything has 0.067
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
            h = h.reshape(len(h), link.n_in, side, side)
        elif not link.is_conv and h.ndim == 4:
            h = h.flatten(1)
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
    if step.transposed:
        return F.conv_transpose2d(h, weight, bias, step.stride, step.padding, step.output_padding)
    h = F.conv2d(h, weight, bias, step.stride, step.padding)
    return F.max_pool2d(h, 2, step.pool) if step.pool else h


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


def read(tensors: Mapping[str, Tensor], known: Mapping[str, Step] | None = None) -> list[Scored]:
    """The readings of a file's named tensors that were looked at longest, the best first.

    ``known`` are steps of convolutions that the file itself tells, by the layer's name. Raises `CheckpointError`
    where no chain of layers leads from an image or a code to an image, with what the file seems to be.
    """
    layers = layers_of({name: t.float() if t.is_floating_point() else t for name, t in tensors.items()})
    found = chains(layers)
    if not found:
        raise CheckpointError(what_it_is(layers, tensors))
    images, labels = data.evaluation_digits()
    search = Search(Digits(images[:JUDGING_IMAGES], labels[:JUDGING_IMAGES]), time.process_time() + SECONDS)
    longest = len(found[0].links)
    tiers = [(longest, False), (longest, True), (longest - 1, False)]
    results: list[Scored] = []
    with torch.inference_mode():
        for n_links, wide in tiers:  # rare strides, or leaving a layer aside: only where nothing likelier works
            tier = [chain for chain in found if len(chain.links) == n_links]
            bases = [base for chain in tier for base in first_readings(chain, known or {}, wide)]
            if bases:
                results = sorted([*results, *search.run(bases)], key=merit)
            if (results and results[0].error < WORKS) or time.process_time() > search.deadline:
                break
    if not results:
        raise CheckpointError("its convolutions cannot be given strides that lead from an image back to one")
    return results


def first_readings(chain: Chain, known: Mapping[str, Step], wide: bool) -> Iterator[Reading]:
    """A reading to start from for every geometry of a chain."""
    for geometry in geometries(chain, known, wide):
        code = code_position(chain, geometry)
        gaps = tuple("none" if closed(chain, index) else "ReLU" for index in range(len(chain.links)))
        yield Reading(chain, geometry, code, gaps)


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
            for scored in self.with_outputs(reading, n):
                if base not in best or rough(scored) < rough(best[base]):
                    best[base] = scored
            if time.process_time() > until:
                break
        alike: dict[object, list[Scored]] = {}
        for scored in sorted(best.values(), key=rough):
            alike.setdefault((scored.reading.side, scored.reading.code_shape), []).append(scored)
        ranked = sorted((scored for group in alike.values() for scored in group[:KEPT_ALIKE]), key=rough)[:KEPT]
        return [scored for scored in ranked if rough(scored) < rough(ranked[0]) + FAR_BEHIND]

    def with_outputs(self, reading: Reading, n: int) -> list[Scored]:
        """The reading with each way to make pixels of what it puts out: they share all the work before."""
        images, labels = self.digits.batch(reading, n)
        y = reading.decode(reading.encode(images, labels), labels)
        found = []
        for output in OUTPUTS:
            each = replace(reading, output=output)
            error = float(F.mse_loss(each.picture(y), images))
            self.errors[each, n] = error = error if np.isfinite(error) else np.inf
            found.append(Scored(each, error))
        return found

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


def with_gap(reading: Reading, index: int, activation: str) -> Reading:
    return replace(reading, gaps=(*reading.gaps[:index], activation, *reading.gaps[index + 1 :]))


def what_it_is(layers: list[Layer], tensors: Mapping[str, Tensor]) -> str:
    """What a file without a chain seems to hold."""
    return "no chain of its layers leads from an image to an image"
