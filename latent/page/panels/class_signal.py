"""How well the class of an image can be predicted from its code, beside pixels and their principal components."""

from __future__ import annotations

from typing import Any

import streamlit as st
from numpy.typing import NDArray

from latent.measure.evidence import FEATURES
from latent.measure.topics import class_signal
from latent.page import cached
from latent.page.panels.exhibits import show_exhibit, values_of
from latent.page.show import plain_markdown
from latent.space import LatentSpace


def show_class_signal(space: LatentSpace) -> dict[str, NDArray[Any]]:
    """Probe, neighbours and clusters of the codes and of the baselines, as they come in; the table by column, or
    nothing and why where classes cannot be predicted."""
    evidence = cached.evidence_of(space)
    st.subheader("Class information in the codes")
    if evidence.class_refusal:
        st.caption(plain_markdown(evidence.class_refusal))
        return {}
    place, said = st.empty(), st.empty()
    for n_done, features in enumerate(FEATURES):
        if not evidence.has("knowledge", features):
            if n_done:
                with place.container():
                    show_exhibit(space, class_signal(evidence, FEATURES[:n_done]))
            said.caption(f"Measuring {features} …")
            evidence.knowledge(features)
    said.empty()
    table = class_signal(evidence)
    with place.container():
        show_exhibit(space, table)
    return values_of(table)
