"""What the components in the browser are given of a space: by the page and by a handout alike."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent import charts, images, support, traversal
from latent.arrays import Labels, Rows
from latent.browser import joined, live, source
from latent.density import Window
from latent.errors import DecoderError
from latent.images import Sheet
from latent.pixels import Pixels, resized, size_within
from latent.projection import Plane
from latent.space import LatentSpace
from latent.support import Support

MOST_SLIDERS = 256
THUMBNAIL = 28  # pixels of the longer side
IN_A_ROW = 100  # thumbnails


def sheet_data(
    sheet: Sheet, names: Sequence[str], alt_text: str, *, stretch: bool, verb: str = "Add to shelf:"
) -> dict[str, Any]:
    """What `sheet.js` takes: tuples, since of a list, Streamlit loads pandas to see whether it is a data frame."""
    return {
        "src": sheet.address, "alt": alt_text, "size": sheet.size, "stretch": stretch,
        "boxes": tuple(sheet.boxes.tolist()), "names": tuple(names), "verb": verb, "chosen": None,
    }  # fmt: skip


# The decoder.


def effects_of(space: LatentSpace) -> NDArray[np.float32]:
    """How much each of the most spread dimensions changes the image, over the first 16 evaluation images."""
    statistics = space.statistics
    return traversal.effects(space.decode, space.z[:16], statistics.std, statistics.most_spread(charts.MOST_PANELS))


def strongest_first(space: LatentSpace, effects: NDArray[np.float32]) -> NDArray[np.intp]:
    """The most spread dimensions, by their ``effects`` (`effects_of`), the strongest first."""
    order: NDArray[np.intp] = space.statistics.most_spread(charts.MOST_PANELS)[np.argsort(-effects, kind="stable")]
    return order


def stage_of(
    space: LatentSpace, plane: Plane, effects: NDArray[np.float32], rows: Rows, most_pixels: int = live.MOST_PIXELS
) -> tuple[live.Stage, str]:
    """What the decoder in the browser needs, with the codes and images of these ``rows``, and why the decoder cannot
    run there, empty where it can.

    Of the images, ``most_pixels`` together go over.
    """
    program, refusal = None, ""
    try:
        program = live.compile(space.model)
    except DecoderError as error:
        refusal = str(error)
    statistics, strongest = space.statistics, strongest_first(space, effects)
    others = np.setdiff1d(statistics.most_spread(MOST_SLIDERS), strongest)
    # A code is compared with the codes that are there: of fewer, each is farther from its neighbours.
    measured = space.support if len(rows) == len(space.z) else Support.of(space.z[rows])
    distances = measured.distances.astype(np.float32)
    stage = live.Stage(
        program=program, codes=space.z[rows], labels=space.labels[rows], images=space.images[rows],
        order=[*strongest.tolist(), *others.tolist()],
        low=statistics.quantile(0.01), high=statistics.quantile(0.99), start=space.z[0], axes=plane.axes,
        colours=charts.CLASSES, classes=space.classes, neighbours=support.N_NEIGHBOURS, distances=distances,
        edges=(1 - support.EDGE, 0.5 / len(distances)), numbers=rows, most_pixels=most_pixels,
    )  # fmt: skip
    return stage, refusal


# The map.


def map_script() -> str:
    """The JavaScript of the map."""
    return joined(source("density.js"), source("map.js"))


def places_on_plane(space: LatentSpace, plane: Plane) -> NDArray[np.float32]:
    """Where the code of every image is on the plane, (n, 2)."""
    places = plane.project(space.z)
    if space.latent_dim == 1:  # a line: the classes one above the other
        places[:, 1] = space.labels + np.random.default_rng(0).uniform(-0.35, 0.35, len(places))
    return places


def axes_of(space: LatentSpace, plane: Plane) -> list[str]:
    """What the axes of the map are called where it shows the plane."""
    return [plane.names[0], "class" if space.latent_dim == 1 else plane.names[1]]


def dots(places: NDArray[np.float32], labels: Labels, rows: Rows) -> dict[str, Any]:
    """The dots of the map: ``places`` (n, 2 or 3), the class of each or none, and the number of its image."""
    numbers = np.asarray(rows, "<u2")
    return {
        "places": places.ravel(), "dimensions": places.shape[1], "labels": np.asarray(labels, "<u2"), "numbers": numbers
    }  # fmt: skip


def window(found: Window) -> dict[str, Any]:
    """What lies in a part of the plane, as `density.js` takes it."""
    return {
        "counts": found.counts.ravel().astype(np.float32), "columns": found.counts.shape[1],
        "box": [*found.low.tolist(), *found.high.tolist()],
        "places": found.places.ravel(), "numbers": found.rows.astype("<u4"),
    }  # fmt: skip


def category_colours(categories: NDArray[np.integer[Any]], names: Sequence[str]) -> dict[str, Any]:
    """The colours of dots by their category (n,), an index of ``names``, and a legend that can be chosen from."""
    legend = charts.category_legend(names)
    entries = np.minimum(categories, len(legend) - 1)  # the last one stands for all that have no colour of their own
    return {
        "colours": charts.category_colours(categories).ravel(),
        "values": np.zeros(0, np.float32),
        "value": "",
        "categories": np.asarray(entries, "<u2"),
        "legend": [{"name": name, "colour": colour} for name, colour in legend.items()],
    }


def value_colours(values: NDArray[np.floating[Any]], name: str) -> dict[str, Any]:
    """The colours of dots by a value (n,) of this name, and a legend."""
    colours, legend = charts.value_colours(values)
    return {
        "colours": colours.ravel(),
        "values": values,
        "value": name,
        "categories": np.zeros(0, "<u2"),
        "legend": [{"name": name, "colour": colour} for name, colour in legend.items()],
    }


def colours_and_legend(painted: Mapping[str, Any]) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """The colours (n, 3) of such dots, and the legend: name to colour."""
    return painted["colours"].reshape(-1, 3), {entry["name"]: entry["colour"] for entry in painted["legend"]}


def thumbnails(pictures: Pixels) -> dict[str, Any]:
    """Images, small, on one picture, `IN_A_ROW`, and the size of each."""
    height, width = pictures.shape[1:3]
    size = size_within(width, height, THUMBNAIL)
    small = [resized(image, size) for image in pictures]
    sheet = images.sheet(np.stack(small), IN_A_ROW, gap=0).image
    buffer = io.BytesIO()
    sheet.convert("L" if sheet.mode in ("L", "LA") else "RGB").save(buffer, format="WEBP", quality=30, method=2)
    return {"picture": buffer.getvalue(), "type": "image/webp", "size": list(size)}


def map_data(
    space: LatentSpace, axes: Sequence[str], alt_text: str, *, dots: str = "", colours: str = "",
    thumbnails: str = "", atlas: str = "", selected: str = "", windows: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """What the map takes, by the names of the parcels that hold what it draws (`dots`, …)."""
    return {
        "dots": dots, "colours": colours, "atlas": atlas, "thumbnails": thumbnails,
        "selected": selected, "windows": list(windows), "view": None, "group": "", "lines": [],
        "classes": list(space.classes), "isReal": space.signature.has_encoder,
        "axes": list(axes),
        "chosen": None, "at": None, "marks": [],
        "opacity": 0.45 if atlas else 1.0,
        "height": 620,
        "alt": alt_text,
    }  # fmt: skip
