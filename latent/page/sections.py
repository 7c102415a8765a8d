"""The page: its sections, in the order in which they are added, and what is around the one that is shown."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import streamlit as st

from latent.errors import LatentError
from latent.foreign import formats
from latent.page import cached, datasets, widgets
from latent.page.choose import choose_class
from latent.page.fragment import fragment_in_turn
from latent.page.panels.runs import open_most_alike
from latent.page.panels.shelf import show_shelf
from latent.page.picker import chosen_model, offered_files, show_picker, take_upload
from latent.page.renamed import open_renamed_options
from latent.page.server import prepare, turns
from latent.page.show import lazy_expander, show_error
from latent.page.state import Run, Sent, state, value_of
from latent.space import LatentSpace

Draw = Callable[[LatentSpace], None]
Need = Literal["encoder"]
Opened = LatentSpace | LatentError  # the space of the chosen model, or why there is none
USUAL_CLASS = 3  # that a conditional model is asked for, where it knows as many
WHERE_MISSING: dict[Need, str] = {"encoder": "This section needs an encoder."}


@dataclass(frozen=True)
class Section:
    """A section: its ``name`` in the list, the ``group`` of the list that it is in, what it ``needs`` of a model, the
    ``question`` that it answers, and what draws it."""

    name: str
    group: str
    needs: Need | None
    question: str
    draw: Draw


class Page:
    """The page of these sections; a section is added by the decorator of the function that draws it::

    page = Page()

    @page.section("Model", group="Read")
    def model_section(space: LatentSpace) -> None:
        \"""What is this file?\"""

    page.show()
    """

    def __init__(self) -> None:
        self.sections: dict[str, Section] = {}

    def section(self, name: str, *, group: str, needs: Need | None = None) -> Callable[[Draw], Draw]:
        """Add a section after those that are there; the docstring of the function is the question that it answers."""

        def add(draw: Draw) -> Draw:
            self.sections[name] = Section(name, group, needs, inspect.getdoc(draw) or "", draw)
            return draw

        return add

    def show(self) -> None:
        """Draw the page: the sidebar with the model, the list of sections and the shelf, and the section chosen."""
        prepare()
        session = state()
        session.complete = False
        open_renamed_options()
        with turns().one():
            session.sent = Sent()
            st.set_page_config("Latent Space Explorer", cached.page_icon(), layout="wide")
            st.html(cached.style(self.first_of_groups()))
            st.sidebar.markdown("### Latent Space Explorer")
            if session.toast:
                st.toast(session.toast)
                session.toast = ""
            first = next(iter(self.sections))
            session.section = value_of("section", self.sections, first)
            if session.section == first and not session.has_seen_pictures:
                # It measures nothing, and the list of sections alone would hold up its pictures in a fresh browser.
                try:
                    opened: Opened = open_model(offered_files())
                except LatentError as error:
                    opened = error
                try:
                    self.show_main(opened)
                finally:  # whatever happens in a section, there is a way to the others
                    self.show_sidebar()
            else:
                opened = self.show_sidebar()
                self.show_main(opened)
        session.complete = isinstance(opened, LatentSpace)
        if isinstance(opened, LatentSpace):
            open_most_alike(opened)  # when all is drawn

    def show_main(self, opened: Opened) -> None:
        """The section that is chosen; why there is none where no model can be opened, since on a phone the sidebar is
        closed."""
        if isinstance(opened, LatentError):
            show_error(opened)
            st.caption("In the sidebar, open a file or choose another model.")
            return
        section = self.sections[state().section]
        st.header(section.name, anchor=False)
        st.caption(section.question)
        show_section(opened, section)

    def show_sidebar(self) -> Opened:
        """What is global: the model and the opener for other files, the list of sections, the link and the shelf."""
        with st.sidebar:
            opened = show_model()
            st.radio("Section", self.sections, key="section", bind="query-params", label_visibility="collapsed")
            widgets.copy_link()
            widgets.reconnect()
            if isinstance(opened, LatentSpace):
                show_shelf(opened)
        return opened

    def first_of_groups(self) -> tuple[int, ...]:
        """The places, from 1 up, of the sections in the list that begin a group, but for the first."""
        groups = [section.group for section in self.sections.values()]
        return tuple(place for place, (before, group) in enumerate(pairwise(groups), 2) if before != group)


def open_model(files: Mapping[str, Path]) -> LatentSpace:
    """The space of the chosen model, one of these files or of the uploads. Raises `LatentError`."""
    space = chosen_model(files)
    if space.signature.conditional:
        names = space.classes_of_model
        return space.asked_for(value_of("digit", range(len(names)), default_class(space), names))
    return space


def default_class(space: LatentSpace) -> int:
    """The class that a conditional model is asked for until somebody chooses another."""
    return min(USUAL_CLASS, space.signature.n_classes - 1)


def show_model() -> Opened:
    """The model picker and the opener for other files."""
    opened: Opened
    try:
        files = offered_files()
        show_picker(files)
        try:
            opened = space = open_model(files)
        finally:  # whatever is wrong with these images, there is a way to others
            datasets.show_picker()
        if certainty := space.checkpoint.certainty:
            st.caption(f"Architecture inferred from the weights: **{certainty.level}**", help=certainty.remedy or None)
        if space.signature.conditional:
            choose_class(space.classes_of_model, "Class", "digit", default_class(space), width="stretch")
    except LatentError as error:
        opened = error
    datasets.show_mistake()
    if complaint := cached.device_complaint() or (opened.complaint if isinstance(opened, LatentSpace) else ""):
        st.text(complaint)
    if opener := lazy_expander("Open a file", "open_file"):
        opener.file_uploader(
            "Model file of any trained autoencoder", key="upload", on_change=take_upload, accept_multiple_files=True,
            help=(
                f"{formats.names('or')}, at most 200 MB. Nothing in the file is executed; it stays in this session "
                "only. An encoder and a decoder in two files: drop both."
            ),
        )  # fmt: skip
        with opener:
            datasets.show_opener()
    return opened


@fragment_in_turn
def show_section(space: LatentSpace, section: Section) -> None:
    """A section, with its controls."""
    state().run = Run()
    try:
        if section.needs == "encoder" and not space.signature.has_encoder:
            st.info(WHERE_MISSING[section.needs])
        else:
            section.draw(space)
    except LatentError as error:
        show_error(error)
