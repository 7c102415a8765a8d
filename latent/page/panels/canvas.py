"""A digit of one's own: drawn on a canvas or photographed, encoded, reconstructed, among the real ones."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import data, drawing, images
from latent.errors import ArgumentError
from latent.page import cached
from latent.page.keeping import keep
from latent.page.panels.code_map import map_data, map_places, mount_map
from latent.page.show import counted, show_code_chart, show_codes, show_real, show_support, side_by_side
from latent.page.snippet import snippet
from latent.page.state import state
from latent.page.take_away import take_away
from latent.space import LatentSpace

CANVAS = 280  # pixels of the square to draw on


def show_canvas(width: int) -> None:
    """The square to draw on, with a pen of this width in pixels."""
    from streamlit_drawable_canvas import st_canvas  # where used: a component of its own

    st.markdown("**Draw here**")
    canvas = st_canvas(
        stroke_width=width, stroke_color="#ffffff", background_color="#000000", height=CANVAS, width=CANVAS,
        return_image_data=True, key="draw_canvas",
    )  # fmt: skip
    take_strokes(canvas)
    st.caption("With the mouse, a pen or a finger. The bin in the toolbar starts afresh.")


def take_strokes(canvas: Any) -> None:
    """The drawing on the canvas, where it is another than at the last run."""
    session = state()
    strokes = (canvas.json_data or {}).get("objects") or []
    seen = json.dumps(strokes)
    if seen == session.strokes or (session.strokes is None and not strokes):
        return
    session.strokes, session.drawing = seen, ""
    if strokes:
        with suppress(ArgumentError):  # a stroke that leaves nothing is none
            session.drawing = drawing.to_text(drawing.normalise(drawing.canvas_ink(canvas.image_data)))


def take_photo() -> None:
    """The digit in the photo that was dropped in."""
    file = st.session_state["draw_photo"]
    if file is None:
        return
    try:
        state().drawing = drawing.to_text(drawing.normalise(drawing.photo_ink(file.getvalue())))
    except ArgumentError as error:
        st.toast(str(error), icon=":material/error:")


def drawing_in_use() -> str:
    """The drawing as text; at first what the address says, empty where there is none."""
    session = state()
    if session.drawing is None:
        session.drawing = st.query_params.get("drawn", "")
    return session.drawing


def show_drawing(space: LatentSpace, picture: NDArray[np.uint8], text: str) -> None:
    """A drawn digit: as the network sees it, encoded, reconstructed, among the real ones."""
    seen = data.fit(picture[None], space.signature.image_shape)
    z = space.encode(seen)
    x_hat = space.decode(z)
    nearest = space.nearest(z[0], 10)[0]
    digits = np.bincount(space.labels[nearest], minlength=10)
    name = f"drawn, like a {digits.argmax()}"
    with side_by_side():
        with st.container(width="content"):
            st.markdown("**As the network sees it**")
            show_codes("draw_seen", space, images.sheet(seen, 1, 6), z, [name], "The drawing, normalised as MNIST was")
        with st.container(width="content"):
            st.markdown("**Reconstructed**")
            show_codes("draw_reconstructed", space, images.sheet(x_hat, 1, 6), z, [name], "The drawing, reconstructed")
    if st.button("Keep it on the shelf"):
        keep(space, name, z[0])
        st.rerun()
    show_support(space, z[0])
    st.markdown(f"**Its ten nearest real digits**: {counted(digits)}")
    show_real("draw_nearest", space, nearest, "The ten real digits whose codes are nearest", 3)
    st.markdown("**Its place on the map**")
    x, y = cached.plane_of(space).project(z)[0].tolist()
    drawn = map_data(space, "PCA", map_places(space, "PCA"))
    mount_map("draw_map", space, "PCA", drawn | {"marks": [{"name": "drawn", "x": x, "y": y}], "height": 400})
    st.markdown("**Its code**")
    show_code_chart(space, z[0], "The code as bars", height=160)
    shape = space.signature.image_shape
    resized = shape != (1, 28, 28)
    fitting = f"data.fit(picture[None], {shape})" if resized else "picture[None]"
    python = snippet(
        f"picture = drawing.from_text({text!r})\nz = space.encode({fitting})\n"
        "reconstruction = space.decode(z)\nnearest = space.nearest(z[0], 10)[0]",
        drawing, *[data] * resized,
    )  # fmt: skip
    arrays = {"picture": picture, "z": z, "reconstruction": x_hat, "nearest": nearest}
    take_away(space, python, arrays, png=lambda: images.rows_sheet([seen, x_hat], 6).png())
