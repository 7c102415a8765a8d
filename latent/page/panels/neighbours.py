"""The same images on the maps of two models: whose neighbours changed most, and which are shared, lost and gained."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import numpy as np
import streamlit as st

from latent import charts, images
from latent.arrays import Rows
from latent.compare import Comparison
from latent.measure.alignment import Neighbours
from latent.page import widgets
from latent.page.fragment import fragment_in_turn
from latent.page.panels.code_map import PLANE, map_data, mount_map, usual_colouring
from latent.page.panels.selected import SELECTION, deliver_selection
from latent.page.selecting import selected_in
from latent.page.show import note_sheet, plain_markdown, real_names, show_real
from latent.page.state import state
from latent.page.take_away import csv_text
from latent.page.told import told_by
from latent.space import LatentSpace

IMAGE = "runs_image"  # the parameter of the address
IN_A_ROW = 10
MOST_CHANGED = 30  # images that are listed
MAP_HEIGHT = 330  # pixels
OPACITY = 0.3  # of dots, behind the lines to the neighbours
# Shared, lost and gained: the name, what it is, and its colour, each told from the others by its lightness, too.
FATES = (
    ("Shared", "neighbours in A and in B", charts.BLUE),
    ("Lost", "in A only", charts.ORANGE),
    ("Gained", "in B only", "#a259d9"),
)


@fragment_in_turn
def show_neighbours(space: LatentSpace, both: Comparison) -> None:
    """Both maps, linked, and the images whose nearest neighbours changed most; each opens its neighbours."""
    found = both.neighbours
    st.subheader("Shared and lost neighbours")
    order = found.most_changed(images_among(space))[:MOST_CHANGED]
    row = chosen_image(int(order[0]), len(space.z))
    fates = found.of_image(row)
    show_maps(both, row, fates)
    left, right = st.columns(2)
    with left:
        show_most_changed(space, found, order, row)
        offer_table(space, found)
    with right:
        show_fates(space, found, row, fates)


def images_among(space: LatentSpace) -> Rows:
    """The images to look among: what is selected where the section shows that, else all."""
    selection = selected_in(space)
    if selection is not None and st.session_state.get("runs_digits") == SELECTION:
        return selection.rows
    return np.arange(len(space.z))


def chosen_image(first: int, n: int) -> int:
    """The image whose neighbours are shown: the one that was opened, in this session or in the link, else the first."""
    session = state()
    session.run.link.pop(IMAGE, None)
    if session.image is None:
        session.image = st.query_params.get(IMAGE, "")
    with suppress(ValueError):  # a link may say anything
        row = int(session.image)
        if 0 <= row < n:
            session.run.link[IMAGE] = [str(row)]
            return row
    return first


def open_image(row: int) -> None:
    """Show the neighbours of this image."""
    state().image = str(row)


def show_maps(both: Comparison, row: int, fates: tuple[Rows, ...]) -> None:
    """Both maps: what is pointed at or selected on one is so on the other, and a click opens an image."""
    lines = [{"numbers": rows.tolist(), "colour": colour} for rows, (_, _, colour) in zip(fates, FATES, strict=True)]
    selected, thumbnails = deliver_selection(both.a.space), ""
    for place, letter, evidence in zip(st.columns(2), "AB", (both.a, both.b), strict=True):
        space = evidence.space
        with place:
            st.text(f"{letter}: {space.name}")
            looks = {"chosen": row, "at": PLANE.places(space)[row].tolist(), "group": "runs", "lines": lines}
            looks |= {"height": MAP_HEIGHT, "opacity": OPACITY, "selected": selected}
            drawn = map_data(space, PLANE, usual_colouring(space), previews=not thumbnails, called=letter)
            thumbnails = thumbnails or drawn["thumbnails"]  # which are of the same images, and go over once
            mount_map(
                f"runs_map_{letter}", space, PLANE, drawn | looks | {"thumbnails": thumbnails}, take_clicked_image
            )


def take_clicked_image() -> None:
    """Open the image that was clicked on one of the maps."""
    click = state().click
    if click is not None and click.dot is not None:
        open_image(int(click.dot))


def show_most_changed(space: LatentSpace, found: Neighbours, order: Rows, row: int) -> None:
    """The images whose neighbours changed most, the most first."""
    shared = found.n_shared[order]
    st.markdown("**Most changed first**")
    names = [f"{name}: {n} of {found.k} shared" for name, n in zip(real_names(space, order), shared)]
    sheet = images.sheet(space.images[order], min(IN_A_ROW, len(order)), 2)
    chosen = np.flatnonzero(order == row)

    def take_clicked() -> None:
        with told_by("runs_most_changed", "clicked") as told:
            open_image(int(order[told.index(len(order))]))

    text = f"The {len(order)} images that share the fewest neighbours"
    widgets.grid(
        "runs_most_changed", sheet, names, text, stretch=True, on_clicked=take_clicked, verb="Show neighbours:",
        chosen=int(chosen[0]) if len(chosen) else None,
    )  # fmt: skip
    note_sheet(text, sheet, names)
    many = f"{shared.min()}" if shared.min() == shared.max() else f"{shared.min()} to {shared.max()}"
    average = f"{found.n_shared.mean():.1f}"
    st.caption(
        f"Click one, or a dot on a map. Of the {found.k} neighbours of each, A and B share {many}; on average over all "
        f"images, {average}."
    )


def show_fates(space: LatentSpace, found: Neighbours, row: int, fates: tuple[Rows, ...]) -> None:
    """The neighbours of one image: those that are shared, lost and gained."""
    name = real_names(space, np.array([row]))[0]
    st.markdown(f"**{plain_markdown(name[0].upper() + name[1:])}**: {found.n_shared[row]} of {found.k} shared")
    show_real("runs_chosen", space, np.array([row]), name, 2)
    for rows, (fate, means, colour) in zip(fates, FATES, strict=True):
        st.html(f'<span class="latent-key" style="background: {colour}"></span> {fate}, {means}: {len(rows)}')
        if len(rows):
            show_real(f"runs_{fate.lower()}", space, rows, f"{fate} neighbours of {name}", 2)


def offer_table(space: LatentSpace, found: Neighbours) -> None:
    """What was counted of every image, as a file."""
    st.download_button(
        "Neighbours as CSV", partial(neighbours_csv, space, found), f"{space.name}-neighbours.csv", "text/csv",
        on_click="ignore", help="How many neighbours are the same for each image, and how far the others moved.",
    )  # fmt: skip


def neighbours_csv(space: LatentSpace, found: Neighbours) -> str:
    """A line for every image, the most changed first."""
    order = found.most_changed(np.arange(len(found.n_shared)))
    table: dict[str, object] = {"image": order}
    if space.has_classes:
        table["class"] = space.class_names(order)
    return csv_text(table | {"shared": found.n_shared[order], "moved": found.moved[order]})
