"""Paths between two codes: their pictures, moving, and how evenly they move."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import charts, images, interpolation
from latent.arrays import Codes, Pictures
from latent.page.choose import Operand
from latent.page.show import show_codes, show_moving, show_rows
from latent.page.snippet import Snippet, snippet
from latent.space import LatentSpace


def show_paths(space: LatentSpace, paths: Mapping[str, Codes], strips: Mapping[str, Pictures]) -> None:
    """The pictures of every path, step by step."""
    for name, strip in strips.items():
        st.markdown(f"**{name.capitalize()}**")
        n, sheet = len(strip), images.rows_sheet([strip], zoom=4)
        names, text = [f"{name}, step {i + 1}" for i in range(n)], f"{name} interpolation in {n} steps"
        show_codes(f"interpolate_{name}", space, sheet, paths[name], names, text, stretch=True)


def changes_of(strips: Mapping[str, Pictures]) -> dict[str, NDArray[np.float32]]:
    """For each path the change of the picture from step to step, RMS a pixel, (n - 1,)."""
    return {
        name: np.sqrt(np.square(np.diff(strip, axis=0)).mean(axis=tuple(range(1, strip.ndim))))
        for name, strip in strips.items()
    }


def show_movement(strips: Mapping[str, Pictures], changes: Mapping[str, NDArray[np.float32]]) -> str:
    """One path as it moves, which a control chooses, beside how evenly all of them do; the name of that path."""
    left, right = st.columns([1, 3])
    with left:
        kind: str = st.radio(
            "GIF along", interpolation.PATHS, key="interpolate_path", bind="query-params", horizontal=True,
            help="Linear: the straight line. Spherical: the arc, which keeps to codes of the norm of its ends.",
        )  # fmt: skip
        show_moving(strips[kind], f"Animation of the {kind} interpolation")
    with right:
        st.markdown("**How evenly it moves**")
        text, rows = "Change of the picture at every step of both paths", charts.steps_rows(changes)
        show_rows(text, charts.steps_chart, rows, paths=list(changes))
        st.caption("A smooth space has an even line; a peak is where one digit jumps to another.")
    return kind


def paths_python(start: Operand, end: Operand, n_steps: int) -> Snippet:
    """The Python that gives the pictures of every path."""
    lines = [f"start = {start.python}\nend = {end.python}"]
    lines += [
        f"{name} = space.decode(interpolation.path(start, end, {n_steps}, {name!r}))" for name in interpolation.PATHS
    ]
    return snippet("\n".join(lines), interpolation, start.python, end.python)
