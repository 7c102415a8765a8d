"""In what order layers can follow each other: chains from an image, through a code, to an image.

Only sizes decide. Where more than one chain fits, all are given, the likeliest first, and numbers decide later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import isqrt

from latent.foreign.layers import Layer

SIDES = (28, 32, 64)  # of the images that networks for these data sets take
CHANNELS = (1, 3)
N_CLASSES = 10  # numbers that a label in one-hot form adds to an image or a code
MOST_STEPS = 50_000
MOST_CHAINS = 6
MOST_MORE_JUMPS = 1  # than the chain with fewest: two heads may stand in either order


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

    ``condition`` is how many numbers of a label join what comes. ``before`` and ``after`` are the normalisations on
    either side.
    """

    layer: Layer
    transposed: bool | None  # None: either way fits
    n_in: int
    n_out: int
    joint: Joint = Joint.SAME
    condition: int = 0
    before: tuple[Layer, ...] = ()
    after: tuple[Layer, ...] = ()

    @property
    def is_conv(self) -> bool:
        return self.layer.kind == "conv"


@dataclass(frozen=True, eq=False)
class Chain:
    """Links from an image (or, for a decoder alone, a code) to an image; ``unused`` are the layers left aside.

    ``named_activations`` are those that the file itself names, where it holds modules: evidence, not proof, since
    others may stand in code that no file holds.
    """

    links: tuple[Link, ...]
    unused: tuple[Layer, ...] = field(repr=False)
    jumps: int = 0
    named_activations: frozenset[str] = frozenset()

    @property
    def has_encoder(self) -> bool:
        return self.links[0].joint != Joint.CODE


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
    return before, after


def fits_after(layer: Layer, n: int) -> bool:
    """Whether a normalisation of ``n`` channels can follow the layer; one number is for all channels."""
    outs = {layer.shape[0]} if layer.kind == "linear" else {way[2] for way in layer.directions()}
    return n in outs or n == 1


def chains(layers: Sequence[Layer]) -> list[Chain]:
    """The chains that use most layers and jump least, at most `MOST_CHAINS`; decoders alone where there is no other."""
    links = candidates(layers)
    whole = ranked(links, [first for link in links for first in as_first(link)])
    return whole or ranked(links, [with_joint(link, Joint.CODE) for link in links])


def ranked(links: list[Link], starts: list[Link]) -> list[Chain]:
    """All chains from these starts, best first."""
    found: dict[tuple[tuple[str, str, int], ...], Chain] = {}
    for path, jumps in paths(links, starts):
        key = tuple((link.layer.name, link.joint, link.condition) for link in path)
        used = {link.layer.name for link in path}
        unused = tuple(link.layer for link in links if link.layer.name not in used)
        if key not in found or jumps < found[key].jumps:
            found[key] = Chain(tuple(path), unused, jumps)
    if not found:
        return []
    longest = max(len(chain.links) for chain in found.values())
    best = [chain for chain in found.values() if len(chain.links) >= longest - 1]
    fewest = min(chain.jumps for chain in best)
    best = [chain for chain in best if chain.jumps <= fewest + MOST_MORE_JUMPS]
    return sorted(best, key=lambda chain: (-len(chain.links), chain.jumps))[:MOST_CHAINS]


def paths(links: list[Link], starts: list[Link]) -> Iterator[tuple[list[Link], int]]:
    """Every way from a start to a layer that puts out an image, with the number of jumps in the file's order."""
    position = {link.layer.name: index for index, link in enumerate(links)}
    follower = sequence_followers(links)
    steps = 0

    def walk(path: list[Link], jumps: int) -> Iterator[tuple[list[Link], int]]:
        nonlocal steps
        steps += 1
        if steps > MOST_STEPS:
            return
        last = path[-1]
        forced = follower.get(last.layer.name)
        if len(path) > 1 and forced is None and ends_in_image(last):
            yield list(path), jumps
        used = {link.layer.name for link in path}
        halved = any(link.joint == Joint.HALVE for link in path)
        entries = set(follower.values())
        for link in links:
            name = link.layer.name
            if name in used or (forced is not None and name != forced) or (forced is None and name in entries):
                continue
            for joined in ways_to_follow(last, link, halved):
                jump = position[name] != position[last.layer.name] + 1
                yield from walk([*path, joined], jumps + jump)

    for start in starts:
        if start.layer.name not in set(follower.values()):
            yield from walk([start], 0)


def sequence_followers(links: list[Link]) -> dict[str, str]:
    """By name the layer that must follow it: the next one of the same Sequential, which runs from end to end."""
    last: dict[str, Link] = {}
    follower: dict[str, str] = {}
    for link in links:
        if link.layer.modules_before is None:
            continue
        parent = link.layer.name.rpartition(".")[0]
        before = last.get(parent)
        if before and before.layer.name != link.layer.name and ways_to_follow(before, link, halved=False):
            follower[before.layer.name] = link.layer.name
        last[parent] = link
    return follower


def ways_to_follow(first: Link, then: Link, halved: bool) -> list[Link]:
    """``then`` as it can follow ``first``, in every way that the sizes allow."""
    ways: list[Link] = []
    for condition in (0, N_CLASSES):
        if ways:
            break  # a label is only thought of where sizes do not meet without one
        wanted = then.n_in - condition
        if condition and (then.is_conv or wanted < 1):
            continue
        if first.is_conv == then.is_conv and first.n_out == wanted:
            ways.append(with_joint(then, Joint.SAME, condition))
        elif first.is_conv == then.is_conv and first.n_out == 2 * wanted and not halved:
            ways.append(with_joint(then, Joint.HALVE, condition))
        if first.is_conv and not then.is_conv and not wanted % first.n_out and side_of(wanted // first.n_out):
            ways.append(with_joint(then, Joint.FLATTEN, condition))
    if not first.is_conv and then.is_conv and not first.n_out % then.n_in and side_of(first.n_out // then.n_in):
        ways.append(with_joint(then, Joint.UNFLATTEN))
    return ways


def as_first(link: Link) -> list[Link]:
    """The link as the first one, where it takes an image, with or without a label."""
    if link.is_conv:
        return [with_joint(link, Joint.IMAGE)] if link.n_in in CHANNELS else []
    label_lengths = [length for length in (0, N_CLASSES) if image_shape(link.n_in - length)]
    return [with_joint(link, Joint.IMAGE, length) for length in label_lengths]


def ends_in_image(link: Link) -> bool:
    return link.n_out in CHANNELS if link.is_conv else image_shape(link.n_out) is not None


def image_shape(n: int) -> tuple[int, int, int] | None:
    """(channels, height, width) of a flat image of ``n`` numbers, None where it is none."""
    return next(((c, side, side) for c in CHANNELS for side in SIDES if c * side * side == n), None)


def side_of(area: int) -> int | None:
    """The side of a square of that area, None where there is none, or where it is no feature map's."""
    side = isqrt(area)
    return side if side * side == area and 1 <= side <= max(SIDES) else None


def with_joint(link: Link, joint: Joint, condition: int = 0) -> Link:
    return Link(link.layer, link.transposed, link.n_in, link.n_out, joint, condition, link.before, link.after)
