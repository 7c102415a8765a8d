"""Arithmetic with codes: which operation, of what, and the terms with their result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from latent import images, interpolation
from latent.arrays import Code, Codes, Pictures
from latent.page.choose import Operand, choose_code
from latent.page.controls import controls
from latent.page.show import show_code_chart, show_codes, show_real
from latent.space import LatentSpace


class Operation(NamedTuple):
    """How it is written, what computes it, and the classes whose mean each operand is at first."""

    formula: str
    operate: Callable[..., Code]
    classes: dict[str, int]


OPERATIONS = {
    "average": Operation("(A + B) / 2", interpolation.average, {"A": 3, "B": 8}),
    "difference": Operation("A − B", interpolation.difference, {"A": 3, "B": 8}),
    "sum": Operation("A + B", interpolation.total, {"A": 3, "B": 8}),
    "analogy": Operation("A − B + C", interpolation.analogy, {"A": 8, "B": 3, "C": 5}),
}


CELL = 176  # pixels: as wide as the controls of an operand


class Cells(NamedTuple):
    """Where each operand, the result and the real image nearest to it stand; what stays empty takes no room."""

    operands: dict[str, DeltaGenerator]
    result: DeltaGenerator
    nearest: DeltaGenerator


def row_of_cells() -> Cells:
    """Cells beside each other, with their pictures at the same height, whatever controls are above."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        *operands, result, nearest = (st.container(width=CELL) for _ in range(5))
    return Cells(dict(zip("ABC", operands)), result, nearest)


def choose_operands(space: LatentSpace, cells: Cells) -> tuple[Operation, dict[str, Operand]]:
    """Controls that choose the operation, above its result, and an operand for each of its letters."""
    name = cells.result.selectbox(
        "Operation", OPERATIONS, index=len(OPERATIONS) - 1, key="arithmetic_operation", bind="query-params",
        format_func=lambda name: f"{name}: {OPERATIONS[name].formula}",
    )  # fmt: skip
    operation, operands = OPERATIONS[name], {}
    for letter, of_class in operation.classes.items():
        key = f"arithmetic_{letter.lower()}"
        with cells.operands[letter], controls(key):
            operands[letter] = choose_code(space, key, letter, source="class mean", of_class=of_class)
    return operation, operands


def show_terms(space: LatentSpace, cells: Cells, names: Sequence[str], z: Codes, pictures: Pictures) -> None:
    """Each operand and, last, the result, with the real image nearest to it; below each its code as bars."""
    shown = [*list(cells.operands.values())[: len(names) - 1], cells.result]
    for place, (cell, name) in enumerate(zip(shown, names)):
        with cell:
            key, sheet = f"arithmetic_grid_{place}", images.sheet(pictures[[place]], 1, zoom=6)
            show_codes(key, space, sheet, z[[place]], [name], f"Decoded image: {name}")
    bars = [*zip(shown, names, np.asarray(z))]
    if space.signature.has_encoder:
        nearest = space.nearest(z[-1])[0]
        name = f"Nearest test image: {space.image_name(int(nearest[0]))}"
        with cells.nearest:
            st.text(name)
            show_real("arithmetic_nearest", space, nearest, name, 6)
        bars.append((cells.nearest, name, space.z[nearest[0]]))
    for cell, name, code in bars:
        with cell:
            show_code_chart(space, code, f"{name}: code as bars", height=200)
    st.caption(
        f"Grey: 1st–99th percentile of the {space.codes_noun}, per dimension. Sums and differences usually decode to "
        "atypical images."
    )
