"""An image of one's own: as the network sees it, encoded, reconstructed, among the real ones."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import data, images, pictures
from latent.errors import DataError
from latent.page import cached
from latent.page.keeping import keep
from latent.page.panels.code_map import PLANE, map_data, mount_map, usual_colouring
from latent.page.show import (
    LOW,
    counted,
    let_first_be_drawn,
    plain_markdown,
    show_code_chart,
    show_codes,
    show_error,
    show_real,
    show_support,
    side_by_side,
)
from latent.page.snippet import Snippet, snippet
from latent.page.take_away import take_away
from latent.space import LatentSpace

EXAMPLE = 0  # the image in use that is shown until one is opened


class Own(NamedTuple):
    """An image: its name, its pixels (height, width[, 3]) uint8, the Python that gives ``picture`` and, as the model
    takes it, ``seen``, and what was done to it."""

    name: str
    picture: NDArray[np.uint8]
    python: Snippet
    alt_text: str


def choose_image_file(space: LatentSpace) -> Own | None:
    """A control that opens an image; at first, an example. None, and why, where it cannot be read."""
    kinds = [suffix[1:] for suffix in pictures.SUFFIXES]
    file = st.file_uploader("Image", type=kinds, key="draw_image")
    if file is None:
        st.caption(f"An example, {space.image_name(EXAMPLE)}, until you open an image.")
        picture = space.dataset.images[EXAMPLE]
        return Own("example", picture, own_python(space, f"space.dataset.images[{EXAMPLE}]"), "The example")
    try:
        picture = pictures.picture(io.BytesIO(file.getvalue()))
    except DataError as error:
        show_error(error)
        return None
    return Own("own image", picture, own_python(space, f"pictures.picture({file.name!r})", pictures), "The image")


def own_python(space: LatentSpace, gives: str, *used: Any) -> Snippet:
    """The Python that gives an image and fits it to the model."""
    lines = f"picture = {gives}\nseen = data.fit(picture[None], {space.signature.image_shape})"
    return snippet(lines, data, *used)


def show_own(space: LatentSpace, own: Own) -> None:
    """The image as the network sees it, its reconstruction, the nearest real ones, its place on the map, its code."""
    seen = data.fit(own.picture[None], space.signature.image_shape, space.signature.framed)
    z = space.encode(seen)
    x_hat = space.decode(z)
    nearest, name = space.nearest(z[0], 10)[0], own.name
    if space.has_classes:
        name += f", like class {space.classes[np.bincount(space.labels[nearest]).argmax()]}"
    with side_by_side():
        with st.container(width="content"):
            st.markdown("**Model input**")
            show_codes("draw_seen", space, images.sheet(seen, 1, 6), z, [name], own.alt_text)
        with st.container(width="content"):
            st.markdown("**Reconstruction**")
            text = f"{own.alt_text.partition(',')[0]}, reconstructed"
            show_codes("draw_reconstructed", space, images.sheet(x_hat, 1, 6), z, [name], text)
    if st.button("Add to shelf"):
        keep(space, name, z[0])
        st.rerun()
    show_support(space, z[0])
    counts = f": {counted(space.labels[nearest], space.classes)}" if space.has_classes else ""
    st.markdown(f"**{len(nearest)} nearest test images**{plain_markdown(counts)}")
    show_real("draw_nearest", space, nearest, f"The {len(nearest)} test images whose codes are nearest", 3)
    let_first_be_drawn()
    st.markdown("**Place on the map**")
    x, y = cached.plane_of(space).project(z)[0].tolist()
    drawn = map_data(space, PLANE, usual_colouring(space))
    mount_map("draw_map", space, PLANE, drawn | {"marks": [{"name": own.name, "x": x, "y": y}], "height": 400})
    st.markdown("**Code**")
    show_code_chart(space, z[0], "The code as bars", height=LOW)
    lines = "z = space.encode(seen)\nreconstruction = space.decode(z)\nnearest = space.nearest(z[0], 10)[0]"
    arrays = {"picture": own.picture, "z": z, "reconstruction": x_hat, "nearest": nearest}
    python = snippet(f"{own.python}\n{lines}", own.python)
    take_away(space, python, arrays, png=lambda: images.rows_sheet([seen, x_hat], 6).png())
