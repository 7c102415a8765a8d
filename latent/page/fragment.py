"""Parts of the page that run alone, in their turn, when one of their controls is moved."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

import streamlit as st

from latent import checkpoint
from latent.errors import LatentError
from latent.page.link import update_link
from latent.page.picker import model_folder, sha256_of
from latent.page.server import keep_heap_small, turns
from latent.page.state import Sent, state
from latent.space import LatentSpace

P = ParamSpec("P")


def fragment_in_turn(
    draw: Callable[Concatenate[LatentSpace, P], None], every: float | None = None
) -> Callable[Concatenate[LatentSpace, P], None]:
    """A part that runs alone, in its turn, when one of its controls is moved, or ``every`` so many seconds: what is
    around it stays as it is.

    It runs the whole page where that is out of date, and says in the address what it shows.
    """

    @wraps(draw)
    def run(space: LatentSpace, /, *given: P.args, **named: P.kwargs) -> None:
        with turns().one() as begins:
            if begins:
                state().sent = Sent()
            if is_outdated(space):
                st.rerun()
            forget_figures_of(draw.__name__)
            draw(space, *given, **named)
            update_link(space)
        keep_heap_small()  # before Streamlit's own collection, which follows every rerun

    return st.fragment(run, run_every=every)


def forget_figures_of(part: str) -> None:
    """Where a part runs again, what it showed before is replaced."""
    run = state().run
    for shows in list(run.figures)[run.part_begins.setdefault(part, len(run.figures)) :]:
        del run.figures[shows]


def is_outdated(space: LatentSpace) -> bool:
    """Whether what is around a section is out of date: a code was kept, a file changed, a button led elsewhere."""
    session = state()
    if not session.complete:
        return False
    path = space.checkpoint.path
    try:
        changed = path is not None and sha256_of(path) != space.checkpoint.sha256
        changed = changed or checkpoint.find(model_folder()) != session.files
    except LatentError:
        changed = True
    return changed or bool(session.toast) or st.session_state["section"] != session.section
