"""How well the class of an image can be predicted from its code, beside pixels and their principal components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent.measure.evidence import CODES, PCA, PIXELS
from latent.measure.knowledge import Knowledge
from latent.page import cached
from latent.page.show import show_table
from latent.space import LatentSpace


def show_knowledge(space: LatentSpace) -> dict[str, NDArray[Any]]:
    """Probe, neighbours and clusters of the codes, and of pixels and their principal components as yardsticks."""
    place, evidence = st.empty(), cached.evidence_of(space)
    names = {CODES: f"codes of {space.name}", PCA: f"PCA, {min(space.latent_dim, 784)} dimensions", PIXELS: PIXELS}
    rows: list[dict[str, Any]] = []
    for features, name in names.items():
        if not evidence.has("knowledge", features):
            so_far = table_of([*rows, {"features": f"{name}: measuring …"}])
            show_table(so_far, {}, "What is measured already", place=place)
        rows.append({"features": name, **asdict(evidence.knowledge(features))})
    table = table_of(rows)
    columns = {
        "features": st.column_config.TextColumn("features"),
        "probe": st.column_config.ProgressColumn("linear probe", format="percent", help="Logistic regression."),
        "neighbours": st.column_config.ProgressColumn("5 nearest", format="percent", help="A vote of 5 neighbours."),
        "clusters": st.column_config.ProgressColumn("k-means accuracy", format="percent", help="Ten clusters."),
        "nmi": st.column_config.ProgressColumn("k-means NMI", format="%.3f"),
    }
    show_table(table, columns, "What features know about digits", place=place)
    st.caption(
        "On the 10,000 test digits, 5-fold cross-validated: probe and vote learn from 8,000 at a time and are asked "
        "about the other 2,000. A space that knows more than PCA of the same dimension has learned something."
    )
    return table


def table_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """The rows by column; NaN for what is not measured yet."""
    names = ["features", *(field.name for field in fields(Knowledge))]
    return {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}
