"""A sweep of one dimension, and an overview of all."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import images
from latent.arrays import Code, Codes, Pictures
from latent.browser.lines import sweep_line
from latent.images import Sheet
from latent.page import cached
from latent.page.choose import Operand, reset_when_changed
from latent.page.panels.strips import FixedPlace, Row, show_strip
from latent.page.show import show_codes
from latent.space import LatentSpace


def choose_range(space: LatentSpace, dimension: int) -> tuple[float, float]:
    """A control for the range of a dimension, at first that of the real codes."""
    low, high = (round(float(space.statistics.quantile(p)[dimension]), 2) for p in (0.01, 0.99))
    reach = 3 * max(abs(low), abs(high), 0.5)
    reset_when_changed("dimensions_range", (low, high), (space.checkpoint.sha256, dimension))
    text = "Default: the 1st to the 99th percentile of the codes of the test images."
    chosen: Any = st.slider(
        "Range", -reach, reach, step=0.01, key="dimensions_range", bind="query-params", help=text
    )  # fmt: skip
    low, high = chosen
    return low, high


def show_sweep(
    space: LatentSpace, dimension: int, values: NDArray[np.floating[Any]], z: Codes, strip: Pictures, of_base: Pictures,
    base: Operand,
) -> Sheet:  # fmt: skip
    """The pictures as the dimension takes these values, and how each differs from that of the base."""
    low, high, n_steps = values[0], values[-1], len(values)
    st.text(f"Dimension {dimension} from {low:.2f} to {high:.2f}. Other dimensions as in {base.name}.")
    names = [f"dim {dimension} = {value:.2f}" for value in values]
    sheet = images.sheet(strip, n_steps, zoom=4, column_names=[f"{value:.2f}" for value in values])
    text = f"Images as dimension {dimension} goes from {low:.2f} to {high:.2f}"
    differences = images.sheet(images.changes_to_rgb(strip, of_base), n_steps, zoom=4)
    fixed = FixedPlace("dimensions_at", (space.checkpoint.sha256, dimension))
    at = fixed.read()
    show_strip(
        "dimensions_strip", space,
        [
            Row(sheet, z, names, text, sweep_line(base.code, dimension, values)),
            Row(differences, z, names, "Difference of each image from the base", None),
        ],
        strip.shape[1:], at=float(base.code[dimension]) if at is None else at, on_placed=fixed.write,
        note=f"The difference from the base, whose dimension {dimension} is {base.code[dimension]:.2f}: red is "
        "brighter, blue is darker.",
    )  # fmt: skip
    return sheet


def show_overview(space: LatentSpace, base: Code, order: NDArray[np.intp]) -> None:
    """A strip for each of the dimensions that change the picture most; ``order`` has all, the strongest first."""
    st.caption(
        "Effect: RMS difference per pixel between ±1 standard deviation, over 16 test images. The rows below are in "
        "this order, each from the 1st to the 99th percentile of its dimension."
    )
    overview, sweeps, names = cached.overview_of(space, base.tobytes())
    text = f"A traversal of each of the dimensions {', '.join(map(str, order[: cached.MOST_STRIPS]))}"
    show_codes("dimensions_overview", space, overview, sweeps, names, text, stretch=True)
