"""Codes of other images than the evaluation images: files that `latent.encode` wrote."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from latent import encoded
from latent.density import REACH, Density
from latent.encoded import Encoded
from latent.page import cached
from latent.page.picker import model_folder, overruled_by
from latent.page.show import show_built
from latent.space import LatentSpace

TEST_IMAGES = "the images in use"


def choose_codes(space: LatentSpace, key: str = "statistics_codes") -> Encoded | None:
    """A file of codes of this model, or None for those of the images in use; not asked where there is no file."""
    files = {path.stem: path for path in encoded.find(model_folder(), space.checkpoint.sha256)}
    if not files or overruled_by(space.checkpoint.sha256):  # files are made by a model file's own reading
        return None
    chosen = st.selectbox(
        "Codes of", [TEST_IMAGES, *files], key=key, bind="query-params",
        help="Files that `python -m latent.encode` wrote into the model folder with this model file.",
    )  # fmt: skip
    return None if chosen == TEST_IMAGES else Encoded.open(files[chosen])


def describe_codes(file: Encoded, n_drawn: int) -> None:
    """Where the codes of a file are from, what is missing, and what is exact."""
    images_of = Path(next(iter(file.source.values()), "")).name
    lost = f"; {file.unreadable:,} unreadable, left out ({', '.join(file.first_unreadable[:3])})"
    st.text(f"Images of {images_of}{lost if file.unreadable else ''}")
    st.caption(f"Statistics use all codes (quantiles within {file.resolution:.2g}), histograms a random {n_drawn:,}.")


def show_density(file: Encoded) -> Density:
    """How densely all codes of a file of two dimensions or more lie on a plane."""
    found = cached.density_of(file)
    st.subheader("Density of all codes")
    show_built(f"Density of {found.n:,} codes on a plane of their space", cached.density_chart(file))
    st.caption(f"{describe_plane(found)} All {found.n:,} codes are counted; colours are logarithmic.")
    return found


def describe_plane(found: Density) -> str:
    """The plane that codes of a file are shown on, and how many are beyond what is shown, in sentences."""
    has_more = found.plane.axes.shape[1] > 2
    plane = "Plane of the first two principal components" if has_more else "The two dimensions"
    fitted = "" if found.exact else ", fitted to a random sample"
    share = f": {found.explained:.0%} of the variance" if has_more else ""
    left_out = f" {found.outside:,} codes beyond {REACH} standard deviations are not shown." if found.outside else ""
    return f"{plane}{fitted}{share}.{left_out}"
