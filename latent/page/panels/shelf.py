"""The shelf in the sidebar: the kept vectors, renamed and removed here, saved to a file and loaded from one."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from PIL import Image

from latent import images
from latent.errors import ArgumentError
from latent.page import widgets
from latent.page.keeping import shelf_of
from latent.page.selecting import LEFT_OUT
from latent.page.show import lazy_expander
from latent.page.snippet import LONGEST_LITERAL
from latent.page.state import state
from latent.page.told import told_by
from latent.shelf import Kept, Shelf
from latent.space import LatentSpace


def show_shelf(space: LatentSpace) -> None:
    """The strip of kept vectors."""
    kept, mistake = shelf_of(space), state().shelf_mistake
    state().shelf_mistake = ""
    say_what_is_missing()
    if space.latent_dim > LONGEST_LITERAL and len(kept):
        st.caption("Download the shelf to share these codes: they are too long for a link.")
    if space.checkpoint.path is None:
        st.caption("Links omit uploaded files.")
    filled = len(kept) or mistake
    place = st.expander(f"Shelf ({len(kept)})", expanded=True) if filled else lazy_expander("Shelf", "shelf_open")
    if place is None:
        return
    with place:
        if mistake:
            st.warning("The shelf is unchanged:")
            st.text(mistake)
        if len(kept):
            show_items(space)
        else:
            st.caption("Click an image to add its code; any section can start from it.")
        st.file_uploader(
            "Load shelf file", type="npz", key="shelf_file", on_change=load_shelf, args=(space,)
        )  # fmt: skip


def say_what_is_missing() -> None:
    """Say what the link that was opened had no room for."""
    session = state()
    if session.left_out is None:
        session.left_out = st.query_params.get_all(LEFT_OUT)
    if session.left_out:
        st.caption("Too long for the link, and so missing here:")
        st.text(", ".join(session.left_out))


def show_items(space: LatentSpace) -> None:
    """What is on the shelf, newest first, and the buttons for all of it."""
    kept = shelf_of(space)
    rows = [{"picture": thumbnail(item), "name": item.name, "origin": item.origin} for item in reversed(kept.items)]

    def remove() -> None:
        with told_by("shelf", "removed") as told:
            name = told.text()
            change(space, lambda: kept.remove(name))

    widgets.shelf_list(rows, on_renamed=lambda: rename_item(space), on_removed=remove)
    save, empty = st.columns(2)
    save.download_button(
        "Download shelf", kept.to_bytes, f"{space.name}-shelf.npz", "application/octet-stream", on_click="ignore",
        width="stretch", help="All codes, images, names and the SHA-256 of the model file, as an NPZ file.",
    )  # fmt: skip
    empty.button("Clear shelf", on_click=change, args=(space, lambda: Shelf(space.checkpoint.sha256)), width="stretch")


def change(space: LatentSpace, after: Callable[[], Shelf]) -> None:
    """Put another shelf in the place of this one; where there is none to be had, say why and leave it as it is."""
    try:
        state().shelves[space.checkpoint.sha256] = after()
    except ArgumentError as error:
        state().shelf_mistake = str(error)


def rename_item(space: LatentSpace) -> None:
    """Give an item the name that was written over its own."""
    before = shelf_of(space)
    with told_by("shelf", "renamed") as told:
        name, new = told["name"].text(), told["new"].text()
        change(space, lambda: before.rename(name, new))
        if shelf_of(space).items != before.items:  # the controls that chose it go on choosing it
            for control, value in list(st.session_state.items()):
                if str(control).endswith("_kept") and value == name:
                    st.session_state[control] = new.strip()


def load_shelf(space: LatentSpace) -> None:
    """Add what a saved shelf holds."""
    file = st.session_state["shelf_file"]
    if file is not None:
        change(space, lambda: shelf_of(space).add_file(file.getvalue(), space.latent_dim))


def thumbnail(kept: Kept) -> str:
    """The picture of an item, as an address."""
    return images.data_uri(images.png_bytes(Image.fromarray(kept.picture)))
