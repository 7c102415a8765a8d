"""Training replay: how the space of a file came about, where the file has snapshots of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st

from latent import charts
from latent.page import cached, widgets
from latent.space import LatentSpace


def show_films(spaces: Sequence[LatentSpace]) -> None:
    """Training replay: of each of the spaces whose file holds how it came about."""
    st.subheader("Training replay")
    filmed = [space for space in spaces if space.checkpoint.snapshots is not None]
    if not filmed:
        st.caption("No training snapshots; record them with `--snapshots`.")
    for space in filmed:
        st.text(space.name)
        show_training(space)


def show_training(space: LatentSpace) -> None:
    """How the space came about: its map settling and its images getting sharp, from the first epoch to the last."""
    played, frames = cached.film_of(space)
    name = space.checkpoint.sha256[:16]
    data = {
        "frames": widgets.deliver_once(f"film-{name}", **frames),
        "captions": [played.caption(i) for i in range(len(played))],
        "losses": [None if np.isnan(loss) else float(loss) for loss in played.losses],
        "axes": list(played.axes),
        "colours": list(charts.CLASSES),
    }
    widgets.training_film(f"film_{name}", data)
    st.download_button(
        "Training GIF", lambda: played.gif(charts.CLASSES), f"{space.name}-training.gif", "image/gif",
        key=f"training_gif_{name}", on_click="ignore", help="Map and reconstructions, one frame per epoch.",
    )  # fmt: skip
