"""Paths between two codes: their pictures, moving, and how evenly they move."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import charts, images, interpolation
from latent.arrays import Codes, Pictures
from latent.browser.lines import Line, decimals_for
from latent.page.choose import Operand
from latent.page.panels.strips import FixedPlace, Row, show_strip
from latent.page.show import show_moving, show_rows
from latent.page.snippet import Snippet, snippet
from latent.space import LatentSpace


def show_paths(
    space: LatentSpace, start: Operand, end: Operand, paths: Mapping[str, Codes], strips: Mapping[str, Pictures]
) -> None:
    """The pictures of every path, step by step."""
    rows = []
    for name, strip in strips.items():
        n, sheet = len(strip), images.rows_sheet([strip], zoom=4)
        names, text = [f"{name}, step {i + 1}" for i in range(n)], f"{name} interpolation in {n} steps"
        rows.append(Row(sheet, paths[name], names, text, path_line(start, end, n, name), name.capitalize()))
    fixed, picture = FixedPlace("interpolate_at"), next(iter(strips.values())).shape[1:]
    at = fixed.read()
    show_strip("interpolate_linear", space, rows, picture, at=0.5 if at is None else at, on_placed=fixed.write)


def path_line(start: Operand, end: Operand, n_steps: int, kind: str) -> Line:
    """A path from one code to the other, whose places are the shares of it that lie behind, from 0 to 1."""
    return Line(
        places=np.linspace(0, 1, n_steps),
        code_at=lambda at: interpolation.PATHS[kind](start.code, end.code, [at])[0],
        in_browser={"kind": kind, "start": tuple(start.code.tolist()), "end": tuple(end.code.tolist())},
        label=kind.capitalize(), sign="t =", name=f"{kind}, t = ", decimals=decimals_for(0, 1),
    )  # fmt: skip


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
            help="Linear: the straight line. Spherical: the arc, with norms like those of its ends.",
        )  # fmt: skip
        show_moving(strips[kind], f"Animation of the {kind} interpolation")
    with right:
        st.markdown("**Change per step**")
        text, rows = "Change of the image at every step of both paths", charts.steps_rows(changes)
        show_rows(text, charts.steps_chart, rows, paths=list(changes))
        st.caption("A flat line is an even path; a peak is an abrupt change.")
    return kind


def paths_python(start: Operand, end: Operand, n_steps: int) -> Snippet:
    """The Python that gives the pictures of every path."""
    lines = [f"start = {start.python}\nend = {end.python}"]
    lines += [
        f"{name} = space.decode(interpolation.path(start, end, {n_steps}, {name!r}))" for name in interpolation.PATHS
    ]
    return snippet("\n".join(lines), interpolation, start.python, end.python)
