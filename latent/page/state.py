"""What belongs to one session of the page, and to one run of it.

A module is imported once and shared by all sessions, so none of this may lie in one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import streamlit as st
from streamlit.errors import StreamlitAPIException

from latent.arrays import Code
from latent.checkpoint import File
from latent.dataset import Dataset
from latent.figures import Figure
from latent.selection import Selection
from latent.shelf import Shelf

T = TypeVar("T")

LARGEST_UPLOAD = 200 * 1024**2  # bytes, as in .streamlit/config.toml
LONGEST_NAME = 60  # characters of an uploaded file's name
KEY = "latent"  # under which a session holds its state


@dataclass
class Run:
    """What a run of a section has done so far.

    ``link`` is what it wants in the address beside its controls, by query parameter; ``items`` are the names of the
    shelf items that it shows. ``figures`` are the charts and images that it shows, by what they show, and
    ``part_begins`` says by part of the section where those begin that are replaced when the part runs again.
    """

    link: dict[str, list[str]] = field(default_factory=dict)
    items: set[str] = field(default_factory=set)
    figures: dict[str, Figure] = field(default_factory=dict)
    part_begins: dict[str, int] = field(default_factory=dict)


@dataclass
class Sent:
    """What the browser was sent in this turn, and whether it was given time to draw the first of it."""

    pictures: bool = False
    charts: bool = False
    paused: bool = False


@dataclass
class Upload:
    """A model that was opened in this session: its file by name, or those of its encoder and its decoder."""

    sha256: str
    files: tuple[File, ...] = field(repr=False)


@dataclass
class Click:
    """What was clicked on the map: the index of a code, or a place as "x,y"; as text, since a link may say anything."""

    dot: str | int | None = "0"
    at: str | None = None


@dataclass
class State:
    """One session.

    ``section`` is the one that the page shows and ``files`` are the model files that its picker offers, both as of the
    last run of the whole page, which was ``complete`` where it came to its end. ``shelves``, ``codes`` (the custom
    code), ``overruled`` (choices of a reading) and ``refused`` (why a file cannot be measured) belong to the model file
    of a SHA-256, ``uploads`` to a name in the picker; ``origins`` says by widget key what a control was last set from.
    ``drawing`` is a picture as text, empty where the surface was cleared, and ``photos`` counts those that were opened.
    ``selections`` are what is selected, by what the numbers are of (`Selection.dataset`); ``left_out`` names what the
    link that was opened had no room for; ``image`` is the number of the one whose neighbours are compared. ``places``
    are what strips were last fixed at: by query parameter, for what it was (an origin) and where.
    ``view`` is where one looks on the map: the two angles of one that is turned, or a box of one that is zoomed into.
    ``sets`` are the data sets that were opened, by name, and ``mistake`` says why the last one could not be.
    ``asked_for`` counts the figures of findings that were asked for, ``brought`` those that were brought into sight.
    ``downloads`` make the newest files of the section. ``taken`` are the uploads that were added, by the name that
    Streamlit has for each, and which half of a model each describes, None where nobody asked. What else is None was not
    asked for yet: it comes from the link.
    """

    run: Run = field(default_factory=Run)
    sent: Sent = field(default_factory=Sent)
    section: str = ""
    files: list[Path] = field(default_factory=list)
    complete: bool = False
    shelves: dict[str, Shelf] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    overruled: dict[str, dict[str, str]] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    sets: dict[str, Dataset] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    origins: dict[str, Any] = field(default_factory=dict)
    places: dict[str, tuple[Any, float | None]] = field(default_factory=dict)
    downloads: dict[str, Callable[[], Any]] = field(default_factory=dict)
    taken: dict[str, str | None] = field(default_factory=dict)
    toast: str = ""
    shelf_mistake: str = ""
    mistake: str = ""
    click: Click | None = None
    view: tuple[float, ...] | None = None
    selections: dict[str, Selection] | None = None
    left_out: list[str] | None = None
    image: str | None = None
    drawing: str | None = None
    photos: int = 0
    asked_for: int = 0
    brought: int = 0
    stages_in_browser: list[str] = field(default_factory=list)
    has_seen_pictures: bool = False


def state() -> State:
    """The state of the session that asks."""
    if KEY not in st.session_state:
        st.session_state[KEY] = State()
    found: State = st.session_state[KEY]
    return found


def open_section(name: str, **controls: Any) -> None:
    """Go to a section, with some of its controls set; the address says so, too, which Streamlit leaves to us for
    controls that are not on the page yet."""
    st.session_state["section"] = name
    st.session_state.update(controls)
    for key, value in controls.items():
        with suppress(StreamlitAPIException):  # a control that is on the page says so itself
            st.query_params[key] = str(value)


def value_of(key: str, options: Collection[T], default: T, names: Sequence[str] = ()) -> T:
    """What a control that is bound to the address is at, also before it is drawn: one of its options.

    The address has an option as text: one of ``names``, in their order, where options are shown by other names.
    """
    wanted = st.session_state.get(key, st.query_params.get(key))
    texts = names or [str(option) for option in options]
    return next((option for option, text in zip(options, texts) if wanted in (option, text)), default)
