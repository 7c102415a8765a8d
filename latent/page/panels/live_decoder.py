"""Live: the decoder in the browser, or where it cannot run there, its pictures streamed from the server."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import streamlit as st

from latent import images, inference
from latent.arrays import Code
from latent.browser.inbox import parcel
from latent.errors import ArgumentError
from latent.page import cached, widgets
from latent.page.keeping import custom_code, keep, shelf_of
from latent.page.state import state
from latent.space import LatentSpace


def show_live(space: LatentSpace) -> Code:
    """The component; the code that is chosen in it."""
    session, sha256 = state(), space.checkpoint.sha256
    name, _, refusal = cached.stage_of(space)
    key = f"live_{name}"  # of its own for every model file, whose codes have their own length

    def take_code() -> None:
        with suppress(ArgumentError, TypeError):
            session.codes[sha256] = as_code(st.session_state[key]["code"], space)

    def keep_code() -> None:
        with suppress(ArgumentError, TypeError):
            keep(space, "live", as_code(st.session_state[key]["keep"], space), origin="Live")

    def take_held() -> None:
        session.stages_in_browser = st.session_state[key]["holds"]

    deliver_stage(space)
    code = custom_code(space)
    data = {
        "stage": name,
        "holds": session.stages_in_browser,
        "base": code.tolist() if sha256 in session.codes else None,
        "asked": space.asked,
        "shelf": [kept.vector.tolist() for kept in shelf_of(space) if kept.kind == "code"],
        "refusal": refusal,
    }
    result = widgets.live(key, data, on_kept=keep_code, on_code=take_code, on_held=take_held)
    if result.ask:
        pixels = images.to_uint8(space.decode(as_code(result.ask["code"], space))[0])
        answer = parcel("answer", serial=int(result.ask["serial"]), pixels=pixels)
        widgets.deliver("live_answer", answer)
    return code


def deliver_stage(space: LatentSpace) -> None:
    """Bring what belongs to the checkpoint to the browser, where it is not yet."""
    if cached.stage_name(space) not in state().stages_in_browser:
        _, stage, _ = cached.stage_of(space)
        widgets.deliver("live_stage", stage)


def as_code(numbers: Any, space: LatentSpace) -> Code:
    """What the browser says is a code, as one (latent_dim,). Raises `ArgumentError` where it is none."""
    return inference.as_codes(numbers, space.latent_dim)[0]
