"""A model as one page to hand around: ``python -m latent.handout MODEL --out explorer.html``.

One HTML file that needs no server and no network: the decoder runs in the browser, the codes lie on a map, every
dimension can be swept, and the report follows, which is what prints.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import html
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent import images, report
from latent.arrays import Codes, Rows
from latent.browser import given, joined, live, scoped, source
from latent.browser.inbox import parcel
from latent.browser.lines import sweep_line
from latent.commands import command
from latent.dataset import add_option
from latent.document import BEGINS, document, paragraph, section
from latent.files import check_output, label, write_atomically
from latent.measure.evidence import SEED, Evidence
from latent.measure.samples import Samples, fitted_to_all
from latent.projection import Plane
from latent.sampling import SAMPLERS
from latent.space import LatentSpace

N_IMAGES = 2000  # on the map
MOST_PIXELS = 2_000_000  # of all images together that go into the file
MOST_NUMBERS = 400_000  # of codes, in which the browser looks for the nearest in every frame
IN_A_ROW = 10
N_SAMPLES = 20
N_KEPT = 4  # codes that the shelf begins with
N_STEPS = 11  # of a sweep
MOST_SWEEPS = 64  # dimensions
# What the browser is told to let the page do: run its own script and what that compiles to WebAssembly, show pictures
# that are in it, and fetch nothing.
POLICY = "default-src 'none'; script-src '{script}' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; img-src data: blob:"

INTRODUCTION = (
    "An autoencoder writes every image as a few numbers, its latent code, from which its decoder draws the image "
    "again. Here it runs in the page."
)
NO_DECODER = "The parts that decode are left out: {why}"
DECODER_ONLY = "Decoder-only file: without an encoder there are no codes of images, so the codes here are random."


SHELF = (
    '<h3>Shelf</h3><p class="facts" id="shelf-empty">Shelf empty: “Add to shelf” keeps a code here.</p>'
    f'<div id="shelf">{source("shelf.html")}</div>'
)


@dataclass(frozen=True)
class Shown:
    """Pictures on a sheet, a click on one of which brings its code: ``z`` (n, latent_dim), and what they are called."""

    sheet: images.Sheet
    z: Codes
    names: Sequence[str]
    alt: str
    how: str  # they are made
    asked: Sequence[int]  # the class of each, which a conditional decoder draws
    rows: Sequence[int] = ()  # the images that they are of, where they are of some

    def content(self, shown: Rows) -> dict[str, Any]:
        """As `handout.js` takes it, where these images are ``shown``."""
        sheet = given.sheet_data(self.sheet, self.names, self.alt, stretch=True, verb="Show in the decoder:")
        return {
            "sheet": sheet,
            "codes": [rounded(code) for code in self.z],
            "asked": [int(each) for each in self.asked],
            "rows": [place_of(row, shown) for row in self.rows],
        }


def page(evidence: Evidence, n_images: int = N_IMAGES) -> str:
    """The whole file, of what is measured already (`report.gather`), with ``n_images`` of the images on the map."""
    space = evidence.space
    rows = rows_shown(space, n_images)
    plane = Plane.of(space.z)
    effects = given.effects_of(space)
    stage, refusal = given.stage_of(space, plane, effects, rows, MOST_PIXELS)
    encodes, decodes = space.signature.has_encoder, stage.program is not None
    sheets = dict(sheets_of(evidence)) if decodes else {}
    content, parcels = content_of(space, stage, plane, rows, sheets)
    script = script_text()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = POLICY.format(script=f"sha256-{digest}")
    head = (
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<style>{source('components.css')}{source('handout.css')}</style>"
    )
    notes = [NO_DECODER.format(why=refusal)] if refusal else []
    notes += [] if encodes else [DECODER_ONLY]
    return document(
        f"{space.name}: latent space explorer",
        *report.heading(evidence),
        '<div class="interactive">', paragraph(INTRODUCTION, "how"),
        *(paragraph(note) for note in notes),
        *parts(space, stage, sheets, len(rows)),
        "<noscript><p>The parts that move need JavaScript; the report below does not.</p></noscript></div>",
        *report.body(evidence),
        f'<script type="application/json" id="content">{in_script(content)}</script>',
        *(f'<script type="text/plain" class="parcel">{base64.b64encode(each).decode()}</script>' for each in parcels),
        f'<script type="module">{script}</script>',
        head=head,
    )  # fmt: skip


def rows_shown(space: LatentSpace, n: int) -> Rows:
    """The images that go into the file: ``n`` of them, or as many as there are or a browser looks through at once."""
    n = max(1, min(n, len(space.z), MOST_NUMBERS // space.latent_dim))
    first = np.append([0], space.examples(IN_A_ROW))  # which other parts of the page show
    wanted = np.concatenate([first, np.random.default_rng(SEED).permutation(len(space.z))])
    _, places = np.unique(wanted, return_index=True)
    rows: Rows = np.sort(wanted[np.sort(places)][:n])
    return rows


# What the script is given.


def content_of(
    space: LatentSpace, stage: live.Stage, plane: Plane, rows: Rows, sheets: dict[str, Shown]
) -> tuple[dict[str, Any], list[bytes]]:
    """What `handout.js` takes, as plain values, and the parcels with all that is large."""
    encodes, by_class = space.signature.has_encoder, space.signature.has_encoder and space.has_classes
    places = given.places_on_plane(space, plane)[rows]
    dimension = stage.order[0]
    if by_class:
        colours, coloured = given.category_colours(space.labels[rows], space.classes), "class"
    else:
        colours, coloured = given.value_colours(space.z[rows, dimension], f"dimension {dimension}:"), "dimension"
    shown = [
        parcel("dots", stays=True, **given.dots(places, space.labels[rows] if by_class else space.labels[:0], rows))
    ]
    shown += [parcel("colours", stays=True, **colours), stage.parcel("stage")]
    if encodes:
        shown.append(parcel("thumbnails", stays=True, **given.thumbnails(space.dataset.images[rows])))
    alt = f"Map of {len(rows):,} codes by PCA, coloured by {coloured}"
    examples = space.examples(N_KEPT) if encodes else np.arange(N_KEPT)
    content = {
        "stage": "stage",
        "map": given.map_data(
            space, given.axes_of(space, plane), alt, dots="dots", colours="colours",
            thumbnails="thumbnails" if encodes else "",
        ),
        "mean": rounded(plane.mean),
        "sweeps": list(sweeps_of(space, stage)),
        "pictures": {name: each.content(rows) for name, each in sheets.items()},
        "shelf": [
            {"code": rounded(space.z[row]), "name": name_of(space, row), "asked": asked_of(space, row),
             "origin": "From the start"}
            for row in examples
        ],
        "chosen": {
            "code": rounded(space.z[0]), "name": name_of(space, 0), "asked": asked_of(space, 0),
            "row": place_of(0, rows) if encodes else -1,
        },
        "isReal": encodes,
        "knowsClasses": space.knows_classes,
    }  # fmt: skip
    return content, shown


def sweeps_of(space: LatentSpace, stage: live.Stage) -> Iterator[dict[str, Any]]:
    """A sweep of each dimension, the strongest first, over the range of the real codes."""
    for dimension in stage.order[:MOST_SWEEPS]:
        line = sweep_line(space.z[0], dimension, np.linspace(stage.low[dimension], stage.high[dimension], N_STEPS))
        yield {
            "dimension": dimension, "places": rounded(line.places), "decimals": line.decimals, "sign": line.sign,
            "label": line.label, "name": line.name,
        }  # fmt: skip


def sheets_of(evidence: Evidence) -> Iterator[tuple[str, Shown]]:
    """The pictures whose codes a click brings, by the names of their sections."""
    space = evidence.space
    if space.signature.has_encoder:
        rows = space.examples(IN_A_ROW)
        z = space.z[rows]
        pictures = space.decode(z, space.labels[rows])
        sheet = images.rows_sheet([space.images[rows], pictures], zoom=3)
        names, asked = [name_of(space, row) for row in rows], [asked_of(space, row) for row in rows]
        alt, how = f"{len(rows)} originals over their reconstructions", "Top: originals. Bottom: reconstructions."
        yield "reconstructions", Shown(sheet, np.tile(z, (2, 1)), names * 2, alt, how, asked * 2, [*rows] * 2)
    drawn = Samples.of(evidence, N_SAMPLES, partial(fitted_to_all, space), space.decode)
    n, noun = len(drawn.z), SAMPLERS[drawn.sampler].noun
    how = f"Images decoded from random codes. Sampler: {drawn.sampler}."
    names, sheet = [f"sample {i + 1}" for i in range(n)], images.sheet(drawn.pictures, IN_A_ROW, zoom=3)
    yield "samples", Shown(sheet, drawn.z, names, f"{n} samples: {noun}", how, [space.asked] * n)


def name_of(space: LatentSpace, row: int) -> str:
    """What a code is called."""
    return space.image_name(int(row)) if space.signature.has_encoder else f"random code {row}"


def place_of(row: int, shown: Rows) -> int:
    """Where an image is among those that are shown, or -1."""
    found = np.flatnonzero(shown == row)
    return int(found[0]) if len(found) else -1


def asked_of(space: LatentSpace, row: int) -> int:
    """The class that a conditional decoder is asked for, for the code of an image."""
    return int(space.conditions(1, space.labels[[row]])[0])


def rounded(code: NDArray[Any]) -> list[float]:
    """Numbers as JSON, with the digits that a float32 has."""
    return [float(f"{value:.8g}") for value in code]


def in_script(value: Any) -> str:
    """JSON that ends no script, whatever text from outside is in it."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def script_text() -> str:
    """All JavaScript of the page as one module."""
    components = {
        "deliver": source("inbox.js"),
        "live": live.live_component()["js"],
        "strip": live.strip_component()["js"],
        "map": given.map_script(),
        "grid": joined(source("sheet.js"), source("grid.js")),
        "shelfList": source("shelf.js"),
    }
    scopes = "".join(f"const {name} = {scoped(script)}\n" for name, script in components.items())
    return f"\n{scopes}{live.with_decoder('stage.js', 'handout.js')}"


# The parts that move.


def parts(space: LatentSpace, stage: live.Stage, sheets: dict[str, Shown], n_images: int) -> Iterator[str]:
    """The sections of the page that move, and above them what leads to each."""
    encodes, decodes = space.signature.has_encoder, stage.program is not None
    sections = {}
    if decodes and encodes:
        sections["live"] = section("live", "Decoder", *live_part(space))
    sections["map"] = section("map", "Map of the codes", *map_part(space, stage, n_images))
    if decodes:
        sections["sweep"] = section("sweep", "Traversal of one dimension", *sweep_part(space, stage))
    for name, title in (("reconstructions", "Originals and reconstructions"), ("samples", "Samples")):
        if name in sheets:
            text = paragraph(f"{sheets[name].how} Click an image to show its code in the decoder.", "how")
            sections[name] = section(name, title, text, f'<div class="wide">{source("grid.html")}</div>')
    links = [(name, text.split("<h2>")[1].split("</h2>")[0]) for name, text in sections.items()]
    links.append(("findings", "Findings and report"))
    yield f"<nav>{''.join(f'<a href=#{name}>{title}</a>' for name, title in links)}</nav>"
    yield from sections.values()


def live_part(space: LatentSpace) -> Iterator[str]:
    """The decoder with its sliders and the shelf."""
    yield paragraph(
        "Drag a slider or the point on the plane; arrow keys work too. Double-click a slider to reset it. Play "
        "interpolates through the shelf below.", "how",
    )  # fmt: skip
    if space.signature.conditional:
        yield picker("asked", "Class to draw", space.classes_of_model)
    yield '<div id="live-host"></div>'
    yield f'<template id="live-parts"><style>{source("live.css")}</style>{source("live.html")}</template>'
    yield SHELF


def map_part(space: LatentSpace, stage: live.Stage, n_images: int) -> Iterator[str]:
    """The map, and beside it what was chosen on it."""
    what = "images" if space.signature.has_encoder else "random codes"
    hover = "Hover over a dot for its image" if space.signature.has_encoder else "Hover over a dot"
    of = f"{n_images:,} of {len(space.z):,} {what}" if n_images < len(space.z) else f"All {n_images:,} {what}"
    by_class = space.signature.has_encoder and space.has_classes
    colour = "Press classes in the legend to show only these." if by_class else f"Colour: dimension {stage.order[0]}."
    yield paragraph(
        f"{of}, each a dot: its code, on the plane of largest variance. {hover}, click to inspect it, use the wheel "
        f"after a click or two fingers to zoom. {colour}", "how",
    )  # fmt: skip
    yield f"""<div class="beside"><div id="map-host">{source("map.html")}</div><div aria-live="polite">
      <h3 id="chosen-name"></h3><div class="pair">
      <figure id="original-figure"><canvas id="chosen-original" role="img" aria-label="Original"></canvas>
      <figcaption>Original</figcaption></figure>
      <figure id="decoded-figure"><canvas id="chosen-decoded" role="img" aria-label="Decoded image"></canvas>
      <figcaption>Decoded</figcaption></figure></div><p class="facts" id="chosen-support"></p></div></div>"""


def sweep_part(space: LatentSpace, stage: live.Stage) -> Iterator[str]:
    """A strip along one dimension, which is picked."""
    yield paragraph(
        "One dimension changes, the others stay. Move along the images with the pointer, a finger or the arrow keys.",
        "how",
    )
    yield picker("sweep-dimension", "Dimension, strongest first", [f"{d}" for d in stage.order[:MOST_SWEEPS]])
    yield f'<span class="facts" id="sweep-others"></span><div id="strip-host">{source("strip.html")}</div>'
    if not space.signature.has_encoder:  # without the decoder's own part, which has the shelf
        yield SHELF


def picker(name: str, title: str, options: Sequence[str]) -> str:
    """A choice among options, which says what is chosen."""
    entries = "".join(f'<option value="{index}">{html.escape(each)}</option>' for index, each in enumerate(options))
    return f'<label class="pick">{html.escape(title)} <select id="{name}">{entries}</select></label>'


@command
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status."""
    parser = argparse.ArgumentParser(
        "python -m latent.handout", description="Write a model as one interactive HTML file that opens offline."
    )
    parser.add_argument("checkpoint", type=Path, metavar="MODEL")
    parser.add_argument("--out", type=Path, required=True, help="the HTML file to write")
    add_option(parser)
    parser.add_argument("--number", type=int, default=N_IMAGES, help="images on the map, by default %(default)s")
    options = parser.parse_args(arguments)
    if options.number < 1:
        parser.error(f"--number must be at least 1, got {options.number}")
    check_output(options.out, [options.checkpoint, options.images], begins=BEGINS)
    content = page(report.measured(options.checkpoint, options.images), options.number).encode()
    write_atomically(options.out, content)
    print(f"{label(str(options.out))} written, {len(content) / 1e6:.1f} MB.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
