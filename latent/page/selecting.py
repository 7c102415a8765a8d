"""What is selected in a session: some of the images, which every section and every model of the same images shares."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import numpy as np
import streamlit as st
from numpy.typing import ArrayLike

from latent import images
from latent.errors import ArgumentError
from latent.page.state import state
from latent.selection import LONGEST_LINK, Selection
from latent.shelf import Kept
from latent.space import LatentSpace

SELECTED, LEFT_OUT = "selected", "left_out"  # parameters of the address


def subject_of(space: LatentSpace) -> str:
    """What the numbers of a selection are of: the data set, or where a decoder alone has random codes the model."""
    return space.dataset.sha256 if space.signature.has_encoder else space.checkpoint.sha256


def selected_in(space: LatentSpace) -> Selection | None:
    """What is selected of these images, at first what the address brought along."""
    session, subject = state(), subject_of(space)
    if session.selections is None:
        session.selections = {}
        with suppress(ArgumentError):  # in a link that was cut short
            brought = Selection.from_link(st.query_params.get(SELECTED, ""))
            if brought.is_of(subject, len(space.z)):
                session.selections[subject] = replace(brought, dataset=subject)
    found = session.selections.get(subject)
    if found is None:  # nor does the address of this run say so any longer
        for name in (SELECTED, LEFT_OUT):
            session.run.link.pop(name, None)
    return found


def select(space: LatentSpace, name: str, origin: str, rows: ArrayLike) -> None:
    """Select these images in place of those that were; nothing where there are none."""
    selected_in(space)
    selections = state().selections
    assert selections is not None  # who asked what is selected has made it
    selection = Selection.of(name, origin, subject_of(space), rows)
    if len(selection):
        selections[selection.dataset] = selection
    else:
        selections.pop(selection.dataset, None)


def put_in_link(selection: Selection) -> bool:
    """Let the address of this run hold a selection; whether it does: one that is too long is left out, as it says."""
    link, text = state().run.link, selection.to_link()
    if len(text) > LONGEST_LINK:
        link[LEFT_OUT] = [selection.name]
        return False
    link[SELECTED] = [text]
    return True


def kept_selection(space: LatentSpace, selection: Selection) -> Kept:
    """A selection as the shelf holds it: with the mean of its codes, and what that decodes to."""
    mean = np.asarray(space.z[selection.rows].mean(axis=0), np.float32)
    picture = images.to_uint8(space.decode(mean)[0])
    return Kept(selection.name, selection.origin, mean, picture, "selection", selection)


def from_kept(space: LatentSpace, kept: Kept) -> Selection:
    """The selection on the shelf, under the name that it has there.

    Raises `ArgumentError` where it is of other images than those in use.
    """
    selection = kept.selection
    if selection is None or not selection.is_of(subject_of(space), len(space.z)):
        raise ArgumentError(f"The selection {kept.name!r} is of other images than those in use.")
    return replace(selection.called(kept.name), dataset=subject_of(space))
