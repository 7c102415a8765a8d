"""An image of one's own: drawn on a canvas or photographed, encoded, reconstructed, among the real ones."""

from __future__ import annotations

import base64
from contextlib import suppress

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import data, drawing
from latent.errors import ArgumentError
from latent.page import widgets
from latent.page.panels.own_image import Own, show_own
from latent.page.show import show_error
from latent.page.snippet import snippet
from latent.page.state import state
from latent.space import LatentSpace

CANVAS = 280  # pixels of the square to draw on
LONGEST_TOLD = 120_000  # characters; the pixels of a drawing as they are would take 105,000
EXAMPLE = 0  # the test image that is shown until something is drawn


def drawing_in_use() -> str:
    """The drawing as text, empty where the surface was cleared: the session's, what the address says, or an example."""
    session = state()
    if session.drawing is None:
        session.drawing = st.query_params.get("drawn")
    if session.drawing is None:
        return drawing.to_text(data.evaluation_digits()[0][EXAMPLE])
    return session.drawing


def show_surface(text: str, width: int) -> None:
    """The square to draw on, with this drawing on it, and a pen of this width in pixels."""
    session = state()
    is_example = session.drawing is None
    pixels = b""
    with suppress(ArgumentError):  # of a damaged link, which is spoken of beside it
        pixels = drawing.from_text(text).tobytes() if text else b""
    st.markdown("**Draw here**")
    widgets.drawing_surface("draw_canvas", {
        "drawn": text, "pixels": base64.b64encode(pixels).decode(), "example": is_example, "brought": session.photos,
        "side": CANVAS, "width": width, "ink": drawing.CANVAS_SIDE,
    }, on_drawn=take_drawing)  # fmt: skip
    st.caption(
        f"An example, test image {EXAMPLE}: the first stroke replaces it."
        if is_example
        else "With a mouse, a pen or a finger."
    )


def take_drawing() -> None:
    """What the surface tells after a stroke; what no surface tells is passed over."""
    with suppress(ArgumentError):
        state().drawing = drawing_told(st.session_state["draw_canvas"]["drawn"])


def drawing_told(told: object) -> str:
    """The drawing as text that a surface tells, empty for an empty one. Raises `ArgumentError` for anything else."""
    if told == "":
        return ""
    if not isinstance(told, str) or len(told) > LONGEST_TOLD:
        raise ArgumentError("This is not a drawing.")
    if told.startswith("data:"):
        return drawing.to_text(drawing.normalise(drawing.canvas_ink(told)))
    return drawing.to_text(drawing.from_text(told))  # a picture that was brought, after Undo


def take_photo() -> None:
    """The digit in the photo that was dropped in."""
    file = st.session_state["draw_photo"]
    if file is None:
        return
    session = state()
    try:
        session.drawing = drawing.to_text(drawing.normalise(drawing.photo_ink(file.getvalue())))
        session.photos += 1
    except ArgumentError as error:
        st.toast(str(error), icon=":material/error:")


def show_drawing(space: LatentSpace, text: str) -> None:
    """What the model makes of a drawing, or where there is none, what to do."""
    try:
        picture = drawing.from_text(text) if text else None
    except ArgumentError as error:
        show_error(error)
        return
    session = state()
    if session.drawing is not None:  # an example need not be in the address
        session.run.link["drawn"] = [text]
    if picture is None:
        st.info("Draw a digit on the black square: one stroke is enough to begin.")
    else:
        show_reading(space, picture, text)


def show_reading(space: LatentSpace, picture: NDArray[np.uint8], text: str) -> None:
    """A drawing: as the network sees it, encoded, reconstructed, among the real ones."""
    shape = space.signature.image_shape
    resized = shape != (1, *picture.shape)
    fitting = f"data.fit(picture[None], {shape})" if resized else "picture[None]"
    lines = f"picture = drawing.from_text({text!r})\nseen = {fitting}"
    shown = Own("drawn", picture, snippet(lines, drawing, *[data] * resized), "The drawing, normalised as MNIST was")
    show_own(space, shown)
