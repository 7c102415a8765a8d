"""Live: the decoder in the browser, or where it cannot run there, its pictures streamed from the server."""

from __future__ import annotations

import numpy as np

from latent import images
from latent.arrays import Code
from latent.browser.inbox import parcel
from latent.page import cached, widgets
from latent.page.keeping import custom_code, keep, shelf_of
from latent.page.state import state
from latent.page.told import LAST_SERIAL, Told, passed_over_if_unfit, told_by
from latent.space import LatentSpace


def show_live(space: LatentSpace) -> Code:
    """The component; the code that is chosen in it."""
    session, sha256 = state(), space.checkpoint.sha256
    name, _, refusal = cached.stage_of(space)
    key = f"live_{name}"  # of its own for every model file, whose codes have their own length

    def take_code() -> None:
        with told_by(key, "code") as told:
            session.codes[sha256] = code_in(told, space)

    def keep_code() -> None:
        with told_by(key, "keep") as told:
            keep(space, "live", code_in(told, space), origin="Live")

    def take_held() -> None:
        with told_by(key, "holds") as told:
            session.stages_in_browser = told.texts()

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
        with passed_over_if_unfit():
            asked = Told(result.ask)
            serial = asked["serial"].index(LAST_SERIAL)
            pixels = images.to_uint8(space.decode(code_in(asked["code"], space))[0])
            widgets.deliver("live_answer", parcel("answer", serial=serial, pixels=pixels))
    return code


def deliver_stage(space: LatentSpace) -> None:
    """Bring what belongs to the checkpoint to the browser, where it is not yet."""
    if cached.stage_name(space) not in state().stages_in_browser:
        _, stage, _ = cached.stage_of(space)
        widgets.deliver("live_stage", stage)


def code_in(told: Told, space: LatentSpace) -> Code:
    """What the browser says is a code, as one (latent_dim,). Raises `Unfit` where it is none."""
    return np.array(told.numbers(space.latent_dim), np.float32)
