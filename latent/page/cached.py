"""What the sessions of a server share: every function of the page whose results are kept, and by what.

A space stands for itself in a key by its identity, which holds the SHA-256 of its file, never by its arrays: of those,
Streamlit hashes a sample. What a control can grow has a limit.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from threading import Thread
from types import FunctionType
from typing import Any, Literal

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import (
    charts,
    checkpoint,
    clustering,
    components,
    data,
    dataset,
    directions,
    film,
    images,
    inference,
    projection,
    sampling,
    store,
    traversal,
)
from latent.arrays import Codes, Labels, Pictures
from latent.arrow import Columns
from latent.browser import given, joined, live, source
from latent.compare import Comparison
from latent.dataset import Dataset
from latent.density import Density, Window
from latent.encoded import Encoded
from latent.errors import CheckpointError, DataError, NoReadingError
from latent.files import stamp as file_stamp
from latent.foreign.reading import Reading
from latent.images import Sheet
from latent.measure import kept, properties, scores
from latent.measure.evidence import Evidence
from latent.measure.kept import Part
from latent.measure.originals import Originals
from latent.page.colouring import USUAL_CLUSTERS, Colouring
from latent.page.growing import Growing
from latent.sampling import Sampler
from latent.space import LatentSpace
from latent.statistics import LatentStatistics

MOST_DECODED = 250_000  # pixels of pictures that are kept for the next who asks for them
MOST_STRIPS = 32  # in the overview of the dimensions
MOST_LIVE_NUMBERS = 1_000_000  # of real codes for the browser, which looks through them all in every frame

Chart = dict[str, Any]  # as Vega-Lite has it
Distribution = Literal["histograms", "boxes", "values"]  # charts of the codes, dimension by dimension or pooled
Read = checkpoint.Checkpoint | str  # what a file holds, or why no interpretation of it works

BY_SHA256: dict[type | str, Callable[[Any], Any]] = {
    checkpoint.Checkpoint: lambda saved: saved.sha256,
    Dataset: lambda images: images.sha256,
}
BY_CHECKPOINT: dict[type | str, Callable[[Any], Any]] = {LatentSpace: lambda space: space.identity}
BY_IMAGES: dict[type | str, Callable[[Any], Any]] = {
    LatentSpace: lambda space: (space.dataset.name, Originals.of(space).identity)
}
BY_FILE: dict[type | str, Callable[[Any], Any]] = {Encoded: lambda file: file.stamp}
BY_NAME: dict[type | str, Callable[[Any], Any]] = {FunctionType: lambda function: function.__qualname__}


@st.cache_resource(show_spinner=False)
def device_complaint() -> str:
    """A sentence about a GPU that is there and does not work, or an empty one."""
    return inference.device_that_works()[1]


@lru_cache(maxsize=256)  # which takes a tenth of the time of Streamlit's own caches
def fingerprint(path: str, stamp: tuple[int, ...]) -> str:
    """SHA-256 of a file, read again only where its stamp is another."""
    return checkpoint.fingerprint(path)


@st.cache_resource(
    max_entries=8, hash_funcs=BY_SHA256, show_spinner="Opening the file; inferring its architecture if needed …"
)
def loaded(path: bytes, stamp: tuple[int, ...], within: str, images: Dataset) -> Read:
    """What a file in this folder holds, for somebody else's how it is read, judged by these images; read again where
    its stamp is another.

    The ``path`` is as the file system has it, since not every name is text.
    """
    return tried(lambda: checkpoint.load(os.fsdecode(path), within=Path(within), images=images))


@st.cache_resource(max_entries=8, hash_funcs=BY_SHA256, show_spinner="Testing interpretations of the file …")
def uploaded(sha256: str, name: str, _files: Sequence[checkpoint.File], images: Dataset) -> Read:
    """What an uploaded file holds, or an encoder and a decoder, judged by these images."""
    if len(_files) == 2:
        first, second = _files
        return tried(lambda: checkpoint.parse_both(first, second, images))
    return tried(lambda: checkpoint.parse(_files[0][1], name, images))


def tried(read: Callable[[], checkpoint.Checkpoint]) -> Read:
    """What is read, or why no interpretation works, which is kept as well: to find that out may take 20 seconds."""
    try:
        return read()
    except NoReadingError as error:
        return str(error)  # the error itself would keep the weights in memory


@st.cache_resource(show_spinner=False)
def shipped_images() -> Dataset:
    """The data set that ships."""
    return dataset.shipped()


@st.cache_resource(max_entries=4, show_spinner="Reading the images …")
def dataset_in(path: bytes, stamp: tuple[int, ...]) -> Dataset:
    """The data set in a file or folder, read again where its stamp is another."""
    return dataset.read(os.fsdecode(path))


@st.cache_resource(max_entries=8, hash_funcs=BY_SHA256, show_spinner=False)
def space_of(name: str, saved: checkpoint.Checkpoint, images: Dataset, overruling: str = "") -> LatentSpace:
    """The space of a checkpoint, its images encoded; ``overruling`` choices of its reading, as JSON."""
    if overruling:
        reading = saved.scored[0].reading
        for choice, chosen in json.loads(overruling).items():
            reading = reading.alternatives()[choice].get(chosen, reading)
        saved = saved.overruled(reading)
    space = LatentSpace.of(name, saved, images)
    # Encodes while the first section is drawn; not as a daemon, see `server.let_runs_end`.
    Thread(target=lambda: space.statistics, daemon=False).start()
    return space


@st.cache_resource(max_entries=8, show_spinner=False)
def alternatives_of(sha256: str, _reading: Reading) -> dict[str, dict[str, Reading]]:
    """The other ways to read a file; its own reading follows from the file."""
    return _reading.alternatives()


@st.cache_resource(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner="Fitting the sampler …")
def fitted(
    space: LatentSpace, name: str, of_class: int | None = None, low: float | None = None, high: float | None = None
) -> Sampler:
    """A sampler fitted to the codes of all images, or of those of one class."""
    rows = slice(None) if of_class is None else space.labels == of_class
    return sampling.fit(name, space.z[rows], labels=space.labels[rows], low=low, high=high)


def pictures_of(space: LatentSpace, z: Codes, labels: Labels | None = None) -> Pictures:
    """`LatentSpace.decode`, once for all who ask for the same: for a class, each section's first view."""
    if len(z) * math.prod(space.signature.image_shape) > MOST_DECODED:
        return space.decode(z, labels)
    asked = None if labels is None else tuple(labels.tolist())
    return decoded_once(space, np.asarray(z, np.float32).tobytes(), asked)


@st.cache_resource(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def decoded_once(space: LatentSpace, codes: bytes, labels: tuple[int, ...] | None) -> Pictures:
    """The same for `pictures_of`, read-only, of the bytes of the codes: of a large array, Streamlit looks at a part."""
    z = np.frombuffer(codes, np.float32).reshape(-1, space.latent_dim)
    pictures = space.decode(z, None if labels is None else np.array(labels))
    pictures.flags.writeable = False
    return pictures


@st.cache_data(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner="Measuring the effect of each dimension …")
def dimension_effects(space: LatentSpace) -> NDArray[np.float32]:
    """How much each of the most spread dimensions changes the picture, over the first 16 evaluation images."""
    return given.effects_of(space)


@st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def overview_of(space: LatentSpace, base: bytes) -> tuple[Sheet, Codes, list[str]]:
    """A strip for each of the dimensions that change the picture most, from any base; its codes and their names."""
    statistics, code = space.statistics, np.frombuffer(base, np.float32)
    order = given.strongest_first(space, dimension_effects(space))
    shown, low, high = order[:MOST_STRIPS], statistics.quantile(0.01), statistics.quantile(0.99)
    steps = [np.linspace(low[d], high[d], 13) for d in shown]
    z = np.concatenate([traversal.traverse(code, int(d), along) for d, along in zip(shown, steps)])
    names = [f"dim {d} = {value:.2f}" for d, along in zip(shown, steps) for value in along]
    return images.sheet(space.decode(z), 13, zoom=2, row_names=[str(d) for d in shown]), z, names


@st.cache_data(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner="Measuring the MSE …")
def test_error(space: LatentSpace) -> float:
    """`LatentSpace.test_error`, which may have to be measured."""
    return space.test_error


@st.cache_data(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def statistics_of(space: LatentSpace, n: int) -> LatentStatistics:
    """Statistics of the codes of the first ``n`` evaluation images."""
    return LatentStatistics.of(space.z[:n])


@st.cache_data(max_entries=8, hash_funcs=BY_FILE, show_spinner="Loading codes from the file …")
def sample_of(file: Encoded) -> Codes:
    """At most 10,000 codes of a file, whatever its size."""
    return file.sample()


@st.cache_resource(max_entries=8, hash_funcs=BY_FILE, show_spinner="Counting all codes of the file …")
def density_of(file: Encoded) -> Density:
    """How densely all codes of a file lie on their principal plane."""
    return Density.of(file)


@st.cache_resource(max_entries=32, hash_funcs=BY_FILE, show_spinner=False)
def window_of(file: Encoded, box: tuple[float, float, float, float] | None = None) -> Window:
    """What of a file lies in a part of that plane (left, bottom, right, top), or in all of it."""
    found = density_of(file)
    low, high = (found.low, found.high) if box is None else (np.array(box[:2]), np.array(box[2:]))
    return found.window(file, low, high)


@st.cache_resource(max_entries=8, hash_funcs=BY_FILE, show_spinner=False)
def density_chart(file: Encoded) -> Chart:
    """The chart of `density_of`."""
    found = density_of(file)
    return charts.packed(charts.density_chart(found.counts, found.edges, found.plane.names))


@st.cache_resource(max_entries=96, hash_funcs=BY_CHECKPOINT | BY_FILE, show_spinner=False)
def distribution_chart(space: LatentSpace, n: int, file: Encoded | None, kind: Distribution) -> Chart:
    """A chart of the Statistics section: of the first ``n`` evaluation images, or of a file of codes."""
    z = space.z[:n] if file is None else sample_of(file)
    statistics = statistics_of(space, n) if file is None else file.statistics
    active = evidence_of(space).active()
    match kind:
        case "histograms":
            return charts.packed(charts.histograms_chart(z, active))
        case "boxes":
            return charts.packed(charts.box_chart(statistics, active))
        case "values":
            return charts.packed(charts.values_chart(z))


@st.cache_resource(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner="Finding clusters …")
def clusters_of(space: LatentSpace, method: str, n: int, seed: int = 0) -> clustering.Clusters:
    """Clusters of the codes."""
    return evidence_of(space).clusters(method, n, seed)


@st.cache_resource(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def portraits_of(
    space: LatentSpace, method: str, n: int, seed: int
) -> tuple[clustering.Match, NDArray[np.float32], list[str]]:
    """Clusters against the classes, their centres decoded, and these as addresses in the order of the classes."""
    clusters = clusters_of(space, method, n, seed)
    match, centroids = clustering.Match.of(clusters.labels, space.labels), space.decode(clusters.centres)
    return match, centroids, [images.sheet(picture[None], 1).address for picture in centroids[match.order]]


def evidence_of(space: LatentSpace) -> Evidence:
    """What is measured of a space: every part when it is first asked for, by whichever section and session.

    The space in it is this one: an upload goes by the name that its session has for it. What is kept beside a file is
    known to those who have that file open, and is looked at again where it is another.
    """
    return replace(measured_together(space), space=space, kept=kept_beside(space, results_stamp(space)))


@st.cache_resource(max_entries=4, hash_funcs=BY_IMAGES, show_spinner=False)
def originals_of(space: LatentSpace) -> Originals:
    """What is measured of the images that a space is judged by, for all models that are judged by them."""
    return Originals.of(space)


@st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def measured_together(space: LatentSpace) -> Evidence:
    """What all sessions that have the same model open measure of it, under whatever name."""
    return Evidence.of(space, originals_of(space))


@st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def kept_beside(space: LatentSpace, stamp: tuple[int, ...] | None) -> Mapping[Part, Any]:
    """The results in the file of this stamp beside a model, none where there is no such file."""
    found = Evidence.with_kept(space).kept if stamp else {}
    if stamp:
        scores.take_kept(scores.key_of(space), found)
    return found


def results_stamp(space: LatentSpace) -> tuple[int, ...] | None:
    """What is another one whenever the file of results beside a model is; None where there is none."""
    path = space.checkpoint.path
    with suppress(CheckpointError):
        return None if path is None else file_stamp(kept.beside(path))
    return None


@st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner="Comparing the codes …")
def comparison_of(a: LatentSpace, b: LatentSpace) -> Comparison:
    """Two spaces side by side; what their codes share is measured now."""
    comparison = Comparison(evidence_of(a), evidence_of(b))
    if comparison.encodes:
        _ = comparison.stitching  # and the alignment before it
    return comparison


@lru_cache(maxsize=256)
def kind_and_size(path: str, sha256: str, images: Dataset, within: str) -> tuple[str, int] | None:
    """The kind and latent_dim of a file of our own format; None for another, or a damaged one."""
    try:
        return scores.kind_and_size(Path(path), sha256, images, within=Path(within))
    except CheckpointError:
        return None


@st.cache_resource(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner="Measuring properties of the images …")
def property_direction(space: LatentSpace, name: str) -> Codes:
    """The direction along which a measured property grows."""
    direction: Codes = directions.of_property(space.z, originals_of(space).property_values(name), space.labels)
    return direction


@st.cache_resource(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def principal_of(space: LatentSpace) -> components.PrincipalAxes:
    """The principal components of the codes."""
    return components.PrincipalAxes.of(space.z, min(space.latent_dim, 64))


@st.cache_resource(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def solid_of(space: LatentSpace) -> tuple[components.PrincipalAxes, NDArray[np.float32]]:
    """The first three principal components of the codes, and the places of the codes along them (n, 3)."""
    axes = components.PrincipalAxes.of(space.z, 3)
    return axes, axes.project(space.z)


@st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def growing_tsne(space: LatentSpace) -> Growing:
    """The search for the map by t-SNE, which begins when it is first asked for, for all sessions."""
    return Growing(evidence_of(space).tsne)


@st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def growing_umap(space: LatentSpace) -> Growing:
    """The same for the map by UMAP, which says nothing of how far it is."""
    return Growing(lambda tell: umap_places(space))


def umap_places(space: LatentSpace) -> NDArray[np.float32]:
    """The places of all codes by UMAP, (n, 2), found where they are not in the store."""
    return store.stored(lambda: projection.umap(space.z), *umap_key(space))


def umap_key(space: LatentSpace) -> tuple[object, ...]:
    """What these places are stored under."""
    return "UMAP", *space.identity.of_codes


@st.cache_data(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def along_of_many(
    space: LatentSpace, direction: bytes, measured: str, reach: float, n_steps: int
) -> NDArray[np.float32]:
    """The mean of a property along the same walk from 50 real images, (n_steps,)."""
    steps = np.linspace(-reach, reach, n_steps)
    walks = [directions.walk(z, np.frombuffer(direction, np.float32), steps) for z in space.z[:50]]
    values = properties.PROPERTIES[measured].measure(space.decode(np.concatenate(walks)))
    mean: NDArray[np.float32] = values.reshape(len(walks), n_steps).mean(axis=0)
    return mean


@st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner="Preparing the decoder for the browser …")
def stage_of(space: LatentSpace) -> tuple[str, bytes, str]:
    """What the browser needs of a checkpoint: its name, all of it as a parcel, and why its decoder cannot run there."""
    n = min(len(space.z), max(1, MOST_LIVE_NUMBERS // space.latent_dim))
    stage, refusal = given.stage_of(space, plane_of(space), dimension_effects(space), np.arange(n))
    name = stage_name(space)
    return name, stage.parcel(name), refusal


def stage_name(space: LatentSpace) -> str:
    """What the browser keeps the stage of a checkpoint under; the same for every class that is asked of it."""
    return hashlib.sha256(repr(space.identity.of_codes).encode()).hexdigest()[:16]


@st.cache_resource(max_entries=8, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def film_of(space: LatentSpace) -> tuple[film.Film, dict[str, Any]]:
    """The film of a training run whose snapshots were kept, and its frames as the browser takes them."""
    assert space.checkpoint.snapshots is not None  # who asks has looked
    played = film.Film.of(space.checkpoint.snapshots, space.checkpoint.history)
    shape = played.snapshots.reconstructions.shape
    frames = {
        "places": np.rint(np.clip(played.places, 0, 1) * 65535).astype("<u2").ravel(),
        "labels": played.snapshots.labels,
        "pictures": played.snapshots.deflated,
        "shape": [*shape, 1] if len(shape) == 4 else [*shape],
    }
    return played, frames


@st.cache_resource(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def plane_of(space: LatentSpace) -> projection.Plane:
    """The flat map of a space that goes both ways."""
    return projection.Plane.of(space.z)


def places_on_plane(space: LatentSpace) -> NDArray[np.float32]:
    """Where the code of every evaluation image is on that map, (n, 2)."""
    return given.places_on_plane(space, plane_of(space))


@st.cache_resource(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner="Measuring the MSE of each image …")
def map_colours(space: LatentSpace, colouring: Colouring) -> dict[str, Any]:
    """Colours of the dots, what a dot is told to be, and a legend."""
    shown, name = colouring.shown, f"{colouring.in_words}:"
    match colouring.by:
        case "class":
            return given.category_colours(space.labels, space.classes)
        case "cluster":
            n = int(shown or USUAL_CLUSTERS)
            return given.category_colours(clusters_of(space, "k-means", n).labels, [f"cluster {i}" for i in range(n)])
        case "dimension":
            return given.value_colours(space.z[:, int(shown or 0)], name)
        case "property":
            return given.value_colours(originals_of(space).property_values(str(shown)), name)
        case "MSE":
            return given.value_colours(space.errors, colouring.by)


@st.cache_resource(max_entries=16, hash_funcs=BY_CHECKPOINT, show_spinner="Decoding the plane …")
def atlas_of(space: LatentSpace, tiles: int) -> dict[str, Any]:
    """Decoded pictures, ``tiles`` by ``tiles``, over the part of the plane in which the real codes lie."""
    places = places_on_plane(space)
    low, high = places.min(axis=0), places.max(axis=0)
    step = (high - low) / tiles
    x = low[0] + step[0] * (np.arange(tiles) + 0.5)
    y = high[1] - step[1] * (np.arange(tiles) + 0.5)  # rows go down
    grid = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)
    sheet = images.sheet(space.decode(plane_of(space).lift(grid)), tiles, gap=0)
    box = [float(v) for v in (low[0], low[1], high[0], high[1])]
    return {"picture": sheet.png(), "type": "image/png", "box": box}


@st.cache_resource(max_entries=4, hash_funcs=BY_SHA256, show_spinner=False)
def thumbnails(of: Dataset) -> dict[str, Any]:
    """All images of a set, small, on one picture, 100 in a row, and the size of each, for the browser."""
    return given.thumbnails(of.images)


@st.cache_resource(max_entries=256, hash_funcs=BY_NAME, show_spinner=False)
def built(chart: Callable[..., Any], *given: Any, **choices: Any) -> Chart:
    """What a function of `latent.charts` makes of these, built once for the same numbers and never changed: all
    sessions that show it hold the same one, with its rows."""
    return charts.packed(chart(*given, **choices))


@st.cache_resource(max_entries=256, hash_funcs=BY_NAME, show_spinner=False)
def chart_without_rows(chart: Callable[..., Any], _rows: Columns, **choices: Any) -> Chart:
    """What such a function makes of any rows: the specification, which says nothing of the rows but their columns."""
    spec = chart(_rows, **choices).to_dict(validate=False)
    return {part: value for part, value in spec.items() if part not in ("data", "datasets")}


def page_icon() -> str | None:
    """A real digit; a named icon would be fetched from a distant host. None where the digits cannot be read."""
    try:
        return digit_as_icon()
    except DataError:  # what needs them says so
        return None


@cache
def digit_as_icon() -> str:
    digits, _ = data.evaluation_digits()
    return images.sheet(digits[61:62], 1, zoom=2).address


@cache
def style(group_starts: tuple[int, ...]) -> str:
    """The style sheet of the page; ``group_starts`` are the places in the list of sections that begin a group."""
    places = ", ".join(f'.st-key-section [role="radiogroup"] > :nth-child({place})' for place in group_starts)
    return f"<style>{source('style.css')}{source('components.css')}\n{places} {{ margin-top: 0.7rem }}</style>"


@cache
def component(name: str) -> Callable[..., Any]:
    """One of our own parts of the page, written in latent/browser: NAME.js, and NAME.html where there is one."""
    match name:
        case "live":
            parts = live.live_component()
        case "strip":
            parts = live.strip_component()
        case "grid":
            parts = {"html": source("grid.html"), "js": joined(source("sheet.js"), source("grid.js"))}
        case "map":
            parts = {"html": source("map.html"), "js": given.map_script()}
        case _:
            parts = {"html": source(f"{name}.html"), "js": source(f"{name}.js")}
    mounted: Callable[..., Any] = st.components.v2.component(
        f"latent_{name}", **parts, isolate_styles="css" in parts
    )  # fmt: skip
    return mounted
