"""A walk along a direction: its pictures, and what it does to a measured property."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import charts, directions, images, shelf
from latent.arrays import Codes, Pictures
from latent.browser.lines import Line
from latent.images import Sheet
from latent.measure import properties
from latent.page import cached
from latent.page.choose import Direction, Operand, choose_property, reset_when_changed
from latent.page.controls import PICKER_WIDTH
from latent.page.keeping import keep
from latent.page.panels.strips import Row, show_strip
from latent.page.show import show_rows
from latent.space import LatentSpace

Values = NDArray[np.floating[Any]]


def choose_place(reach: float) -> float:
    """A control for the place on the walk that is shown large; the strip of the walk moves it, too."""
    reset_when_changed("directions_at", reach / 2, reach)  # no default of its own, since the strip sets it
    return st.slider("Position", -reach, reach, step=0.01, key="directions_at", bind="query-params")


def show_walk(
    space: LatentSpace, base: Operand, direction: Direction, steps: Values, z: Codes, pictures: Pictures, at: float
) -> Sheet:
    """The pictures along the direction, how each differs from that of the base, and the place ``at`` which one is."""
    st.text(f"From {base.name} along {direction.name}")
    n_steps, names = len(steps), [f"{direction.name} × {step:.2f}" for step in steps]
    sheet = images.sheet(pictures, n_steps, zoom=4, column_names=[f"{step:.1f}" for step in steps])
    differences = images.sheet(images.changes_to_rgb(pictures, pictures[n_steps // 2]), n_steps, zoom=4)
    line = walk_line(base, direction, steps)

    def walk_to(place: float) -> None:
        st.session_state["directions_at"] = place

    show_strip(
        "directions_walk", space,
        [
            Row(sheet, z, names, "Images along the direction", line),
            Row(differences, z, names, "Difference of each image from the base", None),
        ],
        pictures.shape[1:], at=at, on_placed=walk_to,
        note="The difference from the base: red is brighter, blue is darker.",
    )  # fmt: skip
    return sheet


def walk_line(base: Operand, direction: Direction, steps: Values) -> Line:
    """The line along a direction, whose places are multiples of it; a place that is pointed at has two decimals."""
    return Line(
        places=steps,
        code_at=lambda at: directions.walk(base.code, direction.code, [at])[0],
        in_browser={
            "kind": "walk", "base": tuple(base.code.tolist()), "direction": tuple(direction.code.tolist())
        },
        label=direction.name, sign="×", name=f"{direction.name} × ", decimals=2,
    )  # fmt: skip


def offer_direction(space: LatentSpace, direction: Direction) -> None:
    """A button that keeps the direction, and its name."""
    kept_name = st.text_input("Name of the direction", direction.name, max_chars=shelf.LONGEST_NAME)
    if st.button("Add direction to shelf"):
        keep(space, kept_name, direction.code, "direction")
        st.rerun()


class Measured(NamedTuple):
    """A property along a walk: its name, its values (n_steps,), and their mean over the same walk from many images."""

    name: str
    values: Values
    crowd: Values


def measure_property(space: LatentSpace, direction: Direction, steps: Values, pictures: Pictures) -> Measured:
    """The property that a control chooses, measured of the pictures along the direction."""
    name = choose_property(space, "Property to measure", "directions_measure", direction.measure, width=PICKER_WIDTH)
    values = properties.PROPERTIES[name].measure(pictures)
    crowd = cached.along_of_many(space, direction.code.tobytes(), name, float(steps[-1]), len(steps))
    return Measured(name, values, crowd)


def show_property(steps: Values, measured: Measured) -> None:
    """The property along this walk, and along the same walk from many real images."""
    name, values, crowd = measured
    unit = properties.PROPERTIES[name].unit
    rows = charts.walk_rows(steps, values, crowd)
    text = f"{name.capitalize()} of the images along the direction"
    show_rows(text, charts.walk_chart, rows, title=f"{name}, {unit}")
    with np.errstate(invalid="ignore"):
        r = np.nan_to_num(np.corrcoef(steps, crowd)[0, 1]) if crowd.std() > 0 else 0.0
    st.caption(
        f"Solid: this base code. Dashed: mean over 50 test images, from {crowd[0]:.2f} to {crowd[-1]:.2f} {unit} "
        f"(r = {r:.2f})."
    )
