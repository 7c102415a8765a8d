"""A walk along a direction: its pictures, one place on it, and what it does to a measured property."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import charts, directions, images, shelf
from latent.arrays import Codes, Pictures
from latent.images import Sheet
from latent.measure import properties
from latent.page import cached
from latent.page.choose import Direction, Operand, choose_property
from latent.page.controls import PICKER_WIDTH
from latent.page.keeping import keep
from latent.page.show import show_codes, show_rows, show_support
from latent.space import LatentSpace

Values = NDArray[np.floating[Any]]


def show_walk(
    space: LatentSpace, base: Operand, direction: Direction, steps: Values, z: Codes, pictures: Pictures
) -> Sheet:
    """The pictures along the direction."""
    st.text(f"From {base.name} along {direction.name}")
    names = [f"{direction.name} × {step:.2f}" for step in steps]
    sheet = images.sheet(pictures, len(steps), zoom=4, column_names=[f"{step:.1f}" for step in steps])
    show_codes("directions_walk", space, sheet, z, names, "Pictures along the direction", stretch=True)
    return sheet


def show_place(space: LatentSpace, base: Operand, direction: Direction, reach: float) -> None:
    """The picture at a place on the walk, which a slider chooses, and a button that keeps the direction."""
    at = st.slider("Walk to", -reach, reach, reach / 2, 0.05, key="directions_at", bind="query-params")
    z = directions.walk(base.code, direction.code, np.array([at]))
    picture = space.decode(z)
    name, sheet = f"{direction.name} × {at:.2f}", images.sheet(picture, 1, 7)
    show_codes("directions_at_picture", space, sheet, z, [name], "Where the slider is")
    show_support(space, z[0])
    kept_name = st.text_input("Name of the direction", direction.name, max_chars=shelf.LONGEST_NAME)
    if st.button("Keep the direction"):
        keep(space, kept_name, direction.code, "direction")
        st.rerun()


class Measured(NamedTuple):
    """A property along a walk: its name, its values (n_steps,), and their mean over the same walk from many digits."""

    name: str
    values: Values
    crowd: Values


def measure_property(space: LatentSpace, direction: Direction, steps: Values, pictures: Pictures) -> Measured:
    """The property that a control chooses, measured of the pictures along the direction."""
    name = choose_property("Measure along the way", "directions_measure", direction.measure, width=PICKER_WIDTH)
    values = properties.PROPERTIES[name].measure(pictures)
    crowd = cached.along_of_many(space, direction.code.tobytes(), name, float(steps[-1]), len(steps))
    return Measured(name, values, crowd)


def show_property(steps: Values, measured: Measured) -> None:
    """The property along this walk, and along the same walk from many real digits."""
    name, values, crowd = measured
    unit = properties.PROPERTIES[name].unit
    rows = charts.walk_rows(steps, values, crowd)
    text = f"The {name} of the pictures along the walk"
    show_rows(text, charts.walk_chart, rows, title=f"{name}, {unit}")
    with np.errstate(invalid="ignore"):
        r = np.nan_to_num(np.corrcoef(steps, crowd)[0, 1]) if crowd.std() > 0 else 0.0
    st.caption(
        f"Measured from the decoded pictures: the line is this walk, the dashed one the mean of the same walk from "
        f"50 real digits, which goes from {crowd[0]:.2f} to {crowd[-1]:.2f} {unit} (r = {r:.2f})."
    )
