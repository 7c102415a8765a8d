"""Work out the network in a file of weights: enumerate the readings that the shapes allow, keep the one that works.

Shapes and names tell neither activations nor strides, nor pixel scale, nor which head is the mean. But the right
reading reconstructs real digits clearly better than every wrong one, so each is scored, in three rounds: a coarse one
over chains and geometries, a full one over what holds for the whole network, and a fine one, choice by choice.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from latent import data
from latent.errors import CheckpointError
from latent.foreign.chains import N_CLASSES, Chain, Joint, Link, as_first, candidates, chains
from latent.foreign.geometry import Geometry, Known, geometries
from latent.foreign.layers import ATTENTION, DIFFUSION, RECURRENT, Layer, in_torch_layout, layers_of
from latent.foreign.operations import ACTIVATIONS, OUTPUTS, PIXELS, Round, tried_in
from latent.foreign.pickles import Record
from latent.foreign.reading import Reading, possible_splits, with_activation, with_activation_before

USUAL_ACTIVATION = "ReLU"  # where nothing tells another
COARSE_IMAGES, FULL_IMAGES, FINE_IMAGES, JUDGING_IMAGES = 16, 24, 64, 500
KEPT, REFINED, JUDGED = 6, 2, 6  # readings after the coarse and the full round, in the fine one, and on most images
KEPT_ALIKE = 2  # readings of those with the same sizes of image and code
FAR_BEHIND = 1.0  # in the logarithm of the error
ODDITY_PRICE = 0.03  # of one odd choice: the part by which it has to lower the error to be believed
GEOMETRY_PRICE = 0.03  # of a unit of the cost of a geometry
CODE_PRICE = 1.0  # of a code e times as long
SIDE_PRICES = {32: 0.5, 64: 1.0}  # of digits enlarged
WORKING_ERROR = 0.045  # a reading with an error below this works
NOT_WORKING_PRICE = 10.0  # readings that do not work come after all that do, and among them only the error counts
MEAN_DIGIT_ERROR = 0.067  # of the mean digit as the answer to every digit
SECONDS = 6.5  # of computing for the search; what is left of it then is not tried


@dataclass(frozen=True)
class Scored:
    """A reading and its mean squared error per pixel on real digits, pixels in [0, 1]."""

    reading: Reading
    error: float


@dataclass
class Digits:
    """Real digits, ``fitted`` to each side and number of channels that readings ask for."""

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
        raise CheckpointError(what_it_seems_to_be(layers))
    images, labels = data.evaluation_digits()
    search = Search(Digits(images[:JUDGING_IMAGES], labels[:JUDGING_IMAGES]), time.thread_time() + SECONDS)
    known = known_convolutions(modules or {})
    found = [replace(chain, named_activations=activations_named(modules or {})) for chain in found]
    longest = len(found[0].links)
    attempts = [(longest, False), (longest, True), (longest - 1, False)]
    results: list[Scored] = []
    with torch.inference_mode():
        for n_links, wide in attempts:  # rare strides, or leaving a layer aside: only where nothing likelier works
            tried = [chain for chain in found if len(chain.links) == n_links]
            bases = [base for chain in tried for base in first_readings(chain, known, wide, channels_last)]
            if bases:
                results = sorted([*results, *search.run(bases)], key=final_cost)
            if (results and results[0].error < WORKING_ERROR) or time.thread_time() > search.deadline:
                break
    if not results:
        raise CheckpointError("no strides restore the input size")
    if results[0].error >= MEAN_DIGIT_ERROR and results[0].reading.chain.has_encoder:
        raise CheckpointError(
            f"no interpretation beats the mean image (MSE {results[0].error:.3f} against {MEAN_DIGIT_ERROR})"
        )
    return results


def known_convolutions(modules: Mapping[str, Record]) -> dict[str, Known]:
    """The stride, padding and output padding of the convolutions that a file holds as modules, by layer name."""
    found = {}
    for path, record in modules.items():
        if record.class_name.rpartition(".")[2].startswith(("Conv2d", "ConvTranspose2d")):
            values = [first_number(record.attributes.get(name)) for name in ("stride", "padding", "output_padding")]
            if values[0] is not None and values[1] is not None:
                found[path] = (values[0], values[1], values[2] or 0)
    return found


def activations_named(modules: Mapping[str, Record]) -> frozenset[str]:
    """The activations that a file's modules are, by the names that readings use."""
    return frozenset(
        activation.name
        for record in modules.values()
        for activation in ACTIVATIONS.values()
        if activation.is_module(record.class_name.rpartition(".")[2], record.attributes)
    )


def first_number(value: object) -> int | None:
    """A whole number, or the first of several; None for anything else."""
    if isinstance(value, tuple | list) and value:
        value = value[0]
    return value if isinstance(value, int) and 0 <= value < 100 else None


def first_readings(chain: Chain, known: Mapping[str, Known], wide: bool, channels_last: bool) -> Iterator[Reading]:
    """A reading to start from for every geometry of a chain."""
    activations = tuple(
        "none" if surely_no_activation(chain, index) else USUAL_ACTIVATION for index in range(len(chain.links))
    )
    for geometry in geometries(chain, known, wide, same_padding=channels_last):
        code = code_position(chain, geometry)
        yield Reading(chain, geometry, code, activations, channels_last=channels_last)


def surely_no_activation(chain: Chain, index: int) -> bool:
    """Whether the file shows that no activation stands before this link: nothing stands there in its Sequential."""
    layer = chain.links[index].layer
    inside = index > 0 and layer.name.rpartition(".")[0] == chain.links[index - 1].layer.name.rpartition(".")[0]
    return inside and layer.modules_before == 0 and not chain.links[index].before


def code_position(chain: Chain, geometry: Geometry) -> int:
    """The index of the first link behind the code: behind the heads, else where the fewest numbers go through."""
    if not chain.has_encoder:
        return 0
    links = chain.links
    for index, link in enumerate(links):
        if link.joint == Joint.HALVE:
            return index
    twins = [any(is_twin(link, layer) for layer in chain.unused) for link in links]
    if any(twins[1:-1]):
        head = twins.index(True, 1)
        return next(index for index in range(head + 1, len(links)) if not twins[index])
    if all(link.is_conv for link in links):
        return geometry.turn

    def size_before(index: int) -> tuple[int, int]:
        side = geometry.sides[index - 1]
        size = links[index - 1].n_out * (side * side if side else 1)
        same_part = links[index].layer.name.split(".")[0] == links[index - 1].layer.name.split(".")[0]
        return size, same_part

    return min(range(1, len(links)), key=size_before)


def is_twin(link: Link, layer: Layer) -> bool:
    """Whether a layer could stand in a link's place: a log-variance beside a mean."""
    if (layer.kind, layer.shape) != (link.layer.kind, link.layer.shape):
        return False
    return not link.is_conv or (link.n_in, link.n_out) in {way[1:] for way in layer.directions()}


class Search:
    """The three rounds, until ``deadline``, in seconds of this thread's computing.

    The error of every reading on so many images is kept, so nothing is run twice.
    """

    def __init__(self, digits: Digits, deadline: float) -> None:
        self.digits = digits
        self.deadline = deadline
        self.errors: dict[tuple[Reading, int], float] = {}

    def run(self, bases: list[Reading]) -> list[Scored]:
        """The best readings, best first."""
        kept = self.best_of(coarse_readings(bases), COARSE_IMAGES, 0.4)
        kept = self.best_of(full_readings([scored.reading for scored in kept]), FULL_IMAGES, 0.6)
        for scored in sorted(kept, key=final_cost)[:REFINED]:
            self.refine(scored.reading)
        fine = [Scored(reading, error) for (reading, n), error in self.errors.items() if n == FINE_IMAGES]
        fine = sorted(fine, key=final_cost)[:JUDGED]
        return sorted((Scored(each.reading, self.error(each.reading, JUDGING_IMAGES)) for each in fine), key=final_cost)

    def best_of(self, readings: Iterable[Reading], n: int, share: float) -> list[Scored]:
        """The best of these readings on ``n`` images, each of another chain or geometry, in a share of the time left.

        Of those with the same sizes of image and code only the best `KEPT_ALIKE`, and none that is far behind.
        """
        until = time.thread_time() + share * max(0.0, self.deadline - time.thread_time())
        best: dict[object, Scored] = {}
        for reading in readings:
            base = reading.chain, reading.geometry
            try:
                outcome = self.with_each_output(reading, n)
            except RuntimeError:  # sizes that do not meet after all: no reading
                continue
            for scored in outcome:
                if base not in best or early_cost(scored) < early_cost(best[base]):
                    best[base] = scored
            if time.thread_time() > until:
                break
        if not best:
            return []
        alike: dict[object, list[Scored]] = {}
        for scored in sorted(best.values(), key=early_cost):
            alike.setdefault((scored.reading.side, scored.reading.code_shape), []).append(scored)
        ranked = sorted((scored for group in alike.values() for scored in group[:KEPT_ALIKE]), key=early_cost)[:KEPT]
        return [scored for scored in ranked if early_cost(scored) < early_cost(ranked[0]) + FAR_BEHIND]

    def with_each_output(self, reading: Reading, n: int) -> list[Scored]:
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
            error = (
                float(F.mse_loss(pictures, images)) if reading.chain.has_encoder else self.distance_to_digits(pictures)
            )
            self.errors[each, n] = error = error if np.isfinite(error) else np.inf
            found.append(Scored(each, error))
        return found

    def distance_to_digits(self, pictures: Tensor) -> float:
        """Mean squared difference per pixel from the nearest real digit: the error of a decoder alone."""
        side, channels = pictures.shape[2], pictures.shape[1]
        real = self.digits.fitted[side, channels].flatten(1)
        return float(torch.cdist(pictures.flatten(1), real).min(dim=1).values.square().mean()) / real.shape[1]

    def error(self, reading: Reading, n: int) -> float:
        """Mean squared error per pixel of one reading on ``n`` images."""
        if (reading, n) not in self.errors:
            self.with_each_output(reading, n)
        return self.errors[reading, n]

    def refine(self, reading: Reading) -> None:
        """Make the one change that helps most, for as long as one helps."""
        best = min(self.with_each_output(reading, FINE_IMAGES), key=final_cost)
        while True:
            tried = [best]
            for changed in single_changes(best.reading):
                tried += self.with_each_output(changed, FINE_IMAGES)
                if time.thread_time() > self.deadline:
                    return
            better = min(tried, key=final_cost)
            if better is best:
                return
            best = better


def early_cost(scored: Scored) -> float:
    """What readings are ranked by in the first rounds, the smaller the better: the log error and a price of the sizes.

    A longer code reconstructs better whatever the network is, and so do larger digits, which are smoother.
    """
    reading = scored.reading
    price = GEOMETRY_PRICE * reading.geometry.cost + CODE_PRICE * np.log(np.prod(reading.code_shape))
    return float(np.log(max(scored.error, 1e-12)) + price + SIDE_PRICES.get(reading.side, 0.0))


def final_cost(scored: Scored) -> float:
    """What readings are ranked by in the end, the smaller the better: as in the first rounds, and a price for oddity.

    Of two readings that reconstruct about equally well, the one that an author is likelier to have written is meant:
    each activation unlike the others, and each unusual choice, has to lower the error by some per cent to be believed.
    """
    reading = scored.reading
    if scored.error >= WORKING_ERROR:
        return float(np.log(scored.error)) + NOT_WORKING_PRICE
    usual_ones = tried_in(Round.FULL, ACTIVATIONS)
    used = {index: name for index, name in enumerate(reading.activations) if index not in (0, reading.code)}
    names = list(used.values())
    main = max(dict.fromkeys(names), key=names.count, default=USUAL_ACTIVATION)  # of equally many the first
    odd = sum(name != main and not surely_no_activation(reading.chain, index) for index, name in used.items())
    odd += reading.code_activation != "none"
    odd += 2 * (reading.code_activation not in ("none", *usual_ones))
    odd += 2 * (main not in usual_ones)
    odd += bool(reading.chain.named_activations) and main not in reading.chain.named_activations
    odd += reading.pixels not in tried_in(Round.FULL, PIXELS)
    odd += reading.pixels not in OUTPUTS[reading.output].likely_for
    odd += reading.label_first
    odd += reading.norm_activation != "none"
    return early_cost(scored) + ODDITY_PRICE * odd


def coarse_readings(bases: list[Reading]) -> Iterator[Reading]:
    """Each base, the likeliest first, with a few activations and pixel scales.

    Where the code is a stack of feature maps, they may well have gone through the activation, too.
    """
    activations, scales = tried_in(Round.COARSE, ACTIVATIONS), tried_in(Round.COARSE, PIXELS)
    for base in sorted(bases, key=lambda base: base.geometry.cost):
        for pixels in scales:
            for activation in activations:
                for split in possible_splits(base):
                    yield replace(with_activation(base, activation), pixels=pixels, split=split)
        if len(base.code_shape) > 1:
            usual = with_activation(base, USUAL_ACTIVATION)
            yield replace(usual, pixels=scales[0], code_activation=USUAL_ACTIVATION)


def full_readings(bases: list[Reading]) -> Iterator[Reading]:
    """Each base with everything that holds for the whole network."""
    activations, scales = tried_in(Round.FULL, ACTIVATIONS), tried_in(Round.FULL, PIXELS)
    for base in bases:
        for activation in activations:
            for pixels in scales:
                one = replace(with_activation(base, activation), pixels=pixels)
                yield one
                if not one.variational:
                    yield replace(one, code_activation=activation)
                elif one.code > 1 and one.activations[one.code - 1] != "none":
                    yield with_activation_before(one, one.code - 1, "none")


def single_changes(reading: Reading) -> Iterator[Reading]:
    """The reading with one choice changed."""
    places = [index for index in range(1, len(reading.activations)) if index != reading.code]
    for index in places:
        if surely_no_activation(reading.chain, index):
            continue
        for activation in ("none", *tried_in(Round.COARSE, ACTIVATIONS)):
            if activation != reading.activations[index]:
                yield with_activation_before(reading, index, activation)
    usual_ones = tried_in(Round.FULL, ACTIVATIONS)
    for activation in usual_ones:  # authors who mix do so between encoder and decoder
        yield with_activation(reading, activation, lambda index: index < reading.code)
        yield with_activation(reading, activation, lambda index: index > reading.code)
    for activation in ACTIVATIONS:
        if activation != "none":
            yield with_activation(reading, activation)
        if activation != reading.code_activation:
            yield replace(reading, code_activation=activation)
    for pixels in PIXELS:
        if pixels != reading.pixels:
            yield replace(reading, pixels=pixels)
    if any(may_follow_activation(norm) for link in reading.chain.links for norm in link.after):
        for activation in ("none", *usual_ones):
            if activation != reading.norm_activation:
                yield replace(reading, norm_activation=activation)
    if reading.conditional:
        yield replace(reading, label_first=not reading.label_first)
    if any(step and step.upsample > 1 for step in reading.geometry.steps):
        yield replace(reading, upsampling="bilinear" if reading.upsampling == "nearest" else "nearest")
    for split in possible_splits(reading):
        if split != reading.split:
            yield replace(reading, split=split)


def may_follow_activation(norm: Layer) -> bool:
    """Whether an activation may stand between a normalisation and the layer before it, by what the file shows."""
    kind = norm.normalisation
    return kind is not None and not kind.is_activation and norm.modules_before != 0


def refuse_others(layers: list[Layer], tensors: Mapping[str, Tensor]) -> None:
    """Raise `CheckpointError` for networks that are certainly no autoencoder of layers in a chain."""
    if any(RECURRENT.search(name) for name in tensors):
        raise CheckpointError("it is a recurrent network, whose layers pass a state along a sequence")
    if any(DIFFUSION.search(name) for name in tensors):
        raise CheckpointError("it is a diffusion model, which removes noise step by step and has no code")
    if any(ATTENTION.search(name) for name in tensors):
        raise CheckpointError("it is a transformer, whose layers attend to each other and do not form a chain")
    if not any(layer.is_weighted for layer in layers):
        raise CheckpointError("it holds no dense or convolutional layers")


def what_it_seems_to_be(layers: list[Layer]) -> str:
    """What a file seems to hold that has no chain to an image."""
    links = candidates(layers)
    if any(as_first(link) for link in links):
        last = links[-1]
        if not last.is_conv and last.n_out in (10, 26, 47, 62, 100, 1000):
            return f"it is a classifier or an encoder: has no decoder ({last.n_out} outputs)"
        return "it has no decoder: no layer leads back to an image"
    return "no layer fits a 28, 32 or 64 pixel image"
