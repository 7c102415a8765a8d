"""The map: where the codes lie in two dimensions, and what was clicked or selected on it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import charts, images, projection
from latent.arrays import Code
from latent.browser import given
from latent.figures import ChartFigure
from latent.images import Sheet
from latent.page import cached, widgets
from latent.page.choose import DEFAULT_PROPERTY, choose_property
from latent.page.controls import choose_number
from latent.page.fragment import fragment_in_turn
from latent.page.keeping import keep
from latent.page.show import (
    note_figure,
    plain_markdown,
    real_names,
    show_chart,
    show_code_chart,
    show_codes,
    show_facts,
    show_real,
    show_support,
)
from latent.page.snippet import Snippet, snippet
from latent.page.state import Click, state
from latent.page.take_away import take_away
from latent.space import LatentSpace

PROJECTIONS = {
    "PCA": "Plane of largest variance; any point can be decoded.",
    "t-SNE": "Keeps neighbours together; axes and distances have no meaning.",
}
COLOURINGS = ("class", "cluster", "MSE", "dimension", "property")


def colourings_of(space: LatentSpace) -> tuple[str, ...]:
    """What dots can be coloured by: without real codes only dimensions, without classes not by class."""
    if not space.signature.has_encoder:
        return ("dimension",)
    return COLOURINGS if space.has_classes else COLOURINGS[1:]


def choose_colouring(space: LatentSpace) -> tuple[str, int | str | None]:
    """What dots are coloured by, and of that which: the number of clusters, a dimension, or the name of a property."""
    colouring = st.selectbox("Colour", colourings_of(space), key="map_colour", bind="query-params")
    match colouring:
        case "cluster":
            return colouring, choose_number("Clusters", 2, 30, 10, len(space.z), key="map_clusters")
        case "dimension":
            last = space.latent_dim - 1
            return colouring, st.number_input("Dimension", 0, last, key="map_dimension", bind="query-params")
        case "property":
            return colouring, choose_property(space, "Property", "map_property", DEFAULT_PROPERTY)
    return colouring, None


@fragment_in_turn
def show_clicked(space: LatentSpace, kind: str, places: NDArray[np.float32], drawn: dict[str, Any]) -> None:
    """The map and what was clicked or selected on it.

    The map marks a click by itself, so that what it is given stays the same and need not be sent again.
    """
    dot, at = clicked_place(places, plane_is_shown=kind == "PCA")
    box = clicked_box(space, kind)
    left, right = st.columns([3, 2])
    with left:
        mount_map("map", space, kind, drawn)
        st.caption(
            "Hover for the class, click to inspect, drag to select. After a click the wheel zooms. Arrow keys and "
            "Enter work too."
        )
    z = cached.plane_of(space).lift(at[None])[0] if kind == "PCA" else space.z[dot]
    picture = space.decode(z)
    sheet = images.sheet(picture, 1, zoom=5)
    with right:
        if kind == "PCA":
            show_place(space, at, z, sheet)
        if dot is not None:
            show_image(space, dot)
    if box is not None:
        show_selection(space, places, box)

    places, python = snippet_of(space, kind, dot, at, places)
    columns = {"x": places[:, 0], "y": places[:, 1]} | ({"class": space.labels} if space.has_classes else {})
    arrays = {"places": places, "z": z, "picture": picture}
    take_away(space, python, arrays, png=sheet.png, csv=lambda: columns)


def show_place(space: LatentSpace, at: Code, z: Code, sheet: Sheet) -> None:
    """The picture of a place on the plane, and how close to real codes it lies."""
    st.subheader("Point on the plane")
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="content"):
            name = f"map at {at[0]:.2f}, {at[1]:.2f}"
            show_codes("map_place", space, sheet, z[None], [name], "Decoded image of this point")
        with st.container(width="stretch"):
            show_support(space, z)


def snippet_of(
    space: LatentSpace, kind: str, dot: int | None, at: Code, places: NDArray[np.float32]
) -> tuple[NDArray[np.float32], Snippet]:
    """The places of all codes, (n, 2), as the Python gives them that goes with it."""
    if kind != "PCA":
        lines = f"places = projection.tsne(space.z)\nz = space.z[{dot}]\npicture = space.decode(z)"
        return places, snippet(lines, projection)
    lines = (
        "plane = projection.Plane.of(space.z)\nplaces = plane.project(space.z)\n"
        f"z = plane.lift(np.array([[{at[0]}, {at[1]}]], np.float32))[0]\npicture = space.decode(z)"
    )
    return cached.plane_of(space).project(space.z), snippet(lines, np, projection)


def map_places(space: LatentSpace, kind: str) -> NDArray[np.float32]:
    """Where every image is on the map, (n, 2)."""
    if kind == "t-SNE":
        evidence = cached.evidence_of(space)
        if evidence.has_tsne:
            return evidence.tsne()
        what = f"t-SNE of {len(space.z):,} codes"
        bar = st.progress(0.0, f"{what}: a minute or more for 10,000, once per model file")
        places = evidence.tsne(lambda share: bar.progress(share, what))
        bar.empty()
        return places
    return cached.places_on_plane(space)


def clicked_place(places: NDArray[np.float32], *, plane_is_shown: bool) -> tuple[int | None, Code]:
    """The dot that was clicked, if any, and the place; at first the first test image."""
    session = state()
    link = session.run.link
    link.pop("map_at", None)
    link.pop("map_dot", None)
    if session.click is None:
        session.click = Click(st.query_params.get("map_dot", "0"), st.query_params.get("map_at"))
    with suppress(TypeError, ValueError):
        if session.click.at is not None and plane_is_shown:
            x, y = (float(number) for number in session.click.at.split(","))
            if np.isfinite([x, y]).all():
                link["map_at"] = [session.click.at]
                return None, np.array([x, y], np.float32)
    dot = 0
    with suppress(TypeError, ValueError):
        dot = int(session.click.dot or 0)
    dot = dot if 0 <= dot < len(places) else 0
    link["map_dot"] = [str(dot)]
    return dot, places[dot]


def clicked_box(space: LatentSpace, kind: str) -> list[float] | None:
    """The box that was drawn on this map: left, bottom, right, top."""
    session = state()
    session.run.link.pop("map_box", None)
    if session.box is None:
        session.box = st.query_params.get("map_box", "")
    with suppress(ValueError):
        drawn_on, *numbers = session.box.split(",")
        box = [float(number) for number in numbers]
        if drawn_on == f"{kind} {space.checkpoint.sha256[:8]}" and len(box) == 4 and np.isfinite(box).all():
            session.run.link["map_box"] = [session.box]
            return box
    return None


def map_data(
    space: LatentSpace,
    kind: str,
    places: NDArray[np.float32],
    colouring: str = "class",
    shown: int | str | None = None,
    tiles: int = 0,
    *,
    previews: bool = True,
) -> dict[str, Any]:
    """What the map draws; the large parts of it are sent at once and once. With ``previews``, a dot that is hovered
    over shows its image: 1 MB for all of them."""
    name = hashlib.sha256(repr((kind, *space.identity)).encode()).hexdigest()[:16]
    no_axes = ["t-SNE: axes and distances have no meaning", ""]
    axes = given.axes_of(space, cached.plane_of(space)) if kind == "PCA" else no_axes
    encodes, painted = space.signature.has_encoder, cached.map_colours(space, colouring, shown)
    labels = space.labels[: (encodes and space.has_classes) * len(places)]
    under = widgets.deliver_once(f"atlas-{name}-{tiles}", **cached.atlas_of(space, tiles)) if tiles else ""
    previewed = ""
    if previews and encodes:
        small = cached.thumbnails(space.dataset)
        previewed = widgets.deliver_once(f"thumbnails-{space.dataset.sha256[:16]}", **small)
    dots = given.dots(places, labels, np.arange(len(places)))
    shows = f"Map of {len(places):,} codes by {kind}, coloured by {colouring_in_words(colouring, shown)}"
    chart = partial(charts.map_chart, places, *given.colours_and_legend(painted), axes)
    note_figure(ChartFigure(shows, lambda: charts.packed(chart())))
    return given.map_data(
        space, axes, shows,
        dots=widgets.deliver_once(f"dots-{name}", **dots),
        colours=widgets.deliver_once(f"colours-{name}-{colouring}-{shown}", **painted),
        thumbnails=previewed, atlas=under,
    )  # fmt: skip


def colouring_in_words(colouring: str, shown: int | str | None) -> str:
    """What dots are coloured by, in words.

    >>> [colouring_in_words(*each) for each in (("dimension", 3), ("property", "slant"), ("class", None))]
    ['dimension 3', 'slant', 'class']
    """
    match colouring:
        case "dimension":
            return f"dimension {shown}"
        case "property":
            return str(shown)
    return colouring


def mount_map(
    key: str, space: LatentSpace, kind: str, drawn: dict[str, Any], then: Callable[[], object] = lambda: None
) -> None:
    """The map; a click and a box are taken into the session, and ``then`` is called."""

    def take_click() -> None:
        clicked = st.session_state[key]["clicked"]
        with suppress(TypeError, KeyError, ValueError):
            x, y = (float(number) for number in clicked["at"])
            found = clicked["dot"]
            state().click = Click(found, None if found is not None else f"{x:.5g},{y:.5g}")
            then()

    def take_box() -> None:
        with suppress(TypeError, ValueError):
            numbers = ",".join(f"{float(number):.5g}" for number in st.session_state[key]["boxed"])
            state().box = f"{kind} {space.checkpoint.sha256[:8]},{numbers}"
            then()

    widgets.scatter(key, drawn, on_clicked=take_click, on_boxed=take_box)


def show_image(space: LatentSpace, index: int) -> None:
    """One image: original, reconstruction, code and neighbours."""
    if space.signature.has_encoder:
        of_class = f"Class {space.classes[space.labels[index]]}, test image" if space.has_classes else "Test image"
        st.subheader(f"{plain_markdown(of_class)} {index}")
        with st.container(horizontal=True):
            x_hat = space.decode(space.z[index], space.labels[[index]])
            original, reconstruction = st.container(width="content"), st.container(width="content")
            rows = np.array([index])
            with original:
                show_real("map_original", space, rows, "Original", 4)
            with reconstruction:
                sheet = images.sheet(x_hat, 1, 4)
                show_codes("map_reconstruction", space, sheet, space.z[rows], real_names(space, rows), "Reconstruction")
            error = float(np.square(x_hat[0] - space.images[index] / 255).mean())
            show_facts({"MSE": f"{error:.4f}"}, {"MSE": "Mean squared error per pixel."})
        nearest = space.nearest(space.z[index], 11)[0]
        nearest = nearest[nearest != index][:10]
        same = ""
        if space.has_classes:
            same = f": {int((space.labels[nearest] == space.labels[index]).sum())} of the same class"
        st.markdown(f"**{len(nearest)} nearest neighbours** in {space.latent_dim} dimensions{same}")
        if len(nearest):
            show_real("map_neighbours", space, nearest, f"The {len(nearest)} nearest neighbours", 2)
    st.markdown("**Code**")
    show_code_chart(space, space.z[index], "The code as bars", height=160)


MOST_SELECTED = 60  # pictures of a selection that are shown


def show_selection(space: LatentSpace, places: NDArray[np.float32], box: list[float]) -> None:
    """What lies in a box on the map: how many, of which classes, their mean."""
    left, bottom, right, top = box
    inside = (places[:, 0] >= left) & (places[:, 0] <= right) & (places[:, 1] >= bottom) & (places[:, 1] <= top)
    selected = np.flatnonzero(inside)
    st.subheader(f"Selected: {len(selected):,} codes")
    if len(selected) == 0:
        st.caption("No code in this box.")
        return
    mean, name = space.z[selected].mean(axis=0), f"mean of {len(selected)} selected"
    cells = st.columns([1, 2, 3])
    with cells[0]:
        st.markdown("**Mean**")
        show_codes("map_mean", space, images.sheet(space.decode(mean), 1, 5), mean[None], [name], "Decoded mean code")
        if st.button("Clear selection"):
            state().box = ""
            st.rerun()
    if space.signature.has_encoder and space.has_classes:
        counts = np.bincount(space.labels[selected], minlength=len(space.classes))
        with cells[1]:
            st.markdown("**Classes**")
            show_chart("Number of selected images of each class", charts.classes_chart, counts, space.classes)
    with cells[2]:
        some = selected[:: max(1, len(selected) // MOST_SELECTED)][:MOST_SELECTED]
        st.markdown("**Images**" if len(some) == len(selected) else f"**{len(some)} of the images**")
        pictures = space.images[some] if space.signature.has_encoder else space.decode(space.z[some])
        sheet = images.sheet(pictures, 15, 2)
        show_codes(
            "map_selected", space, sheet, space.z[some], real_names(space, some), "Selected images", stretch=True
        )
        if st.button(f"Add {len(some)} to shelf"):
            for index in some:
                keep(space, real_names(space, np.array([index]))[0], space.z[index], origin="Map, selection")
            st.rerun()
