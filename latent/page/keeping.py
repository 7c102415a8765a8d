"""What a session keeps of a model file: its shelf, and the custom code."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import numpy as np
import streamlit as st

from latent import images, shelf
from latent.arrays import Code
from latent.errors import ArgumentError, LatentError
from latent.page.selecting import kept_selection, subject_of
from latent.page.state import state
from latent.selection import LINK, Selection
from latent.shelf import Kept, Shelf
from latent.space import LatentSpace


def shelf_of(space: LatentSpace) -> Shelf:
    """The shelf of this session and model file; at first, what the address brought along."""
    shelves, sha256 = state().shelves, space.checkpoint.sha256
    if sha256 not in shelves:
        shelves[sha256] = Shelf(sha256)
        if len(shelves) == 1:  # the first of the session: the one that the address is about
            for text in st.query_params.get_all("kept"):
                with suppress(ArgumentError):  # a link that was cut short still opens with the rest of it
                    shelves[sha256] = shelves[sha256].keep(kept_in_link(space, text))
    return shelves[sha256]


def kept_in_link(space: LatentSpace, text: str) -> Kept:
    """An item of the shelf that an address holds. Raises `ArgumentError` where it is damaged, or of other images."""
    if not text.startswith(LINK):
        name, origin, kind, vector = shelf.from_link(text, space.latent_dim)
        return kept_of(space, name, origin, vector, kind)
    selection = Selection.from_link(text)
    if not selection.is_of(subject_of(space), len(space.z)):
        raise ArgumentError("The selection in the link is of other images than those in use.")
    return kept_selection(space, replace(selection, dataset=subject_of(space)))


def kept_of(space: LatentSpace, name: str, origin: str, vector: Code, kind: shelf.Kind = "code") -> Kept:
    """A vector with its picture: what it decodes to, or for a direction how it changes the mean."""
    if kind == "code":
        return Kept(name, origin, vector, images.to_uint8(space.decode(vector)[0]))
    mean = space.statistics.mean
    changed, unchanged = space.decode(np.stack([mean + vector, mean]))
    return Kept(name, origin, vector, images.changes_to_rgb(changed[None], unchanged)[0], kind)


def keep_selection(space: LatentSpace, selection: Selection) -> None:
    """Put a selection on the shelf."""
    put_on_shelf(space, lambda: kept_selection(space, selection))


def keep(space: LatentSpace, name: str, vector: Code, kind: shelf.Kind = "code", origin: str = "") -> None:
    """Put a vector on the shelf; it comes from the section that is shown where ``origin`` says nothing else."""
    origin = origin or state().section
    put_on_shelf(space, lambda: kept_of(space, name, origin, np.asarray(vector, np.float32), kind))


def put_on_shelf(space: LatentSpace, make: Callable[[], Kept]) -> None:
    """Put what is made on the shelf, and say so, or why it could not be."""
    session = state()
    try:
        session.shelves[space.checkpoint.sha256] = shelf_of(space).keep(make())
        session.toast = "Added to the shelf, in the sidebar."
    except LatentError as error:
        session.toast = str(error)


def custom_code(space: LatentSpace) -> Code:
    """The code last entered in the Custom vector section, or where there is none the first real image's."""
    codes, sha256 = state().codes, space.checkpoint.sha256
    if sha256 not in codes and "custom" in st.query_params:
        with suppress(ArgumentError):  # in a link that was cut short, or of another model
            codes[sha256] = shelf.vector_from_text(st.query_params["custom"], space.latent_dim)
    return codes.get(sha256, space.z[0])
