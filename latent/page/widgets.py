"""Our own parts of the page in the browser: a function for each, with what it is given and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from latent.browser.given import sheet_data
from latent.browser.inbox import parcel
from latent.images import Sheet
from latent.page.cached import component
from latent.shelf import LONGEST_NAME

Callback = Callable[[], object]


def grid(
    key: str, sheet: Sheet, names: Sequence[str], alt_text: str, *, stretch: bool, on_clicked: Callback,
    **looks: Any,
) -> None:  # fmt: skip
    """Pictures, each a button of its name; the session holds the index of the one that was "clicked". How it ``looks``
    otherwise is as `sheet.js` says."""
    data = sheet_data(sheet, names, alt_text, stretch=stretch) | looks
    component("grid")(key=key, data=data, on_clicked_change=on_clicked)


def strip(
    key: str, data: dict[str, Any], *, on_clicked: Callback, on_placed: Callback, on_added: Callback, on_held: Callback
) -> Any:
    """A strip of pictures along a line, see `latent.browser.live`; the result's ``ask`` is what it asks the server for.

    The session holds the index of the picture that was "clicked", and the places that were "placed" and "added".
    """
    return component("strip")(
        key=key, data=data, on_ask_change=lambda: None, on_clicked_change=on_clicked, on_placed_change=on_placed,
        on_added_change=on_added, on_holds_change=on_held,
    )  # fmt: skip


def scatter(
    key: str, data: dict[str, Any], *, on_clicked: Callback, on_selected: Callback, on_viewed: Callback
) -> None:
    """The map; the session holds what was "clicked", {dot, number, at}, "selected", {numbers, how}, and "viewed",
    {view}."""
    component("map")(
        key=key, data=data, on_clicked_change=on_clicked, on_selected_change=on_selected, on_viewed_change=on_viewed
    )  # fmt: skip


def training_film(key: str, data: dict[str, Any]) -> None:
    """The film of a training run."""
    component("film")(key=key, data=data)


def drawing_surface(key: str, data: dict[str, Any], *, on_drawn: Callback) -> None:
    """A surface to draw on; the session holds what it shows after a stroke, "drawn", as draw.js says."""
    component("draw")(key=key, data=data, on_drawn_change=on_drawn)


def shelf_list(rows: list[dict[str, str]], *, on_renamed: Callback, on_removed: Callback) -> None:
    """The items of the shelf; the session holds what was "renamed", {name, new}, and what was "removed", a name."""
    data = {"items": rows, "longest": LONGEST_NAME}
    component("shelf")(key="shelf", data=data, on_renamed_change=on_renamed, on_removed_change=on_removed)


def live(key: str, data: dict[str, Any], *, on_kept: Callback, on_code: Callback, on_held: Callback) -> Any:
    """The decoder in the browser, see `latent.browser.live`; the result's ``ask`` is what it asks the server for."""
    return component("live")(
        key=key, data=data, on_ask_change=lambda: None, on_keep_change=on_kept, on_code_change=on_code,
        on_holds_change=on_held,
    )  # fmt: skip


def deliver(key: str, content: bytes) -> None:
    """Bring a parcel to the components in the browser.

    As bytes: anything else Streamlit would write as JSON, twice, at every rerun.
    """
    component("inbox")(key=f"inbox_{key}", data=content)


def deliver_once(name: str, **values: Any) -> str:
    """Bring values to the browser, which keeps them under ``name``: what stays the same goes over once."""
    deliver(name, parcel(name, stays=True, **values))
    return name


def copy_link() -> None:
    """The button that copies the address of the page."""
    component("copy_link")(key="copy_link")


def bring_into_view(part: str, count: int) -> None:
    """Let the browser bring the element of this key into sight, for the ``count``-th time."""
    component("into_view")(key="into_view", data={"part": part, "count": count})


def reconnect() -> None:
    """Runs the page again when a lost connection is back."""
    component("reconnect")(key="reconnect", on_back_change=lambda: None)
