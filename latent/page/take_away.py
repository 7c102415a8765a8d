"""The end of every section: its pictures and numbers as files, and the Python that gives the same arrays."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from latent import figures
from latent.page.show import lazy_expander, let_first_be_drawn
from latent.page.snippet import Snippet, program
from latent.page.state import state
from latent.space import LatentSpace

Table = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""Columns by name, or rows of values by column."""


@dataclass(frozen=True)
class Download:
    """A file that can be downloaded: what makes its ``content``, how its name ends, its type, and a help text."""

    content: Callable[[], Any]
    ending: str
    mime: str
    text: str


def take_away(
    space: LatentSpace,
    python: Snippet,
    arrays: Mapping[str, Any],
    *,
    png: Callable[[], bytes] | None = None,
    csv: Callable[[], Table] | None = None,
    gif: Callable[[], bytes] | None = None,
    beside: Callable[[], None] | None = None,
) -> None:
    """The end of a section: its pictures and numbers as files, made when somebody asks for one, and the few lines of
    ``python`` that make the same ``arrays``; ``beside`` draws further buttons into the row."""
    name = f"{space.name}-{state().section.lower().replace(' ', '-')}"
    files: dict[str, Download] = {}
    if png is not None:
        files["PNG"] = Download(png, ".png", "image/png", "Images as one sheet.")
    if gif is not None:
        files["GIF"] = Download(gif, ".gif", "image/gif", "Images as an animation.")
    if shown := list(state().run.figures.values()):
        text = f"The {len(shown)} figures of this section as SVG, PDF and PNG, with captions, in a ZIP file."
        make = partial(figures.archive, shown, source_of(space))
        files["Figures"] = Download(make, "-figures.zip", "application/zip", text)
    text = f"Arrays for NumPy: {', '.join(arrays)}."
    files["NPZ"] = Download(npz(**arrays), ".npz", "application/octet-stream", text)
    if csv is not None:
        files["CSV"] = Download(lambda: csv_text(csv()), ".csv", "text/csv", "Numbers as a table.")
    let_first_be_drawn()
    with downloads():
        offer(name, files)
        if beside is not None:
            beside()
    if lines := lazy_expander("Python", "python"):  # to colour them, the browser loads 1.5 MB of code
        lines.caption("Gives the arrays of the NPZ file. Run it in the folder of this project.")
        # Lines that scroll sideways would be out of a keyboard's reach.
        lines.code(program(space, python), "python", wrap_lines=True)


def downloads(of: str = "") -> DeltaGenerator:
    """A row for buttons that download, which says so; ``of`` tells it from the row at the end of the section."""
    key = f"downloads_{of}" if of else "downloads"
    row = st.container(horizontal=True, vertical_alignment="center", key=key)
    row.text("Download", width="content")
    return row


def offer(name: str, files: Mapping[str, Download]) -> None:
    """A button for each of the files, by its label; they are called ``name`` and their own ending.

    Streamlit keeps a button's function until the whole page runs again, so it is given one that holds no arrays.
    """
    newest = state().downloads
    newest.clear()

    def newest_of(label: str) -> Callable[[], Any]:
        return lambda: newest[label]()

    for label, file in files.items():
        newest[label] = file.content
        st.download_button(
            label, newest_of(label), f"{name}{file.ending}", file.mime, on_click="ignore", help=file.text
        )  # fmt: skip


def source_of(space: LatentSpace) -> str:
    """What the figures are of, as the last sentence of a caption."""
    return f"Model {space.name}; images: {space.dataset.name}."


def npz(**arrays: Any) -> Callable[[], bytes]:
    """What makes an NPZ file of the arrays when it is asked for."""

    def make() -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    return make


def csv_text(table: Table) -> str:
    """A table as comma-separated values."""
    import pandas as pd  # where used: a quarter of a second, and 45 MB

    text: str = pd.DataFrame(table).to_csv(index=False)
    return text
