"""Two models side by side: ``python -m latent.compare A B`` says what they share and which is better."""

from __future__ import annotations

import argparse
import html
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from latent import charts, dataset, images
from latent.arrays import Pictures, Rows
from latent.commands import command
from latent.dataset import add_option
from latent.document import BEGINS, document, figure, paragraph, picture, table
from latent.errors import ArgumentError
from latent.files import check_output, write_atomically
from latent.images import Sheet
from latent.measure import scores
from latent.measure.alignment import Alignment, Neighbours, stitch
from latent.measure.evidence import Evidence
from latent.measure.intervals import Interval
from latent.measure.scores import SCORES
from latent.plain import plain
from latent.space import LatentSpace

N_STITCHED = 2000  # images on which stitching is measured

DecodeIn = Callable[[LatentSpace, NDArray[np.float32], NDArray[np.integer[Any]]], Pictures]


@dataclass(frozen=True)
class Stitching:
    """A's codes, mapped and decoded by B: mean squared errors per pixel on ``n`` images that the map was not fitted to,
    pixels in [0, 1]. ``own`` is B's error on its own codes, ``stitched`` that on A's."""

    own: float
    stitched: float
    n: int


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models, ``a`` and ``b``, on the same images. What needs codes of both asks for an encoder in both."""

    a: Evidence
    b: Evidence

    @classmethod
    def of(cls, a: LatentSpace, b: LatentSpace) -> Comparison:
        """Two spaces of the same evaluation images."""
        evidence = Evidence.with_kept(a)
        return cls(evidence, Evidence.with_kept(b, evidence.originals.shared_with(b)))

    @property
    def encodes(self) -> bool:
        """Whether both have codes of real images, without which only scores can be compared."""
        return self.a.space.signature.has_encoder and self.b.space.signature.has_encoder

    @cached_property
    def alignment(self) -> Alignment:
        """What the codes share. Raises `ArgumentError` where one of the files holds a decoder alone."""
        for evidence in (self.a, self.b):
            if not evidence.space.signature.has_encoder:
                raise ArgumentError(f"{evidence.space.name} is a decoder-only file, so there are no codes to compare.")
        units = self.a.picture_units(), self.b.picture_units()
        return Alignment.of(self.a.space.z, self.b.space.z, self.near, units=units)

    @property
    def near(self) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """The nearest images of every image by each model, (n, k)."""
        return self.a.nearest_images(), self.b.nearest_images()

    @cached_property
    def neighbours(self) -> Neighbours:
        """Which neighbours of every image are shared, lost and gained from A to B."""
        return Neighbours.of(self.a.scaled_codes, self.b.scaled_codes, self.near)

    @cached_property
    def stitching(self) -> Stitching:
        """What stitching adds to B's error."""
        rows = self.alignment.held_out[:N_STITCHED]
        real = self.b.space.images[rows] / np.float32(255)
        own = float(self.b.reconstruction().errors[rows].mean())
        return Stitching(own, float(np.square(self.stitched(rows) - real).mean()), len(rows))

    def stitched(self, rows: Rows, decode: DecodeIn = LatentSpace.decode) -> Pictures:
        """Pictures that B's decoder makes of A's codes of these images, (n, height, width[, channels]) of B.

        ``decode`` stands in for `LatentSpace.decode`, here and below: a page keeps what it has decoded.
        """
        b = self.b.space
        return stitch(self.a.space.z[rows], self.alignment.a_to_b, lambda z: decode(b, z, b.labels[rows]))

    def reconstructions(self, rows: Rows, decode: DecodeIn = LatentSpace.decode) -> tuple[Pictures, Pictures]:
        """Reconstructions by A and by B of these images, each in its own size."""
        a, b = (decode(each.space, each.space.z[rows], each.space.labels[rows]) for each in (self.a, self.b))
        return a, b

    def better(self, which: Literal["a", "b"], n: int) -> Rows:
        """The ``n`` images on which one of the two has the smaller error by most, the largest difference first."""
        gain = self.b.space.errors - self.a.space.errors
        return np.argsort(-gain if which == "a" else gain, kind="stable")[:n]

    def numbers(self, progress: Callable[[str], object] = lambda text: None) -> dict[str, Any]:
        """All that is measured, as plain values for JSON, in which None stands for what cannot be.

        ``a`` and ``b``: name, path, sha256, kind, conditional, image_shape, a key for each of
        `scores.SCORES`, ``intervals`` of 95% by the same keys, ``gates`` (what is wrong with the model: the sentences
        of closed gates, by name), error ``by_class`` (n_classes), ``std`` in latent units and
        ``active`` of every dimension. ``better``: for each score "a", "b", or None where no difference is found:
        their intervals overlap. ``shared``: neighbour ``overlap`` and ``cka`` from 0 to 1, ``r2_there`` (A to B) and
        ``r2_back``. ``stitching``: ``own`` and ``stitched`` error of B on ``n`` images. The last two are None where one
        of the files holds a decoder alone.
        """
        found: dict[str, Any] = {}
        for side, evidence in (("a", self.a), ("b", self.b)):
            found[side] = numbers_of(evidence, progress)
        found["better"] = {
            name: score.winner(*values_of(found, name), *intervals_of(found, name)) or None
            for name, score in SCORES.items()
        }
        found |= {"shared": None, "stitching": None}
        if self.encodes:
            progress("similarity of the codes")
            both = self.alignment
            found["shared"] = {
                "overlap": both.overlap, "cka": both.cka, "r2_there": both.r2_a_to_b, "r2_back": both.r2_b_to_a
            }  # fmt: skip
            progress("stitching")
            found["stitching"] = asdict(self.stitching)
        plainly: dict[str, Any] = plain(found)
        return plainly


def values_of(numbers: Mapping[str, Any], name: str) -> tuple[float, float]:
    """A score of A and of B; NaN for what cannot be measured."""
    a, b = (np.nan if numbers[side][name] is None else float(numbers[side][name]) for side in "ab")
    return a, b


def intervals_of(numbers: Mapping[str, Any], name: str) -> tuple[Interval | None, Interval | None]:
    """The intervals of a score of A and of B, where it has any."""
    a, b = (numbers[side]["intervals"].get(name) for side in "ab")
    return a, b


def numbers_of(evidence: Evidence, progress: Callable[[str], object]) -> dict[str, Any]:
    """One side of `Comparison.numbers`."""
    space = evidence.space
    signature, saved = space.signature, space.checkpoint
    found: dict[str, Any] = {"intervals": {}}
    found |= {
        "name": space.name, "path": None if saved.path is None else str(saved.path), "sha256": saved.sha256,
        "kind": signature.kind, "conditional": signature.conditional, "image_shape": list(signature.image_shape),
    }  # fmt: skip
    for name, score in SCORES.items():
        progress(f"{space.name}: {score.name}")
        found[name] = plain(scores.score(evidence, name))
        interval = scores.interval(evidence, name)
        if interval is not None and found[name] is not None:
            found["intervals"][name] = list(interval)
    encodes = signature.has_encoder
    progress(f"{space.name}: checks")
    found["gates"] = {gate.name: gate.text for gate in evidence.measured_gates()}
    found["by_class"] = evidence.reconstruction().by_class if encodes else None
    found["std"] = space.statistics.std if encodes else None
    found["active"] = evidence.active() if encodes else None
    return found


def rows_sheet(rows: Mapping[str, NDArray[Any]], zoom: int = 3) -> Sheet:
    """Named rows of equally many pictures, one below the other."""
    pictures = np.concatenate([images.to_uint8(row) for row in rows.values()])
    return images.sheet(pictures, len(pictures) // len(rows), zoom, row_names=list(rows))


def table_of(numbers: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Every score: its name, A's, B's, and the name of the better one."""
    lines = []
    for name, score in SCORES.items():
        (a, b), (of_a, of_b) = values_of(numbers, name), intervals_of(numbers, name)
        winner = score.winner(a, b, of_a, of_b)
        texts = score.text_with_interval(a, of_a), score.text_with_interval(b, of_b)
        lines.append((score.name, *texts, numbers[winner]["name"] if winner else ""))
    return lines


def warnings_of(numbers: dict[str, Any]) -> list[str]:
    """What is wrong with either model, to be read before its scores."""
    return [
        f"{side.upper()}, {numbers[side]['name']}: {text}" for side in "ab" for text in numbers[side]["gates"].values()
    ]


def sentences_of(numbers: dict[str, Any]) -> list[str]:
    """What the two share, for people."""
    shared, stitching = numbers["shared"], numbers["stitching"]
    if shared is None:
        return ["One of the two models has no encoder, so there are no codes to compare."]
    return [
        f"Shared neighbours, of the ten nearest: {shared['overlap']:.1%}.",
        f"Linear CKA (1 = same geometry, dimensions by their effect on the image): {shared['cka']:.3f}.",
        f"The best affine map explains {shared['r2_there']:.1%} of the variance of B's codes from A's, and "
        f"{shared['r2_back']:.1%} of A's from B's.",
        f"Stitched (encoded by A, mapped, decoded by B): MSE {stitching['stitched']:.5f}; B's own "
        f"{stitching['own']:.5f}.",
    ]


def as_text(numbers: dict[str, Any]) -> str:
    """The numbers for people."""
    scored = [("", f"A: {numbers['a']['name']}", f"B: {numbers['b']['name']}", "better"), *table_of(numbers)]
    widths = [max(len(line[column]) for line in scored) for column in range(4)]
    lines = [
        f"{line[0]:<{widths[0]}}  {line[1]:>{widths[1]}}  {line[2]:>{widths[2]}}  {line[3]}".rstrip() for line in scored
    ]
    return "\n".join([*warnings_of(numbers), *lines, "", *sentences_of(numbers)])


def as_html(comparison: Comparison, numbers: dict[str, Any]) -> str:
    """The numbers and some pictures as one page that needs no network."""
    a, b = comparison.a.space, comparison.b.space
    title = f"A: {a.name}, B: {b.name}"
    return document(
        title,
        f"<h1>{html.escape(title)}</h1>",
        *map(paragraph, warnings_of(numbers)),
        table(("score", "A", "B", "better"), table_of(numbers)),
        "<h2>Similarity of the codes</h2>",
        *map(paragraph, sentences_of(numbers)),
        *(figures_of(comparison) if comparison.encodes else ()),
    )


def figures_of(comparison: Comparison) -> Iterator[str]:
    """Reconstructions, stitched ones among them, and the spread of the dimensions, as pieces of a document."""
    a, b = comparison.a.space, comparison.b.space
    shown = a.examples(10)
    of_a, of_b = comparison.reconstructions(shown)
    of_a_alone: dict[str, NDArray[Any]] = {"real": a.images[shown], "A": of_a}
    stitched: dict[str, NDArray[Any]] = {"real": b.images[shown], "B": of_b, "A to B": comparison.stitched(shown)}
    yield picture(rows_sheet(of_a_alone), "Originals, and reconstructions by A")
    yield picture(rows_sheet(stitched), "Originals at B's size, B's reconstructions, A's codes decoded by B")
    spreads = {f"A: {a.name}": a.statistics.std, f"B: {b.name}": b.statistics.std}
    chart = charts.spread_chart(spreads, [comparison.a.active(), comparison.b.active()])
    yield figure(chart, "Standard deviation of each dimension over the test images; hollow: inactive")


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """``python -m latent.compare A B``: compare two files; the exit status, 1 where one cannot be read."""
    parser = argparse.ArgumentParser("python -m latent.compare", description="Compare two trained autoencoders.")
    parser.add_argument("a", type=Path, metavar="A", help="a model file of any supported format")
    parser.add_argument("b", type=Path, metavar="B", help="the other model file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    add_option(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write an HTML page with images")
    options = parser.parse_args(arguments)
    if options.out:
        check_output(options.out, [options.a, options.b, options.images], begins=BEGINS)
    given = None if options.images is None else dataset.read(options.images)
    comparison = Comparison.of(LatentSpace.open(options.a, given), LatentSpace.open(options.b, given))
    numbers = comparison.numbers(lambda text: print(f"measuring {text} …", file=sys.stderr))
    print(json.dumps(numbers, indent=1, allow_nan=False) if options.json else as_text(numbers), flush=True)
    if options.out:
        write_atomically(options.out, as_html(comparison, numbers).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
