"""The map of a file of codes, of any number: how densely they lie, and the codes themselves where one zooms in."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from latent import charts, encoded, images
from latent.arrays import Code
from latent.browser import given
from latent.browser.inbox import parcel
from latent.density import MOST_DOTS, Density
from latent.encoded import Encoded
from latent.figures import ChartFigure
from latent.page import cached, widgets
from latent.page.fragment import fragment_in_turn
from latent.page.panels.code_map import clicked_place, looked_at, show_place, take_view
from latent.page.panels.codes_file import describe_plane
from latent.page.show import LOW, note_figure, show_code_chart
from latent.page.snippet import from_project, snippet
from latent.page.state import Click, state
from latent.page.take_away import take_away
from latent.page.told import told_by
from latent.space import LatentSpace

KEY = "map_of_many"

Box = tuple[float, float, float, float]  # left, bottom, right, top, on the plane


@fragment_in_turn
def show_codes_of(space: LatentSpace, file: Encoded) -> None:
    """The map of all codes of a file, and beside it the place or the code that was clicked."""
    found = cached.density_of(file)
    box = box_of(looked_at(4))
    window = cached.window_of(file, box)
    project = lambda row: found.plane.project(file.mapped()[row : row + 1])[0]  # noqa: E731
    row, at = clicked_place(file.n, project, plane_is_shown=True)
    z = found.plane.lift(at[None])[0] if row is None else np.array(file.mapped()[row])
    left, right = st.columns([3, 2])
    with left:
        mount(space, file, found, box, [] if np.isnan(at).any() else at.tolist())
        st.caption(
            f"{describe_plane(found)} Where at most {MOST_DOTS:,} codes are in view, each is a dot. The wheel after a "
            "click, two fingers, + and − zoom; drag to move; click a dot or any place to decode it."
        )
    with right:
        if np.isfinite(z).all():
            show_decoded(space, row, at, z)
        else:
            st.info(f"Code {row:,} is missing: its image could not be read.")
    part = "file, density.low, density.high" if box is None else f"file, np.array({box[:2]}), np.array({box[2:]})"
    python = snippet(
        f"file = encoded.Encoded.open({from_project(file.path)!r})\ndensity = Density.of(file)\n"
        f"window = density.window({part})\n"
        "counts, rows, places = window.counts, window.rows, window.places",
        np, encoded, Density,
    )  # fmt: skip
    arrays = {"counts": window.counts, "rows": window.rows, "places": window.places}
    table = {"row": window.rows, "x": window.places[:, 0], "y": window.places[:, 1]}
    take_away(space, python, arrays, csv=lambda: table)


def box_of(view: tuple[float, ...] | None) -> Box | None:
    """Where one looks as a box, None where it is none."""
    if view is None or not (view[0] < view[2] and view[1] < view[3]):
        return None
    left, bottom, right, top = view
    return left, bottom, right, top


def mount(space: LatentSpace, file: Encoded, found: Density, box: Box | None, at: list[float]) -> None:
    """The map; a click and where one looks are taken into the session."""

    def take_click() -> None:
        with told_by(KEY, "clicked") as told:
            x, y = told["at"].numbers(2)
            row = None if told["number"].value is None else told["number"].index(file.n)
            state().click = Click(row, None if row is not None else f"{x:.5g},{y:.5g}")

    shown = cached.window_of(file, box)
    chart = partial(charts.density_chart, shown.counts, shown.edges, found.plane.names)
    note_figure(ChartFigure("Density of the codes in view", lambda: charts.packed(chart())))
    windows = [deliver_window(file, part) for part in dict.fromkeys((None, box))]
    text = f"Map of {found.n:,} codes by PCA: their density, and dots where few are in view"
    data: dict[str, Any] = given.map_data(space, found.plane.names, text, windows=windows)
    widgets.scatter(
        KEY, data | {"at": at or None, "view": box},
        on_clicked=take_click, on_selected=lambda: None, on_viewed=partial(take_view, KEY, 4),
    )  # fmt: skip


def deliver_window(file: Encoded, box: Box | None) -> str:
    """Bring a window to the browser, which keeps that of all codes and forgets others; the name of the parcel."""
    name = "window-" + hashlib.sha256(repr((*file.stamp, box)).encode()).hexdigest()[:16]
    values = given.window(cached.window_of(file, box))
    key = name if box is None else "window"
    widgets.deliver(key, parcel(name, stays=box is None, **values))
    return name


def show_decoded(space: LatentSpace, row: int | None, at: Code, z: Code) -> None:
    """The decoded image of a place or of the code of a row, how close to real codes it lies, and its numbers."""
    title = "Point on the plane" if row is None else f"Code {row:,}"
    show_place(space, at, z, images.sheet(space.decode(z), 1, zoom=5), title)
    show_code_chart(space, z, "The code as bars", height=LOW)
