"""A code that is entered: what it starts from, its numbers as text or in a table, and the real image nearest to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import codes, sampling
from latent.arrays import Code
from latent.errors import ArgumentError
from latent.page import cached
from latent.page.choose import choose_image, choose_seed, reset_when_changed
from latent.page.keeping import custom_code
from latent.page.show import lazy_expander, plain_markdown, show_real
from latent.page.snippet import LONGEST_LITERAL
from latent.page.state import state
from latent.page.told import Told, told_by
from latent.space import LatentSpace

STARTS = ("test image", "random code", "mean", "zeros")
STARTS_OF_A_DECODER = ("random code", "zeros")


def choose_start(space: LatentSpace) -> Code:
    """Controls that choose the code to start from."""
    starts = STARTS if space.signature.has_encoder else STARTS_OF_A_DECODER
    start = st.selectbox("Start from", starts, key="custom_start", bind="query-params")
    if start == "test image":
        return space.z[choose_image(space, "custom", 7)]
    if start == "random code":
        seed = choose_seed("custom_seed", text=None)
        return sampling.sample(cached.fitted(space, "learned"), 1, seed=seed)[0]
    return space.statistics.mean if start == "mean" else np.zeros(space.latent_dim, np.float32)


def enter_code(space: LatentSpace, base: Code) -> Code:
    """The code in the text field, which starts from ``base``; the last good one where it is none."""
    reset_when_changed("custom_numbers", codes.text_of(base), (space.checkpoint.sha256, base.tobytes()))
    text = st.text_area(
        f"{space.latent_dim} numbers", key="custom_numbers", height=68,
        bind="query-params" if space.latent_dim <= LONGEST_LITERAL else None,
        help="Separated by commas, spaces or lines; brackets and JSON are accepted.",
    )  # fmt: skip
    try:
        code = codes.parse(text, space.latent_dim)
    except ArgumentError as error:
        st.warning("Invalid input; showing the last valid code.")
        st.text(str(error))
        code = custom_code(space)
    state().codes[space.checkpoint.sha256] = code
    return code


def edit_as_table(code: Code, table: Mapping[str, NDArray[Any]]) -> None:
    """The code in a table whose numbers can be changed."""
    key = f"custom_table_{hash(code.tobytes())}"  # another code, another table: no edit counts twice

    def take_edits() -> None:
        edited = code.copy()
        with told_by(key, "edited_rows") as told:
            for row in told.value:
                change = told[row]["value"]
                edited[Told(row).index(len(code))] = 0.0 if change.value is None else change.number()
        st.session_state["custom_numbers"] = codes.text_of(edited)

    if editor := lazy_expander("Edit as a table", "custom_edit"):
        import pandas as pd  # where used: a quarter of a second, and 45 MB

        value_column = st.column_config.NumberColumn(format="%.3f", required=True)
        editor.data_editor(
            pd.DataFrame(table), key=key, on_change=take_edits, hide_index=True, disabled=["dimension"],
            column_config={"value": value_column}, alt="The code as an editable table",
        )  # fmt: skip


def show_nearest(space: LatentSpace, code: Code) -> None:
    """The real image whose code is nearest."""
    nearest = space.nearest(code)[0]
    name = space.image_name(int(nearest[0]))
    st.markdown(f"**Nearest test image**: {plain_markdown(name)}")
    show_real("custom_nearest", space, nearest, f"Nearest test image, {name}", 4)
