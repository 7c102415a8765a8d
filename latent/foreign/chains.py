"""In what order layers can follow each other: chains from an image, through a code, to an image.

Only sizes and names decide. Where more than one chain fits, several are given, the likeliest first, and numbers decide
later. A chain is the likelier, the less it leaps about in the file's order, mixes the parts of the file, and leaves out
layers of the parts that it uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice, pairwise
from math import isqrt
from types import MappingProxyType

from latent.foreign.clock import Clock
from latent.foreign.layers import TABLE, Layer

SIDES = (28, 32, 64)  # of the images that most networks in the world take
LARGEST_SIDE = 128  # of an image or a map of a network that is read from its weights
CHANNELS = (1, 3)
USUAL_CLASSES = 10  # of the data sets that most networks in the world are trained on
MOST_CLASSES, LARGEST_EMBEDDING = 1000, 512  # rows and numbers in each that an embedding of labels may have
MOST_STEPS = 60_000
MOST_PATHS, LONGEST_PATH = 500, 200
MOST_CHAINS = 12
MOST_ABOVE_CHEAPEST = 1.5  # in cost
COST_BOUNDS = (0.25, 0.6, 1.2, 2.5, 5.0)  # tried in turn
ASIDE, LEAP, BACK, WITHIN = 0.1, 0.4, 0.3, 0.8  # costs of not going on to the next layer of the file, see `leap_cost`
LEFT_OUT, LEFT_ASIDE = 0.2, 0.04  # costs of a layer that is not used, of a part of the file that is, and of others
CODEBOOK_RUN = 0.3  # of running as a layer what may well be a codebook
LABEL_COST = 0.1  # of a label that is looked up or goes through a layer of its own
MOST_LINKS_IN_BLOCK = 3
NO_LABELS: Mapping[int, object] = MappingProxyType({})


@dataclass(frozen=True)
class Expected:
    """What a network for the images in use may take, the likeliest first: labels of so many ``classes`` in one-hot
    form, square images of these ``sides``."""

    classes: tuple[int, ...] = (USUAL_CLASSES,)
    sides: tuple[int, ...] = SIDES


USUAL = Expected()


class Joint(StrEnum):
    """What comes to a link; the values are stored in files and stay."""

    IMAGE = "image"  # to the first link
    CODE = "code"  # to the first link of a decoder alone
    SAME = "same"  # all that the link before puts out
    HALVE = "halve"  # half of it: a mean beside a log-variance
    FLATTEN = "flatten"  # its feature maps as a vector
    UNFLATTEN = "unflatten"  # its vector as feature maps


@dataclass(frozen=True)
class Link:
    """One layer in its place: which way a convolution goes, sizes in and out, and what joins it to the one before.

    ``condition`` is how many numbers of a label join what comes; ``label`` the layer that makes them of the label,
    None where they are the label in one-hot form. ``before`` and ``after`` are the normalisations on either side.
    """

    layer: Layer
    transposed: bool | None  # None: either way fits
    n_in: int
    n_out: int
    joint: Joint = Joint.SAME
    condition: int = 0
    before: tuple[Layer, ...] = ()
    after: tuple[Layer, ...] = ()
    label: Layer | None = None

    @property
    def is_conv(self) -> bool:
        return self.layer.kind == "conv"

    @property
    def activated_late(self) -> bool:
        """Whether the activation before it stands between it and the normalisations before it."""
        return bool(self.before) and (self.layer.modules_before or 0) > 0


@dataclass(frozen=True)
class Skip:
    """A way round some links (He et al. 2016, arXiv:1512.03385): what comes to the link ``first`` is added to what
    the link ``last`` puts out, through a layer of its own and its normalisations where there is one."""

    first: int
    last: int
    projection: Link | None = None


@dataclass(frozen=True, eq=False)
class Chain:
    """Links from an image (or, for a decoder alone, a code) to an image; ``unused`` are layers beside them.

    ``heads`` are the names of those that stand beside a link and could take its place, ``elsewhere`` other networks in
    the file, by the first of their names: discriminators, copies. ``skips`` are
    ways round some of its links, ``cost`` the higher the unlikelier an author would write it. ``named_activations``
    are those that the file itself names, where it holds modules: evidence, not proof, since others may stand in code
    that no file holds. ``not_run`` are the names of what lies among the layers in use and is of a kind that cannot be
    run, or has no place. ``n_classes`` is how many classes a label is of, 0 where none joins; ``image_sides`` are those
    that its images may have.
    """

    links: tuple[Link, ...]
    unused: tuple[Layer, ...] = field(repr=False)
    cost: float = 0.0
    named_activations: frozenset[str] = frozenset()
    skips: tuple[Skip, ...] = ()
    not_run: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()
    heads: frozenset[str] = frozenset()
    n_classes: int = 0
    image_sides: tuple[int, ...] = SIDES

    def is_head(self, link: Link, layer: Layer) -> bool:
        """Whether a layer that is not used is a head beside a link: a log-variance beside a mean."""
        return layer.name in self.heads and is_twin(link, layer)

    @property
    def has_encoder(self) -> bool:
        return self.links[0].joint != Joint.CODE

    @property
    def normalised_late(self) -> bool:
        """Whether the file shows that activations stand before the normalisations: each has a module before it, and the
        next layer none."""
        norms = [norm for link in self.links for norm in link.after]
        behind = [then.layer for link, then in pairwise(self.links) if link.after]
        late = [norm.modules_before for norm in norms] + [None if layer.modules_before else 1 for layer in behind]
        return bool(norms) and all(late)

    @property
    def used(self) -> set[str]:
        """The names of all layers that are run."""
        projections = [skip.projection for skip in self.skips if skip.projection]
        links = [*self.links, *projections]
        labels = {link.label.name for link in links if link.label}
        return labels | {layer.name for link in links for layer in (link.layer, *link.before, *link.after)}


@dataclass(frozen=True)
class Block:
    """Layers that are likely run one after the other with a way round them, by name, and the layer on that way."""

    names: tuple[str, ...]
    projection: Link | None = None


def candidates(layers: Sequence[Layer]) -> list[Link]:
    """Every layer that maps numbers to numbers, each way it can go, with its normalisations."""
    weighted = [layer for layer in layers if layer.is_weighted]
    before, after = placed_normalisations(layers, weighted)
    found = []
    for layer in weighted:
        norms = tuple(before.get(layer.name, ())), tuple(after.get(layer.name, ()))
        if layer.kind == "linear":
            n_out, n_in = layer.shape
            found.append(Link(layer, False, n_in, n_out, before=norms[0], after=norms[1]))
            continue
        ways = layer.directions()
        if len({way[1:] for way in ways}) == 1 and len(ways) == 2:
            found.append(Link(layer, None, *ways[0][1:], before=norms[0], after=norms[1]))
        else:
            found += [Link(layer, *way, before=norms[0], after=norms[1]) for way in ways]
    return found


def placed_normalisations(
    layers: Sequence[Layer], weighted: Sequence[Layer]
) -> tuple[dict[str, list[Layer]], dict[str, list[Layer]]]:
    """Normalisations by the name of the layer that they stand before, and after."""
    before: dict[str, list[Layer]] = {}
    after: dict[str, list[Layer]] = {}
    order = {layer.name: position for position, layer in enumerate(layers)}
    for norm in layers:
        kind = norm.normalisation
        if kind is None:
            continue
        n = kind.channels(norm.tensors)
        parent = norm.name.rpartition(".")[0]
        earlier = [layer for layer in weighted if order[layer.name] < order[norm.name]]
        later = [layer for layer in weighted if order[layer.name] > order[norm.name]]
        last = earlier[-1] if earlier else None
        free = [m for m in earlier if m.name.rpartition(".")[0] == parent and fits_after(m, n) and m.name not in after]
        if last is not None and fits_after(last, n) and (last.name not in after or kind.is_activation):
            # Convolutions are often listed first and their normalisations after them: then the first one is meant.
            in_sequence = norm.modules_before is not None
            target = last if in_sequence or not free else free[0]
            after.setdefault(target.name, []).append(norm)
        elif free:
            after.setdefault(free[0].name, []).append(norm)
        elif later and n in (later[0].shape[0], later[0].shape[1]):
            before.setdefault(later[0].name, []).append(norm)
        elif n > 1 and (lone := [m for m in earlier if fits_after(m, n) and m.name not in after]):
            after[lone[0].name] = [norm]  # in a list of normalisations, say, behind a list of layers
    return before, after


def fits_after(layer: Layer, n: int) -> bool:
    """Whether a normalisation of ``n`` channels can follow the layer; one number is for all channels."""
    outs = {layer.shape[0]} if layer.kind == "linear" else {way[2] for way in layer.directions()}
    return n in outs or n == 1


def family(layer: Layer) -> str:
    """The part of the file that a layer is in: the first of the names in its path."""
    return layer.name.partition(".")[0]


def chains(layers: Sequence[Layer], clock: Clock | None = None, expected: Expected = USUAL) -> list[Chain]:
    """The likeliest chains, at most `MOST_CHAINS`; decoders alone where there is no other."""
    links = candidates(layers)
    labels = ways_to_tell(links, expected.classes)
    walks = Walks(links, labels, clock or Clock(5.0), expected)
    starts = [first for link in walks.links for first in as_first(link, expected.sides, labels)]
    whole = walks.chains(starts, layers)
    return whole or walks.chains([with_joint(link, Joint.CODE) for link in walks.links], layers)


def ways_to_tell(links: Sequence[Link], classes: Sequence[int]) -> dict[int, list[Layer | None]]:
    """The ways in which a network may be told a label, by how many numbers each adds: None is the one-hot form itself,
    a layer gives a row of its table, or what it makes of the one-hot form."""
    found: dict[int, list[Layer | None]] = {n: [None] for n in classes}
    for link in links:
        rows, width = link.layer.shape[:2]
        if link.is_conv or link.before or link.after:
            continue
        taken = numbers_taken(link.layer)
        if not taken and min(classes) <= rows <= MOST_CLASSES and 2 <= width <= LARGEST_EMBEDDING:
            found.setdefault(width, []).append(link.layer)
        elif taken in classes and 2 <= rows <= LARGEST_EMBEDDING:
            found.setdefault(rows, []).append(link.layer)
    return found


def classes_told(links: Sequence[Link], classes: Sequence[int]) -> int:
    """How many classes there are of the label that joins these links, 0 where none does. A table may have rows to
    spare: then it is the first of ``classes`` that it has rows for."""
    told = [link for link in links if link.condition]
    sizes = [n for link in told if (n := link.condition if link.label is None else numbers_taken(link.label))]
    if sizes or not told:
        return sizes[0] if sizes else 0
    rows = min(link.label.shape[0] for link in told if link.label)
    return next((n for n in classes if 0 < n <= rows), rows)


def numbers_taken(label: Layer) -> int:
    """How many numbers a layer takes that a label goes through; 0 for a table, which takes the label's index."""
    return label.shape[1] if "bias" in label.tensors or label.shape[0] < min(label.shape[1], USUAL_CLASSES) else 0


def may_be_codebook(last: Link, link: Link, then: Link) -> bool:
    """Whether a dense layer has rows as long as the vectors of the maps on either side of it, and no bias."""
    between_maps = last.is_conv and then.is_conv and not link.is_conv
    return between_maps and "bias" not in link.layer.tensors and last.n_out == link.n_in == then.n_in


class Walks:
    """Every way through some links from a start to a layer that puts out an image, the cheapest first."""

    def __init__(
        self,
        links: Sequence[Link],
        labels: Mapping[int, Sequence[Layer | None]],
        clock: Clock,
        expected: Expected = USUAL,
    ) -> None:
        self.blocks = blocks(links, expected.sides)
        aside = {block.projection.layer.name for block in self.blocks if block.projection}
        self.links = [link for link in links if link.layer.name not in aside]
        self.labels, self.clock, self.expected = labels, clock, expected
        names = dict.fromkeys(link.layer.name for link in self.links)
        self.position = {name: index for index, name in enumerate(names)}
        self.order = [next(link for link in self.links if link.layer.name == name) for name in names]
        self.follower = sequence_followers(self.links, labels, self.blocks)
        self.entries = set(self.follower.values())
        self.rivals = rivals(self.links, expected.sides, labels)
        self.parts: dict[str, list[Link]] = {}
        for link in self.order:
            self.parts.setdefault(family(link.layer), []).append(link)
        self.takes_images = {family(link.layer) for link in self.links if as_first(link, expected.sides, labels)}
        self.successors: dict[Link, list[Link]] = {}
        self.steps = 0

    def chains(self, starts: Sequence[Link], layers: Sequence[Layer]) -> list[Chain]:
        """The chains from these starts, the likeliest first."""
        found: dict[tuple[object, ...], Chain] = {}
        starts = [start for start in starts if start.layer.name not in self.entries]
        self.steps = 0
        for bound in COST_BOUNDS:
            for path, cost in islice(self.up_to(bound, starts), MOST_PATHS):
                if self.clock.has_run_out:
                    break
                for links in self.with_labels(path):
                    chain = self.chain_of(links, cost, layers)
                    key = tuple((link.layer.name, link.joint, link.condition, link.label) for link in links)
                    if key not in found or chain.cost < found[key].cost:
                        found[key] = chain
            if len(found) >= MOST_CHAINS or self.steps > MOST_STEPS or self.clock.has_run_out:
                break
        ranked = sorted(found.values(), key=lambda chain: chain.cost)
        return [chain for chain in ranked[:MOST_CHAINS] if chain.cost <= ranked[0].cost + MOST_ABOVE_CHEAPEST]

    def up_to(self, bound: float, starts: Sequence[Link]) -> Iterator[tuple[list[Link], float]]:
        """Every path whose leaps cost no more than ``bound``, with what they cost."""

        def walk(path: list[Link], used: set[str], cost: float) -> Iterator[tuple[list[Link], float]]:
            self.steps += 1
            if self.steps > MOST_STEPS or (not self.steps % 100 and self.clock.has_run_out):
                return
            if len(path) > LONGEST_PATH:
                return
            last = path[-1]
            forced = self.follower.get(last.layer.name)
            if len(path) > 1 and forced is None and ends_in_image(last, self.expected.sides):
                yield path, cost
            halved = any(link.joint == Joint.HALVE for link in path)
            for joined in self.after(last):
                name = joined.layer.name
                if name in used or (forced is not None and name != forced) or (halved and joined.joint == Joint.HALVE):
                    continue
                total = cost + (0.0 if forced else self.leap_cost(last, joined))
                if total <= bound:
                    yield from walk([*path, joined], used | {name} | self.rivals.get(name, frozenset()), total)

        for start in starts:
            name = start.layer.name
            yield from walk([start], {name} | self.rivals.get(name, frozenset()), 0.0)

    def after(self, last: Link) -> list[Link]:
        """What can follow a link, nearest in the file first."""
        if last not in self.successors:
            forced = self.follower.get(last.layer.name)
            place = self.position[last.layer.name]
            found = []
            for link in self.links:
                name = link.layer.name
                if (forced is None and name not in self.entries) or name == forced:
                    found += ways_to_follow(last, link, self.labels)
                if self.clock.has_run_out:
                    break
            behind = len(self.links)
            self.successors[last] = sorted(
                found, key=lambda link: (self.position[link.layer.name] - place - 1) % behind
            )
        return self.successors[last]

    def leap_cost(self, last: Link, then: Link) -> float:
        """What it costs to go on with another layer than the next one of the file.

        Little where only a log-variance beside a mean, or whole other parts of the file, lie between; more where layers
        of the same part do, or where it goes back. A file that lists what stands between its layers has one part.
        """
        here, there = self.position[last.layer.name], self.position[then.layer.name]
        label = LABEL_COST * bool(then.condition)
        if there == here + 1:
            return label
        between = self.order[here + 1 : there]
        ours = {family(last.layer), family(then.layer)}
        if there > here:
            ours |= {family(link.layer) for link in between if then.layer.gap}
            skipped = [link for link in between if family(link.layer) in ours and not is_twin(link, last)]
            return label + (LEAP + 0.1 * len(skipped) if skipped else ASIDE)
        begins = there == 0 or family(self.order[there - 1].layer) != family(then.layer)
        return label + (BACK if begins else WITHIN)

    def with_labels(self, path: list[Link]) -> Iterator[list[Link]]:
        """The path with each way to make the numbers of a label that join it."""
        widths = {link.condition for link in path if link.condition}
        used = {link.layer.name for link in path}
        told = {width: self.labels.get(width, ()) for width in widths}
        free = {width: [each for each in ways if each and each.name not in used] for width, ways in told.items()}
        as_it_is = {width for width, ways in told.items() if None in ways}
        if widths == as_it_is and len(widths) <= 1:
            yield path
        if any(free.values()) and all(free[width] or width in as_it_is for width in widths):
            made: list[Link] = []
            for link in path:
                layers = free.get(link.condition, [])
                earlier = sum(each.condition == link.condition for each in made)
                label = layers[min(earlier, len(layers) - 1)] if link.condition and layers else None
                made.append(replace(link, label=label))
            yield made

    def chain_of(self, links: list[Link], cost: float, layers: Sequence[Layer]) -> Chain:
        """The chain of these links, with its skips, and what it leaves aside."""
        place = {link.layer.name: index for index, link in enumerate(links)}
        skips = tuple(
            Skip(place[block.names[0]], place[block.names[-1]], block.projection)
            for block in self.blocks
            if all(name in place for name in block.names)
        )
        n_classes = classes_told(links, self.expected.classes)
        chain = Chain(tuple(links), (), skips=skips, n_classes=n_classes, image_sides=self.expected.sides)
        used, families = chain.used, {family(link.layer) for link in links}
        rest = [layer for layer in layers if layer.name not in used and (layer.is_weighted or layer.kind == TABLE)]
        others = {family(layer) for layer in rest if family(layer) in self.takes_images} - families
        unused = tuple(layer for layer in rest if family(layer) not in others)
        twins = {layer.name for layer in unused if any(self.beside(link, layer) for link in links)}
        for layer in rest:
            if layer.is_weighted and not layer.name.endswith(" transposed"):
                out = "." in layer.name and family(layer) in families and layer.name not in twins
                cost += LEFT_OUT if out else LEFT_ASIDE
        cost += CODEBOOK_RUN * sum(may_be_codebook(*three) for three in zip(links, links[1:], links[2:], strict=False))
        left = not_run(layers, links, used, twins)
        others_named = tuple(sorted(others))
        return replace(chain, unused=unused, cost=cost, not_run=left, elsewhere=others_named, heads=frozenset(twins))

    def beside(self, link: Link, layer: Layer) -> bool:
        """Whether a layer could take a link's place and stands beside it: in the same part of the file, or in one of
        the same layers that is the next or the one before."""
        if not is_twin(link, layer) or layer.name not in self.position:
            return False
        if layer.name.rpartition(".")[0] == link.layer.name.rpartition(".")[0] != "":
            return True
        mine, theirs = self.parts[family(link.layer)], self.parts[family(layer)]
        alike = [each.layer.shape for each in mine] == [each.layer.shape for each in theirs]
        apart = abs(self.position[link.layer.name] - self.position[layer.name])
        return alike and apart <= len(mine)


def not_run(layers: Sequence[Layer], links: Sequence[Link], used: set[str], twins: set[str]) -> tuple[str, ...]:
    """The names of layers that lie among those in use and are not run: of no known kind, or without a place.

    A head beside one that is in use is none of them, nor what is in another part of the file.
    """
    parts = {link.layer.name.rpartition(".")[0] for link in links}
    tops = {part.partition(".")[0] for part in parts}
    order = {layer.name: index for index, layer in enumerate(layers)}
    last = max(order[link.layer.name] for link in links)
    first = min(order[link.layer.name] for link in links)
    found = []
    for layer in layers:
        inside = family(layer) in tops if "." in layer.name else first < order[layer.name] < last
        if layer.name in used or layer.name in twins or not inside:
            continue
        near = layer.name.rpartition(".")[0] in parts
        if not (layer.is_weighted or layer.kind == TABLE) or (near and "." in layer.name):
            found.append(layer.name)
    return tuple(found)


def blocks(links: Sequence[Link], image_sides: Sequence[int] = SIDES) -> list[Block]:
    """Groups of layers under one name whose last puts out what the first takes in: residual blocks.

    Where the sizes differ, another layer of the group has to lead from the one to the other.
    """
    under: dict[str, list[Link]] = {}
    for link in links:
        parts = link.layer.name.split(".")
        for depth in range(1, len(parts)):
            under.setdefault(".".join(parts[:depth]), []).append(link)
    found: list[Block] = []
    taken: set[str] = set()
    innermost_first = sorted(under, key=lambda prefix: -prefix.count("."))
    for make in (projected_block, plain_block):
        for prefix in innermost_first:
            names = list(dict.fromkeys(link.layer.name for link in under[prefix]))
            if taken.isdisjoint(names) and (block := make(prefix, names, under[prefix], image_sides)):
                found.append(block)
                taken.update(names)
    return found


def plain_block(prefix: str, names: Sequence[str], links: Sequence[Link], image_sides: Sequence[int]) -> Block | None:
    """The block that all these layers, under one name, are; None where the last puts out another size than comes."""
    sizes = sizes_of(names, links, image_sides)
    return Block(tuple(names)) if sizes and sizes[0] == sizes[1] else None


def projected_block(
    prefix: str, names: Sequence[str], links: Sequence[Link], image_sides: Sequence[int]
) -> Block | None:
    """The block that all but one of these layers are, the other one leading round them; None where there is none.

    That one has a part of the name to itself, and reaches no farther than a place where it need not.
    """
    parts = [name.removeprefix(f"{prefix}.").partition(".")[0] for name in names]
    for aside, part in zip(reversed(names), reversed(parts)):
        inside = [name for name in names if name != aside]
        sizes = sizes_of(inside, links, image_sides)
        around = [link for link in links if link.layer.name == aside and (link.n_in, link.n_out) == sizes]
        if parts.count(part) > 1 or not around or not sizes:
            continue
        if sizes[0] != sizes[1] or (around[0].is_conv and around[0].layer.kernel == (1, 1)):
            return Block(tuple(inside), around[0])
    return None


def sizes_of(names: Sequence[str], links: Sequence[Link], image_sides: Sequence[int]) -> tuple[int, int] | None:
    """What a row of few layers takes and puts out; None where they do not meet, or it is an image."""
    ways = [[link for link in links if link.layer.name == name] for name in names]
    if not 2 <= len(names) <= MOST_LINKS_IN_BLOCK or len({way[0].is_conv for way in ways}) > 1:
        return None
    for first in ways[0]:
        size = first.n_out
        for way in ways[1:]:
            size = next((link.n_out for link in way if link.n_in == size), 0)
        is_image = any(image_shape(n, image_sides) for n in (first.n_in, size))
        if size and first.n_in not in CHANNELS and not is_image:
            return first.n_in, size
    return None


def rivals(
    links: Sequence[Link], image_sides: Sequence[int] = SIDES, labels: Mapping[int, object] = NO_LABELS
) -> dict[str, frozenset[str]]:
    """By name the layers that are never run with a layer, since they are those of a copy of the same network.

    A copy has the same layers behind another first part of their names, or without one, and leads from an image to an
    image by itself.
    """
    named: dict[str, dict[str, Link]] = {"": {link.layer.name: link for link in links}}
    for link in links:
        parts = link.layer.name.split(".")
        for depth in range(1, len(parts)):
            named.setdefault(".".join(parts[:depth]) + ".", {})[".".join(parts[depth:])] = link
    whole = {
        prefix: inside
        for prefix, inside in named.items()
        if prefix
        and any(as_first(link, image_sides, labels) for link in inside.values())
        and any(ends_in_image(link, image_sides) for link in inside.values())
    }
    found: dict[str, set[str]] = {}
    for prefix, inside in whole.items():
        for other in [*whole, ""]:
            theirs = named[other]
            alike = all(
                name in theirs and theirs[name].layer.shape == link.layer.shape for name, link in inside.items()
            )
            if other != prefix and alike and len(inside) > 1:
                mine, others = {prefix + name for name in inside}, {other + name for name in inside}
                for name in mine:
                    found.setdefault(name, set()).update(others)
                for name in others:
                    found.setdefault(name, set()).update(mine)
    return {name: frozenset(others) for name, others in found.items()}


def sequence_followers(
    links: Sequence[Link], labels: Mapping[int, object] = NO_LABELS, inside: Sequence[Block] = ()
) -> dict[str, str]:
    """By name the layer that must follow it: the next one of the same Sequential, which runs from end to end, or of
    the same residual block."""
    last: dict[str, Link] = {}
    follower: dict[str, str] = {}
    for block in inside:
        follower |= dict(zip(block.names, block.names[1:], strict=False))
    entries = set(follower.values())
    for place, link in enumerate(links):
        if link.layer.modules_before is None or link.layer.name in entries:
            continue
        parent = link.layer.name.rpartition(".")[0]
        before = last.get(parent)
        if place and before and is_nested(links[place - 1], parent):  # a block stands between
            before = None
        if before and before.layer.name != link.layer.name and ways_to_follow(before, link, labels):
            follower.setdefault(before.layer.name, link.layer.name)
        last[parent] = link
    return follower


def is_nested(link: Link, parent: str) -> bool:
    """Whether a layer lies deeper in a part of the file than that part's own layers."""
    return link.layer.name.startswith(f"{parent}.") and "." in link.layer.name.removeprefix(f"{parent}.")


def ways_to_follow(first: Link, then: Link, labels: Mapping[int, object] = NO_LABELS) -> list[Link]:
    """``then`` as it can follow ``first``, in every way that the sizes allow.

    ``labels`` by how many numbers a label may add, see `ways_to_tell`.
    """
    ways: list[Link] = []
    for condition in (0, *labels):
        if ways:
            break  # a label is only thought of where sizes do not meet without one
        wanted = then.n_in - condition
        if condition and (then.is_conv or wanted < 1):
            continue
        if first.is_conv == then.is_conv and first.n_out == wanted:
            ways.append(with_joint(then, Joint.SAME, condition))
        elif first.is_conv == then.is_conv and first.n_out == 2 * wanted:
            ways.append(with_joint(then, Joint.HALVE, condition))
        if first.is_conv and not then.is_conv and not wanted % first.n_out and side_of(wanted // first.n_out):
            ways.append(with_joint(then, Joint.FLATTEN, condition))
    if not first.is_conv and then.is_conv and not first.n_out % then.n_in and side_of(first.n_out // then.n_in):
        ways.append(with_joint(then, Joint.UNFLATTEN))
    return ways


def is_twin(link: Link, other: Link | Layer) -> bool:
    """Whether a layer could stand in a link's place: a log-variance beside a mean."""
    layer = other.layer if isinstance(other, Link) else other
    if (layer.kind, layer.shape) != (link.layer.kind, link.layer.shape):
        return False
    return not link.is_conv or (link.n_in, link.n_out) in {way[1:] for way in layer.directions()}


def as_first(link: Link, image_sides: Sequence[int] = SIDES, labels: Mapping[int, object] = NO_LABELS) -> list[Link]:
    """The link as the first one, where it takes an image, with or without a label."""
    if link.is_conv:
        return [with_joint(link, Joint.IMAGE)] if link.n_in in CHANNELS else []
    return [
        with_joint(link, Joint.IMAGE, width) for width in (0, *labels) if image_shape(link.n_in - width, image_sides)
    ]


def ends_in_image(link: Link, image_sides: Sequence[int] = SIDES) -> bool:
    return link.n_out in CHANNELS if link.is_conv else image_shape(link.n_out, image_sides) is not None


def image_shape(n: int, sides: Sequence[int] = SIDES) -> tuple[int, int, int] | None:
    """(channels, height, width) of a flat image of ``n`` numbers and one of these sides, None where it is none."""
    return next(((c, side, side) for c in CHANNELS for side in sides if c * side * side == n), None)


def side_of(area: int) -> int | None:
    """The side of a square of that area, None where there is none, or where it is no feature map's."""
    side = isqrt(area)
    return side if side * side == area and 1 <= side <= LARGEST_SIDE else None


def with_joint(link: Link, joint: Joint, condition: int = 0) -> Link:
    return replace(link, joint=joint, condition=condition)
