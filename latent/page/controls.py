"""Where the controls of a section stand: in a row above what they change."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

CLASS_WIDTHS = (80, 192)  # pixels of a control that shows a class: by the length of its name, at least, at most
NUMBER_WIDTH = 104  # of one that shows the number of a dimension
PICKER_WIDTH = 192  # of one that stands alone


def choose_number(
    label: str, least: int, most: int, default: int, available: int, *, key: str, step: int = 1, help: str | None = None
) -> int:
    """A slider for how many of as many as are ``available``; where that leaves no choice, that many and no slider."""
    most = min(most, available)
    if most <= least:
        return most
    return st.slider(label, least, most, min(default, most), step, key=key, bind="query-params", help=help)


def controls(of: str = "") -> DeltaGenerator:
    """A row for controls; ``of`` tells it from the other rows of the same section.

    They are as wide as the style sheet says, all on one line where there is room, and end at the same height, so that
    what has no label stands beside the fields and not beside their labels.
    """
    key = f"controls_{of}" if of else "controls"
    return st.container(horizontal=True, vertical_alignment="bottom", key=key)
