"""Arithmetic with codes: which operation, of what, and the terms with their result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st

from latent import images, interpolation
from latent.arrays import Code, Codes, Pictures
from latent.page.choose import Operand, choose_code
from latent.page.show import show_code_chart, show_codes, show_real, side_by_side
from latent.space import LatentSpace


class Operation(NamedTuple):
    """How it is written, what computes it, and the digits whose mean each operand is at first."""

    formula: str
    operate: Callable[..., Code]
    digits: dict[str, int]


OPERATIONS = {
    "average": Operation("(A + B) / 2", interpolation.average, {"A": 3, "B": 8}),
    "difference": Operation("A − B", interpolation.difference, {"A": 3, "B": 8}),
    "sum": Operation("A + B", interpolation.total, {"A": 3, "B": 8}),
    "analogy": Operation("A − B + C", interpolation.analogy, {"A": 8, "B": 3, "C": 5}),
}


def choose_operands(space: LatentSpace) -> tuple[Operation, dict[str, Operand]]:
    """Controls that choose the operation, and an operand for each of its letters."""
    name = st.selectbox(
        "Operation", OPERATIONS, index=len(OPERATIONS) - 1, key="arithmetic_operation", bind="query-params",
        format_func=lambda name: f"{name}: {OPERATIONS[name].formula}",
    )  # fmt: skip
    operation = OPERATIONS[name]
    operands = {
        letter: choose_code(space, f"arithmetic_{letter.lower()}", letter, source="class mean", digit=digit)
        for letter, digit in operation.digits.items()
    }
    return operation, operands


def show_terms(space: LatentSpace, names: Sequence[str], z: Codes, pictures: Pictures) -> None:
    """Each operand and, last, the result, with the real digit nearest to it."""
    with side_by_side():
        for place, name in enumerate(names):
            with st.container(width="content"):
                st.text(name)
                key, sheet = f"arithmetic_grid_{place}", images.sheet(pictures[[place]], 1, zoom=6)
                show_codes(key, space, sheet, z[[place]], [name], f"Decoded picture: {name}")
        if space.signature.has_encoder:
            nearest = space.nearest(z[-1])[0]
            digit = space.labels[nearest[0]]
            with st.container(width="content"):
                st.text(f"Nearest real: a {digit}")
                show_real("arithmetic_nearest", space, nearest, f"The nearest real digit, a {digit}", 6)


def show_bars(space: LatentSpace, names: Sequence[str], z: Codes) -> None:
    """The codes as bars, in the same order."""
    for cell, name, code in zip(st.columns(len(names)), names, np.asarray(z)):
        with cell:
            st.text(name)
            show_code_chart(space, code, "The code above as bars", height=200)
    st.caption(
        "The grey bands hold 98 % of the real codes. A difference or a sum usually leaves them: it is a direction, or "
        "twice a picture, and decodes to something no real digit looks like. An average or an analogy stays inside."
    )
