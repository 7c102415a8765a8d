"""Work out the network in a file of weights: enumerate the readings that the shapes allow, keep the one that works.

Shapes and names tell neither activations nor strides, nor pixel scale, nor which head is the mean. But the right
reading reconstructs real images clearly better than every wrong one, so each is scored, in three rounds: a coarse one
over chains and geometries, a full one over what holds for the whole network, and a fine one, choice by choice. How sure
the best one is follows from the best of those that draw other pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from math import inf, isfinite, log
from threading import BoundedSemaphore
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from latent import data
from latent.dataset import Dataset
from latent.errors import CheckpointError
from latent.files import label
from latent.foreign.certainty import DIFFERENT, Certainty
from latent.foreign.chains import (
    LARGEST_SIDE,
    SIDES,
    USUAL_CLASSES,
    Chain,
    Expected,
    Joint,
    as_first,
    candidates,
    chains,
)
from latent.foreign.clock import Clock
from latent.foreign.geometry import Geometry, Known, geometries
from latent.foreign.layers import (
    ATTENTION,
    DIFFUSION,
    KERAS_LAYERS,
    LISTED,
    RECURRENT,
    Layer,
    in_torch_layout,
    layers_of,
    with_gaps,
)
from latent.foreign.normalisations import FEATURE_NORMS, NORMALISATIONS
from latent.foreign.operations import ACTIVATIONS, OUTPUTS, PIXELS, USUAL_VIEW, VIEWS, Round, tried_in
from latent.foreign.pickles import Record
from latent.foreign.reading import (
    FITS,
    PADDINGS,
    POOLINGS,
    UPSAMPLINGS,
    Reading,
    possible_splits,
    with_activation,
    with_activation_before,
)

SECONDS = 16.0  # of computing for the search; what is left of it then is not tried
SECONDS_ON_IMAGES = 22.0  # where somebody gave images of their own, mostly larger and in colour: parts have shares
# Searches at a time: one after the other, most are done sooner than side by side, and half of the cores stay free.
TURNS = BoundedSemaphore(max(1, (os.cpu_count() or 1) // 2))
CHAINS_SHARE, GEOMETRIES_SHARE, NARROW_SHARE = 0.2, 0.2, 0.7  # of the time that is left when each begins
LIKELIEST_SHARE = 0.4  # of the time for geometries, for those of the likeliest chain, and of the rest for the next
COARSE_SHARE, FULL_SHARE, FINE_SHARE = 0.35, 0.45, 0.8
USUAL_ACTIVATION = "ReLU"  # where nothing tells another
SMALLEST_SIDE = 8  # of images in use whose side is tried on networks, too
FIRST_IMAGES, COARSE_IMAGES, FULL_IMAGES, FINE_IMAGES, JUDGING_IMAGES = 8, 16, 24, 64, 500
# Of one run: fewer images for large networks, of which many readings are tried and few are judged.
MOST_MULTIPLICATIONS, MOST_IN_JUDGING = 4e8, 1.5e9
FEWEST_IMAGES = 4
FALLEN_BACK = 0.5  # in the logarithm of the error, on the first few images: not worth running on the others
STYLED = 4  # bases that are tried with every style of normalisation
FIRST_KEPT = 8  # bases by what they achieve, and as many by what they cost
KEPT, REFINED, JUDGED = 8, 4, 6  # readings after the coarse and the full round, in the fine one, and on most images
KEPT_ALIKE = 3  # readings of those with the same sizes of image and code
FAR_BEHIND = 1.0  # in the logarithm of the error
TOO_FAR_BEHIND = 0.4  # of the second and later readings: not worth a fine round
ODDITY_PRICE = 0.03  # of one odd choice: the part by which it has to lower the error to be believed
UNPROVED_ODDITY_PRICE = 0.12  # the same where the error says less: there is no encoder, or no reading works
RARER_ACTIVATION = 2.0  # an activation other than the usual one counts as so many odd choices, where none is named
NOT_ACTIVATED_MAPS = 0.25  # of an odd choice: no activation where the numbers of a dense layer become maps
LIKELY_CODES = ("none", USUAL_ACTIVATION, "sigmoid", "tanh")  # of a code, whatever the other activations are
PADDINGS_ODDITY = {"zeros": 0, "reflect": 1, "replicate": 2, "circular": 3}  # odd choices that each is as rare as
GEOMETRY_PRICE, CHAIN_PRICE = 0.05, 0.1  # of a unit of the cost of a geometry, and of a chain
MAP_PRICE, CODE_PRICE = 0.75, 0.15  # of a code e times as long: of maps, and of numbers
WORSE_THAN_MEAN_PRICE = 2.5  # of a reading whose pictures are farther from the images than the mean image is
CODEBOOK_PRICE = 1.0  # of leaving aside a table that could be the codebook
MOST_EXCESS_PRICE = 0.1  # of clipping: some authors clip themselves, and such networks may go far beyond pixels
SIDE_PRICES = {32: 0.5, 64: 1.0}  # of images enlarged, and of larger last maps, up to such a side
OPEN_SIDE_PRICE = 0.4  # besides, where all is convolutions, which run at any side
WORKING_ERROR = 0.67  # times that of the mean image: a reading with an error below this works
NOT_WORKING_PRICE = 10.0  # readings that do not work come after all that do, and among them no sizes count
COMPARED = 40  # readings with low errors that are looked at for one that draws other pictures
INVERSION_STEPS, INVERSION_RATE, INVERTED = 60, 0.15, 16  # for decoders alone; the last is a number of images


@dataclass(frozen=True)
class Scored:
    """A reading and its mean squared error per pixel on real images, pixels in [0, 1].

    ``mean_error`` is that of the mean image as the answer to every image, ``price`` that of the reading's sizes and of
    clipping its output. Of a decoder alone, the error is that of the codes found for the images. ``certainty``
    of the reading that was found best, None for the others.
    """

    reading: Reading
    error: float
    mean_error: float = 1.0
    certainty: Certainty | None = None
    price: float = 0.0

    @property
    def relative(self) -> float:
        return self.error / self.mean_error


@dataclass
class Examples:
    """Real images, ``fitted`` to each side and number of channels that readings ask for; ``labels`` (n,) of so many
    classes, which is 0 where none are known."""

    images: NDArray[np.uint8]
    labels: NDArray[np.intp]
    n_classes: int
    fitted: dict[tuple[int, int, bool], Tensor] = field(default_factory=dict)
    mean_errors: dict[tuple[int, int, bool, int], float] = field(default_factory=dict)
    one_hot: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, images: Dataset) -> Examples:
        """As many of a data set as readings are judged by, evenly spread over it."""
        rows = np.linspace(0, len(images) - 1, min(len(images), JUDGING_IMAGES)).astype(int)
        labels = np.zeros(len(rows)) if images.labels is None else images.labels[rows]
        return cls(images.images[rows], labels.astype(np.intp), len(images.classes))

    @classmethod
    def shipped(cls) -> Examples:
        """Of the digits that ship."""
        images, labels = data.evaluation_digits()
        return cls(images[:JUDGING_IMAGES], labels[:JUDGING_IMAGES].astype(np.intp), int(labels.max()) + 1)

    @property
    def expected(self) -> Expected:
        """What networks for these images may take: labels of as many classes, images of the same side; beside what
        most take."""
        classes = [self.n_classes] if self.n_classes > 1 else []
        height, width = self.images.shape[1:3]
        sides = [height] if height == width and SMALLEST_SIDE <= height <= LARGEST_SIDE else []
        return Expected(tuple(dict.fromkeys((*classes, USUAL_CLASSES))), tuple(dict.fromkeys((*sides, *SIDES))))

    def told(self, n_classes: int) -> Tensor:
        """The labels as a model is told them that knows ``n_classes``, (n, n_classes) one-hot; all the first class
        where these images have another number of them."""
        labels = self.labels if n_classes == self.n_classes else np.zeros_like(self.labels)
        return F.one_hot(torch.from_numpy(labels), max(1, n_classes)).float()

    def all(self, reading: Reading) -> Tensor:
        """All images (n, channels, side, side) in [0, 1], as a reading takes them."""
        key = shown_as(reading)
        if key not in self.fitted:
            shape = (reading.channels, reading.side, reading.side)
            fitted = torch.from_numpy(data.fit(self.images, shape, key[2]).astype(np.float32) / 255)
            self.fitted[key] = fitted[:, None] if reading.channels == 1 else fitted.movedim(3, 1).contiguous()
        return self.fitted[key]

    def batch(self, reading: Reading, n: int) -> tuple[Tensor, Tensor]:
        """``n`` images (n, channels, side, side) in [0, 1] and one-hot labels (n, n_classes)."""
        n_classes = reading.chain.n_classes
        if n_classes not in self.one_hot:
            self.one_hot[n_classes] = self.told(n_classes)
        return self.all(reading)[:n], self.one_hot[n_classes][:n]

    def mean_error(self, reading: Reading, n: int) -> float:
        """Mean squared error per pixel of the mean image as the answer to each of the first ``n``."""
        key = *shown_as(reading), n
        if key not in self.mean_errors:
            images = self.all(reading)
            self.mean_errors[key] = max(1e-12, float((images[:n] - images.mean(dim=0)).square().mean()))
        return self.mean_errors[key]


def shown_as(reading: Reading) -> tuple[int, int, bool]:
    """The side and the channels of the images that a reading takes, and whether they are padded to the side."""
    return reading.side, reading.channels, VIEWS[reading.view].framed


def read(
    tensors: Mapping[str, Tensor],
    modules: Mapping[str, Record] | None = None,
    unread: Mapping[str, str] | None = None,
    examples: Examples | None = None,
) -> list[Scored]:
    """The readings of a file's named tensors that were looked at longest, the best first, with its certainty; behind
    it the best of those that draw different pictures.

    ``modules`` are the file's own, by path, where it has any: evidence of strides and the like. ``unread`` what stands
    among the tensors and is not read, in words by name. ``examples`` the images that readings are judged by, the
    shipped digits by default. Raises `CheckpointError` where no chain of layers leads from an image or a code to an
    image, or none works, with what the file seems to be.
    """
    with TURNS:
        return read_now(tensors, modules, unread, examples)


def read_now(
    tensors: Mapping[str, Tensor],
    modules: Mapping[str, Record] | None,
    unread: Mapping[str, str] | None,
    examples: Examples | None,
) -> list[Scored]:
    """The same, without waiting for a turn."""
    clock = Clock(SECONDS if examples is None else SECONDS_ON_IMAGES)
    turned, channels_last = in_torch_layout(tensors)
    layers = layers_of({name: t.float() if t.is_floating_point() else t for name, t in turned.items()})
    if modules and is_listed(modules):
        layers = with_gaps(layers, {path: record.class_name for path, record in modules.items()})
    judged_by = examples or Examples.shipped()
    expected = judged_by.expected
    found = chains(layers, clock.share(CHAINS_SHARE), expected)
    if not found:
        raise CheckpointError(what_it_seems_to_be(layers, tensors, expected.sides))
    found = finite(found)
    search = Search(judged_by)
    known = known_convolutions(modules or {})
    named = activations_named(modules or {})
    found = [replace(chain, named_activations=named, not_run=(*chain.not_run, *(unread or ()))) for chain in found]
    results: list[Scored] = []
    with torch.inference_mode():
        for wide in (False, True):  # rare strides: only where nothing likelier works
            clock_of_round = clock if wide else clock.share(NARROW_SHARE)
            bases = all_first_readings(found, known, wide, channels_last, clock_of_round.share(GEOMETRIES_SHARE))
            if bases:
                results = sorted([*results, *search.run(bases, clock_of_round)], key=final_cost)
            if (results and results[0].relative < WORKING_ERROR) or clock.has_run_out:
                break
    check_result(results, found, layers, tensors, expected.sides, clock)
    best, *others = results
    with torch.inference_mode():
        others.sort(key=lambda other: not (clock.has_run_out or search.draw_differently(best.reading, other.reading)))
    return [replace(best, certainty=search.certainty(best, clock)), *others]


def finite(found: Sequence[Chain]) -> list[Chain]:
    """The chains all of whose weights are finite. Raises `CheckpointError` where there are none."""
    good, names = [], []
    for chain in found:
        layers = [layer for link in chain.links for layer in (*link.before, link.layer, *link.after)]
        wrong = [layer.name for layer in layers if not all(torch.isfinite(t).all() for t in layer.tensors.values())]
        names += wrong
        if not wrong:
            good.append(chain)
    if not good:
        raise CheckpointError(f"the weights of {label(names[0])} are not finite; the training run diverged")
    return good


def check_result(
    results: Sequence[Scored],
    found: Sequence[Chain],
    layers: Sequence[Layer],
    tensors: Mapping[str, Tensor],
    sides: Sequence[int],
    clock: Clock,
) -> None:
    """Raise `CheckpointError` where no reading works, with what the file seems to be, or that time ran out."""
    if results and (results[0].relative < 1 or not results[0].reading.chain.has_encoder):
        return
    refuse_others(tensors)
    if results and all(any(link.layer.name.endswith(" transposed") for link in s.reading.chain.links) for s in results):
        raise CheckpointError(what_it_seems_to_be(layers, tensors, sides))
    tried = "could be tried in the time for the search" if clock.has_run_out else "was tried"
    if results:
        best = results[0]
        raise CheckpointError(
            f"no interpretation that {tried} beats the mean image (MSE {best.error:.3f} against "
            f"{best.mean_error:.3f}); it may be untrained, of another kind, or trained on other images"
        )
    ends = "an image to an image of the same side"
    if not found[0].has_encoder:
        ends = f"a code to an image of {in_words(sides)} pixels a side"
    raise CheckpointError(f"no choice of strides that {tried} leads its convolutions from {ends}")


def known_convolutions(modules: Mapping[str, Record]) -> dict[str, Known]:
    """The stride, padding and output padding of the convolutions that a file holds as modules, by layer name."""
    found = {}
    for path, record in modules.items():
        if record.class_name.rpartition(".")[2].startswith(("Conv2d", "ConvTranspose2d")):
            values = [first_number(record.attributes.get(name)) for name in ("stride", "padding", "output_padding")]
            if values[0] is not None and values[1] is not None:
                found[path] = (values[0], values[1], values[2] or 0)
    return found


def is_listed(modules: Mapping[str, Record]) -> bool:
    """Whether the modules are what a Keras file lists of its layers."""
    return bool(modules) and all(record.class_name.startswith(LISTED) for record in modules.values())


def activations_named(modules: Mapping[str, Record]) -> frozenset[str]:
    """The activations that a file's modules are, by the names that readings use. Of layers that a Keras file lists,
    those that may be: any that a layer with weights can have within it, which a LeakyReLU of old was not."""
    if is_listed(modules):
        kinds = {record.class_name.removeprefix(LISTED) for record in modules.values()}
        leaky = "leaky_re_lu" in kinds or not kinds <= KERAS_LAYERS  # or within what is not known
        return frozenset(each.name for each in ACTIVATIONS.values() if leaky or each.module != "LeakyReLU")
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


def all_first_readings(
    found: Sequence[Chain], known: Mapping[str, Known], wide: bool, channels_last: bool, clock: Clock
) -> list[Reading]:
    """A reading to start from for every chain and each of its geometries, the likeliest chain first."""
    bases: list[Reading] = []
    for place, chain in enumerate(found):
        share = max(LIKELIEST_SHARE, 2 / (2 + len(found) - place))
        bases += first_readings(chain, known, wide, channels_last, clock.share(share))
        if clock.has_run_out:
            break
    return bases


def first_readings(
    chain: Chain, known: Mapping[str, Known], wide: bool, channels_last: bool, clock: Clock | None = None
) -> Iterator[Reading]:
    """A reading to start from for every geometry of a chain."""
    activations = tuple(
        "none" if surely_no_activation(chain, index) else USUAL_ACTIVATION for index in range(len(chain.links))
    )
    norm_activation = USUAL_ACTIVATION if chain.normalised_late else "none"
    for geometry in geometries(chain, known, wide, same_padding=channels_last, clock=clock):
        code = code_position(chain, geometry)
        yield Reading(chain, geometry, code, activations, norm_activation, channels_last=channels_last)


def surely_no_activation(chain: Chain, index: int) -> bool:
    """Whether the file shows that no activation stands before this link: nothing stands there in its Sequential."""
    layer = chain.links[index].layer
    inside = index > 0 and layer.name.rpartition(".")[0] == chain.links[index - 1].layer.name.rpartition(".")[0]
    return inside and layer.modules_before == 0 and not chain.links[index].before


def oddity_of(chain: Chain, index: int, activation: str) -> float:
    """How odd this activation before this link is where another one is usual: hardly, where there is none and the
    numbers of a dense layer become maps, as many authors write it; and not where the file shows that there is none."""
    if surely_no_activation(chain, index):
        return 0.0
    return NOT_ACTIVATED_MAPS if activation == "none" and chain.links[index].joint == Joint.UNFLATTEN else 1.0


def code_position(chain: Chain, geometry: Geometry) -> int:
    """The index of the first link behind the code: behind the heads, else where the fewest numbers go through."""
    if not chain.has_encoder:
        return 0
    links = chain.links
    for index, link in enumerate(links):
        if link.joint == Joint.HALVE:
            return index
    twins = [any(chain.is_head(link, layer) for layer in chain.unused) for link in links]
    if any(twins[1:-1]):
        head = twins.index(True, 1)
        return next((index for index in range(head + 1, len(links)) if not twins[index]), len(links) - 1)
    if all(link.is_conv for link in links):
        return geometry.turn

    def size_before(index: int) -> tuple[int, int]:
        side = geometry.sides[index - 1]
        size = links[index - 1].n_out * (side * side if side else 1)
        same_part = links[index].layer.name.split(".")[0] == links[index - 1].layer.name.split(".")[0]
        return size, same_part

    return min(range(1, len(links)), key=size_before)


class Search:
    """The three rounds, each until a clock has run out.

    What every reading achieves on so many images is kept, so nothing is run twice.
    """

    def __init__(self, examples: Examples) -> None:
        self.examples = examples
        self.found: dict[tuple[Reading, int], Scored] = {}
        self.different: dict[tuple[Reading, Reading], bool] = {}

    def run(self, bases: list[Reading], clock: Clock) -> list[Scored]:
        """The best readings, best first."""
        if not bases[0].chain.has_encoder:
            return self.run_decoders(bases, clock)
        bases = self.first_of(bases, clock.share(COARSE_SHARE))
        kept = self.best_of(coarse_readings(bases), COARSE_IMAGES, clock.share(COARSE_SHARE))
        kept = self.best_of(full_readings([scored.reading for scored in kept]), FULL_IMAGES, clock.share(FULL_SHARE))
        kept = sorted(kept, key=final_cost)[:REFINED]
        fine = clock.share(FINE_SHARE)
        for scored in kept:
            if final_cost(scored) <= final_cost(kept[0]) + TOO_FAR_BEHIND:
                self.refine(scored.reading, fine)
        return self.judged(FINE_IMAGES, clock) or kept

    def first_of(self, bases: list[Reading], clock: Clock) -> list[Reading]:
        """The bases that do best as authors mostly write them, and the likeliest whatever they do."""
        ranked = sorted(bases, key=lambda base: base.geometry.cost + base.chain.cost)
        best: dict[Reading, float] = {}
        for base in ranked:
            for reading in (base, *styles_of(base)):
                for pixels in tried_in(Round.COARSE, PIXELS):
                    with suppress(RuntimeError):
                        outcome = self.with_each_output(replace(reading, pixels=pixels), FIRST_IMAGES)
                        best[base] = min([best.get(base, inf), *map(early_cost, outcome)])
            if clock.has_run_out:
                break
        return list(dict.fromkeys([*sorted(best, key=lambda base: best[base])[:FIRST_KEPT], *ranked[:FIRST_KEPT]]))

    def judged(self, n: int, clock: Clock) -> list[Scored]:
        """The best of what was run on ``n`` images, on as many images as there are."""
        ranked = sorted(self.all_on(n), key=final_cost)
        found = []
        for each in ranked[:JUDGED]:
            found.append(self.scored(each.reading, JUDGING_IMAGES))
            if clock.has_run_out:
                break
        return sorted(found, key=final_cost)

    def scored(self, reading: Reading, n: int) -> Scored:
        """A reading with its error on ``n`` images, or as many as its size allows."""
        if (reading, n) not in self.found:
            self.with_each_output(reading, n)
        return self.found[reading, n]

    def all_on(self, n: int) -> list[Scored]:
        """All readings that were run on ``n`` images."""
        return [scored for (_, images), scored in self.found.items() if images == n]

    def best_of(self, readings: Iterable[Reading], n: int, clock: Clock) -> list[Scored]:
        """The best of these readings on ``n`` images, each of another chain or geometry, until the clock has run out.

        Of those with the same sizes of image and code only the best `KEPT_ALIKE`, and none that is far behind.
        """
        best: dict[object, Scored] = {}
        for reading in readings:
            base = reading.chain, reading.geometry
            for scored in self.raced(reading, best.get(base), n):
                if base not in best or early_cost(scored) < early_cost(best[base]):
                    best[base] = scored
            if clock.has_run_out:
                break
        if not best:
            return []
        alike: dict[object, list[Scored]] = {}
        for scored in sorted(best.values(), key=early_cost):
            alike.setdefault((scored.reading.side, scored.reading.code_shape), []).append(scored)
        ranked = sorted((scored for group in alike.values() for scored in group[:KEPT_ALIKE]), key=early_cost)[:KEPT]
        return [scored for scored in ranked if early_cost(scored) < early_cost(ranked[0]) + FAR_BEHIND]

    def raced(self, reading: Reading, leader: Scored | None, n: int) -> list[Scored]:
        """The reading with each output on ``n`` images.

        Nothing where it falls back behind the leader on the first few of them, or its sizes do not meet after all.
        """
        try:
            if leader is not None:
                start = min(map(early_cost, self.with_each_output(reading, FEWEST_IMAGES)))
                if start > early_cost(self.scored(leader.reading, FEWEST_IMAGES)) + FALLEN_BACK:
                    return []
            return self.with_each_output(reading, n)
        except RuntimeError:
            return []

    def with_each_output(self, reading: Reading, n: int) -> list[Scored]:
        """The reading with each way to make pixels of what it puts out: they share all the work before."""
        many = affordable(reading, n)
        images, labels = self.examples.batch(reading, many)
        mean_error, price = self.examples.mean_error(reading, many), price_of_sizes(reading)
        z = reading.unquantised(images, labels)
        y = reading.decode(reading.quantised(z), labels)
        found = []
        for output in OUTPUTS:
            each = reading.with_output(output)
            error = float(torch.dist(each.picture(y), images)) ** 2 / images.numel()
            more = price_of_excess(output, y, error) if isfinite(error) else 0.0
            self.found[each, n] = Scored(each, error if isfinite(error) else inf, mean_error, price=price + more)
            found.append(self.found[each, n])
        return found

    def refine(self, reading: Reading, clock: Clock) -> None:
        """Go through the choices one by one and make every change that helps, for as long as one helps."""
        best = min(self.with_each_output(reading, FINE_IMAGES), key=final_cost, default=None)
        changed = best is not None
        while best is not None and changed and not clock.has_run_out:
            changed = False
            for choice in changes(best.reading):
                better = min(self.tried(choice(best.reading), best, clock), key=final_cost, default=best)
                if final_cost(better) < final_cost(best):
                    best, changed = better, True

    def tried(self, readings: Iterable[Reading], leader: Scored, clock: Clock) -> Iterator[Scored]:
        """Each of these readings with each output, on the images of the fine round, until the clock has run out."""
        for reading in readings:
            if clock.has_run_out:
                return
            yield from self.raced(reading, leader, FINE_IMAGES)

    def run_decoders(self, bases: list[Reading], clock: Clock) -> list[Scored]:
        """The best readings of a decoder alone, the likeliest styles of authors tried first."""
        ranked = sorted(bases, key=lambda base: base.geometry.cost + base.chain.cost)[:KEPT]
        for reading in decoder_readings(ranked):
            with suppress(RuntimeError):  # sizes that do not meet after all: no reading
                error = self.error_of_found_codes(reading, INVERTED, clock)
                mean_error = self.examples.mean_error(reading, affordable(reading, INVERTED))
                self.found[reading, INVERTED] = Scored(reading, error, mean_error, price=price_of_sizes(reading))
            if clock.has_run_out:
                break
        return sorted(self.all_on(INVERTED), key=final_cost)[:JUDGED]

    def error_of_found_codes(self, reading: Reading, n: int, clock: Clock) -> float:
        """The error of a decoder alone: of the codes that gradient descent finds for images, from the origin on, until
        the clock has run out.

        A decoder whose activations are misread draws less of what it was trained to draw, whatever the code.
        """
        many = affordable(reading, n)
        images, labels = self.examples.batch(reading, many)
        with torch.inference_mode(False), torch.enable_grad():
            images, labels = images.clone(), labels.clone()
            z = torch.zeros(many, *reading.code_shape)
            mean, square, best = torch.zeros_like(z), torch.zeros_like(z), inf
            for step in range(1, INVERSION_STEPS + 1):  # Adam (Kingma & Ba 2015, arXiv:1412.6980)
                z.requires_grad_()
                y = OUTPUTS[reading.output].torch(reading.decode(z, labels))
                loss = F.mse_loss(VIEWS[reading.view].torch(y), images)
                (slope,) = torch.autograd.grad(loss, z)
                mean = 0.9 * mean + 0.1 * slope
                square = 0.999 * square + 0.001 * slope.square()
                change = mean / (1 - 0.9**step) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
                z = z.detach() - INVERSION_RATE * change
                best = min(best, float(loss.detach()))
                if clock.has_run_out:
                    break
        return best if isfinite(best) else inf

    def certainty(self, best: Scored, clock: Clock) -> Certainty:
        """How sure the best reading is, by the best of those that were tried and draw other pictures."""
        reading, in_time = best.reading, not clock.has_run_out
        open_size = reading.channels == 3 or all(link.is_conv for link in reading.chain.links)
        margin, advantage = 1.0, 1.0
        if reading.chain.has_encoder:
            with torch.inference_mode():
                rivals = [self.rival(best, n, clock) for n in (JUDGING_IMAGES, FINE_IMAGES, FULL_IMAGES)]
            margin, advantage = (min(numbers) for numbers in zip(*rivals))
        alone = not reading.chain.has_encoder
        wide = not reading.codebook and np.prod(reading.code_shape) >= reading.channels * reading.side**2
        output = OUTPUTS[reading.output]
        two_scales = reading.pixels not in (output.pixels, *output.likely_for)
        numbers = margin, advantage, best.relative
        not_run = reading.chain.not_run
        return Certainty(
            *numbers, not_run, alone, open_size, in_time, wide_code=bool(wide), two_scales=two_scales and not alone
        )

    def rival(self, best: Scored, n: int, clock: Clock) -> tuple[float, float]:
        """Of the readings that draw other pictures than the best one, on ``n`` images: the least relative error, and
        the least with the prices of unlikely choices, both divided by its own."""
        own = self.scored(best.reading, n)
        others = [each for each in self.all_on(n) if each.reading != best.reading]

        def first(measure: Callable[[Scored], float]) -> float:
            for other in sorted(others, key=measure)[:COMPARED]:
                if clock.has_run_out or self.draw_differently(best.reading, other.reading):
                    return measure(other) - measure(own)
            return inf

        return float(np.exp(first(lambda each: float(np.log(each.relative))))), float(np.exp(first(final_cost)))

    def draw_differently(self, first: Reading, second: Reading) -> bool:
        """Whether two readings reconstruct images, or decode codes, to pictures that differ; kept once it is known."""
        if (first, second) not in self.different:
            self.different[first, second] = self.compare(first, second)
        return self.different[first, second]

    def compare(self, first: Reading, second: Reading) -> bool:
        """Whether two readings draw different pictures."""
        if first.code_shape != second.code_shape or first.side != second.side:
            return True
        images, labels = self.examples.batch(first, FEWEST_IMAGES * 4)
        spread = torch.randn(len(images), *first.code_shape, generator=torch.Generator().manual_seed(0))
        pairs = [(spread, spread)]
        if first.chain.has_encoder:
            theirs, _ = self.examples.batch(second, FEWEST_IMAGES * 4)
            z, other_z = first.encode(images, labels), second.encode(theirs, labels)
            spread = spread * z.std(dim=0) + z.mean(dim=0)
            pairs = [(z, other_z), (spread, spread)]
        for mine, others in pairs:
            pictures = first.picture(first.decode(mine, labels))
            difference = (pictures - second.picture(second.decode(others, labels))).square().mean()
            if difference > DIFFERENT * pictures.var(dim=0).mean():
                return True
        return False


def affordable(reading: Reading, n: int) -> int:
    """How many of ``n`` images a reading of its size is run on."""
    multiplications = 0
    for link, side in zip(reading.chain.links, reading.geometry.sides, strict=True):
        multiplications += link.layer.weight.numel() * max(1, side * side)
    most = MOST_IN_JUDGING if n >= JUDGING_IMAGES else MOST_MULTIPLICATIONS
    return max(FEWEST_IMAGES, min(n, int(most / multiplications)))


def log_relative(scored: Scored) -> float:
    """The logarithm of the error over that of the mean image."""
    return log(max(scored.relative, 1e-12))


def early_cost(scored: Scored) -> float:
    """What readings are ranked by in the first rounds, the smaller the better: the log error and a price of the sizes.

    A reading that is worse than the mean image is no better for its short code.
    """
    worse = scored.relative >= 1 and scored.reading.chain.has_encoder
    return log_relative(scored) + scored.price + WORSE_THAN_MEAN_PRICE * worse


def price_of_sizes(reading: Reading) -> float:
    """What the sizes of a reading cost, in the logarithm of the error.

    A longer code reconstructs better whatever the network is, and so do larger images, which are smoother.
    """
    price = GEOMETRY_PRICE * reading.geometry.cost + CHAIN_PRICE * reading.chain.cost
    length = float(np.log(np.prod(reading.code_shape)))
    price += (MAP_PRICE if len(reading.code_shape) > 1 else CODE_PRICE) * length
    open_side = all(link.is_conv for link in reading.chain.links)
    price += price_of_side(reading)
    price += OPEN_SIDE_PRICE * (open_side and reading.side in SIDE_PRICES)
    return price + CODEBOOK_PRICE * (not reading.codebook and bool(reading.codebooks()))


def price_of_side(reading: Reading) -> float:
    """The price of images that are larger than digits, and of a last map that has to be made smaller: that of images
    as large, so that no reading is cheaper for taking smaller images than it draws."""
    last = reading.geometry.sides[-1]
    if last > reading.side:
        return next((price for side, price in SIDE_PRICES.items() if last <= side), max(SIDE_PRICES.values()))
    return SIDE_PRICES.get(reading.side, 0.0)


def price_of_excess(output: str, y: Tensor, error: float) -> float:
    """The price of clipping what an output gives to pixels, in the logarithm of the error.

    A network that is trained to give pixels keeps near [0, 1]; what is meant for a sigmoid goes far beyond.
    """
    pixels = OUTPUTS[output].torch(y)
    excess = float(torch.dist(pixels, pixels.clamp(0, 1))) ** 2 / pixels.numel()
    return min(MOST_EXCESS_PRICE, log(1 + excess / max(error, 1e-12)))


def final_cost(scored: Scored) -> float:
    """What readings are ranked by in the end, the smaller the better: as in the first rounds, and a price for oddity.

    Of two readings that reconstruct about equally well, the one that an author is likelier to have written is meant:
    each activation unlike the others, and each unusual choice, has to lower the error by some per cent to be believed.
    """
    reading = scored.reading
    if not reading.chain.has_encoder:
        return early_cost(scored) + UNPROVED_ODDITY_PRICE * oddity(reading)
    if scored.relative >= WORKING_ERROR:
        return log_relative(scored) + NOT_WORKING_PRICE + UNPROVED_ODDITY_PRICE * oddity(reading)
    return early_cost(scored) + ODDITY_PRICE * oddity(reading)


def oddity(reading: Reading) -> float:
    """How many unusual choices a reading makes."""
    usual_ones, named = tried_in(Round.FULL, ACTIVATIONS), reading.chain.named_activations
    used = {index: name for index, name in enumerate(reading.activations) if index not in (0, reading.code)}
    late = reading.chain.normalised_late
    names = [name for index, name in used.items() if not (late and surely_no_activation(reading.chain, index))]
    names += [reading.norm_activation] * late
    main = max(dict.fromkeys(names), key=names.count, default=USUAL_ACTIVATION)  # of equally many the first
    odd = sum(oddity_of(reading.chain, index, name) for index, name in used.items() if name != main)
    odd += len(set(used.values()) - {main, "none"})
    odd += reading.code_activation != "none"
    odd += 2 * (reading.code_activation not in ("none", *usual_ones))
    odd += reading.code_activation not in (*LIKELY_CODES, *names)
    odd += 2 * (main not in usual_ones)
    odd += bool(named) and main not in named
    odd += reading.pixels not in tried_in(Round.FULL, PIXELS)
    odd += reading.pixels not in OUTPUTS[reading.output].likely_for
    odd += reading.label_first
    odd += reading.norm_activation != ("none" if not late else main)
    odd += reading.view != USUAL_VIEW
    odd += PADDINGS_ODDITY[reading.padding] + (reading.pooling != "max") + (not reading.residual)
    odd += reading.norm_style in ("root mean square", "each place")
    rarer = main != USUAL_ACTIVATION and not (main in named and USUAL_ACTIVATION not in named)
    odd += RARER_ACTIVATION * rarer
    if not reading.chain.has_encoder:
        odd += rarer
        odd += reading.output != "sigmoid"
    return odd


def coarse_readings(bases: list[Reading]) -> Iterator[Reading]:
    """Each base, the best first, with a few activations and pixel scales, views and normalisations.

    Where the code is a stack of feature maps, they may well have gone through the activation, too.
    """
    activations, scales = tried_in(Round.COARSE, ACTIVATIONS), tried_in(Round.COARSE, PIXELS)
    for place, base in enumerate(bases):
        styles = [base, *styles_of(base)]
        for style in styles:
            for pixels in scales:
                for activation in activations:
                    yield replace(with_activation(style, activation), pixels=pixels)
            for view in views_of(base):
                yield replace(style, view=view)
            for norm_style in norm_styles(base) if place < STYLED else ():
                yield replace(style, norm_style=norm_style)
        if len(base.code_shape) > 1:
            yield replace(base, pixels=scales[0], code_activation=USUAL_ACTIVATION)


def styles_of(reading: Reading) -> Iterator[Reading]:
    """The reading as other authors run such a network: what cannot be found choice by choice, since all else hangs
    on it."""
    for split in possible_splits(reading):
        if split != reading.split:
            yield replace(reading, split=split)
    if reading.conditional:
        yield replace(reading, label_first=not reading.label_first)
    for layer in reading.codebooks():
        yield replace(reading, codebook=layer.name)
    for index, link in enumerate(reading.chain.links):
        if index > reading.code and link.joint == Joint.UNFLATTEN and reading.activations[index] != "none":
            yield with_activation_before(reading, index, "none")
    steps = [step for step in reading.geometry.steps if step]
    if any(step.upsample > 1 for step in steps):
        yield replace(reading, upsampling=UPSAMPLINGS[1])
    if any(step.pool for step in steps):
        yield replace(reading, pooling=POOLINGS[1])
    for fit in fits_of(reading):
        if fit != reading.fit:
            yield replace(reading, fit=fit)
    if reading.chain.skips:
        yield replace(reading, skip_activated=not reading.skip_activated)
        yield replace(reading, residual=not reading.residual)


def views_of(reading: Reading) -> list[str]:
    """The other ways to show a reading its images; padding only to a side that images are known to be padded to."""
    return [name for name, view in VIEWS.items() if name != reading.view and (not view.framed or reading.side == 32)]


def fits_of(reading: Reading) -> tuple[str, ...]:
    """The ways to bring the last map to the image's side, where it has another."""
    maps = any(reading.geometry.steps)
    return tuple(FITS) if maps and reading.geometry.sides[-1] not in (0, reading.side) else ()


def norm_styles(reading: Reading) -> list[str]:
    """The other styles of the normalisations that no file tells apart, where the reading has some."""
    norms = [norm for link in reading.chain.links for norm in (*link.before, *link.after)]
    styled = any(NORMALISATIONS[norm.kind].styles for norm in norms)
    return [style for style in FEATURE_NORMS if style != reading.norm_style] if styled else []


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


def decoder_readings(bases: list[Reading]) -> Iterator[Reading]:
    """Readings of decoders alone, the likeliest first: one activation throughout, whole styles before rare ones."""
    outputs = ("sigmoid", "linear", "tanh for [-1, 1]", "linear for standardised")
    rest = [name for name in ACTIVATIONS if name not in ("none", USUAL_ACTIVATION)]
    for base in bases:
        for output in outputs:
            yield replace(with_activation(base, USUAL_ACTIVATION), output=output)
    for activation in (name for name in rest if name in tried_in(Round.FULL, ACTIVATIONS)):
        for base in bases[:2]:
            for output in outputs[:3]:
                yield replace(with_activation(base, activation), output=output)


def single_changes(reading: Reading) -> Iterator[Reading]:
    """The reading with one choice changed."""
    for choice in changes(reading):
        yield from choice(reading)


def changes(reading: Reading) -> Iterator[Callable[[Reading], Iterator[Reading]]]:
    """For every choice of a reading, what gives a reading with that choice changed in each way."""
    yield whole_activations
    yield half_activations
    for name, values in choices_of(reading).items():
        yield lambda each, name=name, values=values: with_values(each, name, values)  # type: ignore[misc]
    for index in range(1, len(reading.activations)):
        if index != reading.code and not surely_no_activation(reading.chain, index):
            yield lambda each, index=index: with_activations_before(each, index)  # type: ignore[misc]


def whole_activations(reading: Reading) -> Iterator[Reading]:
    """The reading with each activation throughout."""
    for activation in ACTIVATIONS:
        if activation != "none":
            yield with_activation(reading, activation)


def half_activations(reading: Reading) -> Iterator[Reading]:
    """The reading with each usual activation in one half: authors who mix do so between encoder and decoder."""
    for activation in tried_in(Round.FULL, ACTIVATIONS):
        yield with_activation(reading, activation, lambda index: index < reading.code)
        yield with_activation(reading, activation, lambda index: index > reading.code)


def with_activations_before(reading: Reading, index: int) -> Iterator[Reading]:
    """The reading with another activation, or none, before one link."""
    for activation in ("none", *tried_in(Round.COARSE, ACTIVATIONS)):
        if activation != reading.activations[index]:
            yield with_activation_before(reading, index, activation)


def with_values(reading: Reading, choice: str, values: Sequence[object]) -> Iterator[Reading]:
    """The reading with each other of these values of a choice."""
    for value in values:
        if value != getattr(reading, choice):
            change: dict[str, Any] = {choice: value}
            yield replace(reading, **change)


def choices_of(reading: Reading) -> dict[str, Sequence[object]]:
    """The values that can be chosen of a reading, by the choice's name; but for the activations of single places."""
    steps = [step for step in reading.geometry.steps if step]
    found: dict[str, Sequence[object]] = {
        "code_activation": tuple(ACTIVATIONS), "pixels": tuple(PIXELS), "split": possible_splits(reading),
        "view": views_of(reading), "norm_style": norm_styles(reading),
        "codebook": ("", *(layer.name for layer in reading.codebooks())),
    }  # fmt: skip
    if any(may_follow_activation(norm) for link in reading.chain.links for norm in link.after):
        found["norm_activation"] = ("none", *tried_in(Round.FULL, ACTIVATIONS))
    if reading.conditional:
        found["label_first"] = (True, False)
    if any(step.upsample > 1 for step in steps):
        found["upsampling"] = UPSAMPLINGS
    if any(step.pool for step in steps):
        found["pooling"] = POOLINGS
    if any(step.padding > 0 and not step.transposed for step in steps):
        found["padding"] = tuple(PADDINGS)
    found["fit"] = fits_of(reading)
    if reading.chain.skips:
        found |= {"residual": (True, False), "skip_activated": (True, False)}
    return found


def may_follow_activation(norm: Layer) -> bool:
    """Whether an activation may stand between a normalisation and the layer before it, by what the file shows."""
    kind = norm.normalisation
    return kind is not None and not kind.is_activation and norm.modules_before != 0


def refuse_others(tensors: Mapping[str, Tensor]) -> None:
    """Raise `CheckpointError` for networks that are certainly no autoencoder of layers in a chain."""
    if any(RECURRENT.search(name) for name in tensors):
        raise CheckpointError("it is a recurrent network, whose layers pass a state along a sequence")
    if any(DIFFUSION.search(name) for name in tensors):
        raise CheckpointError("it is a diffusion model, which removes noise step by step and has no code")
    if any(ATTENTION.search(name) for name in tensors):
        raise CheckpointError("it is a transformer, whose layers attend to each other and do not form a chain")


def what_it_seems_to_be(layers: Sequence[Layer], tensors: Mapping[str, Tensor], sides: Sequence[int]) -> str:
    """What a file seems to hold that has no chain to an image."""
    try:
        refuse_others(tensors)
    except CheckpointError as error:
        return str(error)
    links = [link for link in candidates(layers) if not link.layer.name.endswith(" transposed")]
    if not links:
        return "it holds no dense or convolutional layers"
    if any(as_first(link, sides) for link in links):
        last = links[-1]
        if not last.is_conv and last.n_out in (10, 26, 47, 62, 100, 1000):
            return f"it is a classifier or an encoder: has no decoder ({last.n_out} outputs)"
        return "it has no decoder that was found: no layer leads back to an image"
    return f"no layer fits an image of {in_words(sides)} pixels a side"


def in_words(sides: Sequence[int]) -> str:
    """Sides of images, two or more, as a sentence counts them up."""
    *others, last = sorted(sides)
    return f"{', '.join(map(str, others))} or {last}"
