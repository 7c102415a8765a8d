"""Strips of pictures along a line through the latent space, scrubbed in the browser: every place on it has a code."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from latent import images
from latent.arrays import Codes
from latent.browser.given import sheet_data
from latent.browser.inbox import parcel
from latent.browser.lines import Line
from latent.images import Sheet
from latent.page import cached, widgets
from latent.page.keeping import keep
from latent.page.panels.live_decoder import deliver_stage
from latent.page.show import note_sheet
from latent.page.state import state
from latent.page.told import LAST_SERIAL, Told, Unfit, passed_over_if_unfit, told_by
from latent.space import LatentSpace


@dataclass(frozen=True)
class Row:
    """A row of pictures: a ``sheet`` of those of the codes ``z``, their ``names``, and what it all shows.

    Its ``line`` is None where the pictures are about those of the first row.
    """

    sheet: Sheet
    z: Codes
    names: Sequence[str]
    alt_text: str
    line: Line | None
    heading: str = ""

    def in_browser(self) -> dict[str, Any]:
        """The row as `strip.js` takes it."""
        data = sheet_data(self.sheet, self.names, self.alt_text, stretch=True)
        line, label = (self.line.in_browser, self.line.label) if self.line else (None, "")
        return data | {"line": line, "label": label, "heading": self.heading}


@dataclass(frozen=True)
class FixedPlace:
    """Where a strip was last fixed in this session, at first by the address, whose ``parameter`` goes on saying so.

    ``origin`` stands for all that makes a place another one: what is fixed for one is forgotten for another.
    """

    parameter: str
    origin: Any = None

    def read(self) -> float | None:
        """The place, or None where there is none."""
        places = state().places
        if self.parameter not in places:
            self.write(None)
            with suppress(ValueError):
                at = float(st.query_params.get(self.parameter, ""))
                self.write(at if math.isfinite(at) else None)
        origin, place = places[self.parameter]
        if origin != self.origin or place is None:
            return None
        state().run.link[self.parameter] = [repr(place)]
        return place

    def write(self, at: float | None) -> None:
        state().places[self.parameter] = (self.origin, at)


def show_strip(
    key: str, space: LatentSpace, rows: Sequence[Row], picture: tuple[int, ...], *, at: float,
    on_placed: Callable[[float], None], note: str = "",
) -> None:  # fmt: skip
    """Rows of pictures under the hand, and beside them the picture, (height, width[, 3]), of the place ``at`` which it
    is, decoded in the browser.

    A click on a picture keeps its code, and a button that of the place. ``on_placed`` is called with another place
    when the pointer lets go there. A ``note`` stands below the rows.
    """
    first = rows[0].line
    assert first is not None  # of the others, those without are about the same places
    codes, names = np.concatenate([row.z for row in rows]), [name for row in rows for name in row.names]

    def keep_clicked() -> None:
        with told_by(key, "clicked") as told:
            index = told.index(len(codes))
            keep(space, names[index], codes[index])
            on_placed(float(first.places[index % len(first.places)]))

    def take_place() -> None:
        with told_by(key, "placed") as told:
            on_placed(first.limited(told.number()))

    def keep_place() -> None:
        with told_by(key, "added") as told:
            line, place = pointed_at(rows, told)
            keep(space, line.name_at(place), line.code_at(place))
            on_placed(place)

    def take_held() -> None:
        with told_by(key, "holds") as told:
            state().stages_in_browser = told.texts()

    name, held = cached.stage_name(space), state().stages_in_browser
    data = {
        "rows": tuple(row.in_browser() for row in rows), "places": tuple(first.places.tolist()),
        "at": first.limited(at), "decimals": first.decimals, "sign": first.sign, "note": note, "asked": space.asked,
        "picture": picture[:2], "stage": name, "holds": tuple(held),
    }  # fmt: skip
    result = widgets.strip(
        key, data, on_clicked=keep_clicked, on_placed=take_place, on_added=keep_place, on_held=take_held
    )
    for row in rows:
        note_sheet(row.alt_text, row.sheet, row.names)
    # Behind the strip, so that the strip is there first; hidden, in a place of its own, so that nothing moves.
    with st.empty().container(key=f"inbox_{key}"):
        deliver_stage(space)
        if result.ask:
            answer_with_picture(key, space, rows, Told(result.ask))


def pointed_at(rows: Sequence[Row], told: Told) -> tuple[Line, float]:
    """What the browser says is a place on one of the rows. Raises `Unfit` where it is none."""
    lines = [row.line for row in rows]
    line = lines[told["row"].index(len(lines))]
    if line is None:
        raise Unfit
    return line, line.limited(told["at"].number())


def answer_with_picture(key: str, space: LatentSpace, rows: Sequence[Row], asked: Told) -> None:
    """Send the picture of a place to a browser that cannot run the decoder."""
    with passed_over_if_unfit():
        line, place = pointed_at(rows, asked)
        serial = asked["serial"].index(LAST_SERIAL)
        pixels = images.to_uint8(space.decode(line.code_at(place))[0])
        widgets.deliver(f"{key}_answer", parcel("answer", serial=serial, pixels=pixels))
