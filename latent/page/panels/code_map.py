"""The map: where the codes lie in two dimensions, and what was clicked or selected on it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, get_args

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import charts, images, projection, store
from latent.arrays import Code
from latent.browser import given
from latent.components import PrincipalAxes
from latent.figures import ChartFigure
from latent.images import Sheet
from latent.page import cached, widgets
from latent.page.choose import DEFAULT_PROPERTY, choose_property
from latent.page.colouring import USUAL_CLUSTERS, By, Colouring
from latent.page.controls import choose_number
from latent.page.fragment import fragment_in_turn
from latent.page.growing import Growing
from latent.page.panels.selected import (
    CLICKED,
    SELECTION,
    choose_details,
    deliver_selection,
    show_details,
    show_selection,
)
from latent.page.selecting import put_in_link, select, selected_in
from latent.page.show import (
    LOW,
    note_figure,
    plain_markdown,
    real_names,
    show_code_chart,
    show_codes,
    show_facts,
    show_real,
    show_support,
)
from latent.page.snippet import Snippet, snippet
from latent.page.state import Click, state
from latent.page.take_away import take_away
from latent.page.told import LARGEST, told_by
from latent.selection import Selection, inside
from latent.space import LatentSpace

WAYS = ("box", "lasso")  # to select, as the browser calls them

FEW = 2000  # codes whose map is found in a few seconds, for which one can wait
GLANCE = 2.0  # seconds between two looks at a map that grows

Places = NDArray[np.float32]


@dataclass(frozen=True)
class Projection:
    """A map: what gives the ``places`` of all codes, (n, 2 or 3), what its ``axes`` are called, and the ``python`` that
    gives the places.

    Where it is the plane, any place on it can be decoded; where it is not ``is_flat``, it is turned. Of a space of
    fewer than ``least_dim`` dimensions there is no such map. ``hint`` says what a drag does, and ``growing`` gives the
    search for one that takes long, while it does.
    """

    name: str
    help: str
    places: Callable[[LatentSpace], Places]
    axes: Callable[[LatentSpace], Sequence[str]]
    python: Snippet
    is_plane: bool = False
    is_flat: bool = True
    least_dim: int = 1
    growing: Callable[[LatentSpace], Growing | None] = lambda space: None
    hint: str = "drag to select"

    def clicked(self, space: LatentSpace) -> tuple[int | None, Code]:
        """The dot that was clicked, if any, and the place (2,)."""
        places = self.places(space)
        return clicked_place(len(places), lambda dot: places[dot, :2], plane_is_shown=self.is_plane)


def tsne_places(space: LatentSpace) -> Places:
    """The places by t-SNE, measured now where they are not known yet."""
    evidence = cached.evidence_of(space)
    if evidence.has_tsne:
        return evidence.tsne()
    what = f"t-SNE of {len(space.z):,} codes"
    bar = st.progress(0.0, what)
    places = evidence.tsne(lambda share, so_far: bar.progress(share, what))
    bar.empty()
    return places


def growing_tsne(space: LatentSpace) -> Growing | None:
    """The search for a map by t-SNE that is under way, None where the map is known or soon found."""
    if len(space.z) <= FEW or cached.evidence_of(space).has_tsne:
        return None
    return cached.growing_tsne(space)


@partial(fragment_in_turn, every=GLANCE)
def show_growing(space: LatentSpace, shown: Projection, colouring: Colouring, growing: Growing) -> None:
    """A map as far as it is found, and how far that is, again and again until it is there."""
    share, places = growing.share, growing.places
    if places is None:
        places = cached.places_on_plane(space)  # from which it starts
    what = f"{shown.name} of {len(space.z):,} codes, once per model file"
    if share is None:
        st.text(f"{what}: {growing.seconds:.0f} s so far")
    else:
        st.progress(share, f"{what}: {share:.0%}")
    if growing.mistake:
        st.error("No map:")
        st.text(growing.mistake)
    drawn = map_data(space, replace(shown, places=lambda space: places), colouring, step=share or 0.0)
    mount_map("map_growing", space, shown, drawn | {"selected": deliver_selection(space)})
    until = "The plane of PCA until then" if share is None else "Points move from the plane of PCA to their places"
    st.caption(f"{until}. Hover for the image; other sections can be used meanwhile.")
    if growing.is_done and not growing.mistake:
        st.rerun()


def growing_umap(space: LatentSpace) -> Growing | None:
    """The search for a map by UMAP that is under way, None where the map is known."""
    if store.has(*cached.umap_key(space)):
        return None
    growing = cached.growing_umap(space)
    return None if growing.is_done and not growing.mistake else growing


PLANE = Projection(
    "PCA", "Plane of largest variance; any point can be decoded.",
    places=cached.places_on_plane,
    axes=lambda space: given.axes_of(space, cached.plane_of(space)),
    python=snippet("plane = projection.Plane.of(space.z)\nplaces = plane.project(space.z)", projection),
    is_plane=True,
)  # fmt: skip
TSNE = Projection(
    "t-SNE", "Keeps neighbours together; axes and distances have no meaning.",
    places=tsne_places,
    axes=lambda space: ("t-SNE: axes and distances have no meaning", ""),
    python=snippet("places = projection.tsne(space.z)", projection),
    growing=growing_tsne,
)  # fmt: skip
SOLID = Projection(
    "PCA in 3D", "The first three principal components; drag to turn.",
    places=lambda space: cached.solid_of(space)[1],
    axes=lambda space: [
        f"component {i + 1} ({part:.0%}{' of the variance' if i == 2 else ''})"
        for i, part in enumerate(cached.solid_of(space)[0].share)
    ],
    python=snippet("places = PrincipalAxes.of(space.z, 3).project(space.z)", PrincipalAxes),
    is_flat=False,
    least_dim=3,
    hint="drag to turn, or press Box or Lasso and drag to select",
)  # fmt: skip
UMAP = Projection(
    "UMAP", "Keeps neighbours together, and groups apart; axes and distances have no meaning.",
    places=cached.umap_places,
    axes=lambda space: ("UMAP: axes and distances have no meaning", ""),
    python=snippet("places = projection.umap(space.z)", projection),
    growing=growing_umap,
)  # fmt: skip
PROJECTIONS = {each.name: each for each in (PLANE, SOLID, TSNE, UMAP)}
BY: tuple[By, ...] = get_args(By)


def choose_projection(space: LatentSpace) -> Projection:
    """The map to show."""
    offered = [each for each in PROJECTIONS.values() if each.least_dim <= space.latent_dim]
    lines = [f"- **{each.name}**: {each.help}" for each in offered]
    if not projection.has_umap():
        offered.remove(UMAP)
        lines[-1] = f"- **{UMAP.name}** is here once its package is installed: `pip install umap-learn`"
    names = [each.name for each in offered]
    name = st.radio("Map", names, key="map_projection", bind="query-params", horizontal=True, help="\n".join(lines))
    return PROJECTIONS[name]


def colourings_of(space: LatentSpace) -> tuple[By, ...]:
    """What dots can be coloured by: without real codes only dimensions, without classes not by class."""
    if not space.signature.has_encoder:
        return ("dimension",)
    return BY if space.has_classes else BY[1:]


def usual_colouring(space: LatentSpace) -> Colouring:
    """What dots are coloured by where nobody chooses: the class, where it is known."""
    return Colouring("class") if "class" in colourings_of(space) else Colouring("dimension", 0)


def choose_colouring(space: LatentSpace) -> Colouring:
    """What dots are coloured by."""
    by = st.selectbox("Colour", colourings_of(space), key="map_colour", bind="query-params")
    match by:
        case "cluster":
            return Colouring(by, choose_number("Clusters", 2, 30, USUAL_CLUSTERS, len(space.z), key="map_clusters"))
        case "dimension":
            last = space.latent_dim - 1
            return Colouring(by, st.number_input("Dimension", 0, last, key="map_dimension", bind="query-params"))
        case "property":
            return Colouring(by, choose_property(space, "Property", "map_property", DEFAULT_PROPERTY))
    return Colouring(by)


def choose_tiles(space: LatentSpace) -> int:
    """How many decoded images per row lie under the dots; 0 for none."""
    text = "Decoded images in the background"
    if not st.toggle(text, value=space.latent_dim <= 2, key="map_atlas", bind="query-params"):
        return 0
    tiles: int = st.slider("Images per row", 8, 40, 24, 4, key="map_tiles", bind="query-params")
    return tiles


@fragment_in_turn
def show_clicked(space: LatentSpace, shown: Projection, drawn: dict[str, Any]) -> None:
    """The map and what was clicked or selected on it.

    The map marks a click by itself, so that what it is given stays the same and need not be sent again.
    """
    places = shown.places(space)
    dot, at = shown.clicked(space)
    selection = selected_in(space)
    left, right = st.columns([3, 2])
    with left:
        view = None if shown.is_flat else looked_at(2)
        mount_map("map", space, shown, drawn | {"selected": deliver_selection(space), "view": view})
        st.caption(
            f"Hover for the image, click to inspect, {shown.hint}. The wheel after a click and two fingers zoom. By "
            "keyboard: arrow keys and Enter; + and − zoom."
        )
    z = cached.plane_of(space).lift(at[None])[0] if shown.is_plane else space.z[dot]
    picture = space.decode(z)
    sheet = images.sheet(picture, 1, zoom=5)
    with right:
        if selection is not None and choose_details() == SELECTION:
            show_selection(space, selection)
        else:
            if shown.is_plane:
                show_place(space, at, z, sheet)
            if dot is not None:
                show_image(space, dot)

    if shown.is_plane:
        places = cached.plane_of(space).project(space.z)  # as the Python gives them, also where the map spreads a line
    arrays: dict[str, NDArray[Any]] = {"places": places, "z": z, "picture": picture}
    columns: dict[str, NDArray[Any]] = {"image": np.arange(len(places))}
    columns |= dict(zip("xyz", places.T))
    if space.has_classes:
        columns["class"] = space.class_names(np.arange(len(places)))
    python = snippet_of(space, shown, dot, at)
    if selection is not None:
        arrays["selected"] = selection.rows
        columns["selected"] = np.isin(np.arange(len(places)), selection.rows)
        put_in_link(selection)
        written = snippet(f"selected = Selection.from_link({selection.to_link()!r}).rows", Selection)
        python = snippet(f"{python}\n{written}", python, written)
    take_away(space, python, arrays, png=sheet.png, csv=lambda: columns)


def show_place(space: LatentSpace, at: Code, z: Code, sheet: Sheet, title: str = "Point on the plane") -> None:
    """The picture of a place on the plane, and how close to real codes it lies."""
    st.subheader(title)
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(width="content"):
            name = f"map at {at[0]:.2f}, {at[1]:.2f}"
            show_codes("map_place", space, sheet, z[None], [name], "Decoded image of this point")
        with st.container(width="stretch"):
            show_support(space, z)


def snippet_of(space: LatentSpace, shown: Projection, dot: int | None, at: Code) -> Snippet:
    """The Python that gives the places of all codes, the code that was clicked, and its image."""
    z = f"plane.lift(np.array([[{at[0]}, {at[1]}]], np.float32))[0]" if shown.is_plane else f"space.z[{dot}]"
    return snippet(f"{shown.python}\nz = {z}\npicture = space.decode(z)", np, shown.python)


def clicked_place(n: int, place_of: Callable[[int], Code], *, plane_is_shown: bool) -> tuple[int | None, Code]:
    """Which of ``n`` dots was clicked, if any, and the place (2,); at first the first dot."""
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
    dot = dot if 0 <= dot < n else 0
    link["map_dot"] = [str(dot)]
    return dot, place_of(dot)


def map_data(
    space: LatentSpace,
    shown: Projection,
    colouring: Colouring,
    tiles: int = 0,
    *,
    previews: bool = True,
    called: str = "",
    step: float = 1.0,
) -> dict[str, Any]:
    """What the map draws; the large parts of it are sent at once and once. With ``previews``, a dot that is hovered
    over shows its image: 1 MB for all of them. One of several maps is ``called`` something, and one that grows is at
    a ``step`` from 0 to 1."""
    places = shown.places(space)
    name = hashlib.sha256(repr((shown.name, called, step, *space.identity)).encode()).hexdigest()[:16]
    axes, painted = shown.axes(space), cached.map_colours(space, colouring)
    encodes = space.signature.has_encoder
    labels = space.labels[: (encodes and space.has_classes) * len(places)]
    under = widgets.deliver_once(f"atlas-{name}-{tiles}", **cached.atlas_of(space, tiles)) if tiles else ""
    previewed = ""
    if previews and encodes:
        small = cached.thumbnails(space.dataset)
        previewed = widgets.deliver_once(f"thumbnails-{space.dataset.sha256[:16]}", **small)
    dots = given.dots(places, labels, np.arange(len(places)))
    shows = f"Map of {len(places):,} codes by {shown.name}, coloured by {colouring.in_words}{called and f' ({called})'}"
    chart = partial(charts.map_chart, places, *given.colours_and_legend(painted), axes)
    note_figure(ChartFigure(shows, lambda: charts.packed(chart())))
    return given.map_data(
        space, axes, shows,
        dots=widgets.deliver_once(f"dots-{name}", **dots),
        colours=widgets.deliver_once(f"colours-{name}-{colouring.by}-{colouring.shown}", **painted),
        thumbnails=previewed, atlas=under,
    )  # fmt: skip


def mount_map(
    key: str, space: LatentSpace, shown: Projection, drawn: dict[str, Any], then: Callable[[], object] = lambda: None
) -> None:
    """The map; a click and a selection are taken into the session, and ``then`` is called."""

    def take_click() -> None:
        with told_by(key, "clicked") as told:
            x, y = told["at"].numbers(2)
            found = None if told["dot"].value is None else told["dot"].index(len(space.z))
            state().click = Click(found, None if found is not None else f"{x:.5g},{y:.5g}")
            show_details(CLICKED)
            then()

    def take_selection() -> None:
        with told_by(key, "selected") as told:
            rows = [] if told["numbers"].value is None else told["numbers"].indices(len(space.z))
            way = told["how"].text()
            how = way if way in WAYS else "area"
            select(space, f"{how} of {len(rows):,}", f"{how} on the {shown.name} map of {space.name}", rows)
            show_details(SELECTION)
            then()

    widgets.scatter(key, drawn, on_clicked=take_click, on_selected=take_selection, on_viewed=partial(take_view, key, 2))


def looked_at(n: int) -> tuple[float, ...] | None:
    """The ``n`` numbers of where one looks, in the session or at first in the address, which says so then; None where
    nobody chose, or on a map of another kind."""
    session = state()
    if session.view is None:
        session.view = ()
        with suppress(ValueError):
            session.view = tuple(float(number) for number in st.query_params.get("map_view", "").split(","))
    view = session.view
    if len(view) != n or not np.isfinite(view).all() or np.abs(view).max() > LARGEST:
        session.run.link.pop("map_view", None)
        return None
    session.run.link["map_view"] = [",".join(f"{number:.5g}" for number in view)]
    return view


def take_view(key: str, n: int) -> None:
    """Take where one looks on the map of this key into the session, as ``n`` numbers."""
    with told_by(key, "viewed") as told:
        state().view = tuple(told["view"].numbers(n))


def take_old_box(space: LatentSpace, shown: Projection) -> None:
    """Select what lies in the box of a link that was made when links held the box."""
    drawn_on, *numbers = st.query_params.get("map_box", "").split(",")
    with suppress(ValueError):
        left, bottom, right, top = (float(number) for number in numbers)
        if drawn_on == f"{shown.name} {space.checkpoint.sha256[:8]}" and selected_in(space) is None:
            rows = inside(shown.places(space), (left, bottom, right, top))
            select(space, f"box of {len(rows):,}", f"box on the {shown.name} map of {space.name}", rows)


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
    show_code_chart(space, space.z[index], "The code as bars", height=LOW)
