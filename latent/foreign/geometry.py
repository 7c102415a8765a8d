"""Strides, paddings, pools and upsampling that make the feature maps of a chain meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from heapq import nsmallest
from math import inf
from operator import itemgetter
from typing import NamedTuple

from latent.foreign.chains import Chain, Joint, Link, image_shape, side_of
from latent.foreign.clock import Clock
from latent.foreign.layers import Gap

MOST_GEOMETRIES = 24, 200  # in a narrow and in a wide search
MOST_ABOVE_CHEAPEST = 2.5, 5.0  # in cost, in a narrow and in a wide search
SIDE_COSTS = {28: 0.0, 32: 0.5, 64: 1.5}  # where the layers leave it open
MOST_WAYS = 32, 80  # of the ways to a map of one side, the cheapest, in a narrow and in a wide search
FARTHEST_BEHIND = 3.0, 5.0  # in cost, behind the cheapest way to any side
LARGER_COST, SMALLER_COST = 0.8, 1.5  # of a last map that has to be cut or brought to the image's side
MOST_TO_FIT = 8  # pixels by which it may be larger or smaller
POOLED_COST = 1.0  # of maps that are averaged to the side that a dense layer takes

SAME = -1  # as a padding: whatever keeps the side, divided or multiplied by the stride (TensorFlow's "same")

ALIKE = 1e-6  # costs that differ by less are sums of the same in another order

Known = tuple[int, int, int]  # the stride, padding and output padding of a convolution


@dataclass(frozen=True, order=True)
class Step:
    """What one convolution does to the side of its feature maps; ``cost`` is the rarer the higher."""

    cost: float
    transposed: bool
    stride: int
    padding: int
    output_padding: int = 0
    pool: int = 0  # the stride of a max pool of 2 behind it, 0 for none
    upsample: int = 1  # the factor before it
    rounded_up: bool = False  # whether its pool keeps the last row of maps of an odd side (TensorFlow's "same")

    def __str__(self) -> str:
        words = [f"stride {self.stride}", "padding same" if self.padding == SAME else f"padding {self.padding}"]
        words += [f"output padding {self.output_padding}"] * bool(self.output_padding)
        words += [f"max pool 2, stride {self.pool}"] * bool(self.pool)
        words += ["rounded up"] * self.rounded_up
        words += [f"upsampled {self.upsample} times before"] * (self.upsample > 1)
        return ", ".join(words)

    @property
    def keeps_sides(self) -> bool:
        """Whether it does nothing to the side of its maps but what its kernel does."""
        return self.stride == 1 and self.upsample == 1 and not self.pool

    def side(self, side: int, kernel: int) -> int:
        """The side of the map behind it, 0 or less where there is none."""
        if self.transposed and self.padding != SAME:
            return (side - 1) * self.stride - 2 * self.padding + kernel + self.output_padding
        side = self.unpooled(side, kernel)
        beyond = (self.pool - 1) * self.rounded_up
        return (side - 2 + beyond) // self.pool + 1 if self.pool else side

    def unpooled(self, side: int, kernel: int) -> int:
        """The side of the map before its pool."""
        if self.padding == SAME:
            return side * self.stride if self.transposed else -(-side * self.upsample // self.stride)
        return (side * self.upsample + 2 * self.padding - kernel) // self.stride + 1


@dataclass(frozen=True)
class Geometry:
    """How the maps of a chain meet.

    ``steps`` a step for every link, None for a dense layer; ``sides`` of the maps behind them, 0 behind a dense
    layer; ``turn`` the first link on the way back from the code, where there is no dense layer to tell.
    """

    side: int
    turn: int
    steps: tuple[Step | None, ...]
    sides: tuple[int, ...]
    cost: float


@dataclass(frozen=True)
class Half:
    """One half of a geometry: the way from the image to the code, or the way back."""

    steps: tuple[Step | None, ...] = ()
    sides: tuple[int, ...] = ()
    cost: float = 0.0


def geometries(
    chain: Chain, known: Mapping[str, Known], wide: bool = False, same_padding: bool = False, clock: Clock | None = None
) -> list[Geometry]:
    """The likeliest ways to run a chain, from an image of a usual side to an image of the same side, cheapest first.

    ``known`` the stride, padding and output padding of the convolutions that the file says them of, by layer name;
    ``wide`` to look further; ``same_padding`` for files of a library that pads to keep the side. When the clock has
    run out, those that were found. What the file lists between its layers holds, unless nothing meets then.
    """
    clock = clock or Clock(5.0)
    joined = list(joined_halves(chain, known, wide, same_padding, clock))
    if not joined and any(link.layer.gap for link in chain.links):
        joined = list(joined_halves(without_gaps(chain), known, wide, same_padding, clock))
    dearest = max(nsmallest(MOST_GEOMETRIES[wide], (each.cost for each in joined)), default=0.0)
    found = sorted((each.geometry() for each in joined if each.cost <= dearest + ALIKE), key=likeliest_first)
    return [each for each in found[: MOST_GEOMETRIES[wide]] if each.cost <= found[0].cost + MOST_ABOVE_CHEAPEST[wide]]


class Joined(NamedTuple):
    """A way from an image of a side, and one back behind the link at ``turn``: a geometry that is not written out yet,
    since of most of many thousands nothing but the ``cost`` is asked for."""

    cost: float
    side: int
    turn: int
    there: Half
    back: Half

    def geometry(self) -> Geometry:
        there, back = self.there, self.back
        return Geometry(self.side, self.turn, there.steps + back.steps, there.sides + back.sides, self.cost)


def joined_halves(
    chain: Chain, known: Mapping[str, Known], wide: bool, same_padding: bool, clock: Clock
) -> Iterator[Joined]:
    """Every likely geometry: each way from the image joined with each way back from where it ends."""
    sides = image_sides(chain)
    backs: dict[tuple[int, int], dict[int, list[Half]]] = {}  # the same for images of every side: from a vector, say
    bound = inf
    for side in sides:
        extra = side_cost(side, chain) if len(sides) > 1 else 0.0
        for turn in turns(chain):
            start = side if chain.has_encoder else 1
            split = turn + (not chain.links[turn].is_conv)  # behind a dense layer it no longer matters what came to it
            there = halves(chain, range(split), start, known, wide, same_padding, clock)
            for end, ways in sorted(there.items(), key=lambda item: item[1][0].cost):
                if ways[0].cost + extra > bound:
                    break
                if (split, end) not in backs:
                    places = range(split, len(chain.links))
                    backs[split, end] = halves(chain, places, end, known, wide, same_padding, clock)
                if clock.has_run_out:
                    return
                near = ways_to_side(backs[split, end], side)
                for first in ways:
                    for second, fitting in near:
                        cost = first.cost + second.cost + fitting + extra
                        if cost > bound:
                            break
                        bound = min(bound, cost + MOST_ABOVE_CHEAPEST[wide])
                        yield Joined(cost, side, turn, first, second)


def ways_to_side(back: Mapping[int, Sequence[Half]], side: int) -> list[tuple[Half, float]]:
    """The ways back that end in a map of about this side, the cheapest first, each with what it costs to fit that."""
    near = [
        (way, fitting_cost(last or side, side))
        for last, ways in back.items()
        if abs((last or side) - side) <= MOST_TO_FIT
        for way in ways
    ]
    return sorted(near, key=lambda each: each[0].cost + each[1])


def likeliest_first(geometry: Geometry) -> tuple[float, bool]:
    """What sorts geometries: by their cost, and of equal ones first those in which maps grow as they shrank, since most
    authors write a decoder that mirrors the encoder."""
    shrinking = [geometry.side, *(side for side in geometry.sides[: geometry.turn] if side)][::-1]
    growing = [shrinking[0], *(side for side in geometry.sides[geometry.turn :] if side)]
    return round(geometry.cost / ALIKE), growing != shrinking


def fitting_cost(found: int, side: int) -> float:
    """What it costs to bring a last map of one side to that of the image."""
    return 0.0 if found == side else LARGER_COST if found > side else SMALLER_COST


def image_sides(chain: Chain) -> Sequence[int]:
    """Sides that the images can have: what a dense first or last layer says, else the usual ones."""
    first, last = chain.links[0], chain.links[-1]
    shape = None
    if first.joint == Joint.IMAGE and not first.is_conv:
        shape = image_shape(first.n_in - first.condition, chain.image_sides)
    elif not last.is_conv:
        shape = image_shape(last.n_out, chain.image_sides)
    return [shape[1]] if shape else chain.image_sides


def side_cost(side: int, chain: Chain) -> float:
    """What it costs that images have this side where the layers leave it open: nothing for that of the images in
    use."""
    return 0.0 if side == chain.image_sides[0] else SIDE_COSTS.get(side, 0.0)


def turns(chain: Chain) -> list[int]:
    """Where the way from the image may end and the way back begin: the index of the first link on the way back."""
    links = chain.links
    if not chain.has_encoder:
        return [0]
    dense = [index for index, link in enumerate(links) if not link.is_conv]
    if dense:
        return [dense[0]]
    tops = [link.layer.name.split(".")[0] for link in links]  # such as encoder and decoder
    changes = [index for index in range(1, len(links)) if tops[index] != tops[index - 1]]
    if len(changes) == 1:
        return changes
    parts = [index for index in changes if index + 1 < len(links) and tops[index + 1] == tops[index]]
    if parts:
        return parts[-1:]  # the last part of several layers: a decoder, behind what stands between the halves
    transposed = [index for index, link in enumerate(links) if link.transposed]
    return transposed[:1] or sorted(range(1, len(links)), key=lambda turn: abs(2 * turn - len(links)))


def halves(
    chain: Chain, places: range, start: int, known: Mapping[str, Known], wide: bool, same_padding: bool, clock: Clock
) -> dict[int, list[Half]]:
    """The cheapest ways to run the links in these places on a map of side ``start``, by the side of the last map,
    cheapest first; none where time runs out.

    Link by link, and of the ways to a side only the cheapest: what a dearer one could become, they can as well.
    """
    so_far, links = {start: [Half()]}, chain.links
    for index in places:
        if clock.has_run_out:
            return {}
        moves = [
            (coming, step, after, cost, so_far[side])
            for side in so_far
            for coming in [side_coming(chain, index, side)]
            for step, after, cost in moves_through(chain, index, places, coming, known, same_padding)
        ]
        dearest = min((ways[0].cost + cost for *_, cost, ways in moves), default=0.0) + FARTHEST_BEHIND[wide]
        habits: dict[tuple[int, bool], Habit] = {}
        further: dict[int, list[tuple[float, Half, Step | None]]] = {}
        for side, step, after, cost, ways in moves:
            for way in ways:
                if way.cost + cost > dearest:
                    break
                more = cost
                if step:
                    key = id(way), step.transposed
                    if key not in habits:
                        habits[key] = Habit.of(links[places.start : index], way.steps, links[index], step.transposed)
                    more = cost_in_place(habits[key], links[index], step, side)
                further.setdefault(after, []).append((way.cost + more, way, step))
        so_far = {
            after: [
                Half((*way.steps, step), (*way.sides, after), cost)
                for cost, way, step in nsmallest(MOST_WAYS[wide], found, key=itemgetter(0))
            ]
            for after, found in further.items()
        }
    return so_far


def side_coming(chain: Chain, index: int, side: int) -> int:
    """The side of the map that comes to a link behind one of ``side``: another one where a vector becomes a map."""
    link = chain.links[index]
    return (side_of(chain.links[index - 1].n_out // link.n_in) or 0) if link.joint == Joint.UNFLATTEN else side


def moves_through(
    chain: Chain, index: int, places: range, side: int, known: Mapping[str, Known], same_padding: bool
) -> Iterator[tuple[Step | None, int, float]]:
    """What a link can do to a map of a side: the step, None for a dense layer, the side behind it, 0 for a vector, and
    what it costs by itself."""
    links = chain.links
    link, last = links[index], links[index - 1] if index else None
    if not link.is_conv:
        if not last or not last.is_conv or side * side * last.n_out == link.n_in - link.condition:
            yield None, 0, 0.0
        elif (side_of((link.n_in - link.condition) // last.n_out) or side) < side:
            yield None, 0, POOLED_COST
        return
    largest = max(side, *chain.image_sides) + 8
    kept = any(skip.first <= index <= skip.last for skip in chain.skips if not skip.projection)
    growing = index >= places.start > 0 or not chain.has_encoder
    before, behind = modules_before(chain, index), modules_before(chain, index + 1)
    steps = likely_steps(link.layer.kernel[0], link.transposed, growing, before, behind, same_padding)
    gap, gap_behind = gap_before(chain, index), gap_before(chain, index + 1)
    if gap or gap_behind:
        steps = steps_as_listed(steps, link.layer.kernel[0], gap, gap_behind)
    if link.layer.name in known:
        steps = steps_as_known(steps, known[link.layer.name], link)
    for step in steps:
        after = step.side(side, link.layer.kernel[0])
        if step.rounded_up and step.unpooled(side, link.layer.kernel[0]) % 2 == 0:
            continue  # nothing to keep: the same as without
        if kept:
            if after == side and step.keeps_sides:  # else what goes round it could not be added
                yield step, after, 0.0
        elif 1 <= after <= largest:
            yield step, after, step.cost


def modules_before(chain: Chain, index: int) -> int | None:
    """How many modules without weights stand between a link and the one before; None where the file does not say."""
    if not 0 < index < len(chain.links):
        return None
    link, last = chain.links[index], chain.links[index - 1]
    same_sequential = link.layer.name.rpartition(".")[0] == last.layer.name.rpartition(".")[0]
    return link.layer.modules_before if same_sequential else None


def gap_before(chain: Chain, index: int) -> Gap | None:
    """What the file lists between a link and the one before; None where it does not say."""
    if index >= len(chain.links):
        return None
    gap = chain.links[index].layer.gap
    return gap if gap and gap.behind == (chain.links[index - 1].layer.name if index else "") else None


def without_gaps(chain: Chain) -> Chain:
    """The chain of a file that lists nothing between its layers."""
    links = (replace(link, layer=replace(link.layer, gap=None)) for link in chain.links)
    return replace(chain, links=tuple(links))


@cache
def likely_steps(
    kernel: int, transposed: bool | None, growing: bool, before: int | None, behind: int | None, same_padding: bool
) -> list[Step]:
    """What a convolution is likely to do: on the way to the code shrink maps, on the way back grow them.

    ``transposed`` None where it may go either way.
    ``before`` and ``behind`` are how many modules without weights stand there, since upsampling and pools are such;
    None where that is not known. ``same_padding`` whether the file is of a library that pads to keep the side.
    """
    half = (kernel - 1) // 2
    found = []
    if transposed or (growing and transposed is None):
        for stride in (1, 2, 3):
            if same_padding:
                found.append(Step(0.3 * (stride == 3), True, stride, SAME))
            for padding in range(1 if same_padding else min(kernel, 4)):
                for more in range(2 if stride == 2 else 1):
                    doubles = stride == 2 and 2 * padding + 2 - more == kernel
                    keeps = stride == 1 and padding == half
                    cost = 0.0 if doubles or keeps else 0.3 if padding == more == 0 else 0.8
                    cost += 0.4 * (stride == 3) + 0.3 * (stride == 1 and kernel < 5)
                    found.append(Step(cost, True, stride, padding, more))
    if not transposed:
        for padding in sorted({0, SAME} if same_padding else {0, 1, half, kernel // 2}):
            cost = 0.0 if padding in (half, SAME) else 0.3 if padding == 0 else 0.7
            if growing:
                found.append(Step(cost + 0.3 * ((before or 0) > 1), False, 1, padding))
                if before != 0:
                    found.append(Step(cost + 0.7 * (before == 1), False, 1, padding, upsample=2))
                continue
            for stride in (1, 2, 3):
                for pool in (0, 2, 1):
                    if pool and behind == 0:
                        continue
                    dearer = {1: 0.0, 2: 0.0, 3: 0.4}[stride] + {0: 0.0, 2: 0.2, 1: 0.5}[pool]
                    keeps = stride == 1 and not pool
                    dearer += 0.5 * (not keeps) if kernel == 1 else (0.5 if kernel < 5 else 0.2) * keeps
                    dearer += 0.3 * (stride > 1 and pool > 0)
                    dearer += 0.7 * (pool > 0 and behind == 1) + 1.0 * (not pool and (behind or 0) > 1)
                    found.append(Step(cost + dearer, False, stride, padding, 0, pool))
                    if pool == 2 and padding == SAME:
                        found.append(Step(cost + dearer, False, stride, padding, 0, pool, rounded_up=True))
    return sorted(found)


def steps_as_listed(steps: Sequence[Step], kernel: int, gap: Gap | None, behind: Gap | None) -> list[Step]:
    """Those steps with the pools, the upsampling and the layers of zeros that the file lists on either side of a
    convolution."""

    def agrees(step: Step) -> bool:
        pooled, upsampled = step.pool > 0, step.upsample > 1
        return (not behind or behind.pooled == pooled) and (not gap or gap.upsampled == upsampled)

    agreeing = [step for step in steps if step.transposed or agrees(step)]
    if gap and gap.padded:
        agreeing = [padded for step in agreeing if not step.transposed for padded in padded_steps(step, kernel)]
    return sorted(agreeing)


def padded_steps(step: Step, kernel: int) -> Iterator[Step]:
    """A step behind a layer that puts a few rows of zeros around its maps, mostly one."""
    if step.padding == SAME and (step.stride > 1 or kernel % 2 == 0):
        return  # the two do not add up
    own = 0 if step.padding == 0 else kernel // 2
    for more in (1, 2, 3):
        yield replace(step, cost=step.cost + 0.2 * (more - 1), padding=own + more)


def steps_as_known(steps: list[Step], known: Known, link: Link) -> list[Step]:
    """Those steps that have the known stride, padding and output padding, else one that has."""
    agreeing = [step for step in steps if (step.stride, step.padding, step.output_padding) == known]
    return agreeing or [Step(0.0, bool(link.transposed), *known)]


@dataclass(frozen=True)
class Habit:
    """What a way did with its earlier convolutions of one kernel that go the same way: the ``steps``, and whether one
    of them tells something, since it is not the plainest there is."""

    steps: frozenset[Step]
    is_telling: bool

    @classmethod
    def of(cls, links: Sequence[Link], steps: Sequence[Step | None], link: Link, transposed: bool) -> Habit:
        """The habit before a ``link``, of the ``steps`` of the ``links`` before it."""
        earlier = frozenset(
            on_even_sides(step) if step.rounded_up else step
            for other, step in zip(links, steps, strict=False)
            if step is not None and step.transposed == transposed and other.layer.kernel == link.layer.kernel
        )
        return cls(earlier, any(step.stride > 1 or step.padding or step.pool > 0 for step in earlier))


def cost_in_place(habit: Habit, link: Link, step: Step, side: int) -> float:
    """The cost of a step on maps of a side, for an author of this habit.

    A kernel as large as its map is there to close it to a point, and a transposed one opens a point: nothing is
    likelier. Otherwise authors repeat themselves: a step unlike those of earlier convolutions with the same kernel
    costs more.
    """
    kernel = link.layer.kernel
    if (step.transposed and side == 1) or (not step.transposed and kernel[0] == side >= 4):
        plain = step.stride == 1 and not (step.padding or step.output_padding or step.pool)
        return 0.0 if plain else step.cost + 1.5
    usual = on_even_sides(step) if step.rounded_up else step
    return step.cost if usual in habit.steps else step.cost + 0.5 * habit.is_telling


def on_even_sides(step: Step) -> Step:
    """The step that does the same to maps of an even side, where pools have nothing to round."""
    return replace(step, rounded_up=False)
