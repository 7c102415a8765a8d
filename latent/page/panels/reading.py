"""How somebody else's file was read, how sure that is, and controls to read it another way."""

from __future__ import annotations

import numpy as np
import streamlit as st

from latent import checkpoint, images, inference
from latent.foreign.network import Network
from latent.foreign.reading import Reading
from latent.foreign.search import Scored
from latent.page import cached
from latent.page.picker import overruled_by
from latent.page.state import state
from latent.space import LatentSpace

N_DRAWN = 10  # pictures of the second-best reading


def show_reading(space: LatentSpace) -> None:
    """The reading that is used, the second-best one, and controls for all that was inferred."""
    scored = space.checkpoint.scored
    reading = scored[0].reading
    st.subheader("Inferred architecture")
    found, kept = st.columns([3, 2])
    with found:
        st.markdown("**Layers, in order**: names and sizes from the file")
        st.code("\n".join(reading.layer_lines()), language=None, wrap_lines=True)
    with kept:
        st.markdown("**Inferred**: not in the file, chosen by test MSE")
        st.code("\n".join(f"{name}: {value}" for name, value in reading.choices().items()), None, wrap_lines=True)
    show_certainty(space)
    tried = [each for each in scored if np.isfinite(each.error)]
    if len(tried) > 1:
        show_second_best(space, *tried[:2])
    with st.expander("Change settings", expanded=len(scored) > len(tried)):
        st.caption("Applies to all sections; compare the test MSE.")
        overrule(tried[0].reading, space.checkpoint.sha256)
    own_format, name = checkpoint.to_bytes(space.checkpoint), f"{space.name}.pt"
    st.download_button("Save as a `latent` checkpoint", own_format, name, "application/octet-stream", on_click="ignore")


def show_certainty(space: LatentSpace) -> None:
    """How sure the reading is, what speaks against it, and what would settle it."""
    certainty, reading = space.checkpoint.certainty, space.checkpoint.scored[0].reading
    if certainty is not None:
        st.markdown(f"**Certainty**: {certainty.level}")
        if doubts := certainty.reasons():
            st.text("\n".join(doubts))
            st.caption(certainty.remedy)
    if aside := [*reading.left_aside, *space.checkpoint.left_aside]:
        st.markdown("**Not run**: in the file, and no part of this network")
        st.text(", ".join(aside))


def show_description(space: LatentSpace) -> None:
    """What a file says of its network, which is run as it says."""
    description = space.checkpoint.described
    assert description is not None
    found = description.describe()
    st.subheader("Network in the file")
    st.markdown("Run exactly as the file describes it. What it leaves open is inferred and said here.")
    operations, rest = st.columns([3, 2])
    with operations:
        st.code("\n".join(found["operations"]), language=None, wrap_lines=True)
    with rest:
        st.code(f"code: {found['code']}\npixels: {found['pixels']}", language=None, wrap_lines=True)
        for remark in description.halves.remarks:
            st.text(remark)
    own_format, name = checkpoint.to_bytes(space.checkpoint), f"{space.name}.pt"
    st.download_button("Save as a `latent` checkpoint", own_format, name, "application/octet-stream", on_click="ignore")


def show_second_best(space: LatentSpace, best: Scored, second: Scored) -> None:
    """The best reading that draws other pictures, in what it differs, and what it draws."""
    st.markdown(f"**Second-best interpretation**: MSE {second.error:.4f}, against {best.error:.4f}. It differs in:")
    st.text(best.reading.differences(second.reading))
    if not space.signature.has_encoder and second.reading.code_shape == best.reading.code_shape:
        z = space.z[:N_DRAWN]
        other = inference.decode(Network([second]).eval(), z, space.conditions(len(z), None))
        sheet = images.rows_sheet([space.decode(z), other], zoom=2)
        st.image(sheet.png(), caption="The same random codes. Top: as it is read. Bottom: second-best interpretation.")


def overrule(reading: Reading, sha256: str) -> None:
    """Controls for all that was inferred; what is chosen otherwise is kept for this file and session."""
    changed: dict[str, str] = {}
    alternatives = cached.alternatives_of(sha256, reading)
    cells = st.columns(3) * (len(alternatives) // 3 + 1)
    for cell, (name, choices) in zip(cells, alternatives.items()):
        before = overruled_by(sha256).get(name)
        index = list(choices).index(before) if before in choices else 0
        chosen = cell.selectbox(name, list(choices), index=index, key=f"model_{name}_{sha256[:8]}")
        if choices[chosen] != reading:
            changed[name] = chosen
    if overruled_by(sha256) != changed:
        state().overruled[sha256] = changed
        st.rerun()
