"""Strides, paddings, pools and upsampling that make the feature maps of a chain meet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from latent.foreign.chains import Chain, Joint, Link, image_shape, side_of
from latent.foreign.clock import Clock

MOST_GEOMETRIES = 24, 200  # in a narrow and in a wide search
MOST_ABOVE_CHEAPEST = 2.5, 5.0  # in cost, in a narrow and in a wide search
COST_BOUNDS = (1.0, 2.0, 3.5, 5.0, 7.0)  # tried in turn
SIDE_COSTS = {28: 0.0, 32: 0.5, 64: 1.5}  # where the layers leave it open
MOST_WAYS = 2_000  # of the ways through one half, the cheapest
MOST_RUNS = 60_000  # steps of the search for the ways through one half
LARGER_COST, SMALLER_COST = 0.8, 1.5  # of a last map that has to be cut or brought to the image's side
MOST_TO_FIT = 8  # pixels by which it may be larger or smaller
POOLED_COST = 1.0  # of maps that are averaged to the side that a dense layer takes

SAME = -1  # as a padding: whatever keeps the side, divided or multiplied by the stride (TensorFlow's "same")

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

    def __str__(self) -> str:
        words = [f"stride {self.stride}", "padding same" if self.padding == SAME else f"padding {self.padding}"]
        words += [f"output padding {self.output_padding}"] * bool(self.output_padding)
        words += [f"max pool 2, stride {self.pool}"] * bool(self.pool)
        words += [f"upsampled {self.upsample} times before"] * (self.upsample > 1)
        return ", ".join(words)

    def side(self, side: int, kernel: int) -> int:
        """The side of the map behind it, 0 or less where there is none."""
        if self.padding == SAME:
            side = side * self.stride if self.transposed else -(-side * self.upsample // self.stride)
            return (side - 2) // self.pool + 1 if self.pool else side
        if self.transposed:
            return (side - 1) * self.stride - 2 * self.padding + kernel + self.output_padding
        side = (side * self.upsample + 2 * self.padding - kernel) // self.stride + 1
        return (side - 2) // self.pool + 1 if self.pool else side


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
    run out, those that were found.
    """
    found: list[Geometry] = []
    clock = clock or Clock(5.0)
    for bound in COST_BOUNDS:
        more = sorted(geometries_up_to(bound, chain, known, same_padding, clock), key=lambda geometry: geometry.cost)
        found = more if len(more) > len(found) else found
        if clock.has_run_out:
            break
        enough = len(found) >= MOST_GEOMETRIES[wide] or (found and bound >= found[0].cost + MOST_ABOVE_CHEAPEST[wide])
        if enough or not any(link.is_conv for link in chain.links):
            break
    return [each for each in found[: MOST_GEOMETRIES[wide]] if each.cost <= found[0].cost + MOST_ABOVE_CHEAPEST[wide]]


def geometries_up_to(
    bound: float, chain: Chain, known: Mapping[str, Known], same_padding: bool, clock: Clock
) -> Iterator[Geometry]:
    """Every geometry up to a cost: each way from the image joined with each way back from where it ends."""
    for side in image_sides(chain):
        extra = side_cost(side, chain) if len(image_sides(chain)) > 1 else 0.0
        for turn in turns(chain):
            start = side if chain.has_encoder else 1
            backs: dict[int, list[Half]] = {}
            for there in halves(chain, range(turn), start, known, bound - extra, same_padding, clock):
                end = there.sides[-1] if there.sides else start
                if end not in backs:
                    ways = halves(chain, range(turn, len(chain.links)), end, known, bound - extra, same_padding, clock)
                    backs[end] = [way for way in ways if abs((way.sides[-1] or side) - side) <= MOST_TO_FIT]
                if clock.has_run_out:
                    return
                for back in backs[end]:
                    if extra + there.cost + back.cost > bound:
                        break
                    cost = extra + there.cost + back.cost + fitting_cost(back.sides[-1] or side, side)
                    if cost <= bound:
                        yield Geometry(side, turn, there.steps + back.steps, there.sides + back.sides, cost)


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
    transposed = [index for index, link in enumerate(links) if link.transposed]
    return transposed[:1] or list(range(1, len(links)))


def halves(
    chain: Chain,
    places: range,
    start: int,
    known: Mapping[str, Known],
    bound: float,
    same_padding: bool,
    clock: Clock,
) -> list[Half]:
    """Every way, up to a cost, to run the links in these places on a map of side ``start``, until time runs out."""
    links = chain.links
    kept = {index for skip in chain.skips if not skip.projection for index in range(skip.first, skip.last + 1)}
    largest = max(start, *chain.image_sides) + 8
    found: list[Half] = []
    budget = [MOST_RUNS]

    def run(index: int, side: int, half: Half) -> None:
        budget[0] -= 1
        if budget[0] < 0 or (not budget[0] % 200 and clock.has_run_out):
            return
        if index == places.stop:
            found.append(half)
            return
        link = links[index]
        if not link.is_conv:
            last = links[index - 1] if index else None
            cost = half.cost
            if last and last.is_conv and side * side * last.n_out != link.n_in - link.condition:
                taken = side_of((link.n_in - link.condition) // last.n_out) or side
                cost += POOLED_COST
                if taken >= side or cost > bound:
                    return
            run(index + 1, 0, Half((*half.steps, None), (*half.sides, 0), cost))
            return
        if link.joint == Joint.UNFLATTEN:
            side = side_of(links[index - 1].n_out // link.n_in) or 0
        growing = index >= places.start > 0 or not chain.has_encoder
        before, behind = modules_before(chain, index), modules_before(chain, index + 1)
        steps = likely_steps(link.layer.kernel[0], link.transposed, growing, before, behind, same_padding)
        if link.layer.name in known:
            steps = steps_as_known(steps, known[link.layer.name], link)
        for step in steps:
            if half.cost > bound:
                break
            total = half.cost + cost_in_place(links[places.start : index], half.steps, link, step, side)
            after = step.side(side, link.layer.kernel[0])
            if index in kept and after != side:
                continue  # what goes round it could not be added
            if total <= bound and 1 <= after <= largest:
                run(index + 1, after, Half((*half.steps, step), (*half.sides, after), total))

    run(places.start, start, Half())
    return sorted(found, key=lambda half: half.cost)[:MOST_WAYS]


def modules_before(chain: Chain, index: int) -> int | None:
    """How many modules without weights stand between a link and the one before; None where the file does not say."""
    if not 0 < index < len(chain.links):
        return None
    link, last = chain.links[index], chain.links[index - 1]
    same_sequential = link.layer.name.rpartition(".")[0] == last.layer.name.rpartition(".")[0]
    return link.layer.modules_before if same_sequential else None


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
                    dearer += (0.5 if kernel < 5 else 0.2) * (stride == 1 and not pool) + 0.3 * (
                        stride > 1 and pool > 0
                    )
                    dearer += 0.7 * (pool > 0 and behind == 1) + 1.0 * (not pool and (behind or 0) > 1)
                    found.append(Step(cost + dearer, False, stride, padding, 0, pool))
    return sorted(found)


def steps_as_known(steps: list[Step], known: Known, link: Link) -> list[Step]:
    """Those steps that have the known stride, padding and output padding, else one that has."""
    agreeing = [step for step in steps if (step.stride, step.padding, step.output_padding) == known]
    return agreeing or [Step(0.0, bool(link.transposed), *known)]


def cost_in_place(links: Sequence[Link], steps: Sequence[Step | None], link: Link, step: Step, side: int) -> float:
    """The cost of a step on maps of a side, behind the ``steps`` of these ``links``.

    A kernel as large as its map is there to close it to a point, and a transposed one opens a point: nothing is
    likelier. Otherwise authors repeat themselves: a step unlike those of earlier convolutions with the same kernel
    costs more.
    """
    kernel = link.layer.kernel
    if (step.transposed and side == 1) or (not step.transposed and kernel[0] == side >= 4):
        plain = step.stride == 1 and not (step.padding or step.output_padding or step.pool)
        return 0.0 if plain else step.cost + 1.5
    telling = False
    for other, before in zip(links, steps, strict=False):
        if before is None or before.transposed != step.transposed or other.layer.kernel != kernel:
            continue
        if before == step:
            return step.cost
        telling = telling or before.stride > 1 or bool(before.padding) or before.pool > 0
    return step.cost + 0.5 * telling
