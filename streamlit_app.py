"""Latent Space Explorer: one page that opens a trained autoencoder and walks through its latent space.

Run it with ``streamlit run streamlit_app.py``. Read it from top to bottom: loaders, controls that sections
share, one function a section, the list of sections, the page.
"""

from __future__ import annotations

import os

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch: sessions share the cores, and threads would fight over them

import base64
import gc
import hashlib
import io
import json
import math
import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache, wraps
from html import escape
from itertools import takewhile
from pathlib import Path
from threading import Thread
from types import CodeType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

import latent
from latent import (
    arrow,
    charts,
    checkpoint,
    clustering,
    codes,
    compare,
    components,
    data,
    directions,
    drawing,
    encoded,
    film,
    images,
    inference,
    interpolation,
    projection,
    report,
    sampling,
    shelf,
    store,
    support,
    traversal,
)
from latent.arrow import Columns
from latent.browser import live
from latent.chosen import Direction, Drawn, Operand  # classes of this file would be made anew at every rerun
from latent.compare import Versus
from latent.encoded import Encoded
from latent.errors import ArgumentError, CheckpointError, DecoderError, LatentError
from latent.files import stamp
from latent.foreign.reading import Reading
from latent.images import Sheet
from latent.lazy import Lazily
from latent.measure import fidelity, findings, properties, scores, smoothness
from latent.measure.evidence import CODES, N_SHOWN, PCA, PIXELS, REAL, SEED, Evidence, Sampled
from latent.measure.fidelity import Fidelity
from latent.page import heap
from latent.page.turns import Turns
from latent.shelf import Kept, Shelf
from latent.space import LatentSpace
from latent.statistics import LatentStatistics

if TYPE_CHECKING:
    import pandas as pd
else:  # a quarter of a second, after the first pictures
    pd = Lazily("pandas")

HERE = Path(__file__).parent
CHECKPOINTS = Path(os.environ.get("LATENT_CHECKPOINTS", HERE / "checkpoints"))
DEFAULT_CHECKPOINT = "ae-16"
MOST_NUMBERS_IN_URL = 256  # of a vector: servers refuse addresses of many kilobytes
MOST_SLIDERS = 256
MOST_STRIPS = 32  # in the overview of the dimensions
MOST_LIVE_NUMBERS = 1_000_000  # of real codes for the browser, which looks through them all in every frame
MOST_DECODED = 250_000  # pixels of pictures that are kept for the next who asks for them
MOST_KEPT_IN_URL = 4000  # characters for the shelf
LARGEST_UPLOAD = 200 * 1024**2  # bytes, as in .streamlit/config.toml
KINDS = {"ae": "autoencoder", "vae": "VAE"}
Code = NDArray[np.float32]
Pictures = NDArray[np.float32]
P = ParamSpec("P")
R = TypeVar("R")
Spec = dict[str, Any]  # a chart as Vega-Lite has it

# ---------------------------------------------------------------------------------------------------------------------
# Loaders and caches. A space stands for itself in a key by its checkpoint's SHA-256, never by its arrays.


def kept(cache: Callable[[Callable[P, R]], Any]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """The function in its cache, put there once a server and not at every rerun.

    Streamlit reads and tokenises the source of each cached function when it is decorated, which for all of them was a
    third of a rerun. They are kept as long as the package is loaded, so that none outlives what it calls.
    """
    functions: dict[tuple[str, CodeType], Callable[P, R]] = vars(latent).setdefault("cached_functions_of_the_page", {})

    def keep(function: Callable[P, R]) -> Callable[P, R]:
        key = (function.__qualname__, function.__code__)  # code that was edited is another key
        if key not in functions:
            functions[key] = cache(function)
        return functions[key]

    return keep


BY_SHA256: dict[type | str, Callable[[Any], Any]] = {checkpoint.Checkpoint: lambda saved: saved.sha256}
BY_CHECKPOINT: dict[type | str, Callable[[Any], Any]] = {LatentSpace: lambda space: space.identity}
BY_FILE: dict[type | str, Callable[[Any], Any]] = {Encoded: lambda file: file.stamp}


@kept(st.cache_resource(show_spinner=False))
def send_at_once() -> None:
    """Let no message to a browser wait until the one before it was acknowledged: some 40 ms (RFC 896, Nagle).

    asyncio turns that off only for sockets that name their protocol, which Streamlit's does not (1.67). The sockets of
    later sessions have it from the one that listens for them. Called before the heap is frozen, and hides them.
    """
    for thing in gc.get_objects():
        if type(thing) is socket.socket and thing.type == socket.SOCK_STREAM and thing.fileno() >= 0:
            with suppress(OSError):  # not of TCP
                thing.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


@kept(st.cache_resource(show_spinner=False))
def device_complaint() -> str:
    """A sentence about a GPU that is there and does not work, or an empty one."""
    return inference.device_that_works()[1]


@kept(lru_cache(maxsize=256))  # which takes a tenth of the time of Streamlit's own caches
def fingerprint(path: str, stamp: tuple[int, ...]) -> str:
    """SHA-256 of a file, read again only where its stamp is another."""
    return checkpoint.fingerprint(path)


@kept(st.cache_resource(max_entries=8, show_spinner="Opening the file; a stranger's is read on real digits first …"))
def loaded(path: str, stamp: tuple[int, ...], within: str) -> checkpoint.Checkpoint:
    """What a file in this folder holds, for somebody else's how it is read; read again where its stamp is another."""
    return checkpoint.load(path, within=Path(within))


@kept(st.cache_resource(max_entries=8, show_spinner="Trying readings of the file on real digits …"))
def uploaded(sha256: str, name: str, _content: bytes) -> checkpoint.Checkpoint:
    """What an uploaded file holds."""
    return checkpoint.parse(_content, name)


@kept(st.cache_resource(max_entries=8, hash_funcs=BY_SHA256, show_spinner=False))
def space_of(name: str, saved: checkpoint.Checkpoint, overruling: str = "") -> LatentSpace:
    """The space of a checkpoint, its evaluation images encoded; ``overruling`` choices of its reading, as JSON."""
    if overruling:
        reading = saved.scored[0].reading
        for choice, chosen in json.loads(overruling).items():
            reading = reading.alternatives()[choice].get(chosen, reading)
        saved = saved.overruled(reading)
    space = LatentSpace.of(name, saved)
    Thread(target=lambda: space.statistics).start()  # encodes while the first section is drawn
    return space


@kept(st.cache_resource(max_entries=8, show_spinner=False))
def alternatives_of(sha256: str, _reading: Reading) -> dict[str, dict[str, Reading]]:
    """The other ways to read a file; its own reading follows from the file."""
    return _reading.alternatives()


@kept(st.cache_resource(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner="Fitting the distribution …"))
def fitted(
    space: LatentSpace, name: str, digit: int | None = None, low: float | None = None, high: float | None = None
) -> sampling.Distribution:
    """A distribution fitted to the codes of the evaluation images, or of those of one digit."""
    rows = slice(None) if digit is None else space.labels == digit
    return sampling.fit(name, space.z[rows], labels=space.labels[rows], low=low, high=high)


def pictures_of(space: LatentSpace, z: Code, labels: NDArray[np.integer[Any]] | None = None) -> Pictures:
    """`LatentSpace.decode`, once for all who ask for the same: for a class, each section's first view."""
    if len(z) * math.prod(space.signature.image_shape) > MOST_DECODED:
        return space.decode(z, labels)
    asked = None if labels is None else tuple(labels.tolist())
    return decoded_once(space, np.asarray(z, np.float32).tobytes(), asked)


@kept(st.cache_resource(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner=False))
def decoded_once(space: LatentSpace, codes: bytes, labels: tuple[int, ...] | None) -> Pictures:
    """The same for `pictures_of`, read-only, of the bytes of the codes: of a large array, Streamlit looks at a part."""
    z = np.frombuffer(codes, np.float32).reshape(-1, space.latent_dim)
    pictures = space.decode(z, None if labels is None else np.array(labels))
    pictures.flags.writeable = False
    return pictures


@kept(st.cache_data(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner="Measuring what each dimension does …"))
def dimension_effects(space: LatentSpace) -> NDArray[np.float32]:
    """How much each of the most spread dimensions changes the picture, over the first 16 evaluation images."""
    statistics = space.statistics
    return traversal.effects(space.decode, space.z[:16], statistics.std, statistics.most_spread(charts.MOST_PANELS))


@kept(st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner=False))
def overview_of(space: LatentSpace, base: bytes) -> tuple[Sheet, Code, list[str]]:
    """A strip for each of the dimensions that change the picture most, from any base; its codes and their names."""
    statistics, code = space.statistics, np.frombuffer(base, np.float32)
    order = statistics.most_spread(charts.MOST_PANELS)[np.argsort(-dimension_effects(space), kind="stable")]
    shown, low, high = order[:MOST_STRIPS], statistics.quantile(0.01), statistics.quantile(0.99)
    steps = [np.linspace(low[d], high[d], 13) for d in shown]
    z = np.concatenate([traversal.traverse(code, int(d), along) for d, along in zip(shown, steps)])
    names = [f"dim {d} = {value:.2f}" for d, along in zip(shown, steps) for value in along]
    return images.sheet(space.decode(z), 13, zoom=2, row_names=[str(d) for d in shown]), z, names


@kept(st.cache_data(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner="Measuring the error on 10,000 digits …"))
def test_error(space: LatentSpace) -> float:
    """The saved score, or where there is none, or the file is read another way, the error measured now."""
    scores = space.checkpoint.scores
    return scores["test_mse"] if scores and len(space.checkpoint.scored) < 2 else space.test_error


@kept(st.cache_data(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner=False))
def statistics_of(space: LatentSpace, n: int) -> LatentStatistics:
    """Statistics of the codes of the first ``n`` evaluation images."""
    return LatentStatistics.of(space.z[:n])


@kept(st.cache_data(max_entries=8, hash_funcs=BY_FILE, show_spinner="Drawing codes from the file …"))
def sample_of(file: Encoded) -> Code:
    """At most 10,000 codes of a file, whatever its size."""
    return file.sample()


@kept(st.cache_data(max_entries=32, hash_funcs=BY_CHECKPOINT | BY_FILE, show_spinner=False))
def distribution_charts(space: LatentSpace, n: int, file: Encoded | None) -> dict[str, Spec]:
    """The charts of the Statistics section, by name: of the first ``n`` evaluation images, or of a file of codes."""
    z = space.z[:n] if file is None else sample_of(file)
    statistics = statistics_of(space, n) if file is None else file.statistics
    active = statistics.active(space.signature.kind)
    return {
        "histograms": charts.packed(charts.histograms_chart(z, active)),
        "values": charts.packed(charts.values_chart(z)),
        "boxes": charts.packed(charts.box_chart(statistics, active)),
    }


@kept(st.cache_data(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner=False))
def history_chart(space: LatentSpace) -> Spec:
    """The loss over the epochs of the training run."""
    return charts.packed(charts.history_chart(space.checkpoint.history))


@kept(st.cache_resource(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner="Finding clusters …"))
def clusters_of(space: LatentSpace, method: str, n: int, seed: int = 0) -> clustering.Clusters:
    """Clusters of the codes."""
    return clustering.fit(method, space.z, n, seed)


@kept(st.cache_resource(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner=False))
def portraits_of(
    space: LatentSpace, method: str, n: int, seed: int
) -> tuple[clustering.Match, NDArray[np.float32], list[str]]:
    """Clusters against the digits, their centres decoded, and these as addresses in the order of the digits."""
    clusters = clusters_of(space, method, n, seed)
    match, centroids = clustering.Match.of(clusters.labels, space.labels), space.decode(clusters.centres)
    return match, centroids, [images.sheet(picture[None], 1).address for picture in centroids[match.order]]


@kept(st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner=False))
def evidence_of(space: LatentSpace) -> Evidence:
    """What is measured of a space: every part when it is first asked for, by whichever section and session."""
    return Evidence(space)


@kept(st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner="Comparing 10,000 codes …"))
def versus_of(a: LatentSpace, b: LatentSpace) -> Versus:
    """Two spaces side by side; what their codes share is measured now."""
    versus = Versus(evidence_of(a), evidence_of(b))
    if versus.encodes:
        _ = versus.stitching  # and the comparison before it
    return versus


@kept(lru_cache(maxsize=256))
def glance(path: str, sha256: str, within: str) -> tuple[str, int] | None:
    """The kind and latent_dim of a file of our own format; None for another, or a damaged one."""
    try:
        return scores.glance(Path(path), sha256, within=Path(within))
    except CheckpointError:
        return None


@kept(st.cache_resource(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner="Measuring 10,000 digits …"))
def property_direction(space: LatentSpace, name: str) -> Code:
    """The direction along which a measured property grows."""
    measured = properties.PROPERTIES[name].measure(space.images)
    direction: Code = directions.of_property(space.z, measured, space.labels)
    return direction


@kept(st.cache_data(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner=False))
def strays_of(space: LatentSpace, a: int, b: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Images of digit ``a`` whose nearest neighbour is a ``b``, and these neighbours."""
    rows = np.flatnonzero(space.labels == a)
    nearest = space.nearest(space.z[rows], 2)[:, 1]
    strays = space.labels[nearest] == b
    return rows[strays], nearest[strays]


@kept(st.cache_resource(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner=False))
def principal_of(space: LatentSpace) -> components.PrincipalAxes:
    """The principal components of the codes."""
    return components.PrincipalAxes.of(space.z, min(space.latent_dim, 64))


@kept(st.cache_data(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner=False))
def along_of_many(
    space: LatentSpace, direction: bytes, measured: str, reach: float, n_steps: int
) -> NDArray[np.float32]:
    """The mean of a property along the same walk from 50 real digits, (n_steps,)."""
    steps = np.linspace(-reach, reach, n_steps)
    walks = [directions.walk(z, np.frombuffer(direction, np.float32), steps) for z in space.z[:50]]
    values = properties.PROPERTIES[measured].measure(space.decode(np.concatenate(walks)))
    mean: NDArray[np.float32] = values.reshape(50, n_steps).mean(axis=0)
    return mean


@kept(st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner="Preparing the decoder for a browser …"))
def stage_of(space: LatentSpace) -> tuple[str, bytes, str]:
    """What the browser needs of a checkpoint: its name, all of it as a parcel, and why its decoder cannot run there."""
    program, refusal = None, ""
    try:
        program = live.compile(space.model)
    except DecoderError as error:
        refusal = str(error)
    statistics, effects = space.statistics, dimension_effects(space)
    strongest = statistics.most_spread(charts.MOST_PANELS)[np.argsort(-effects, kind="stable")]
    others = np.setdiff1d(statistics.most_spread(MOST_SLIDERS), strongest)
    n = min(len(space.z), max(1, MOST_LIVE_NUMBERS // space.latent_dim))
    distances = space.support.distances.astype(np.float32)
    stage = live.Stage(
        program=program, codes=space.z[:n], labels=space.labels[:n], images=space.images[:n],
        order=[*strongest.tolist(), *others.tolist()],
        low=statistics.quantile(0.01), high=statistics.quantile(0.99), start=space.z[0], axes=plane_of(space).axes,
        colours=charts.DIGITS, neighbours=support.N_NEIGHBOURS, distances=distances,
        edges=(1 - support.EDGE, 0.5 / len(distances)),
    )  # fmt: skip
    name = hashlib.sha256(repr(space.identity[:2]).encode()).hexdigest()[:16]
    return name, stage.parcel(name), refusal


@kept(st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner=False))
def film_of(space: LatentSpace) -> tuple[film.Film, bytes]:
    """The film of a training run whose snapshots were kept, and its frames as the browser takes them."""
    assert space.checkpoint.snapshots is not None  # who asks has looked
    played = film.Film.of(space.checkpoint.snapshots, space.checkpoint.history)
    shape = played.snapshots.reconstructions.shape
    frames = {
        "places": base64_of(np.rint(np.clip(played.places, 0, 1) * 65535).astype("<u2")),
        "labels": base64_of(played.snapshots.labels),
        "pictures": base64_of(played.snapshots.deflated),
        "shape": [*shape, 1] if len(shape) == 4 else [*shape],
    }
    return played, as_json(frames)


@kept(st.cache_resource(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner=False))
def plane_of(space: LatentSpace) -> projection.Plane:
    """The flat map of a space that goes both ways."""
    return projection.Plane.of(space.z)


@kept(st.cache_data(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner="Measuring every digit …"))
def map_colours(space: LatentSpace, colouring: str, shown: int | None) -> bytes:
    """Colours of the dots, what a dot is told to be, and a legend; ``shown`` is the dimension or the cluster count."""
    values: NDArray[Any] = np.zeros(0)
    if colouring in ("digit", "cluster"):
        categories = space.labels if colouring == "digit" else clusters_of(space, "k-means", shown or 10).labels
        colours = charts.category_colours(categories)
        names = [f"cluster {i}" if shown else str(i) for i in range(min(shown or 10, len(charts.DIGITS)))]
        legend = dict(zip(names, charts.DIGITS))
    else:
        values = space.z[:, shown or 0] if colouring == "dimension" else space.errors
        colours, legend = charts.value_colours(values)
    painted = {
        "colours": base64_of(colours),
        "values": base64_of(values.astype("<f4")),
        "value": f"dimension {shown}:" if colouring == "dimension" else colouring,
        "legend": [{"name": name, "colour": colour} for name, colour in legend.items()],
    }
    return as_json(painted)


def as_json(value: Any) -> bytes:
    """What `stash` takes."""
    return json.dumps(value).encode()


def base64_of(array: NDArray[Any]) -> str:
    """The bytes of an array for the browser."""
    return base64.b64encode(array.tobytes()).decode()


@kept(st.cache_data(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner="Decoding the plane …"))
def atlas_of(space: LatentSpace, tiles: int) -> bytes:
    """Decoded pictures, ``tiles`` by ``tiles``, over the part of the plane in which the real codes lie."""
    places = map_places(space, "PCA")
    low, high = places.min(axis=0), places.max(axis=0)
    step = (high - low) / tiles
    x = low[0] + step[0] * (np.arange(tiles) + 0.5)
    y = high[1] - step[1] * (np.arange(tiles) + 0.5)  # rows go down
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)
    sheet = images.sheet(space.decode(plane_of(space).lift(grid)), tiles, gap=0)
    box = [float(v) for v in (low[0], low[1], high[0], high[1])]
    return as_json({"src": images.data_uri(sheet.png()), "box": box})


@kept(st.cache_data(show_spinner=False))
def digit_pictures() -> bytes:
    """All test digits on one picture, 100 in a row, for the browser: WebP in base64."""
    digits, _ = data.evaluation_digits()
    buffer = io.BytesIO()
    images.sheet(digits, 100, gap=0).image.convert("L").save(buffer, format="WEBP", quality=30, method=2)
    return as_json(base64.b64encode(buffer.getvalue()).decode())


# ---------------------------------------------------------------------------------------------------------------------
# What sections share: showing pictures, and choosing a code.


COMPONENTS = {
    "grid": '<figure class="latent-sheet"><img><div role="toolbar"></div></figure>',
    "shelf": '<ul class="latent-shelf"></ul>',
    "stash": "",
    "reconnect": "",
    "copy_link": '<div class="latent-copy"><button type="button">Copy link</button></div>',
    "map": """<div class="latent-map"><canvas tabindex="0" role="img"></canvas>
        <div class="hint" hidden><i></i><span></span></div>
        <div class="tools"><button type="button" data-do="in" aria-label="Zoom in">+</button>
        <button type="button" data-do="out" aria-label="Zoom out">−</button>
        <button type="button" data-do="home" aria-label="Show all">⌂</button></div>
        <div class="legend"></div></div>""",
    "film": """<section class="latent-film" aria-label="The training, epoch by epoch">
        <figure><canvas class="map" role="img"></canvas><figcaption class="axes"></figcaption>
        <div class="legend"></div></figure>
        <div><figure><canvas class="digits" role="img"></canvas>
        <figcaption>What is left of the first test images</figcaption></figure>
        <div class="time"><svg viewBox="0 0 100 100" preserveAspectRatio="none" aria-hidden="true"><polyline /></svg>
        <input type="range" class="epoch" min="0" step="any" aria-label="Epoch"></div>
        <div class="controls"><button type="button" class="play">Play</button>
        <output class="said" aria-live="off"></output></div></div></section>""",
}


@kept(st.cache_resource(show_spinner=False))
def component(name: str) -> Callable[..., Any]:
    """One of our own parts of the page, in the browser written in latent/NAME.js."""
    if name in ("live", "parcel"):
        parts = live.hand() if name == "live" else live.courier()
        js, html, css = (parts.get(part) for part in ("js", "html", "css"))
        return st.components.v2.component(f"latent_{name}", js=js, html=html, css=css)
    script = (HERE / "latent" / "browser" / f"{name}.js").read_text(encoding="utf-8")
    return st.components.v2.component(f"latent_{name}", html=COMPONENTS[name], js=script, isolate_styles=False)


def stash(key: str, value: bytes) -> str:
    """Send ``value``, which is JSON, to the browser, which keeps it under ``key``: what stays the same goes over once.

    It goes as bytes: anything else Streamlit would write as JSON, twice, at every rerun.
    """
    component("stash")(key=f"stash_{key}", data=key.encode() + b"\n" + value)
    return key


def show(sheet: Sheet, alt_text: str, *, stretch: bool = False) -> None:
    """Pictures, sent within the page: no request of their own, and nothing to expire on the server."""
    sent.append("picture")
    st.image(sheet.address, alt=alt_text, width="stretch" if stretch else sheet.size[0])


def show_moving(pictures: NDArray[np.float32], alt_text: str, zoom: int = 6) -> None:
    """Pictures one after the other and back, for ever: the browser moves a strip of them behind a window."""
    n, height, width = pictures.shape[:3]
    strip = images.sheet(pictures, n, gap=0)
    st.html(
        f'<div class="latent-moving" role="img" aria-label="{escape(alt_text)}" style="width: {zoom * width}px; '
        f"height: {zoom * height}px; background: url({strip.address}) 0 0 / {100 * n}% 100%; "
        f'animation: latent-moving {MILLISECONDS * n}ms steps({n}, jump-none) infinite alternate"></div>'
    )


MILLISECONDS = 80  # that a moving picture stays


def show_codes(
    key: str, space: LatentSpace, sheet: Sheet, z: Code, names: Sequence[str], alt_text: str, *, stretch: bool = False
) -> None:
    """Pictures of the codes ``z``, one a box of the sheet: a click on one keeps its code on the shelf."""

    def keep_clicked() -> None:
        index = st.session_state[key]["clicked"]
        if isinstance(index, int) and 0 <= index < len(z):
            keep(space, names[index], z[index])

    sheet_data = {  # tuples: of a list, Streamlit loads pandas to see whether it is a data frame
        "src": sheet.address, "alt": alt_text, "size": sheet.size, "stretch": stretch,
        "boxes": tuple(sheet.boxes.tolist()), "names": tuple(names), "verb": "Keep", "chosen": None,
    }  # fmt: skip
    component("grid")(key=key, data=sheet_data, on_clicked_change=keep_clicked)
    sent.append("picture")


def picture_first() -> None:
    """Once a run, before what takes the browser long: let it draw what it has, unless somebody else waits here.

    It draws at once all that came, and the picture that a hand waits for would be seen with the last of the charts. At
    the beginning it also fetches the code that draws charts, for which the first picture would wait.
    """
    if sent and "pause" not in sent:
        sent.append("pause")
        turns().pause(A_FRAME if "has_pictures" in st.session_state else FIRST_PICTURE)
        st.session_state["has_pictures"] = True


A_FRAME = 0.035  # seconds in which a browser draws a picture that came
FIRST_PICTURE = 0.4  # seconds in which it fetches the code for pictures, too, and draws the first
sent: list[str] = []  # what this run has sent to the browser


def show_chart(chart: Spec, alt_text: str) -> None:
    """A chart, of which the specification is cached: Altair takes 10 to 50 ms to build one."""
    picture_first()
    st.vega_lite_chart(chart, alt=alt_text)
    sent.append("chart")


@kept(st.cache_data(max_entries=256, show_spinner=False))
def built(name: str, *given: Any, **choices: Any) -> Spec:
    """The chart of this name in `latent.charts`, built once for the same numbers."""
    return charts.packed(getattr(charts, name)(*given, **choices))


def show_rows(name: str, rows: Columns, alt_text: str, **choices: Any) -> None:
    """The chart of this name in `latent.charts` for any rows: what it looks like is built once, for each choice."""
    picture_first()
    st.vega_lite_chart(arrow.to_table(rows), chart_without_rows(name, rows, **choices), alt=alt_text)


@kept(st.cache_data(max_entries=256, show_spinner=False))
def chart_without_rows(name: str, _rows: Columns, **choices: Any) -> Spec:
    """The specification of a chart, which says nothing of the rows but their columns."""
    spec = getattr(charts, name)(_rows, **choices).to_dict(validate=False)
    return {part: value for part, value in spec.items() if part not in ("data", "datasets")}


def show_code_chart(space: LatentSpace, code: Code, alt_text: str, height: int = 260) -> None:
    """A code as bars over the range of real codes."""
    show_rows("code_chart", charts.code_rows(code, space.statistics), alt_text, height=height)


def show_facts(facts: Mapping[str, str], means: Mapping[str, str] | None = None) -> None:
    """Numbers with their names, and below each what it means: one element for all, where `st.metric` is one each."""
    means = means or {}
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd>{escape(means.get(name, ''))}</dd></div>"
        for name, value in facts.items()
    )
    st.html(f'<dl class="latent-facts">{rows}</dl>')


def unfolded(label: str, key: str) -> Any:
    """An expander once somebody opened it, None before: what is in it is not made, sent and drawn for nobody."""
    place = st.expander(label, key=key, on_change="rerun")
    return place if place.open else None


def side_by_side() -> Any:
    """A row that goes on in the next line where the window is narrow."""
    return st.container(horizontal=True, gap="medium")


def show_real(key: str, space: LatentSpace, indices: NDArray[np.intp], alt_text: str, zoom: int = 3) -> None:
    """Real digits, which keep their codes when they are clicked."""
    sheet = images.sheet(space.images[indices], min(10, len(indices)), zoom)
    show_codes(key, space, sheet, space.z[indices], real_names(space, indices), alt_text)


def show_support(space: LatentSpace, code: Code) -> None:
    """The support meter: how far out a code lies, measured by how far out real codes lie."""
    quantile = float(space.support.quantile(code[None])[0])
    st.progress(
        quantile,
        f"**{support.verdict(quantile).capitalize()}**: {quantile:.0%} of real codes lie closer to their neighbours",
    )


def real_names(space: LatentSpace, indices: NDArray[np.intp]) -> list[str]:
    if not space.signature.has_encoder:
        return [f"random code {index}" for index in indices]
    return [f"{space.labels[index]}, image {index}" for index in indices]


def npz(**arrays: Any) -> Callable[[], bytes]:
    """What makes an NPZ file of the arrays when it is asked for."""

    def make() -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    return make


def take_away(
    space: LatentSpace,
    python: str,
    arrays: Mapping[str, Any],
    *,
    png: Callable[[], bytes] | None = None,
    csv: Callable[[], pd.DataFrame] | None = None,
    gif: Callable[[], bytes] | None = None,
) -> None:
    """The end of every section: its pictures and numbers as files, and the few lines that make the same arrays.

    Files are made when somebody asks for one.
    """
    name = f"{space.name}-{section.lower().replace(' ', '-')}"
    files: dict[str, tuple[Any, str, str]] = {}
    if png is not None:
        files["PNG"] = (png, "image/png", "The pictures as one sheet.")
    if gif is not None:
        files["GIF"] = (gif, "image/gif", "The pictures as an animation.")
    files["NPZ"] = (npz(**arrays), "application/octet-stream", f"The arrays {', '.join(arrays)} for NumPy.")
    if csv is not None:
        files["CSV"] = (lambda: csv().to_csv(index=False), "text/csv", "The numbers as a table.")
    # Streamlit keeps a function until the whole page runs again, so it is given one that holds no arrays.
    newest: dict[str, Callable[[], Any]] = st.session_state.setdefault("files", {})
    newest.clear()

    def newest_of(suffix: str) -> Callable[[], Any]:
        return lambda: newest[suffix]()

    picture_first()
    st.divider()
    with st.container(horizontal=True):
        for suffix, (content, mime, text) in files.items():
            newest[suffix] = content
            st.download_button(
                suffix, newest_of(suffix), f"{name}.{suffix.lower()}", mime, on_click="ignore",
                help=text,
            )  # fmt: skip
    if lines := unfolded("Python", "python"):  # to colour them, the browser loads 1.5 MB of code
        lines.caption("These lines give the arrays of the NPZ file. Run them in the folder of this project.")
        # Lines that scroll sideways would be out of a keyboard's reach.
        lines.code(program(space, python), "python", wrap_lines=True)


def program(space: LatentSpace, lines: str) -> str:
    """The lines with all that they need before them: imports, and the space that is open."""
    body = f"{opening(space)}\n\n{lines}"
    imports = ["import numpy as np\n"] if "np." in body else []
    for package, rooms in ROOMS.items():
        used = [room for room in rooms if re.search(rf"\b{room}\.", body)]
        imports += [f"from {package} import {', '.join(used)}"] if used else []
    imports += ["from latent.measure.evidence import Evidence"] if "Evidence(" in body else []
    imports += ["from latent.foreign.reading import Reading"] if "Reading." in body else []
    imports += ["from latent.space import LatentSpace"]
    imports += ["from latent.statistics import LatentStatistics"] if "LatentStatistics." in body else []
    return "\n".join([*imports, "", body])


def opening(space: LatentSpace, name: str = "space") -> str:
    """The lines that open a space as it is open here, under this name."""
    saved = space.checkpoint
    path = from_here(saved.path or Path(space.name))
    lines = f"{name} = LatentSpace.open({path!r})"
    if saved.scored and np.isnan(saved.scored[0].error):  # read another way than the best one found
        lines = (
            f"opened = checkpoint.load({path!r})\n"
            f"reading = Reading.from_dict({saved.scored[0].reading.to_dict()!r}, opened.state)\n"
            f"{name} = LatentSpace.of({space.name!r}, opened.overruled(reading))"
        )
    if space.signature.conditional:
        lines += f"\n{name} = {name}.for_digit({space.digit})"
    return lines


def from_here(path: Path) -> str:
    """A path as it is written in the folder of this project."""
    return (path.relative_to(HERE) if path.is_relative_to(HERE) else path).as_posix()


ROOMS = {
    "latent": (
        "checkpoint", "clustering", "codes", "compare", "components", "data", "directions", "drawing", "encoded",
        "images", "interpolation", "projection", "sampling", "traversal",
    ),
    "latent.measure": ("fidelity", "properties", "scores"),
}  # fmt: skip


def literal(code: Code) -> str:
    """A code as Python, every bit of it."""
    if len(code) > MOST_NUMBERS_IN_URL:
        return 'np.load("code.npz")["code"]'
    return f"np.array([{', '.join(str(value) for value in code)}], np.float32)"


def choose_digit(label: str, key: str, default: int) -> int:
    return st.selectbox(label, range(10), index=default, key=key, bind="query-params")


def choose_image(space: LatentSpace, key: str, digit: int, label: str = "") -> int:
    """The index of an evaluation image: a digit, and which of its images."""
    left, right = st.columns(2)
    with left:
        digit = choose_digit(f"{label} digit".strip().capitalize(), f"{key}_digit", digit)
    indices = np.flatnonzero(space.labels == digit)
    with right:
        which = st.number_input(
            "Which one", 1, len(indices), 1, key=f"{key}_which", bind="query-params",
            help=f"There are {len(indices)} test images of this digit.",
        )  # fmt: skip
    return int(indices[which - 1])


SOURCES = ("real image", "class mean", "mean", "zeros", "random draw", "kept vector", "custom vector")
OF_REAL_IMAGES = ("real image", "class mean", "mean")  # what a decoder alone cannot offer


def choose_code(space: LatentSpace, key: str, label: str, *, source: str = "real image", digit: int = 7) -> Operand:
    """Controls that choose a code: a real one, a computed one, one from the shelf."""
    sources = [name for name in SOURCES if space.signature.has_encoder or name not in OF_REAL_IMAGES]
    index = sources.index(source) if source in sources else sources.index("random draw")
    source = st.selectbox(label, sources, index=index, key=f"{key}_source", bind="query-params")
    match source:
        case "real image":
            index = choose_image(space, key, digit)
            return Operand(f"a real {space.labels[index]}", space.z[index], f"space.z[{index}]")
        case "class mean":
            digit = choose_digit("Mean of the", f"{key}_mean_of", digit)
            return Operand(f"mean of the {digit}s", space.class_mean(digit), f"space.class_mean({digit})")
        case "mean":
            return Operand("mean of all codes", space.statistics.mean, "space.statistics.mean")
        case "random draw":
            seed = int(st.number_input("Seed", 0, 2**31 - 1, digit, key=f"{key}_draw", bind="query-params"))
            python = f'sampling.sample(sampling.fit("learned", space.z), 1, seed={seed})[0]'
            return Operand("a random draw", sampling.sample(fitted(space, "learned"), 1, seed=seed)[0], python)
        case "kept vector":
            return choose_kept(space, key)
        case "custom vector":
            code = custom_vector(space)
            in_link["custom"] = [shelf.vector_to_text(code)]
            return Operand("custom vector", code, literal(code))
    return Operand("zeros", np.zeros(space.latent_dim, np.float32), "np.zeros(space.latent_dim, np.float32)")


def choose_kept(space: LatentSpace, key: str, kind: shelf.Kind = "code") -> Operand:
    """A control that chooses from the shelf; the mean of all codes where nothing is on it."""
    names = shelf_of(space).names(kind)
    if not names:
        st.caption("Nothing is on the shelf yet: click any picture on the page to keep it. Until then, the mean.")
        return Operand("mean of all codes", space.statistics.mean, "space.statistics.mean")
    if f"{key}_kept" not in st.session_state and f"{key}_kept" not in st.query_params:
        st.session_state[f"{key}_kept"] = names[-1]
    # Without a default, which the address would leave out and the next vector that is kept would change.
    name = st.selectbox("Which", names, index=None, key=f"{key}_kept", bind="query-params") or names[-1]
    kept = shelf_of(space)[name]
    in_use.append(kept.name)
    return Operand(kept.name, kept.vector, literal(kept.vector))


def custom_vector(space: LatentSpace) -> Code:
    """The code last entered in the Custom vector section, or where there is none the first real image's."""
    kept = st.session_state.setdefault("custom_kept", {})
    if space.checkpoint.sha256 not in kept and "custom" in st.query_params:
        with suppress(ArgumentError):  # in a link that was cut short, or of another checkpoint
            kept[space.checkpoint.sha256] = shelf.vector_from_text(st.query_params["custom"], space.latent_dim)
    return kept.get(space.checkpoint.sha256, space.z[0])


def choose_distribution(space: LatentSpace, key: str, default: str, digit: int | None = None) -> Drawn:
    """Controls that choose a distribution, which is fitted to the codes of one digit where one is given."""
    name = st.selectbox(
        "Distribution", sampling.DISTRIBUTIONS, index=sampling.DISTRIBUTIONS.index(default), key=f"{key}_distribution",
        bind="query-params", help="\n".join(f"- **{name}**: {text}" for name, text in sampling.HELP.items()),
    )  # fmt: skip
    st.caption(sampling.HELP[name])
    z = "space.z" if digit is None else f"space.z[space.labels == {digit}]"
    if name != "uniform" or not st.toggle(
        "Choose the range", key=f"{key}_bounded", bind="query-params",
        help="Off: every dimension runs over the values that real codes take in it.",
    ):  # fmt: skip
        labels = f", labels={z.replace('space.z', 'space.labels', 1)}" if name == "classes" else ""
        return Drawn(fitted(space, name, digit), f"sampling.fit({name!r}, {z}{labels})")
    left, right = st.columns(2)
    low = left.number_input("From", value=-3.0, step=0.5, key=f"{key}_low", bind="query-params")
    high = right.number_input("To", value=3.0, step=0.5, key=f"{key}_high", bind="query-params")
    return Drawn(fitted(space, name, digit, low, high), f"sampling.fit({name!r}, {z}, low={low}, high={high})")


def choose_scale_and_seed(key: str) -> tuple[float, int]:
    scale = st.slider(
        "Scale", 0.0, 3.0, 1.0, 0.05, key=f"{key}_scale", bind="query-params",
        help="How far codes lie from their centre: below 1 more typical pictures, above 1 stranger ones.",
    )  # fmt: skip
    seed = st.number_input(
        "Seed", 0, 2**31 - 1, 0, key=f"{key}_seed", bind="query-params", help="The same seed, the same pictures."
    )
    return scale, int(seed)


def follow(key: str, value: Any, origin: Any) -> None:
    """Set a control to ``value`` at first, and again whenever ``origin``, which the value came from, is another one.

    In between it is the user's. A value in the URL comes before the first one.
    """
    origins = st.session_state.setdefault("origins", {})
    if origins.get(key) != origin:
        origins[key] = origin
        st.session_state[key] = value


def columns_for(n: int, most: int = 10) -> int:
    """Columns of a grid of ``n`` pictures: as square as can be."""
    return min(most, int(np.ceil(np.sqrt(n))))


# ---------------------------------------------------------------------------------------------------------------------
# The shelf, and the address that holds what controls alone do not: kept vectors, clicks on the map, a drawing.

IN_LINK = ("custom", "kept", "map_at", "map_dot", "map_box", "drawn", "reading")
in_link: dict[str, list[str]] = {}  # what this run wants in the address
in_use: list[str] = []  # kept vectors that this run showed


def shelf_of(space: LatentSpace) -> Shelf:
    """The shelf of this session and checkpoint; at first, what the address brought along."""
    shelves: dict[str, Shelf] = st.session_state.setdefault("shelves", {})
    sha256 = space.checkpoint.sha256
    if sha256 not in shelves:
        shelves[sha256] = Shelf(sha256)
        if len(shelves) == 1:  # the first of the session: the one that the address is about
            for text in st.query_params.get_all("kept"):
                with suppress(ArgumentError):  # a link that was cut short still opens with the rest of it
                    name, origin, kind, vector = shelf.from_link(text, space.latent_dim)
                    shelves[sha256] = shelves[sha256].keep(kept_of(space, name, origin, vector, kind))
    return shelves[sha256]


def kept_of(space: LatentSpace, name: str, origin: str, vector: Code, kind: shelf.Kind = "code") -> Kept:
    """A vector with its picture: what it decodes to, or for a direction how it changes the mean."""
    if kind == "code":
        return Kept(name, origin, vector, images.to_uint8(space.decode(vector)[0]))
    mean = space.statistics.mean
    changed, unchanged = space.decode(np.stack([mean + vector, mean]))
    difference = (changed - unchanged).mean(axis=-1) if changed.ndim == 3 else changed - unchanged
    return Kept(name, origin, vector, images.signed_to_rgb(difference), kind)


def keep(space: LatentSpace, name: str, vector: Code, kind: shelf.Kind = "code", origin: str = "") -> None:
    """Put a vector on the shelf; it comes from the section that is shown where ``origin`` says nothing else."""
    origin = origin or section
    try:
        shelves = st.session_state["shelves"]
        kept = kept_of(space, name, origin, np.asarray(vector, np.float32), kind)
        shelves[space.checkpoint.sha256] = shelf_of(space).keep(kept)
        st.session_state["kept_now"] = "Kept on the shelf, in the sidebar."
    except LatentError as error:
        st.session_state["kept_now"] = str(error)


def show_shelf(space: LatentSpace) -> None:
    """The strip of kept vectors in the sidebar."""
    kept = shelf_of(space)
    sha256 = space.checkpoint.sha256

    def change(after: Callable[[], Shelf]) -> None:
        try:
            st.session_state["shelves"][sha256] = after()
        except ArgumentError as error:
            st.session_state["shelf_error"] = str(error)

    def rename() -> None:
        names = st.session_state["shelf"]["renamed"]
        change(lambda: kept.rename(str(names["name"]), str(names["new"])))
        renamed = shelf_of(space).items
        if renamed != kept.items:  # the controls that chose it go on choosing it
            for control, value in list(st.session_state.items()):
                if str(control).endswith("_kept") and value == names["name"]:
                    st.session_state[control] = str(names["new"]).strip()

    def load() -> None:
        file = st.session_state["shelf_file"]
        if file is not None:
            change(lambda: kept.add_file(file.getvalue(), space.latent_dim))

    mistake = st.session_state.pop("shelf_error", "")
    if space.latent_dim > MOST_NUMBERS_IN_URL and len(kept):
        st.caption("These vectors are too long for a link: save the shelf, and send it along.")
    if space.checkpoint.path is None:
        st.caption("A link does not hold the file that was opened here: send it along.")
    filled = len(kept) or mistake
    place = st.expander(f"Shelf ({len(kept)})", expanded=True) if filled else unfolded("Shelf", "shelf_open")
    if place is None:
        return
    with place:
        if mistake:
            st.warning("The shelf is as it was:")
            st.text(mistake)
        if len(kept):
            rows = [
                {"picture": thumbnail(item), "name": item.name, "origin": item.origin} for item in reversed(kept.items)
            ]
            component("shelf")(
                key="shelf", data={"items": rows, "longest": shelf.LONGEST_NAME}, on_renamed_change=rename,
                on_removed_change=lambda: change(lambda: kept.remove(str(st.session_state["shelf"]["removed"]))),
            )  # fmt: skip
            save, empty = st.columns(2)
            save.download_button(
                "Save", kept.to_bytes, f"{space.name}-shelf.npz", "application/octet-stream", on_click="ignore",
                width="stretch", help="All vectors, pictures, names and the checkpoint's hash, as an NPZ file.",
            )  # fmt: skip
            empty.button("Empty", on_click=lambda: change(lambda: Shelf(sha256)), width="stretch")
        else:
            st.caption("Click any picture on the page: it is kept here, and every section can start from it.")
        st.file_uploader("Load a saved shelf", type="npz", key="shelf_file", on_change=load)


def thumbnail(kept: Kept) -> str:
    return images.data_uri(images.png_bytes(Image.fromarray(kept.picture)))


def update_link(space: LatentSpace) -> None:
    """Put into the address what this run wants there, and take out what an earlier one put."""
    newest_first = shelf_of(space).items[::-1]
    fitting, room = set(), MOST_KEPT_IN_URL
    for kept in sorted(newest_first, key=lambda kept: kept.name not in in_use):
        room -= len(shelf.to_link(kept))
        if room >= 0:
            fitting.add(kept.name)
    if space.checkpoint.scored and (overruling := overruled_by(space.checkpoint.sha256)):
        in_link["reading"] = [json.dumps(overruling)]
    if fitting:
        in_link["kept"] = [shelf.to_link(kept) for kept in shelf_of(space) if kept.name in fitting]
    for name in IN_LINK:
        wanted = in_link.get(name, [])
        if wanted != st.query_params.get_all(name):
            if wanted:
                st.query_params[name] = wanted
            else:
                del st.query_params[name]


def part_of_page(draw: Callable[Concatenate[LatentSpace, P], None]) -> Callable[Concatenate[LatentSpace, P], None]:
    """A part that runs alone, in its turn, when one of its controls is moved: what is around it stays as it is.

    It runs the whole page where that is of the past, and says in the address what it shows.
    """

    @wraps(draw)
    def run(space: LatentSpace, /, *given: P.args, **named: P.kwargs) -> None:
        with turns().one():
            if is_outdated(space):
                st.rerun()
            draw(space, *given, **named)
            update_link(space)
        heap.keep_small()  # before Streamlit's own collection, which follows every rerun

    return st.fragment(run)


def is_outdated(space: LatentSpace) -> bool:
    """Whether what is around a section is of the past: something was kept, the file changed, a button led elsewhere."""
    if not is_drawn:
        return False
    path = space.checkpoint.path
    try:
        changed = path is not None and fingerprint_of(path) != space.checkpoint.sha256
        changed = changed or checkpoint.find(CHECKPOINTS) != offered
    except LatentError:
        changed = True
    return changed or "kept_now" in st.session_state or st.session_state["section"] != section


# ---------------------------------------------------------------------------------------------------------------------
# The sections: their controls, one computation, their pictures.


def model_section(space: LatentSpace) -> None:
    """What is this file, and how much of a digit is left after the way through it?"""
    with st.sidebar:
        n = st.slider("Digits to reconstruct", 5, 30, 15, key="model_digits", bind="query-params")
        first = st.number_input("From test image", 0, len(space.images) - n, 0, key="model_first", bind="query-params")

    saved, signature = space.checkpoint, space.signature
    recipe, history = saved.recipe, saved.history
    code = " × ".join(map(str, signature.code_shape)) + f" = {space.latent_dim}" * (len(signature.code_shape) > 1)
    facts = {
        "Kind": "conditional " * signature.conditional
        + (KINDS[signature.kind] if signature.has_encoder else "decoder"),
        "Latent dimensions": code,
        "Parameters": f"{sum(p.numel() for p in space.model.parameters()):,}",
        "Data set": str(recipe.get("dataset", "unknown")),
    }
    if history or recipe:
        facts |= {
            "Epochs": f"{len(history)} of {recipe['epochs']}" if recipe and not saved.scores else str(len(history)),
            "Trained for": f"{sum(row['seconds'] for row in history) / 60:.1f} min",
        }
    if signature.has_encoder:
        unfinished = bool(recipe) and not saved.scores
        facts["Test error"] = "not finished" if unfinished else f"{test_error(space):.5f}"
    facts["File"] = space.name
    show_facts(
        facts,
        {
            "Test error": "Mean squared error a pixel on the 10,000 test images, pixels in [0, 1].",
            "File": f"{saved.container}, sha256 {saved.sha256[:16]}…",
        },
    )
    if signature.image_shape != (1, 28, 28):
        channels, height, width = signature.image_shape
        st.caption(
            f"The digits are resized for this model to {height} × {width}, {channels} channel{'s' * (channels > 1)}."
        )

    if signature.has_encoder:
        real, labels = space.images[first : first + n], space.labels[first : first + n]
        z, indices = space.codes(first, first + n), np.arange(first, first + n)
        x_hat = pictures_of(space, z, labels)
        st.subheader("Real digits, and what is left of them")
        sheet, names = images.rows_sheet([real, x_hat], zoom=3), real_names(space, indices)
        show_codes(
            "model_grid", space, sheet, np.tile(z, (2, 1)), names * 2,
            f"{n} real digits over their reconstructions", stretch=n > 10,
        )  # fmt: skip
        python = (
            f"real, labels = space.images[{first}:{first + n}], space.labels[{first}:{first + n}]\n"
            f"z = space.z[{first}:{first + n}]\npictures = space.decode(z, labels)"
        )
        arrays = {"real": real, "z": z, "pictures": x_hat}
        errors = np.square(x_hat - real / 255).reshape(n, -1).mean(axis=1)
        st.caption(
            f"Above, real test digits; below, the same after encoding to {space.latent_dim} "
            f"number{'s' * (space.latent_dim > 1)} and decoding. Error of these: {errors.mean():.4f} on average, "
            f"from {errors.min():.4f} to {errors.max():.4f}."
        )
    else:
        st.subheader("What it draws from random codes")
        z = space.z[first : first + n]
        drawn = pictures_of(space, z)
        sheet, names = images.sheet(drawn, n, zoom=3), [f"random code {first + i}" for i in range(n)]
        show_codes("model_grid", space, sheet, z, names, f"{n} pictures of random codes", stretch=n > 10)
        python = f"z = space.z[{first}:{first + n}]\npictures = space.decode(z)"
        arrays = {"z": z, "pictures": drawn}
        st.caption(
            "The file holds a decoder alone: real digits cannot be encoded, so the codes are draws from N(0, 1)."
        )
    if saved.scored:
        show_reading(space)
    picture_first()  # and also before Altair and pandas are loaded, on a server that has just started
    if history:
        st.subheader("Training")
        show_chart(history_chart(space), "Training and test loss over the epochs")
    take_away(space, python, arrays, png=sheet.png, csv=(lambda: pd.DataFrame(history)) if history else None)


def show_reading(space: LatentSpace) -> None:
    """How somebody else's file was read, how sure that is, and controls to read it another way."""
    scored = space.checkpoint.scored
    reading = scored[0].reading
    st.subheader("How this file was read")
    found, kept = st.columns([3, 2])
    with found:
        st.markdown("**The layers, in the order in which they run**: names and sizes are read from the file")
        st.code("\n".join(reading.layer_lines()), language=None, wrap_lines=True)
    with kept:
        st.markdown("**Inferred**: tried on real digits, and the reading that works kept")
        st.code("\n".join(f"{name}: {value}" for name, value in reading.choices().items()), None, wrap_lines=True)
    tried = [each for each in scored if np.isfinite(each.error)]
    if len(tried) > 1:
        best, second = tried[:2]
        ratio = second.error / best.error
        verdict = (
            ""
            if ratio > 1.05
            else " The two hardly differ in what they do; the likelier way to write a network is kept."
        )
        st.markdown(f"**The runner-up** has {ratio:.2f} times the error ({second.error:.4f}).{verdict} It differs in:")
        st.text(best.reading.differences(second.reading))
    with st.expander("Read it another way", expanded=len(scored) > len(tried)):
        st.caption("All sections follow a choice, and the test error above says at once whether it is better.")
        overrule(tried[0].reading, space.checkpoint.sha256)
    own_format = checkpoint.to_bytes(space.checkpoint)
    st.download_button(
        "Save as a checkpoint of our format",
        own_format,
        f"{space.name}.pt",
        "application/octet-stream",
        on_click="ignore",
    )


def overrule(reading: Reading, sha256: str) -> None:
    """Controls for all that was inferred; what is chosen otherwise is kept for this file and session."""
    changed: dict[str, str] = {}
    alternatives = alternatives_of(sha256, reading)
    cells = st.columns(3) * (len(alternatives) // 3 + 1)
    for cell, (name, choices) in zip(cells, alternatives.items()):
        before = overruled_by(sha256).get(name)
        index = list(choices).index(before) if before in choices else 0
        chosen = cell.selectbox(name, list(choices), index=index, key=f"model_{name}_{sha256[:8]}")
        if choices[chosen] != reading:
            changed[name] = chosen
    if overruled_by(sha256) != changed:
        st.session_state["overruled"][sha256] = changed
        st.rerun()


def overruled_by(sha256: str) -> dict[str, str]:
    """What this session chose otherwise in the reading of a file; at first, what the address says."""
    overruled: dict[str, dict[str, str]] = st.session_state.setdefault("overruled", {})
    if not overruled and "reading" in st.query_params:
        with suppress(ValueError):  # a link that was cut short
            choices = json.loads(st.query_params["reading"])
            overruled[sha256] = {str(name): str(chosen) for name, chosen in dict(choices).items()}
    return overruled.get(sha256, {})


def statistics_section(space: LatentSpace) -> None:
    """Are all dimensions used, and how do their values spread over real digits?"""
    with st.sidebar:
        file = choose_codes(space)
        n = len(space.images)
        if file is None:
            n = st.slider("Images to encode", 1000, n, n, 1000, key="statistics_images", bind="query-params")

    z = space.z[:n] if file is None else sample_of(file)
    statistics = statistics_of(space, n) if file is None else file.statistics
    kind = space.signature.kind
    active = statistics.active(kind)
    rule = "a variance above 0.01" if kind == "vae" else "a variance above 1 % of the largest"
    show_facts(
        {
            "Images encoded": f"{statistics.n:,}",
            "Active dimensions": f"{active.sum()} of {space.latent_dim}",
            "Standard deviation": f"{statistics.std.min():.2f} – {statistics.std.max():.2f}",
        },
        {
            "Active dimensions": f"Active is {rule}.",
            "Standard deviation": "Of the least and the most spread dimension, latent units.",
        },
    )
    if not active.all():
        st.caption(f"Inactive: {', '.join(map(str, np.flatnonzero(~active)))}.")

    if file is not None:
        describe_codes(file, len(z))
    if space.latent_dim > charts.MOST_PANELS:
        st.caption(
            f"The charts show the {charts.MOST_PANELS} most spread of the {space.latent_dim} dimensions, the table all."
        )

    drawn = distribution_charts(space, n, file)
    st.subheader("Every dimension")
    show_chart(drawn["histograms"], f"Histograms of the {space.latent_dim} dimensions over {len(z)} codes")
    st.subheader("Box plots")
    show_chart(drawn["boxes"], "Median, quartiles, 1st and 99th percentile and extremes of every dimension")
    st.subheader("All values together")
    show_chart(drawn["values"], "Histogram of all values, with the standard normal density as a line")
    st.caption(
        "The line is the standard normal density: where the bars leave it, sampling from N(0, 1) leaves the data."
    )

    table = {
        "dimension": np.arange(space.latent_dim),
        "active": active,
        "mean": statistics.mean,
        "std": statistics.std,
        "min": statistics.min,
        "1st quartile": statistics.quantile(0.25),
        "median": statistics.median,
        "3rd quartile": statistics.quantile(0.75),
        "max": statistics.max,
    }
    st.subheader("Numbers")
    numbers = {name: st.column_config.NumberColumn(format="%.3f") for name in [*table][2:]}
    st.dataframe(arrow.to_table(table), hide_index=True, column_config=numbers, alt="Statistics of every dimension")
    given = f"z = space.z[:{n}]\nstatistics = LatentStatistics.of(z)\n"
    if file is not None:
        given = (
            f"file = encoded.Encoded.open({from_here(file.path)!r})\nz, statistics = file.sample(), file.statistics\n"
        )
    python = (
        f"{given}mean, std = statistics.mean, statistics.std\n"
        f"quantiles = statistics.quantiles\nactive = statistics.active({kind!r})"
    )
    arrays = {"z": z, "mean": statistics.mean, "std": statistics.std}
    take_away(
        space, python, arrays | {"quantiles": statistics.quantiles, "active": active}, csv=lambda: pd.DataFrame(table)
    )


TEST_DIGITS = "the 10,000 test digits"


def choose_codes(space: LatentSpace) -> Encoded | None:
    """A file of codes of this checkpoint, or None for those of the test digits; not asked where there is no file."""
    files = {path.stem: path for path in encoded.find(CHECKPOINTS, space.checkpoint.sha256)}
    if not files or overruled_by(space.checkpoint.sha256):  # files are made by a checkpoint's own reading
        return None
    chosen = st.selectbox(
        "Codes of", [TEST_DIGITS, *files], key="statistics_codes", bind="query-params",
        help="Files that `python -m latent.encode` wrote into the checkpoint folder with this checkpoint.",
    )  # fmt: skip
    return None if chosen == TEST_DIGITS else Encoded.open(files[chosen])


def describe_codes(file: Encoded, n_drawn: int) -> None:
    """Where the codes of a file are from, what is missing, and what is exact."""
    images_of = Path(next(iter(file.source.values()), "")).name
    lost = f"; {file.unreadable:,} that cannot be read are left out ({', '.join(file.first_unreadable[:3])})"
    st.text(f"Images of {images_of}{lost if file.unreadable else ''}")
    st.caption(
        f"The numbers and box plots are of all codes, quantiles to within {file.resolution:.2g} latent units; the "
        f"histograms show {n_drawn:,} of them, drawn at random with a fixed seed."
    )


PROJECTIONS = {
    "PCA": "The plane in which the codes spread most: distances are true, and every place on it is a code.",
    "t-SNE": "Neighbours stay neighbours: shows clusters, but distances and places mean nothing.",
}
COLOURINGS = ("digit", "cluster", "reconstruction error", "dimension")


def map_section(space: LatentSpace) -> None:
    """Where does every digit lie? All 10,000 codes in two dimensions; click a place, drag a box."""
    with st.sidebar:
        kind = st.radio(
            "Map", PROJECTIONS, key="map_projection", bind="query-params", horizontal=True,
            help="\n".join(f"- **{name}**: {text}" for name, text in PROJECTIONS.items()),
        )  # fmt: skip
        colourings = COLOURINGS if space.signature.has_encoder else ("dimension",)
        colouring = st.selectbox("Colour", colourings, key="map_colour", bind="query-params")
        shown = None
        if colouring == "cluster":
            shown = st.slider("Clusters", 2, 30, 10, key="map_clusters", bind="query-params")
        elif colouring == "dimension":
            shown = st.number_input("Dimension", 0, space.latent_dim - 1, key="map_dimension", bind="query-params")
        tiles = 0
        if kind == "PCA" and st.toggle(
            "Decoded pictures underneath", value=space.latent_dim <= 2, key="map_atlas", bind="query-params"
        ):
            tiles = st.slider("Pictures across", 8, 40, 24, 4, key="map_tiles", bind="query-params")

    places = map_places(space, kind)
    dot, at = clicked_place(places, plane_is_shown=kind == "PCA")
    marks = {"chosen": dot, "at": at.tolist(), "box": clicked_box(space, kind)}
    show_clicked(space, kind, places, map_data(space, kind, places, colouring, shown, tiles) | marks)


@part_of_page
def show_clicked(space: LatentSpace, kind: str, places: NDArray[np.float32], drawn: dict[str, Any]) -> None:
    """The map and what was clicked or selected on it.

    The map marks a click by itself, so that what it is given stays the same and need not be sent again.
    """
    plane = plane_of(space)
    dot, at = clicked_place(places, plane_is_shown=kind == "PCA")
    box = clicked_box(space, kind)

    left, right = st.columns([3, 2])
    with left:
        mount_map("map", space, kind, drawn)
        st.caption(
            "Hover for the digit, click for its story, drag a box to select many. The wheel zooms once the map was "
            "clicked; with the keyboard, arrows move a ring and Enter clicks there."
        )
    z = plane.lift(at[None])[0] if kind == "PCA" else space.z[dot]
    picture = space.decode(z)
    sheet = images.sheet(picture, 1, zoom=5)
    with right:
        if kind == "PCA":
            st.subheader("This place on the plane")
            with st.container(horizontal=True, vertical_alignment="center"):
                with st.container(width="content"):
                    name = f"map at {at[0]:.2f}, {at[1]:.2f}"
                    show_codes("map_place", space, sheet, z[None], [name], "The picture that this place decodes to")
                with st.container(width="stretch"):
                    show_support(space, z)
        if dot is not None:
            show_digit(space, dot)
    if box is not None:
        show_selection(space, places, box)

    if kind == "PCA":
        python = (
            "plane = projection.Plane.of(space.z)\nplaces = plane.project(space.z)\n"
            f"z = plane.lift(np.array([[{at[0]}, {at[1]}]], np.float32))[0]\npicture = space.decode(z)"
        )
        places = plane.project(space.z)
    else:
        python = f"places = projection.tsne(space.z)\nz = space.z[{dot}]\npicture = space.decode(z)"
    columns = {"x": places[:, 0], "y": places[:, 1], "digit": space.labels}
    arrays = {"places": places, "z": z, "picture": picture}
    take_away(space, python, arrays, png=sheet.png, csv=lambda: pd.DataFrame(columns))


def map_places(space: LatentSpace, kind: str) -> NDArray[np.float32]:
    """Where every evaluation image is on the map, (10000, 2)."""
    if kind == "t-SNE":
        key = ("t-SNE", *space.identity[:2])
        if not store.has(*key):
            bar = st.progress(0.0, "t-SNE of 10,000 codes: a minute or more, once a checkpoint")
            progress: Callable[[float], Any] = lambda share: bar.progress(share, "t-SNE of 10,000 codes")  # noqa: E731
            store.stored(lambda: projection.tsne(space.z, progress), *key)
            bar.empty()
        return store.stored(lambda: projection.tsne(space.z), *key)
    places = plane_of(space).project(space.z)
    if space.latent_dim == 1:  # a line: the digits one above the other
        places[:, 1] = space.labels + np.random.default_rng(0).uniform(-0.35, 0.35, len(places))
    return places


def clicked_place(places: Code, *, plane_is_shown: bool) -> tuple[int | None, Code]:
    """The dot that was clicked, if any, and the place; at first the first test image."""
    in_link.pop("map_at", None)
    in_link.pop("map_dot", None)
    clicked = st.session_state.setdefault(
        "map_clicked", {"dot": st.query_params.get("map_dot", "0"), "at": st.query_params.get("map_at")}
    )
    with suppress(TypeError, ValueError):
        if clicked["at"] is not None and plane_is_shown:
            x, y = (float(number) for number in clicked["at"].split(","))
            if np.isfinite([x, y]).all():
                in_link["map_at"] = [clicked["at"]]
                return None, np.array([x, y], np.float32)
    dot = 0
    with suppress(TypeError, ValueError):
        dot = int(clicked["dot"])
    dot = dot if 0 <= dot < len(places) else 0
    in_link["map_dot"] = [str(dot)]
    return dot, places[dot]


def clicked_box(space: LatentSpace, kind: str) -> list[float] | None:
    """The box that was drawn on this map: left, bottom, right, top."""
    in_link.pop("map_box", None)
    text = st.session_state.setdefault("map_boxed", st.query_params.get("map_box", ""))
    with suppress(ValueError):
        drawn_on, *numbers = text.split(",")
        box = [float(number) for number in numbers]
        if drawn_on == f"{kind} {space.checkpoint.sha256[:8]}" and len(box) == 4 and np.isfinite(box).all():
            in_link["map_box"] = [text]
            return box
    return None


def map_data(
    space: LatentSpace,
    kind: str,
    places: NDArray[np.float32],
    colouring: str = "digit",
    shown: int | None = None,
    tiles: int = 0,
) -> dict[str, Any]:
    """What the map draws; the large parts of it are sent at once and once."""
    has_digits = space.signature.has_encoder
    name = hashlib.sha256(repr((kind, *space.identity)).encode()).hexdigest()[:16]
    names = plane_of(space).names if kind == "PCA" else ("t-SNE: near is alike, axes mean nothing", "")
    dots = {"places": base64_of(places.astype("<f4")), "labels": base64_of(space.labels[: has_digits * len(places)])}
    return {
        "dots": stash(f"dots-{name}", as_json(dots)),
        "colours": stash(f"colours-{name}-{colouring}-{shown}", map_colours(space, colouring, shown)),
        "atlas": stash(f"atlas-{name}-{tiles}", atlas_of(space, tiles)) if tiles else "",
        "digits": stash("digits", digit_pictures()),
        "axes": [names[0], "digit" if space.latent_dim == 1 and kind == "PCA" else names[1]],
        "chosen": None, "at": None, "box": None, "marks": [],
        "opacity": 0.45 if tiles else 0.8,
        "height": 620,
        "alt": f"Map of 10,000 codes by {kind}, coloured by {colouring}",
    }  # fmt: skip


def mount_map(key: str, space: LatentSpace, kind: str, drawn: dict[str, Any]) -> None:
    """The map; a click and a box are taken into the session."""

    def take_click() -> None:
        clicked = st.session_state[key]["clicked"]
        with suppress(TypeError, KeyError, ValueError):
            x, y = (float(number) for number in clicked["at"])
            found = clicked["dot"]
            st.session_state["map_clicked"] = {"dot": found, "at": None if found is not None else f"{x:.5g},{y:.5g}"}

    def take_box() -> None:
        with suppress(TypeError, ValueError):
            numbers = ",".join(f"{float(number):.5g}" for number in st.session_state[key]["boxed"])
            st.session_state["map_boxed"] = f"{kind} {space.checkpoint.sha256[:8]},{numbers}"

    component("map")(key=key, data=drawn, on_clicked_change=take_click, on_boxed_change=take_box)


def show_digit(space: LatentSpace, index: int) -> None:
    """One evaluation image: original, reconstruction, code and neighbours."""
    if space.signature.has_encoder:
        st.subheader(f"A {space.labels[index]}: test image {index}")
        with st.container(horizontal=True):
            x_hat = space.decode(space.z[index], space.labels[[index]])
            original, reconstruction = st.container(width="content"), st.container(width="content")
            rows = np.array([index])
            with original:
                show_real("map_original", space, rows, "The original", 4)
            with reconstruction:
                sheet = images.sheet(x_hat, 1, 4)
                show_codes("map_reconstruction", space, sheet, space.z[rows], real_names(space, rows), "Reconstruction")
            error = float(np.square(x_hat[0] - space.images[index] / 255).mean())
            show_facts({"Error": f"{error:.4f}"}, {"Error": "Mean squared error a pixel."})
        nearest = space.nearest(space.z[index], 11)[0]
        nearest = nearest[nearest != index][:10]
        same = int((space.labels[nearest] == space.labels[index]).sum())
        st.markdown(f"**Its ten nearest neighbours** in all {space.latent_dim} dimensions: {same} of the same digit")
        show_real("map_neighbours", space, nearest, "The ten nearest neighbours", 2)
    st.markdown("**Its code**")
    show_code_chart(space, space.z[index], "The code as bars", height=160)


MOST_SELECTED = 60  # pictures of a selection that are shown


def show_selection(space: LatentSpace, places: NDArray[np.float32], box: list[float]) -> None:
    """What lies in a box on the map: how many, which digits, their mean."""
    left, bottom, right, top = box
    inside = (places[:, 0] >= left) & (places[:, 0] <= right) & (places[:, 1] >= bottom) & (places[:, 1] <= top)
    selected = np.flatnonzero(inside)
    st.subheader(f"Selected: {len(selected):,} codes")
    if len(selected) == 0:
        st.caption("There is no code in this box.")
        return
    counts = np.bincount(space.labels[selected], minlength=10)
    mean, name = space.z[selected].mean(axis=0), f"mean of {len(selected)} selected"
    cells = st.columns([1, 2, 3])
    with cells[0]:
        st.markdown("**Their mean**")
        show_codes("map_mean", space, images.sheet(space.decode(mean), 1, 5), mean[None], [name], "The mean, decoded")
        if st.button("Clear the box"):
            st.session_state["map_boxed"] = ""
            st.rerun()
    if space.signature.has_encoder:
        with cells[1]:
            st.markdown("**Their digits**")
            show_chart(built("digits_chart", counts), "How many of each digit are selected")
    with cells[2]:
        some = selected[:: max(1, len(selected) // MOST_SELECTED)][:MOST_SELECTED]
        st.markdown("**All of them**" if len(some) == len(selected) else f"**{len(some)} of them**")
        pictures = space.images[some] if space.signature.has_encoder else space.decode(space.z[some])
        sheet = images.sheet(pictures, 15, 2)
        show_codes(
            "map_selected", space, sheet, space.z[some], real_names(space, some), "Selected digits", stretch=True
        )
        if st.button(f"Keep these {len(some)}"):
            for index in some:
                keep(space, real_names(space, np.array([index]))[0], space.z[index], origin="Map, selected")
            st.rerun()


def generate_section(space: LatentSpace) -> None:
    """What can it produce? Random codes, decoded."""
    with st.sidebar:
        drawn = choose_distribution(space, "generate", "learned")
        n = st.slider("Pictures", 1, 100, 36, key="generate_pictures", bind="query-params")
        scale, seed = choose_scale_and_seed("generate")

    z = sampling.sample(drawn.distribution, n, scale=scale, seed=seed)
    pictures = pictures_of(space, z)

    def table() -> pd.DataFrame:
        samples = {"sample": np.arange(1, n + 1)}
        return pd.DataFrame(samples | {f"dim {d}": z[:, d] for d in range(space.latent_dim)})

    sheet = images.sheet(pictures, columns_for(n), zoom=3)
    left, right = st.columns([3, 2])
    with left:
        names = [f"sample {i + 1}" for i in range(n)]
        show_codes("generate_grid", space, sheet, z, names, f"{n} generated pictures", stretch=n >= 25)
    with right:
        st.markdown("**Their vectors**")
        text = f"Heat map of the {n} vectors"
        show_rows("codes_chart", charts.codes_rows(z), text, reach=charts.reach_of(z))
        if numbers := unfolded("As numbers", "generate_numbers"):
            numbers.dataframe(arrow.to_table(table()), alt="The vectors as numbers")
    python = f"z = sampling.sample({drawn.python}, {n}, scale={scale}, seed={seed})\npictures = space.decode(z)"
    take_away(space, python, {"z": z, "pictures": pictures}, png=sheet.png, csv=table)


def custom_section(space: LatentSpace) -> None:
    """What does this vector look like? Paste one, or start from a known one and change its numbers."""
    with st.sidebar:
        start = st.selectbox(
            "Start from",
            ("real image", "random draw", "mean", "zeros") if space.signature.has_encoder else ("random draw", "zeros"),
            key="custom_start",
            bind="query-params",
        )
        if start == "real image":
            base = space.z[choose_image(space, "custom", 7)]
        elif start == "random draw":
            seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="custom_seed", bind="query-params")
            base = sampling.sample(fitted(space, "learned"), 1, seed=int(seed))[0]
        else:
            base = space.statistics.mean if start == "mean" else np.zeros(space.latent_dim, np.float32)
        if st.button("Back to the start", key="custom_back", width="stretch"):
            st.session_state["custom_numbers"] = codes.text_of(base)

    follow("custom_numbers", codes.text_of(base), (space.checkpoint.sha256, base.tobytes()))
    text = st.text_area(
        f"{space.latent_dim} numbers", key="custom_numbers", height=90,
        bind="query-params" if space.latent_dim <= MOST_NUMBERS_IN_URL else None,
        help="Separated by commas, spaces or lines; brackets and JSON are fine.",
    )  # fmt: skip
    try:
        code = codes.parse(text, space.latent_dim)
    except ArgumentError as error:
        st.warning("This is not a vector yet; below is the last good one.")
        st.text(str(error))
        code = custom_vector(space)
    st.session_state.setdefault("custom_kept", {})[space.checkpoint.sha256] = code

    def take_edits() -> None:
        edited = code.copy()
        for row, change in st.session_state[table_key]["edited_rows"].items():
            edited[int(row)] = change.get("value") or 0.0
        st.session_state["custom_numbers"] = codes.text_of(edited)

    def numbers() -> pd.DataFrame:
        return pd.DataFrame({"dimension": np.arange(space.latent_dim), "value": code.astype(np.float64)})

    left, right = st.columns([1, 2])
    picture = space.decode(code)
    sheet = images.sheet(picture, 1, zoom=8)
    with left:
        st.markdown("**Decoded**")
        show_codes("custom_grid", space, sheet, code[None], ["custom vector"], "Decoded picture of the vector")
        show_support(space, code)
        if space.signature.has_encoder:
            nearest = space.nearest(code)[0]
            st.markdown(f"**Nearest real digit**: a {space.labels[nearest[0]]}")
            show_real("custom_nearest", space, nearest, f"The nearest real digit, a {space.labels[nearest[0]]}", 4)
    with right:
        show_code_chart(space, code, "The vector as bars over the range of real codes")
        st.caption("The grey band holds 98 % of the real codes: a bar that leaves it leaves the data.")
        table_key = f"custom_table_{hash(code.tobytes())}"  # another code, another table: no edit counts twice
        if editor := unfolded("Edit as a table", "custom_edit"):
            value_column = st.column_config.NumberColumn(format="%.3f", required=True)
            editor.data_editor(
                numbers(), key=table_key, on_change=take_edits, hide_index=True, disabled=["dimension"],
                column_config={"value": value_column}, alt="The vector as an editable table",
            )  # fmt: skip
    python = f"z = {literal(code)}\npicture = space.decode(z)"
    take_away(space, python, {"z": code, "picture": picture}, png=sheet.png, csv=numbers)


def dimensions_section(space: LatentSpace) -> None:
    """What does each dimension control? One at a time is moved, the others stay."""
    statistics, effects = space.statistics, dimension_effects(space)
    dimensions = statistics.most_spread(charts.MOST_PANELS)
    order = dimensions[np.argsort(-effects, kind="stable")]
    with st.sidebar:
        dimension = int(
            st.selectbox(
                "Dimension",
                [int(d) for d in order],
                key="dimensions_dimension",
                bind="query-params",
                help="The one that changes the picture most comes first.",
            )
        )
        low, high = (round(float(statistics.quantile(p)[dimension]), 2) for p in (0.01, 0.99))
        reach = 3 * max(abs(low), abs(high), 0.5)
        follow("dimensions_range", (low, high), (space.checkpoint.sha256, dimension))
        chosen: Any = st.slider(
            "Range", -reach, reach, step=0.01, key="dimensions_range", bind="query-params",
            help="At first from the 1st to the 99th percentile of the real codes.",
        )  # fmt: skip
        low, high = chosen
        n_steps = st.slider("Steps", 3, 30, 11, key="dimensions_steps", bind="query-params")
        chosen_base = choose_code(space, "dimensions", "Base")
        name, base = chosen_base.name, chosen_base.code

    values = np.linspace(low, high, n_steps)
    z = traversal.traverse(base, dimension, values)
    decoded = pictures_of(space, np.concatenate([z, base[None]]))
    strip, of_base = decoded[:-1], decoded[-1]

    st.subheader(f"Dimension {dimension} from {low:.2f} to {high:.2f}")
    st.text(f"The rest as in {name}. Below each picture the value of dimension {dimension}.")
    names = [f"dim {dimension} = {value:.2f}" for value in values]
    sheet = images.sheet(strip, n_steps, zoom=4, column_names=[f"{value:.2f}" for value in values])
    text = f"Pictures as dimension {dimension} goes from {low:.2f} to {high:.2f}"
    show_codes("dimensions_strip", space, sheet, z, names, text, stretch=True)
    differences = images.sheet(images.signed_to_rgb(strip - of_base), n_steps, zoom=4)
    show_codes(
        "dimensions_change", space, differences, z, names, "Difference of each picture from the base", stretch=True
    )
    st.caption(
        f"The difference from the base, whose dimension {dimension} is {base[dimension]:.2f}: red is brighter, blue is "
        "darker."
    )

    st.subheader("Every dimension, by how much it changes the picture")
    show_chart(built("effects_chart", dimensions, effects, dimension), "How much each dimension changes the picture")
    st.caption(
        "RMS difference of the pictures one standard deviation up and down, averaged over 16 real digits. "
        "The rows below are in this order, each from the 1st to the 99th percentile of its dimension."
    )
    overview, sweeps, names = overview_of(space, base.tobytes())
    text = f"A strip for each of the dimensions {', '.join(map(str, order[:MOST_STRIPS]))}"
    show_codes("dimensions_overview", space, overview, sweeps, names, text, stretch=True)
    python = (
        f"base = {chosen_base.python}\nvalues = np.linspace({low}, {high}, {n_steps})\n"
        f"z = traversal.traverse(base, {dimension}, values)\npictures = space.decode(z)"
    )
    take_away(
        space, python, {"z": z, "pictures": strip}, png=sheet.png, gif=lambda: images.gif_bytes(strip),
        csv=lambda: pd.DataFrame({"dimension": dimensions, "effect": effects}),
    )  # fmt: skip


def arithmetic_section(space: LatentSpace) -> None:
    """Do differences of codes mean something? Codes added and subtracted, then decoded."""
    operations: dict[str, tuple[str, Callable[..., Code]]] = {
        "average": ("(A + B) / 2", interpolation.average),
        "difference": ("A − B", interpolation.difference),
        "sum": ("A + B", interpolation.total),
        "analogy": ("A − B + C", interpolation.analogy),
    }
    with st.sidebar:
        operation = st.selectbox(
            "Operation",
            operations,
            index=3,
            key="arithmetic_operation",
            bind="query-params",
            format_func=lambda name: f"{name}: {operations[name][0]}",
        )
        letters = "ABC" if operation == "analogy" else "AB"
        defaults = {"A": 8, "B": 3, "C": 5} if operation == "analogy" else {"A": 3, "B": 8}
        operands = [
            choose_code(space, f"arithmetic_{letter.lower()}", letter, source="class mean", digit=defaults[letter])
            for letter in letters
        ]

    formula, operate = operations[operation]
    result = operate(*(operand.code for operand in operands))

    st.subheader(formula)
    shown = [
        *((f"{letter}: {operand.name}", operand.code) for letter, operand in zip(letters, operands)),
        (f"= {formula}", result),
    ]
    z = np.stack([code for _, code in shown])
    pictures = pictures_of(space, z)
    with side_by_side():
        for place, (name, code) in enumerate(shown):
            with st.container(width="content"):
                st.text(name)
                sheet = images.sheet(pictures[[place]], 1, zoom=6)
                show_codes(f"arithmetic_grid_{place}", space, sheet, code[None], [name], f"Decoded picture: {name}")
        if space.signature.has_encoder:
            nearest = space.nearest(result)[0]
            digit = space.labels[nearest[0]]
            with st.container(width="content"):
                st.text(f"Nearest real: a {digit}")
                show_real("arithmetic_nearest", space, nearest, f"The nearest real digit, a {digit}", 6)
    show_support(space, result)
    for cell, (name, code) in zip(st.columns(len(shown)), shown):
        with cell:
            st.text(name)
            show_code_chart(space, code, "The code above as bars", height=200)
    st.caption(
        "The grey bands hold 98 % of the real codes. A difference or a sum usually leaves them: it is a direction, or "
        "twice a picture, and decodes to something no real digit looks like. An average or an analogy stays inside."
    )
    lines = [f"{letter.lower()} = {operand.python}" for letter, operand in zip(letters, operands)]
    names = ", ".join(letters.lower())
    lines += [
        f"result = interpolation.{operate.__name__}({names})",
        f"z = np.stack([{names}, result])",
        "pictures = space.decode(z)",
    ]
    arrays = {"z": z, "pictures": pictures}
    take_away(space, "\n".join(lines), arrays, png=lambda: images.sheet(pictures, len(z), zoom=6).png())


def compare_section(space: LatentSpace) -> None:
    """Could you tell generated from real, and has the model collapsed to a few digits?"""
    with st.sidebar:
        digit = st.selectbox(
            "Digit", [None, *range(10)], key="compare_digit", bind="query-params",
            format_func=lambda digit: "all digits" if digit is None else f"only {digit}s",
            help="One digit: real ones of it, and samples from a distribution fitted to its codes.",
        )  # fmt: skip
        drawn = choose_distribution(space, "compare", "learned", digit)
        n = st.slider("Pictures", 1, 100, 36, key="compare_pictures", bind="query-params")
        scale, seed = choose_scale_and_seed("compare")

    among = np.arange(len(space.images)) if digit is None else np.flatnonzero(space.labels == digit)
    real = np.random.default_rng(seed).choice(among, n, replace=False)
    z = sampling.sample(drawn.distribution, n, scale=scale, seed=seed)
    generated, nearest = pictures_of(space, z), space.nearest(z)[:, 0]
    names, near_names = [f"sample {i + 1}" for i in range(n)], real_names(space, nearest)

    columns = columns_for(n)
    left, right = st.columns(2)
    with left:
        st.subheader("Real")
        sheet = images.sheet(space.images[real], columns, zoom=2)
        text = f"{n} real digits"
        show_codes("compare_real", space, sheet, space.z[real], real_names(space, real), text, stretch=True)
    with right:
        st.subheader("Generated")
        sheet = images.sheet(generated, columns, zoom=2)
        show_codes("compare_generated", space, sheet, z, names, f"{n} generated pictures", stretch=True)
    st.subheader("Every generated picture over its nearest real digit")
    pairs = images.pairs_sheet(generated, space.images[nearest], columns=12, zoom=3)
    text = f"{n} generated pictures, each over its nearest real digit"
    both = np.concatenate([z, space.z[nearest]])
    show_codes("compare_pairs", space, pairs, both, names + near_names, text, stretch=n >= 12)
    counts = np.bincount(space.labels[nearest], minlength=10)
    st.caption(
        "Nearest by the distance of the codes among the 10,000 test images. The nearest ones are: "
        + ", ".join(f"{count} × {digit}" for digit, count in enumerate(counts) if count)
        + "."
    )
    among_python = "len(space.images)" if digit is None else f"np.flatnonzero(space.labels == {digit})"
    python = (
        f"rows = np.random.default_rng({seed}).choice({among_python}, {n}, replace=False)\nreal = space.images[rows]\n"
        f"z = sampling.sample({drawn.python}, {n}, scale={scale}, seed={seed})\n"
        "generated = space.decode(z)\nnearest = space.images[space.nearest(z)[:, 0]]"
    )
    arrays = {"real": space.images[real], "z": z, "generated": generated, "nearest": space.images[nearest]}
    take_away(space, python, arrays, png=pairs.png)


def samplers_section(space: LatentSpace) -> None:
    """Which sampler to use? Every distribution side by side, measured against real digits."""
    with st.sidebar:
        n = st.slider("Pictures of each", 5, N_SHOWN, 20, 5, key="samplers_pictures", bind="query-params")
        seed = int(
            st.number_input(
                "Seed", 0, 2**31 - 1, SEED, key="samplers_seed", bind="query-params",
                help="Of every sampler. How much the measures move with it says how far they can be trusted.",
            )
        )  # fmt: skip

    evidence = evidence_of(space)
    if evidence.refusal:
        st.info(f"{evidence.refusal} Below are its pictures alone.")
        drawn = {name: sampling.sample(evidence.distribution(name), n, seed=seed) for name in evidence.samplers}
        pictures = {name: images.to_uint8(pictures_of(space, z)) for name, z in drawn.items()}
        for name in drawn:
            st.markdown(f"**{name.capitalize()}**")
            show_sampled(space, name, drawn[name], pictures[name])
        take_away(
            space,
            samplers_python(drawn, f"{n}, seed={seed})"),
            drawn,
            png=lambda: images.rows_sheet(list(pictures.values()), 2).png(),
        )
        return

    advice, overview, judged = st.empty(), st.empty(), st.empty()
    st.subheader("What each draws")
    fidelities: dict[str, Fidelity] = {}
    shown: dict[str, Sampled] = {}
    for name in evidence.rows:
        of_seed = seed if name in evidence.samplers else SEED
        if not evidence.has("sampler", name, of_seed):
            advice.progress(len(shown) / len(evidence.rows), f"Measuring {len(space.z) // 2:,} pictures: {name} …")
            show_fidelities(overview, evidence, fidelities)
        shown[name] = evidence.sampler(name, of_seed)
        fidelities[name] = shown[name].fidelity
        st.markdown(f"**{name.capitalize()}**, Fréchet distance {fidelities[name].frechet:.3g}")
        show_sampled(space, name, shown[name].z[:n], shown[name].pictures[:n])
    advice.markdown(f"**{findings.advice(fidelities).text}**")
    table = show_fidelities(overview, evidence, fidelities)
    with judged.container():
        st.subheader("Which digits the judge sees")
        chart = built("shares_chart", *report.judged_shares(fidelities))
        show_chart(chart, "Share of each digit among the pictures of each sampler")
    st.caption(
        f"Each sampler is fitted to the codes of half of the test digits and draws {len(space.z) // 2:,} pictures, "
        "measured against the other half in the features of the judge, a small classifier "
        f"({evidence.judge.scores['accuracy']:.1%} of the test digits right). The reference rows say what is possible."
    )
    drawn = {name: each.z[:n] for name, each in shown.items() if name in evidence.samplers}
    take_away(
        space, samplers_python(drawn, f"len(held_out), seed={seed})[:{n}]"), drawn, csv=lambda: table,
        png=lambda: images.rows_sheet([each.pictures[:n] for each in shown.values()], 2).png(),
    )  # fmt: skip


def samplers_python(names: Iterable[str], how_many: str) -> str:
    """The Python that draws codes as the samplers of these names do."""
    lines = ["known, held_out = fidelity.halves(len(space.z))", "z, labels = space.z[known], space.labels[known]"]
    lines += [f"{name} = sampling.sample(sampling.fit({name!r}, z, labels=labels), {how_many}" for name in names]
    return "\n".join(lines)


def show_sampled(space: LatentSpace, name: str, z: Code, pictures: NDArray[np.uint8]) -> None:
    """A row of what a sampler draws."""
    sheet = images.sheet(pictures, min(20, len(pictures)), 2)
    names = [f"{name}, {i + 1}" for i in range(len(z))]
    key = f"samplers_{name.replace(' ', '_')}"
    if name == REAL and not space.signature.has_encoder:  # these have no codes
        show(sheet, f"{len(pictures)} real digits")
    else:
        show_codes(key, space, sheet, z, names, f"{len(pictures)} pictures: {name}", stretch=len(pictures) >= 15)


def show_fidelities(place: Any, evidence: Evidence, fidelities: Mapping[str, Fidelity]) -> pd.DataFrame:
    """What is measured of samplers so far: bars of the distance and a table of everything, best first."""
    order = sorted(fidelities, key=lambda name: fidelities[name].frechet)
    rows = [{"sampler": name} | {each: getattr(fidelities[name], each) for each in fidelity.MEASURES} for name in order]
    table = pd.DataFrame(rows, columns=["sampler", *fidelity.MEASURES])
    if not order:
        return table
    shares = ("precision", "recall", "coverage", "confidence")
    columns = {
        name: st.column_config.ProgressColumn(name, format="percent", min_value=0, max_value=1, help=text)
        if name in shares
        else st.column_config.NumberColumn(
            "Fréchet distance" if name == "frechet" else name,
            help=text,
            format="percent" if name == "duplicates" else "%.3g",
        )
        for name, text in fidelity.MEASURES.items()
    }
    with place.container():
        frechet = {name: fidelities[name].frechet for name in order}
        references = [name for name in order if name not in evidence.samplers]
        show_chart(built("samplers_chart", frechet, references), "Fréchet distance of each sampler, the least first")
        st.dataframe(arrow.to_table(table), hide_index=True, column_config=columns, alt="Measures of each sampler")
    return table


def diagnose_section(space: LatentSpace) -> None:
    """What has it learned, and what goes wrong? Findings made from numbers, each with the picture that shows it."""
    with st.sidebar:
        topic = st.radio("Look at", DIAGNOSES, key="diagnose_topic", bind="query-params", format_func=str.capitalize)
    evidence = evidence_of(space)
    found = st.empty()
    missing = [part for part in evidence.parts() if not evidence.has(*part)]
    if missing:
        show_findings_so_far(found, evidence, 0.0, "the first part")
    table, arrays, python = DIAGNOSES[topic](space, evidence)
    for share, name in report.gather(evidence):
        show_findings_so_far(found, evidence, share, name)
    with found.container():
        st.subheader("Findings")
        for place, finding in enumerate(findings.findings(evidence)):
            text, show_it = st.columns([12, 1], vertical_alignment="center")
            text.markdown(f"{place + 1}. {finding.text}")
            show_it.button(
                "Show", key=f"diagnose_show_{place}", type="tertiary", on_click=go_to, args=(finding,),
                help=f"The picture that shows finding {place + 1}",
            )  # fmt: skip
        if evidence.refusal:
            st.info(evidence.refusal)
        name = f"{space.name}-report"
        with st.container(horizontal=True):
            st.download_button(
                "Report as HTML", lambda: report.page(evidence), f"{name}.html", "text/html", on_click="ignore",
                type="primary", help="All findings, charts and pictures in one file, which opens without a network.",
            )  # fmt: skip
            st.download_button(
                "Numbers as JSON", lambda: json.dumps(report.numbers(evidence), indent=1), f"{name}.json",
                "application/json", on_click="ignore",
            )  # fmt: skip
    take_away(space, f"evidence = Evidence(space)\n{python}", arrays, csv=table)


def show_findings_so_far(place: Any, evidence: Evidence, share: float, name: str) -> None:
    """The findings that can be made already, while the rest is measured."""
    with place.container():
        st.subheader("Findings")
        st.progress(share, f"Measuring {name} …")
        for number, finding in enumerate(findings.findings(evidence), 1):
            st.markdown(f"{number}. {finding.text}")


def go_to(finding: findings.Finding) -> None:
    """Open the picture that shows a finding."""
    if finding.dimension is not None:
        st.session_state["section"] = "Dimensions"
        st.session_state["dimensions_dimension"] = finding.dimension
    elif finding.topic == "samplers":
        st.session_state["section"] = "Sampler lab"
    else:
        st.session_state["section"] = "Diagnose"
        st.session_state["diagnose_topic"] = finding.topic


Diagnosed = tuple[Callable[[], "pd.DataFrame"], dict[str, Any], str]  # a table, arrays, and the Python for the arrays


def diagnose_dimensions(space: LatentSpace, evidence: Evidence) -> Diagnosed:
    """What each dimension carries, and what it stands for."""
    with st.spinner("Measuring what each dimension does …"):
        carried, meant = evidence.dimensions(), evidence.meanings()
    table = pd.DataFrame(list(report.dimension_rows(evidence))).fillna({"stands_for": "", "correlation": np.nan})
    facts = {
        "Dimensions that change the picture": f"{int(table['active'].sum())} of {len(table)}",
        "Effective rank": f"{carried.effective_rank:.1f}",
    }
    if carried.kl is not None:
        facts["KL in all"] = f"{carried.kl.sum():.1f} nats"
    show_facts(facts, {"Effective rank": "How many directions the codes really take (Roy & Vetterli 2007)."})
    if len(table) < space.latent_dim:
        st.caption(f"The {len(table)} most spread of the {space.latent_dim} dimensions.")
    bars = {"effect": "effect on the picture", "digit_information": "digit information, bits"}
    columns: dict[str, Any] = {
        "variance": st.column_config.NumberColumn(format="%.3f", help="Of the real codes, squared latent units."),
        "kl": st.column_config.NumberColumn("KL, nats", format="%.2f"),
        "stands_for": st.column_config.TextColumn("stands for"),
        "correlation": st.column_config.NumberColumn("r", format="%.2f"),
    }
    for name, title in bars.items():
        most = max(float(table[name].max()), 1e-12)
        columns[name] = st.column_config.ProgressColumn(title, format="%.3f", min_value=0, max_value=most)
    st.subheader("What each carries")
    shown = table if carried.kl is not None else table.drop(columns="kl")
    st.dataframe(arrow.to_table(shown), hide_index=True, column_config=columns, alt="What each dimension carries")
    st.caption(
        "Effect: RMS difference a pixel of the pictures one standard deviation up and down, from 64 real digits. Digit "
        "information: mutual information with the label, of 3.32 bits. A dimension stands for a property where both "
        "agree: the real digits (r of 0.5 or more) and the decoded pictures of a sweep."
    )
    names = [str(dimension) for dimension in carried.dimensions]
    left, right = st.columns(2)
    with left:
        st.markdown("**Among real digits**: how dimensions go together with measured properties")
        chart = built("matrix_chart", meant.correlation, names, meant.names, ("dimension", "property", "correlation"))
        show_chart(chart, "Correlation of each dimension with each property")
    with right:
        st.markdown("**In a sweep**: standard deviations a property moves for one of the dimension")
        chart = built(
            "matrix_chart", np.clip(meant.slope, -1, 1), names, meant.names, ("dimension", "property", "slope")
        )
        show_chart(chart, "How far each dimension alone moves each property")
    st.markdown("**How dimensions go together** among real digits")
    chart = built("matrix_chart", carried.correlation, names, names, ("dimension", "with dimension", "correlation"))
    show_chart(chart, "Correlation of each dimension with each")
    arrays = {"effect": carried.effect, "digit_information": carried.digit_information}
    arrays |= {"correlation": carried.correlation, "property_correlation": meant.correlation, "slope": meant.slope}
    python = (
        "carried, meant = evidence.dimensions(), evidence.meanings()\n"
        "effect, digit_information = carried.effect, carried.digit_information\n"
        "correlation, property_correlation, slope = carried.correlation, meant.correlation, meant.slope"
    )
    return lambda: table, arrays, python


def diagnose_reconstruction(space: LatentSpace, evidence: Evidence) -> Diagnosed:
    """How large errors are, of which digits, and the worst and the best."""
    with st.spinner("Measuring the error of every test digit …"):
        errors = evidence.reconstruction()
        lines = report.error_lines(evidence)
        if not evidence.refusal:
            evidence.originals(), evidence.reconstructions()
    left, right = st.columns([3, 2])
    with left:
        st.markdown("**How large the error is**")
        show_chart(built("errors_chart", errors.errors, lines), "Histogram of the errors of all test digits")
    with right:
        st.markdown("**Of which digits**")
        chart = built("digits_chart", errors.by_digit, "mean squared error a pixel", height=260)
        show_chart(chart, "Mean error of each digit")
    for name, rows in (("worst", errors.worst()), ("best", errors.best())):
        st.markdown(f"**The {len(rows)} {name}**, above the digits, below what is left of them")
        for place, part in enumerate(np.array_split(rows, 2)):
            text = f"The {name} reconstructions, {len(part)} of them"
            show_codes(
                f"diagnose_{name}_{place}", space, report.before_and_after(evidence, part, zoom=3),
                space.z[np.tile(part, 2)], real_names(space, part) * 2, text, stretch=True,
            )  # fmt: skip
    if not evidence.refusal:
        st.caption("Below each pair what the judge reads: in the digit > in what is left of it, where the two differ.")

    def table() -> pd.DataFrame:
        columns = {"image": np.arange(len(errors.errors)), "digit": space.labels, "error": errors.errors}
        if not evidence.refusal:
            columns["judged before"] = evidence.originals().digits
            columns["judged after"] = evidence.reconstructions().digits
        return pd.DataFrame(columns)

    arrays = {"errors": errors.errors, "by_digit": errors.by_digit, "worst": errors.worst(), "best": errors.best()}
    python = "found = evidence.reconstruction()\nerrors, by_digit = found.errors, found.by_digit\n"
    return table, arrays, python + "worst, best = found.worst(), found.best()"


def diagnose_collapse(space: LatentSpace, evidence: Evidence) -> Diagnosed:
    """Are all digits drawn, and no picture twice?"""
    needs_judge(evidence)
    usual = findings.usual_sampler(evidence)
    with st.sidebar:
        name = st.selectbox(
            "Sampler", evidence.samplers, index=evidence.samplers.index(usual), key="diagnose_sampler",
            bind="query-params",
        )  # fmt: skip
    with st.spinner(f"Measuring {len(space.z) // 2:,} pictures …"):
        real = evidence.sampler(REAL, SEED).fidelity
        sampled = evidence.sampler(name, SEED)
    drawn = sampled.fidelity
    show_facts(
        {
            "Coverage": f"{drawn.coverage:.0%}",
            "Duplicates": f"{drawn.duplicates:.1%}",
            "Entropy": f"{drawn.entropy:.2f} bits",
            "Confidence": f"{drawn.confidence:.0%}",
        },
        {name.capitalize(): text for name, text in fidelity.MEASURES.items()},
    )
    st.caption(f"Real digits, for comparison: coverage {real.coverage:.0%}, duplicates {real.duplicates:.1%}.")
    left, right = st.columns(2)
    with left:
        st.markdown(f"**What the judge sees in {drawn.digits.sum():,} samples**: {name}")
        show_chart(built("digits_chart", drawn.digits, "pictures"), "Digits among the samples")
    with right:
        st.markdown("**In as many real digits**")
        show_chart(built("digits_chart", real.digits, "pictures"), "Digits among real images")
    st.markdown("**Some of the samples**")
    show_sampled(space, name, sampled.z, sampled.pictures)
    columns = {"digit": np.arange(10), "samples": drawn.digits, "real": real.digits}
    python = (
        f"sampled = evidence.sampler({name!r}, {SEED})\nz, drawn = sampled.z, sampled.fidelity\ndigits = drawn.digits"
    )
    return lambda: pd.DataFrame(columns), {"z": sampled.z, "digits": drawn.digits}, python


def diagnose_smoothness(space: LatentSpace, evidence: Evidence) -> Diagnosed:
    """What happens between random pairs of real digits?"""
    needs_judge(evidence)
    place, ways = st.empty(), {}
    for kind in smoothness.KINDS:
        if not evidence.has("smoothness", kind):
            place.info(f"Walking between real digits: {kind} …")
        ways[kind] = evidence.smoothness(kind)
    table = pd.DataFrame(
        [
            {
                "way": kind, "evenness": each.evenness.mean(), "confidence": each.confidence.mean(),
                "off data": each.off_data.mean(),
            }
            for kind, each in ways.items()
        ]
    )  # fmt: skip
    columns = {
        "evenness": st.column_config.ProgressColumn(
            "evenness of steps", format="%.2f", min_value=0, max_value=1,
            help="Mean step in picture space over the largest: 1 where the picture changes at an even pace.",
        ),
        "confidence": st.column_config.ProgressColumn(
            "lowest confidence", format="%.2f", min_value=0, max_value=1, help="Of the judge on the way, on average."
        ),
        "off data": st.column_config.ProgressColumn(
            "share off the data", format="percent", min_value=0, max_value=1,
            help="Points farther from the nearest real code than 99 % of real codes are from theirs.",
        ),
    }  # fmt: skip
    place.dataframe(
        arrow.to_table(table), hide_index=True, column_config=columns, alt="Smoothness along each kind of way"
    )
    lowest = {kind: each.confidence for kind, each in ways.items()}
    st.markdown("**How sure the judge stays on the way**")
    show_chart(built("ways_chart", lowest), "Share of ways below each lowest confidence")
    n_ways, n_steps, _ = ways["linear"].codes.shape
    st.caption(
        f"Over {n_ways} random pairs of real digits, {n_steps} steps each. The farther right a line, the surer the way."
    )
    shown = [
        (kind, name, row)
        for kind, way in ways.items()
        for name, row in (("surest", way.best), ("least sure", way.worst))
    ]
    strips = np.split(pictures_of(space, np.concatenate([ways[kind].codes[row] for kind, _, row in shown])), len(shown))
    for (kind, name, row), strip in zip(shown, strips):
        each = ways[kind]
        codes = each.codes[row]
        st.markdown(
            f"**{kind.capitalize()}**: the {name} of {n_ways} ways, lowest confidence {each.confidence[row]:.2f}"
        )
        names = [f"{kind}, {name}, step {step + 1}" for step in range(len(codes))]
        sheet = images.rows_sheet([strip], zoom=3)
        key = f"diagnose_{kind.replace(' ', '_')}_{name.replace(' ', '_')}"
        show_codes(key, space, sheet, codes, names, f"The {name} way: {kind}", stretch=True)
    arrays = {kind.replace(" ", "_"): values for kind, values in lowest.items()}
    python = "\n".join(
        f"{kind.replace(' ', '_')} = evidence.smoothness({kind!r}).confidence" for kind in smoothness.KINDS
    )
    return lambda: table, arrays, python


def diagnose_digits(space: LatentSpace, evidence: Evidence) -> Diagnosed:
    """Which digits lie among each other, and what the codes know."""
    with st.spinner("Looking up the neighbours of every code …"):
        shares = evidence.neighbours()
    st.markdown("**Which other digits are among the ten nearest neighbours**")
    chart = built("shares_chart", *report.overlap_shares(evidence))
    show_chart(chart, "Share of each other digit among the neighbours of each digit")
    apart = np.nan_to_num(shares * (1 - np.eye(10)))
    a, b = (int(digit) for digit in np.unravel_index(apart.argmax(), apart.shape))
    of_a, of_b = (rows[:24] for rows in strays_of(space, a, b))
    if len(of_a):
        st.markdown(f"**{a}s whose nearest neighbour is a {b}**, each over that neighbour")
        pairs = images.pairs_sheet(space.images[of_a], space.images[of_b], columns=12, zoom=3)
        both = np.concatenate([of_a, of_b])
        text = f"{len(of_a)} {a}s, each over the {b} that is its nearest neighbour"
        show_codes(
            "diagnose_pairs", space, pairs, space.z[both], real_names(space, both), text, stretch=len(of_a) >= 12
        )
    st.markdown("**What the codes know about the digits**")
    show_knowledge(space)
    names = [str(digit) for digit in range(10)]
    return (
        lambda: pd.DataFrame(shares, columns=names).assign(digit=names),
        {"shares": shares},
        "shares = evidence.neighbours()",
    )


def needs_judge(evidence: Evidence) -> None:
    """Raises what is shown in place of a topic that the judge is needed for."""
    if evidence.refusal:
        raise ArgumentError(evidence.refusal)


DIAGNOSES: dict[findings.Topic, Callable[[LatentSpace, Evidence], Diagnosed]] = {
    "dimensions": diagnose_dimensions,
    "reconstruction": diagnose_reconstruction,
    "collapse": diagnose_collapse,
    "smoothness": diagnose_smoothness,
    "digits": diagnose_digits,
}


def interpolate_section(space: LatentSpace) -> None:
    """Is the space smooth? The way from one code to another, in even steps."""
    with st.sidebar:
        start = choose_code(space, "interpolate_from", "From", digit=2)
        end = choose_code(space, "interpolate_to", "To", digit=4)
        n_steps = st.slider("Steps", 3, 30, 12, key="interpolate_steps", bind="query-params")
        kind = st.radio(
            "GIF along", interpolation.PATHS, key="interpolate_path", bind="query-params", horizontal=True,
            help="Linear: the straight line. Spherical: the arc, which keeps to codes of the norm of its ends.",
        )  # fmt: skip

    paths = {name: interpolation.path(start.code, end.code, n_steps, name) for name in interpolation.PATHS}
    strips = dict(zip(paths, np.split(pictures_of(space, np.concatenate(list(paths.values()))), len(paths))))

    st.subheader("From one to the other")
    st.text(f"{start.name} → {end.name}")
    for name, strip in strips.items():
        st.markdown(f"**{name.capitalize()}**")
        names, text = [f"{name}, step {i + 1}" for i in range(n_steps)], f"{name} interpolation in {n_steps} steps"
        show_codes(
            f"interpolate_{name}", space, images.rows_sheet([strip], zoom=4), paths[name], names, text, stretch=True
        )
    left, right = st.columns([1, 3])
    with left:
        st.markdown(f"**As it moves ({kind})**")
        show_moving(strips[kind], f"Animation of the {kind} interpolation")
    with right:
        st.markdown("**How evenly it moves**")
        changes = {name: np.sqrt(np.square(np.diff(strip, axis=0)).mean(axis=(1, 2))) for name, strip in strips.items()}
        text = "Change of the picture at every step of both paths"
        show_rows("steps_chart", charts.steps_rows(changes), text, paths=list(changes))
        st.caption("A smooth space has an even line; a peak is where one digit jumps to another.")
    python = f"start = {start.python}\nend = {end.python}\n" + "\n".join(
        f"{name} = space.decode(interpolation.path(start, end, {n_steps}, {name!r}))" for name in strips
    )
    take_away(
        space, python, dict(strips), png=lambda: images.rows_sheet(list(strips.values()), zoom=4).png(),
        csv=lambda: pd.DataFrame(changes), gif=lambda: images.gif_bytes(strips[kind]),
    )  # fmt: skip


CANVAS = 280  # pixels of the square to draw on


def draw_section(space: LatentSpace) -> None:
    """What does it make of your own digit? Draw one, or drop in a photo of one."""
    from streamlit_drawable_canvas import st_canvas  # where used: a component of its own

    with st.sidebar:
        width = st.slider(
            "Pen width", 8, 40, 22, key="draw_width", bind="query-params", help="In pixels of the canvas."
        )
        st.file_uploader(
            "Or a photo of a digit", type=["png", "jpg", "jpeg", "webp", "bmp"], key="draw_photo", on_change=take_photo
        )
    cells = side_by_side()
    with cells.container(width=CANVAS + 2):  # its border has to fit in
        st.markdown("**Draw here**")
        canvas = st_canvas(
            stroke_width=width, stroke_color="#ffffff", background_color="#000000", height=CANVAS, width=CANVAS,
            return_image_data=True, key="draw_canvas",
        )  # fmt: skip
        take_strokes(canvas)
        st.caption("With the mouse, a pen or a finger. The bin in the toolbar starts afresh.")
    text = st.session_state.setdefault("drawn", st.query_params.get("drawn", ""))
    with cells.container(width="stretch"):
        try:
            picture = drawing.from_text(text) if text else None
        except ArgumentError as error:
            show_error(error)
            return
        if picture is None:
            st.info("Draw a digit on the black square: one stroke is enough to begin.")
            return
        in_link["drawn"] = [text]
        show_drawing(space, picture, text)


def take_strokes(canvas: Any) -> None:
    """The drawing on the canvas, where it is another than at the last run."""
    strokes = (canvas.json_data or {}).get("objects") or []
    seen = json.dumps(strokes)
    before = st.session_state.get("draw_strokes")
    if seen == before or (before is None and not strokes):
        return
    st.session_state["draw_strokes"] = seen
    st.session_state["drawn"] = ""
    if strokes:
        with suppress(ArgumentError):  # a stroke that leaves nothing is none
            st.session_state["drawn"] = drawing.to_text(drawing.normalise(drawing.canvas_ink(canvas.image_data)))


def take_photo() -> None:
    """The digit in the photo that was dropped in."""
    file = st.session_state["draw_photo"]
    if file is None:
        return
    try:
        st.session_state["drawn"] = drawing.to_text(drawing.normalise(drawing.photo_ink(file.getvalue())))
    except ArgumentError as error:
        st.toast(str(error), icon=":material/error:")


def show_drawing(space: LatentSpace, picture: NDArray[np.uint8], text: str) -> None:
    """A drawn digit: as the network sees it, encoded, reconstructed, among the real ones."""
    seen = data.fit(picture[None], space.signature.image_shape)
    z = space.encode(seen)
    x_hat = space.decode(z)
    nearest = space.nearest(z[0], 10)[0]
    digits = np.bincount(space.labels[nearest], minlength=10)
    name = f"drawn, like a {digits.argmax()}"
    with side_by_side():
        with st.container(width="content"):
            st.markdown("**As the network sees it**")
            show_codes("draw_seen", space, images.sheet(seen, 1, 6), z, [name], "The drawing, normalised as MNIST was")
        with st.container(width="content"):
            st.markdown("**Reconstructed**")
            show_codes("draw_reconstructed", space, images.sheet(x_hat, 1, 6), z, [name], "The drawing, reconstructed")
    if st.button("Keep it on the shelf"):
        keep(space, name, z[0])
        st.rerun()
    show_support(space, z[0])
    votes = ", ".join(f"{count} × {digit}" for digit, count in enumerate(digits) if count)
    st.markdown(f"**Its ten nearest real digits**: {votes}")
    show_real("draw_nearest", space, nearest, "The ten real digits whose codes are nearest", 3)
    st.markdown("**Its place on the map**")
    x, y = plane_of(space).project(z)[0].tolist()
    drawn = map_data(space, "PCA", map_places(space, "PCA"))
    mount_map("draw_map", space, "PCA", drawn | {"marks": [{"name": "drawn", "x": x, "y": y}], "height": 400})
    st.markdown("**Its code**")
    show_code_chart(space, z[0], "The code as bars", height=160)
    shape = space.signature.image_shape
    fitting = "picture[None]" if shape == (1, 28, 28) else f"data.fit(picture[None], {shape})"
    python = (
        f"picture = drawing.from_text({text!r})\nz = space.encode({fitting})\n"
        "reconstruction = space.decode(z)\nnearest = space.nearest(z[0], 10)[0]"
    )
    arrays = {"picture": picture, "z": z, "reconstruction": x_hat, "nearest": nearest}
    take_away(space, python, arrays, png=lambda: images.rows_sheet([seen, x_hat], 6).png())


def clusters_section(space: LatentSpace) -> None:
    """Do the digits form groups by themselves? Clusters found without labels, against the labels."""
    with st.sidebar:
        method = st.radio(
            "Method", clustering.METHODS, key="clusters_method", bind="query-params", horizontal=True,
            help="\n".join(f"- **{name}**: {text}" for name, text in clustering.HELP.items()),
        )  # fmt: skip
        n = st.slider("Clusters", 1, 50, 10, key="clusters_n", bind="query-params")
        seed = int(st.number_input("Seed", 0, 2**31 - 1, 0, key="clusters_seed", bind="query-params"))

    clusters = clusters_of(space, method, n, seed)
    match, centroids, icons = portraits_of(space, method, n, seed)
    order = match.order

    show_facts(
        {
            "Accuracy": f"{match.accuracy:.3f}",
            "Purity": f"{match.purity:.3f}",
            "NMI": f"{match.nmi:.3f}",
            "ARI": f"{match.ari:.3f}",
        },
        {
            "Accuracy": "The share of digits in the cluster of their kind, one cluster a digit.",
            "Purity": "The share of digits that are the most frequent kind of their cluster.",
            "NMI": "Mutual information of clusters and digits over the mean of their entropies, 0 to 1.",
            "ARI": "Adjusted Rand index: 0 for chance, 1 for clusters that are the digits.",
        },
    )
    left, right = st.columns([3, 2])
    with right:
        st.subheader("Centre, typical, strangest")
        members = [clusters.typical[order], clusters.strangest[order]]
        columns = [images.to_uint8(centroids[order]), *(space.images[rows] for rows in members)]
        n_found = len(clusters)
        sheet = images.sheet(
            np.stack(columns, axis=1).reshape(3 * n_found, *columns[0].shape[1:]), 3, 2,
            row_names=[str(row) for row in range(n_found)],
        )  # fmt: skip
        z = np.stack([clusters.centres[order], *(space.z[rows] for rows in members)], axis=1).reshape(3 * n_found, -1)
        names = [
            name
            for row in range(n_found)
            for name in (f"centre of cluster {row}", *(real_names(space, rows[row : row + 1])[0] for rows in members))
        ]
        show_codes("clusters_members", space, sheet, z, names, "Every cluster's centre, typical and strangest member")
        st.caption("A row a cluster, as in the table: its centre decoded, its most typical member, its strangest one.")
    with left:
        st.subheader("Clusters against digits")
        show_chart(built("match_chart", match.table[order], icons), "How many of each digit every cluster holds")

    st.subheader("What the space knows about digits")
    knowledge = show_knowledge(space)
    python = (
        f"clusters = clustering.fit({method!r}, space.z, {n}, seed={seed})\n"
        "match = clustering.Match.of(clusters.labels, space.labels)\n"
        "labels, table = clusters.labels, match.table\ncentroids = space.decode(clusters.centres)"
    )
    arrays = {"labels": clusters.labels, "table": match.table, "centroids": centroids}
    take_away(space, python, arrays, png=sheet.png, csv=lambda: knowledge)


def show_knowledge(space: LatentSpace) -> pd.DataFrame:
    """Probe, neighbours and clusters of the codes, and of pixels and their principal components as yardsticks."""
    place, evidence = st.empty(), evidence_of(space)
    names = {CODES: f"codes of {space.name}", PCA: f"PCA, {min(space.latent_dim, 784)} dimensions", PIXELS: PIXELS}
    rows: list[dict[str, Any]] = []
    for features, name in names.items():
        if not evidence.has("knowledge", features):
            place.dataframe(pd.DataFrame([*rows, {"features": f"{name}: measuring …"}]), hide_index=True)
        rows.append({"features": name, **asdict(evidence.knowledge(features))})
    table = pd.DataFrame(rows)
    numbers = {
        "features": st.column_config.TextColumn("features"),
        "probe": st.column_config.ProgressColumn("linear probe", format="percent", help="Logistic regression."),
        "neighbours": st.column_config.ProgressColumn("5 nearest", format="percent", help="A vote of 5 neighbours."),
        "clusters": st.column_config.ProgressColumn("k-means accuracy", format="percent", help="Ten clusters."),
        "nmi": st.column_config.ProgressColumn("k-means NMI", format="%.3f"),
    }
    place.dataframe(
        arrow.to_table(table), hide_index=True, column_config=numbers, alt="What features know about digits"
    )
    st.caption(
        "On the 10,000 test digits, 5-fold cross-validated: probe and vote learn from 8,000 at a time and are asked "
        "about the other 2,000. A space that knows more than PCA of the same dimension has learned something."
    )
    return table


def directions_section(space: LatentSpace) -> None:
    """Does a direction mean something? The difference of two sets of codes, walked along from any base."""
    with st.sidebar:
        direction = choose_direction(space)
        reach = st.slider(
            "How far", 0.5, 5.0, 2.0, 0.5, key="directions_reach", bind="query-params",
            help="Times the direction, both ways: 1 goes as far as from one set's mean to the other's.",
        )  # fmt: skip
        n_steps = st.slider("Steps", 3, 21, 11, 2, key="directions_steps", bind="query-params")
        base = choose_code(space, "directions", "Base")
        measured = st.selectbox(
            "Measure along the way", properties.PROPERTIES, key="directions_measure", bind="query-params",
            index=list(properties.PROPERTIES).index(direction.measure),
        )  # fmt: skip
        at = st.slider("Walk to", -reach, reach, reach / 2, 0.05, key="directions_at", bind="query-params")

    steps = np.linspace(-reach, reach, n_steps)
    z = directions.walk(base.code, direction.code, steps)
    pictures = pictures_of(space, z)
    chosen = directions.walk(base.code, direction.code, np.array([at]))
    picture = space.decode(chosen)

    st.subheader("The walk")
    st.text(f"From {base.name} along {direction.name}")
    names = [f"{direction.name} × {step:.2f}" for step in steps]
    sheet = images.sheet(pictures, n_steps, zoom=4, column_names=[f"{step:.1f}" for step in steps])
    show_codes("directions_walk", space, sheet, z, names, "Pictures along the direction", stretch=True)
    left, right = st.columns([1, 2])
    with left:
        st.markdown(f"**{at:.2f} times the direction**")
        name = f"{direction.name} × {at:.2f}"
        show_codes("directions_at_picture", space, images.sheet(picture, 1, 7), chosen, [name], "Where the slider is")
        show_support(space, chosen[0])
        kept_name = st.text_input("Name of the direction", direction.name, max_chars=shelf.LONGEST_NAME)
        if st.button("Keep the direction"):
            keep(space, kept_name, direction.code, "direction")
            st.rerun()
    measure = properties.PROPERTIES[measured]
    values = measure.measure(pictures)
    crowd = along_of_many(space, direction.code.tobytes(), measured, reach, n_steps)
    with right:
        st.markdown(f"**Does it change the {measured}?**")
        rows = charts.walk_rows(steps, values, crowd)
        text = f"The {measured} of the pictures along the walk"
        show_rows("walk_chart", rows, text, title=f"{measured}, {measure.unit}")
        with np.errstate(invalid="ignore"):
            r = np.nan_to_num(np.corrcoef(steps, crowd)[0, 1]) if crowd.std() > 0 else 0.0
        st.caption(
            f"Measured from the decoded pictures: the line is this walk, the dashed one the mean of the same walk from "
            f"50 real digits, which goes from {crowd[0]:.2f} to {crowd[-1]:.2f} {measure.unit} (r = {r:.2f})."
        )
    python = (
        f"base = {base.python}\ndirection = {direction.python}\n"
        f"z = directions.walk(base, direction, np.linspace({-reach}, {reach}, {n_steps}))\npictures = space.decode(z)\n"
        f"measured = properties.PROPERTIES[{measured!r}].measure(pictures)"
    )
    columns = {"step": steps, measured: values, "mean of 50": crowd}
    arrays = {"direction": direction.code, "z": z, "pictures": pictures, "measured": values}
    take_away(
        space, python, arrays, png=sheet.png, csv=lambda: pd.DataFrame(columns),
        gif=lambda: images.gif_bytes(pictures),
    )  # fmt: skip


def choose_direction(space: LatentSpace) -> Direction:
    """Controls that choose a direction."""
    kinds = ["property", "two digits", "two vectors", "principal component", "kept direction"]
    kinds = kinds if space.signature.has_encoder else kinds[2:]
    kind = st.selectbox("Direction of", kinds, key="directions_kind", bind="query-params")
    match kind:
        case "property":
            index = list(properties.PROPERTIES).index(DEFAULT_MEASURE)
            name = st.selectbox(
                "Property", properties.PROPERTIES, index=index, key="directions_property", bind="query-params"
            )
            python = (
                f"directions.of_property(space.z, properties.PROPERTIES[{name!r}].measure(space.images), space.labels)"
            )
            return Direction(f"more {name}", property_direction(space, name), python, name)
        case "two digits":
            a = choose_digit("From digit", "directions_from_digit", 4)
            b = choose_digit("To digit", "directions_to_digit", 9)
            python = f"directions.difference(space.z[space.labels == {b}], space.z[space.labels == {a}])"
            code = directions.difference(space.z[space.labels == b], space.z[space.labels == a])
            return Direction(f"{a} to {b}", code, python, DEFAULT_MEASURE)
        case "two vectors":
            start = choose_code(space, "directions_a", "From", source="class mean", digit=3)
            end = choose_code(space, "directions_b", "To", source="class mean", digit=8)
            python = f"directions.difference({end.python}, {start.python})"
            code = directions.difference(end.code, start.code)
            return Direction(f"{start.name} to {end.name}"[: shelf.LONGEST_NAME], code, python, DEFAULT_MEASURE)
        case "principal component":
            most = min(space.latent_dim, 64)
            number = int(st.number_input("Component", 1, most, 1, key="directions_component", bind="query-params"))
            python = f"components.PrincipalAxes.of(space.z, {most}).scaled({number - 1})"
            code = principal_of(space).scaled(number - 1)
            return Direction(f"principal component {number}", code, python, DEFAULT_MEASURE)
    kept = choose_kept(space, "directions", "direction")
    return Direction(kept.name, kept.code, kept.python, DEFAULT_MEASURE)


DEFAULT_MEASURE = "thickness"


def live_section(space: LatentSpace) -> None:
    """What does the hand feel? Move a slider or the dot on the plane, and the digit follows in the next frame."""
    name, parcel, refusal = stage_of(space)
    key = f"live_{name}"  # of its own for every checkpoint, whose codes have their own length
    chosen: dict[str, Code] = st.session_state.setdefault("custom_kept", {})

    def take_code() -> None:
        with suppress(ArgumentError, TypeError):
            chosen[space.checkpoint.sha256] = as_code(st.session_state[key]["code"], space)

    def keep_code() -> None:
        with suppress(ArgumentError, TypeError):
            keep(space, "live", as_code(st.session_state[key]["keep"], space), origin="Live")

    def take_holds() -> None:
        st.session_state["live_holds"] = st.session_state[key]["holds"]

    holds = st.session_state.get("live_holds", [])
    if name not in holds:
        component("parcel")(key="live_stage", data=parcel)
    code = custom_vector(space)
    moved = space.checkpoint.sha256 in chosen
    path = [kept.vector.tolist() for kept in shelf_of(space) if kept.kind == "code"]
    result = component("live")(
        key=key,
        data={
            "stage": name, "holds": holds, "base": code.tolist() if moved else None, "digit": space.digit,
            "shelf": path, "refusal": refusal,
        },
        on_ask_change=lambda: None, on_keep_change=keep_code, on_code_change=take_code, on_holds_change=take_holds,
    )  # fmt: skip
    if result.ask:
        pixels = images.to_uint8(space.decode(as_code(result.ask["code"], space))[0])
        answer = live.parcel("answer", serial=int(result.ask["serial"]), pixels=pixels)
        component("parcel")(key="live_answer", data=answer)
    if moved:
        in_link["custom"] = [shelf.vector_to_text(code)]
    st.caption(
        "Double-click a slider to reset it. Play goes through the kept vectors of the shelf, from two of them up. The "
        "code chosen here is the “custom vector” of the other sections."
    )
    picture = space.decode(code)
    python = f"z = {literal(code)}\npicture = space.decode(z)"
    take_away(space, python, {"z": code, "picture": picture}, png=images.sheet(picture, 1, zoom=8).png)


def as_code(numbers: Any, space: LatentSpace) -> Code:
    """What the browser says is a code, as one (latent_dim,). Raises `ArgumentError` where it is none."""
    return inference.as_codes(numbers, space.latent_dim)[0]


DIGITS_SHOWN = ("one of each digit", "in their order", "where A is better", "where B is better")
MEASURED_IN_ZOO = (*scores.ZOO, "pca_probe")


def runs_section(space: LatentSpace) -> None:
    """How do two training runs differ, and where do they stand among all the others?"""
    other, rows = choose_run(space)
    if other is None:
        show_films([space])
        show_zoo([space])
        return
    versus = versus_of(space, other)
    st.text(f"A: {space.name}\nB: {other.name}")

    st.subheader("Scores")
    table, ask = st.empty(), st.empty()
    numbers = draw_scores(table, versus)
    if meanings := unfolded("What these numbers mean", "runs_meanings"):
        meanings.markdown("\n".join(f"- **{score.name}**: {score.means}" for score in scores.SCORES.values()))
    sheet: Sheet | None = None
    arrays: dict[str, Any] = {}
    if versus.encodes:
        st.subheader("The same digits")
        both = versus.reconstructions(rows, pictures_of)
        sheet, arrays = show_same_digits(versus, rows, *both)
        st.subheader("The same code statistics")
        spreads = {f"A: {space.name}": space.statistics.std, f"B: {other.name}": other.statistics.std}
        chart = built("spread_chart", spreads, [scores.active(space), scores.active(other)])
        show_chart(chart, "How much every dimension of A and of B varies over real digits")
        st.caption(
            "A plain autoencoder's codes have no scale of their own: compare the shapes of the lines, not their "
            "heights. A hollow point is a dimension that is not active."
        )
        st.subheader("What the codes share")
        arrays |= show_shared(versus, rows, both[1])
    else:
        st.info("One of the two holds a decoder alone, which has no codes of real digits to compare.")

    numbers = measure_scores(table, ask, versus, numbers)
    show_films([space, other])
    show_zoo([space, other])
    python = (
        f"{opening(other, 'other')}\nversus = compare.Versus.of(space, other)\n"
        'parameters = [scores.score(each, "parameters") for each in (versus.a, versus.b)]'
    )
    if versus.encodes:
        python += (
            f"\nrows = np.array({rows.tolist()})\nreal = space.images[rows]\na, b = versus.reconstructions(rows)\n"
            "stitched = versus.stitched(rows)\nfound = versus.comparison\n"
            "shared = np.array([found.overlap, found.cka, found.r2_there, found.r2_back])"
        )
    arrays |= {"parameters": [scores.score(each, "parameters") for each in (versus.a, versus.b)]}
    take_away(space, python, arrays, png=sheet.png if sheet else None, csv=lambda: numbers)


def choose_run(space: LatentSpace) -> tuple[LatentSpace | None, NDArray[np.intp]]:
    """Controls that choose what to compare with, None where there is nothing; and the test images to look at."""
    files = offered_files()
    names = [name for name in (*files, *uploads_of_session()) if name != space.name]
    if not names:
        st.info("This is the only checkpoint: train another one, or open a file in the sidebar, to compare two.")
        return None, np.arange(0)
    if st.session_state.get("runs_other") not in names:  # what is open now was B before
        st.session_state.pop("runs_other", None)
    with st.sidebar:
        index = names.index(most_alike(space, names, files))
        name = st.selectbox("B, to compare with", names, index=index, key="runs_other", bind="query-params")
        shown = st.selectbox("Digits", DIGITS_SHOWN, key="runs_digits", bind="query-params")
        n = st.slider("Pictures", 5, 30, 10, key="runs_pictures", bind="query-params")
        first = 0
        if shown == "in their order":
            most = len(space.images) - n
            first = int(st.number_input("From test image", 0, most, 0, key="runs_first", bind="query-params"))
    try:
        other = open_space(name, files)
    except LatentError as error:
        show_error(error)
        return None, np.arange(0)
    if shown in DIGITS_SHOWN[2:] and space.signature.has_encoder and other.signature.has_encoder:
        with st.spinner("Measuring the error of both on 10,000 digits …"):
            return other, versus_of(space, other).better("a" if shown == "where A is better" else "b", n)
    if shown == "one of each digit":
        return other, one_of_each(space.labels[:1000])[:n]
    return other, np.arange(first, first + n)


def one_of_each(labels: NDArray[np.integer[Any]]) -> NDArray[np.intp]:
    """Images in such an order that every digit comes once, then every one a second time, and so on."""
    by_digit = np.argsort(labels, kind="stable")
    ranks = np.empty(len(labels), np.intp)
    ranks[by_digit] = np.arange(len(labels)) - np.searchsorted(labels[by_digit], labels[by_digit])
    return np.lexsort((labels, ranks))


def most_alike(space: LatentSpace, names: Sequence[str], files: Mapping[str, Path]) -> str:
    """What to compare with at first: a checkpoint of the same kind and size where there is one, else the one whose name
    begins alike."""

    def likeness(name: str) -> tuple[bool, int]:
        same = False
        if name in files:
            with suppress(LatentError):
                same = glance(str(files[name]), fingerprint_of(files[name]), str(CHECKPOINTS)) == (
                    space.signature.kind,
                    space.latent_dim,
                )
        return same, sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(name, space.name)))

    return max(names, key=likeness)


def draw_scores(place: Any, versus: Versus, now: tuple[str, str] | None = None) -> pd.DataFrame:
    """The scores known so far as a table, ``now`` the one that is being measured; the bare numbers of it."""
    known, rows = {}, []
    for name, score in scores.SCORES.items():
        values, texts = [], []
        for side, evidence in (("a", versus.a), ("b", versus.b)):
            value = scores.known(scores.key_of(evidence.space), name)
            text = "not measured" if value is None else score.text(value)
            values.append(np.nan if value is None else value)
            texts.append("measuring …" if now == (name, side) else text)
        winner = score.winner(*values)
        known[score.name] = values
        rows.append([score.name, *texts, winner.upper()])
    columns = ["score", "a", "b", "better"]
    config = {"a": f"A: {versus.a.space.name}", "b": f"B: {versus.b.space.name}", "score": "", "better": "better"}
    height = 35 * (len(rows) + 1) + 3  # all rows, without a scroll bar
    place.dataframe(
        arrow.to_table(pd.DataFrame(rows, columns=columns)), hide_index=True, column_config=config, height=height,
        alt="The scores of both checkpoints, and which is better",
    )  # fmt: skip
    return pd.DataFrame([[name, *values] for name, values in known.items()], columns=["score", "A", "B"])


def measure_scores(place: Any, ask: Any, versus: Versus, numbers: pd.DataFrame) -> pd.DataFrame:
    """Fill the table of scores with what is not known yet; samplers, which take longest, when they are asked for."""
    sides = {"a": versus.a, "b": versus.b}
    missing = [
        (name, side)
        for name in scores.SCORES
        for side, evidence in sides.items()
        if scores.known(scores.key_of(evidence.space), name) is None
    ]
    slow = [each for each in missing if each[0] == "frechet"]
    quick = [each for each in missing if each not in slow]
    for name, side in quick:
        draw_scores(place, versus, (name, side))
        scores.score(sides[side], name)
    if quick:
        numbers = draw_scores(place, versus)
    if slow and ask.button(
        "Measure how well they can be sampled", key="runs_samplers", help="About ten seconds each, once a checkpoint."
    ):
        for name, side in slow:
            draw_scores(place, versus, (name, side))
            scores.score(sides[side], name)
        ask.empty()
        numbers = draw_scores(place, versus)
    return numbers


def show_same_digits(
    versus: Versus, rows: NDArray[np.intp], of_a: Pictures, of_b: Pictures
) -> tuple[Sheet, dict[str, Any]]:
    """Real digits over what A and B leave of them. Only codes of A, the open checkpoint, can be kept."""
    a, b = versus.a.space, versus.b.space
    real = a.images[rows]
    alike = a.images.shape == b.images.shape
    shown: dict[str, NDArray[Any]] = {"real": real, "A": of_a}
    sheet = compare.rows_sheet(shown | ({"B": of_b} if alike else {}))
    clickable = replace(sheet, boxes=sheet.boxes[: 2 * len(rows)])
    text = f"{len(rows)} real digits over what A{' and B leave' if alike else ' leaves'} of them"
    show_codes("runs_same", a, clickable, a.z[np.tile(rows, 2)], real_names(a, rows) * 2, text, stretch=len(rows) > 10)
    if not alike:
        show(compare.rows_sheet({"real": b.images[rows], "B": of_b}), "The same digits as B takes and leaves them")
    errors = [float(np.square(part - each.images[rows] / 255).mean()) for part, each in ((of_a, a), (of_b, b))]
    st.caption(f"Error of these, mean squared a pixel: {errors[0]:.5f} with A, {errors[1]:.5f} with B.")
    return sheet, {"rows": rows, "real": real, "a": of_a, "b": of_b}


def show_shared(versus: Versus, rows: NDArray[np.intp], of_b: Pictures) -> dict[str, Any]:
    """What can be found in both codes, and B's decoder at work on A's codes."""
    found, stitching = versus.comparison, versus.stitching
    show_facts(
        {
            "Shared neighbours": f"{found.overlap:.1%}",
            "Linear CKA": f"{found.cka:.3f}",
            "R² from A to B": f"{found.r2_there:.3f}",
            "R² from B to A": f"{found.r2_back:.3f}",
        },
        {
            "Shared neighbours": "Of an image's ten nearest codes, how many are the same.",
            "Linear CKA": "1 for spaces that are turned copies of each other, near 0 for unrelated ones.",
            "R² from A to B": "What the best affine map explains of B, on codes it was not fitted to.",
            "R² from B to A": "The same the other way.",
        },
    )
    st.markdown("**Stitched**: encoded by A, mapped, and decoded by B")
    b, stitched = versus.b.space, versus.stitched(rows, pictures_of)
    sheet = compare.rows_sheet({"real": b.images[rows], "B": of_b, "A to B": stitched})
    show(sheet, "Real digits, B's own reconstructions, and B's pictures of A's codes", stretch=len(rows) > 10)
    times = stitching.stitched / stitching.own if stitching.own > 0 else np.nan
    st.caption(
        f"Error of the stitched way {stitching.stitched:.5f}, of B's own {stitching.own:.5f}: {times:.1f} times as "
        f"much, on {stitching.n:,} digits that the map was not fitted to. By chance {10 / (len(b.z) - 1):.1%} of "
        "neighbours would be shared."
    )
    shared = np.array([found.overlap, found.cka, found.r2_there, found.r2_back])
    return {"stitched": stitched, "shared": shared}


def show_zoo(chosen: Sequence[LatentSpace]) -> None:
    """Every checkpoint of the picker by its measures, against the length of its code."""
    st.subheader("The whole zoo")
    keys, unread = zoo_keys(chosen)
    unmeasured = [
        name for name, key in keys.items() if any(scores.known(key, each) is None for each in MEASURED_IN_ZOO)
    ]
    ask = st.empty()
    if unmeasured and ask.button(
        f"Measure {len(unmeasured)} of {len(keys)} checkpoints", key="runs_zoo",
        help="About ten seconds each, once: what is measured is kept.",
    ):  # fmt: skip
        unread |= measure_zoo(chosen, unmeasured, ask)
        ask.empty()
    for name, (quantity, curve, log) in zoo_measures(keys).items():
        rows = [(each, scores.known(key, "latent_dim"), scores.known(key, name)) for each, key in keys.items()]
        rows = [row for row in rows if row[1] is not None]  # without those that were not opened yet
        st.markdown(f"**{quantity}**")
        if all(value is None or np.isnan(value) for *_, value in rows):
            st.caption("Of no checkpoint measured yet.")
            continue
        score = scores.SCORES[name]
        chart = built("zoo_chart", rows, quantity, score.form, [space.name for space in chosen], curve, log)
        show_chart(chart, f"{quantity} of every checkpoint against its number of dimensions")
    st.caption("The dashed line is PCA with as many components, on 28 × 28 pixels. Lower is better, but for the probe.")
    for name, sentence in unread.items():
        st.text(f"Left out, {name}: {sentence}")


def zoo_keys(chosen: Sequence[LatentSpace]) -> tuple[dict[str, scores.Key], dict[str, str]]:
    """What the scores of every file in the picker are kept under, and sentences about those that cannot be read."""
    keys, unread = {}, {}
    refused: dict[str, str] = st.session_state.setdefault("runs_refused", {})
    for name, path in offered_files().items():
        try:
            sha256 = fingerprint_of(path)
            glance(str(path), sha256, str(CHECKPOINTS))
            if sha256 in refused:
                unread[name] = refused[sha256]
            else:
                keys[name] = (sha256, "")
        except LatentError as error:
            unread[name] = str(error)
    keys |= {name: (sha256, "") for name, (sha256, _) in uploads_of_session().items() if sha256 not in refused}
    keys |= {space.name: scores.key_of(space) for space in chosen}
    return keys, unread


def measure_zoo(chosen: Sequence[LatentSpace], names: Sequence[str], place: Any) -> dict[str, str]:
    """Measure checkpoints one after the other, telling which; sentences about those that cannot be opened."""
    spaces, files, unread = {space.name: space for space in chosen}, offered_files(), {}
    for done, name in enumerate(names):
        place.progress(done / len(names), f"Measuring checkpoint {done + 1} of {len(names)} …")
        try:
            if name in spaces:
                evidence = evidence_of(spaces[name])
            elif name in files:  # not from the caches, which hold what people look at
                evidence = Evidence(LatentSpace.of(name, checkpoint.load(files[name], within=CHECKPOINTS)))
            else:
                evidence = evidence_of(open_space(name, files))
            for each in ("latent_dim", *MEASURED_IN_ZOO):
                scores.score(evidence, each)
        except LatentError as error:
            unread[name] = str(error)
            sha256 = fingerprint_of(files[name]) if name in files else uploads_of_session()[name][0]
            st.session_state["runs_refused"][sha256] = str(error)
    return unread


def zoo_measures(keys: Mapping[str, scores.Key]) -> dict[str, tuple[str, NDArray[np.float64] | None, bool]]:
    """The measures of the zoo: what to call each, PCA's curve where there is one, whether its scale is logarithmic."""
    sizes = {name: int(scores.known(key, "latent_dim") or 0) for name, key in keys.items()}
    largest = min(max(sizes.values(), default=0), data.evaluation_digits()[0][0].size)
    errors = scores.pca_curve(max(64, largest))[1:]
    probes = np.full(max(1, *sizes.values()), np.nan)
    for name, key in keys.items():
        value = scores.known(key, "pca_probe")
        if value is not None and sizes[name]:
            probes[sizes[name] - 1] = value
    return {
        "mse": ("Test error", errors, True),
        "probe": ("Linear probe", probes, False),
        "frechet": (scores.SCORES["frechet"].name, None, True),
    }


# The training, played.


def show_films(spaces: Sequence[LatentSpace]) -> None:
    """Training played: of each of the spaces whose file holds how it came about."""
    st.subheader("Training, played")
    filmed = [space for space in spaces if space.checkpoint.snapshots is not None]
    if not filmed:
        st.caption(
            "No file here holds how its space came about: `python -m latent.train --snapshots` keeps the codes and "
            "some reconstructions of every epoch, and then they are played here. The shipped ae-2 has them."
        )
    for space in filmed:
        st.text(space.name)
        show_training(space)


def show_training(space: LatentSpace) -> None:
    """How the space came about: its map settling and its digits getting sharp, from the first epoch to the last."""
    played, frames = film_of(space)
    name = space.checkpoint.sha256[:16]
    component("film")(
        key=f"film_{name}",
        data={
            "frames": stash(f"film-{name}", frames), "captions": [played.caption(i) for i in range(len(played))],
            "losses": [None if np.isnan(loss) else float(loss) for loss in played.losses],
            "axes": list(played.axes), "colours": list(charts.DIGITS),
        },
    )  # fmt: skip
    st.download_button(
        "GIF of the training", lambda: played.gif(charts.DIGITS), f"{space.name}-training.gif", "image/gif",
        key=f"training_gif_{name}", on_click="ignore", help="The map and the pictures, a frame an epoch.",
    )  # fmt: skip


SECTIONS: dict[str, Callable[[LatentSpace], None]] = {
    "Model": model_section,
    "Statistics": statistics_section,
    "Map": map_section,
    "Clusters": clusters_section,
    "Generate": generate_section,
    "Sampler lab": samplers_section,
    "Real vs generated": compare_section,
    "Live": live_section,
    "Custom vector": custom_section,
    "Draw": draw_section,
    "Dimensions": dimensions_section,
    "Directions": directions_section,
    "Arithmetic": arithmetic_section,
    "Interpolate": interpolate_section,
    "Diagnose": diagnose_section,
    "Compare runs": runs_section,
}
GROUPS = ("Generate", "Live", "Diagnose")  # each begins a group of the list: what is read, drawn, moved and judged
NEED_AN_ENCODER = ("Statistics", "Clusters", "Live", "Draw", "Real vs generated", "Diagnose")

# ---------------------------------------------------------------------------------------------------------------------
# The page.


@kept(lru_cache)
def turns() -> Turns:
    """In which the sessions of this server draw their pages: one at a time, unless it takes long."""
    return Turns(at_once=1, longest=0.05)


@kept(lru_cache)
def page_icon() -> str:
    """A real digit; a named icon would be fetched from a distant host."""
    digits, _ = data.evaluation_digits()
    return images.sheet(digits[61:62], 1, zoom=2).address


@kept(lru_cache)
def style() -> str:
    """The style sheet of the page."""
    own = (HERE / "latent" / "browser" / "style.css").read_text(encoding="utf-8")
    return f"<style>{own}\n{', '.join(map(place_in_list, GROUPS))} {{ margin-top: 0.7rem }}</style>"


def place_in_list(section: str) -> str:
    """The place of a section in the list of all, for a style sheet."""
    return f'.st-key-section [role="radiogroup"] > :nth-child({list(SECTIONS).index(section) + 1})'


offered: list[Path] = []  # the files that the picker of this run has


def offered_files() -> dict[str, Path]:
    """The files of the folder by the names that the picker has for them."""
    try:
        found = checkpoint.find(CHECKPOINTS)
    except CheckpointError as error:
        if not uploads_of_session():
            raise
        show_error(error)  # what was opened in this session is still there
        found = []
    stems = [path.stem for path in found]
    return {path.stem if stems.count(path.stem) == 1 else path.name: path for path in found}


def uploads_of_session() -> dict[str, tuple[str, bytes]]:
    """The files that were opened here: the SHA-256 and the content of each, by its name in the picker."""
    uploads: dict[str, tuple[str, bytes]] = st.session_state.setdefault("uploads", {})
    return uploads


def fingerprint_of(path: Path) -> str:
    """The SHA-256 of a file as it is now."""
    return fingerprint(str(path), stamp(path))


def open_space(name: str, files: Mapping[str, Path]) -> LatentSpace:
    """The space of a file that the picker offers, read as this session has it read."""
    uploads = uploads_of_session()
    if name in uploads:
        sha256, content = uploads[name]
        saved = uploaded(sha256, name, content)
    else:
        saved = loaded(str(files[name]), stamp(files[name]), str(CHECKPOINTS))
    overruling = json.dumps(overruled_by(saved.sha256)) if saved.scored and overruled_by(saved.sha256) else ""
    return space_of(name, saved, overruling)


def choose_checkpoint() -> LatentSpace:
    """The checkpoint picker; the space of the chosen file. The folder is looked through again at every rerun."""
    files, uploads = offered_files(), uploads_of_session()
    offered[:] = files.values()
    if not files and not uploads:
        raise CheckpointError(
            f"There is no checkpoint in {CHECKPOINTS}: train one with python -m latent.train --out "
            f"{CHECKPOINTS / 'ae-16.pt'}, or name another folder in LATENT_CHECKPOINTS."
        )
    names = [*files, *uploads]
    wanted = st.session_state.get("checkpoint", st.query_params.get("checkpoint"))
    if wanted and wanted not in names:
        st.warning("No checkpoint of this name is here now, so another one is open; its shelf comes back with it:")
        st.text(wanted[:80])
    default = names.index(DEFAULT_CHECKPOINT) if DEFAULT_CHECKPOINT in files else 0
    name = st.selectbox("Checkpoint", names, index=default, key="checkpoint", bind="query-params")
    space = open_space(name, files)
    if space.signature.conditional:
        space = space.for_digit(choose_digit("Digit to draw", "digit", 3))
    return space


def take_upload() -> None:
    """Add the uploaded file to the picker, for this session, and choose it."""
    file = st.session_state["upload"]
    if file is None:
        return
    content = file.getvalue() if file.size <= LARGEST_UPLOAD else b""  # the server's own limit, checked again
    name = f"{file.name[:60]} (uploaded)"
    st.session_state.setdefault("uploads", {})[name] = (hashlib.sha256(content).hexdigest(), content)
    st.session_state["checkpoint"] = name


def show_error(error: LatentError) -> None:
    """A mistake, as a sentence. Its text may quote a file, so it is shown as text and never as Markdown."""
    st.error("This cannot be shown:")
    st.text(str(error))


@part_of_page
def show_section(space: LatentSpace) -> None:
    """The section that was chosen, with its controls in the sidebar."""
    in_link.clear()
    in_use.clear()
    sent.clear()
    st.sidebar.divider()
    try:
        if section in NEED_AN_ENCODER and not space.signature.has_encoder:
            st.info(
                "This file holds a decoder alone, which gives no codes of real digits, and this section needs them."
            )
        else:
            SECTIONS[section](space)
    except LatentError as error:
        show_error(error)


is_drawn = False  # whether the page was drawn to its end: what runs then is a section alone
send_at_once()
heap.share_arenas()
with turns().one():
    st.set_page_config("Latent Space Explorer", page_icon(), layout="wide")
    st.html(style())
    if "kept_now" in st.session_state:
        st.toast(st.session_state.pop("kept_now"))
    with st.sidebar:
        st.markdown("### Latent Space Explorer")
        space: LatentSpace | None = None
        try:
            space = choose_checkpoint()
        except LatentError as error:
            show_error(error)
        if device_complaint():
            st.text(device_complaint())
        if opener := unfolded("Open a file", "open_file"):
            opener.file_uploader(
                "Any trained autoencoder", key="upload", on_change=take_upload,
                help="PyTorch, TorchScript, safetensors, Keras .h5 or .npz, at most 200 MB. Nothing in it is executed; "
                "it is kept for this session only.",
            )  # fmt: skip
        if space is None:
            st.stop()
        section = st.radio("Section", SECTIONS, key="section", bind="query-params")
        component("copy_link")(key="copy_link")
        component("reconnect")(key="reconnect", on_back_change=lambda: None)
        show_shelf(space)
    st.header(section, anchor=False)
    st.caption(SECTIONS[section].__doc__)
    show_section(space)
is_drawn = True
