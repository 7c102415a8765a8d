"""Generated pictures beside real ones, and each over its nearest real one."""

from __future__ import annotations

import numpy as np
import streamlit as st

from latent import images
from latent.arrays import Codes, Pictures, Rows
from latent.images import Sheet
from latent.page.show import columns_for, counted, real_names, show_codes
from latent.space import LatentSpace


def show_grids(space: LatentSpace, rows: Rows, z: Codes, generated: Pictures) -> None:
    """Real digits of these ``rows`` beside as many generated ones, of the codes ``z``."""
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
    """Every generated picture over its nearest real digit."""
    n = len(z)
    st.subheader("Samples (top), nearest test images (bottom)")
    pairs = images.pairs_sheet(generated, space.images[nearest], columns=12, zoom=3)
    text, names = f"{n} samples, each over its nearest test image", real_names(space, nearest)
    both = np.concatenate([z, space.z[nearest]])
    show_codes("compare_pairs", space, pairs, both, sample_names(n) + names, text, stretch=n >= 12)
    counts = np.bincount(space.labels[nearest], minlength=10)
    st.caption(f"Nearest by the distance of the codes, among the 10,000 test images: {counted(counts)}.")
    return pairs


def sample_names(n: int) -> list[str]:
    """What generated pictures are called."""
    return [f"sample {i + 1}" for i in range(n)]
