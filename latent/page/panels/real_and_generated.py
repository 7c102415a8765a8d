"""Generated pictures beside real ones, and each over its nearest real one."""

from __future__ import annotations

import numpy as np
import streamlit as st

from latent import images
from latent.arrays import Codes, Pictures, Rows
from latent.images import Sheet
from latent.page.show import columns_for, counted, plain_markdown, real_names, show_codes
from latent.space import LatentSpace


def choose_class_or_all(space: LatentSpace) -> int | None:
    """A control for one class, or None for all; not asked where classes are not known."""
    if not space.has_classes:
        return None
    return st.selectbox(
        "Class", [None, *np.unique(space.labels).tolist()], key="compare_digit", bind="query-params",
        format_func=lambda index: "all classes" if index is None else f"class {space.classes[index]}",
        help="One class: its test images, and samples from a sampler fitted to its codes.",
    )  # fmt: skip


def show_grids(space: LatentSpace, rows: Rows, z: Codes, generated: Pictures) -> None:
    """Real images of these ``rows`` beside as many generated ones, of the codes ``z``."""
    n, columns = len(rows), columns_for(len(rows))
    left, right = st.columns(2)
    with left:
        st.subheader("Test images")
        sheet, names = images.sheet(space.images[rows], columns, zoom=2), real_names(space, rows)
        show_codes("compare_real", space, sheet, space.z[rows], names, f"{n} test images", stretch=True)
    with right:
        st.subheader("Samples")
        sheet, text = images.sheet(generated, columns, zoom=2), f"{n} samples"
        show_codes("compare_generated", space, sheet, z, sample_names(n), text, stretch=True)


def show_pairs(space: LatentSpace, z: Codes, generated: Pictures, nearest: Rows) -> Sheet:
    """Every generated picture over its nearest real image."""
    n = len(z)
    st.subheader("Samples (top), nearest test images (bottom)")
    pairs = images.pairs_sheet(generated, space.images[nearest], columns=12, zoom=3)
    text, names = f"{n} samples, each over its nearest test image", real_names(space, nearest)
    both = np.concatenate([z, space.z[nearest]])
    show_codes("compare_pairs", space, pairs, both, sample_names(n) + names, text, stretch=n >= 12)
    counts = f": {counted(space.labels[nearest], space.classes)}" if space.has_classes else ""
    st.caption(plain_markdown(f"Nearest by the distance of the codes, among the {len(space.z):,} test images{counts}."))
    return pairs


def sample_names(n: int) -> list[str]:
    """What generated pictures are called."""
    return [f"sample {i + 1}" for i in range(n)]
