"""What is selected: how images are searched for, what is shown of them, and where they go from here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import streamlit as st

from latent import charts, images
from latent.arrays import Rows
from latent.errors import ArgumentError
from latent.page import cached, widgets
from latent.page.choose import choose_class, reset_when_changed
from latent.page.colouring import USUAL_CLUSTERS, Colouring
from latent.page.controls import choose_number
from latent.page.keeping import keep_selection
from latent.page.selecting import put_in_link, select, selected_in
from latent.page.show import plain_markdown, real_names, show_chart, show_codes
from latent.page.state import Click, open_section, state
from latent.page.take_away import csv_text, npz
from latent.selection import LONGEST_NAME, Selection, numbers_in
from latent.space import LatentSpace

DETAILS_KEY, SELECTION, CLICKED = "map_details", "selection", "clicked point"  # what the map, and Compare runs, show
DETAILS = (SELECTION, CLICKED)
MOST_SHOWN = 60  # images of a selection
MOST_WORST = 500

Found = tuple[str, str, Rows]  # the name of a selection, how it was made, and its images
Find = Callable[[], Found]


def offer_search(space: LatentSpace, colouring: Colouring) -> None:
    """A button that opens the search: by class, by number, by cluster, or the worst reconstructions."""
    with st.popover("Find images", key="map_find", help="Select images by class, number, cluster or error."):
        finders = finders_of(space)
        by = st.radio("Find by", finders, key="map_find_by", horizontal=True)
        find = finders[by](space, colouring)
        if st.button("Select", key="map_find_select", type="primary"):
            take_found(space, find)


def finders_of(space: LatentSpace) -> Mapping[str, Callable[[LatentSpace, Colouring], Find]]:
    """What images can be found by: a control each, and what it finds."""
    found: dict[str, Callable[[LatentSpace, Colouring], Find]] = {}
    if space.signature.has_encoder:
        if space.has_classes:
            found["class"] = find_class
        found |= {"number": find_numbers, "cluster": find_cluster, "largest MSE": find_worst}
        return found
    return {"number": find_numbers}


def find_class(space: LatentSpace, colouring: Colouring) -> Find:
    of_class = choose_class(space.classes, "Class", "map_find_class", 0)
    name = f"class {space.classes[of_class]}"
    return lambda: (name, f"all images of {name}", np.flatnonzero(space.labels == of_class))


def find_numbers(space: LatentSpace, colouring: Colouring) -> Find:
    text = st.text_input(
        "Image numbers", key="map_find_numbers", placeholder="3, 10-12", help=f"From 0 to {len(space.z) - 1:,}."
    )

    def find() -> Found:
        rows = numbers_in(text, len(space.z))
        return real_names(space, rows)[0] if len(rows) == 1 else f"{len(rows):,} numbered", "typed numbers", rows

    return find


def find_cluster(space: LatentSpace, colouring: Colouring) -> Find:
    n = int(colouring.shown or USUAL_CLUSTERS) if colouring.by == "cluster" else min(USUAL_CLUSTERS, len(space.z))
    cluster = int(st.number_input(f"Cluster, of {n} by k-means", 0, n - 1, 0, key="map_find_cluster"))
    origin = f"cluster {cluster} of {n} by k-means, {space.name}"
    return lambda: (
        f"cluster {cluster} of {n}", origin, np.flatnonzero(cached.clusters_of(space, "k-means", n).labels == cluster)
    )  # fmt: skip


def find_worst(space: LatentSpace, colouring: Colouring) -> Find:
    n = choose_number("Images", 1, MOST_WORST, 50, len(space.z), key="map_find_worst")
    origin = f"largest MSE of {space.name}"
    return lambda: (f"{n} largest MSE", origin, np.argsort(-space.errors, kind="stable")[:n])


def take_found(space: LatentSpace, find: Find) -> None:
    """Select what was found; a single image is also the one that is inspected."""
    try:
        name, origin, rows = find()
    except ArgumentError as error:
        st.error("Nothing selected:")
        st.text(str(error))
        return
    select(space, name, origin, rows)
    if len(rows) == 1:
        state().click = Click(int(rows[0]))
    show_details(CLICKED if len(rows) == 1 else SELECTION)


def show_details(which: str) -> None:
    """Show the selection beside the map, or what was clicked."""
    st.session_state[DETAILS_KEY] = which


def choose_details() -> str:
    """Whether the selection is shown or what was clicked: at first the selection, then what came last."""
    chosen: str = st.radio(
        "Details", DETAILS, key=DETAILS_KEY, bind="query-params", horizontal=True, label_visibility="collapsed"
    )
    return chosen


def deliver_selection(space: LatentSpace) -> str:
    """Bring the numbers of what is selected to the browser; the name of the parcel, empty where nothing is."""
    selection = selected_in(space)
    if selection is None:
        return ""
    name = f"selected-{hashlib.sha256(selection.rows.tobytes()).hexdigest()[:16]}"
    return widgets.deliver_once(name, numbers=np.asarray(selection.rows, "<u2"))


def show_selection(space: LatentSpace, selection: Selection) -> None:
    """The images that are selected, of which classes they are, the mean of their codes, and where they go from here."""
    n, rows = len(selection), selection.rows
    st.subheader(f"{n:,} selected")
    st.caption(plain_markdown(f"{selection.origin[0].upper()}{selection.origin[1:]}"))
    some = rows[np.linspace(0, n - 1, min(n, MOST_SHOWN)).astype(int)]
    pictures = space.images[some] if space.signature.has_encoder else space.decode(space.z[some])
    text = "The selected images" if len(some) == n else f"{len(some)} of the {n:,} selected images"
    sheet = images.sheet(pictures, min(15, len(some)), 2)
    show_codes("map_selected", space, sheet, space.z[some], real_names(space, some), text, stretch=len(some) >= 15)
    mean = space.z[rows].mean(axis=0)
    left, right = st.columns([1, 2])
    with left:
        st.markdown("**Mean**")
        name = f"mean of {selection.name}"[:LONGEST_NAME]
        show_codes("map_mean", space, images.sheet(space.decode(mean), 1, 3), mean[None], [name], "Decoded mean code")
    if space.signature.has_encoder and space.has_classes:
        counts = np.bincount(space.labels[rows], minlength=len(space.classes))
        with right:
            alt_text = "Number of selected images of each class"
            show_chart(alt_text, charts.classes_chart, counts, space.classes, height=110)
    offer_selection(space, selection)


def offer_selection(space: LatentSpace, selection: Selection) -> None:
    """Buttons that take a selection elsewhere: to the shelf, to other sections, into a file."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        reset_when_changed("map_selection_name", selection.name, selection.to_link())
        name = st.text_input("Name", max_chars=LONGEST_NAME, key="map_selection_name", width=200)
        if st.button("Add to shelf", key="map_selection_keep", help="The images, with their mean code."):
            keep_selection(space, selection.called(name))
            st.rerun()
    files = f"{space.name}-selection"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Directions", key="map_selection_direction", on_click=open_section, args=("Directions",),
            kwargs={"directions_kind": "two selections"}, help="From the other images to these.",
        )  # fmt: skip
        if space.signature.has_encoder:
            st.button(
                "Compare runs", key="map_selection_compare", on_click=open_section, args=("Compare runs",),
                kwargs={"runs_digits": SELECTION}, help="The same images in another model.",
            )  # fmt: skip
        st.download_button(
            "CSV", partial(selection_csv, space, selection), f"{files}.csv", "text/csv", on_click="ignore",
            help="Number, and class where it is known, of every selected image.",
        )  # fmt: skip
        st.download_button(
            "NPZ", partial(selection_npz, space, selection), f"{files}.npz", "application/octet-stream",
            on_click="ignore", help="Numbers, codes and images for NumPy.",
        )  # fmt: skip
    if not put_in_link(selection):
        st.caption("Too long for a link: download it to share it.")


def selection_csv(space: LatentSpace, selection: Selection) -> str:
    """The selected images by number, as CSV."""
    table: dict[str, object] = {"image": selection.rows}
    if space.has_classes:
        table["class"] = space.class_names(selection.rows)
    return csv_text(table)


def selection_npz(space: LatentSpace, selection: Selection) -> bytes:
    """The selected images by number, with their codes, as NPZ."""
    rows = selection.rows
    arrays = {"images": rows, "z": space.z[rows], "name": selection.name, "origin": selection.origin}
    arrays["dataset_sha256"] = selection.dataset
    if space.has_classes:
        arrays["labels"] = space.labels[rows]
    return npz(**arrays)()
