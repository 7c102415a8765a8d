"""The address of the page, which holds what controls alone do not: shelf items, clicks on the map, a drawing."""

from __future__ import annotations

import json

import streamlit as st

from latent import shelf
from latent.page.keeping import shelf_of
from latent.page.picker import overruled_by
from latent.page.state import state
from latent.space import LatentSpace

PARAMETERS = (
    "custom", "kept", "map_at", "map_dot", "map_box", "map_view", "selected", "left_out", "drawn", "reading",
    "dimensions_at", "interpolate_at", "runs_image",
)  # fmt: skip
LONGEST_SHELF = 4000  # characters
MOST_NAMED = 5  # of what is left out of the address, being too long


def update_link(space: LatentSpace) -> None:
    """Put into the address what this run wants there, and take out what an earlier one put."""
    run, items = state().run, shelf_of(space).items
    fitting, room = set(), LONGEST_SHELF
    newest_first = items[::-1]
    for kept in sorted(newest_first, key=lambda kept: kept.name not in run.items):  # after those that are shown
        room -= len(shelf.to_link(kept))
        if room >= 0:
            fitting.add(kept.name)
    missing = [kept.name for kept in items if kept.name not in fitting]
    if left_out := list(dict.fromkeys([*run.link.get("left_out", []), *missing])):
        run.link["left_out"] = left_out[:MOST_NAMED]
    if space.checkpoint.scored and (overruling := overruled_by(space.checkpoint.sha256)):
        run.link["reading"] = [json.dumps(overruling)]
    if fitting:
        run.link["kept"] = [shelf.to_link(kept) for kept in items if kept.name in fitting]
    for name in PARAMETERS:
        wanted = run.link.get(name, [])
        if wanted != st.query_params.get_all(name):
            if wanted:
                st.query_params[name] = wanted
            else:
                del st.query_params[name]
