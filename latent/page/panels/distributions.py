"""The statistics of every dimension: facts, charts and a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import charts
from latent.measure.topics import ACTIVE_RULES
from latent.page import cached
from latent.page.show import show_built, show_facts, show_table
from latent.space import LatentSpace
from latent.statistics import LatentStatistics


def show_active(space: LatentSpace, statistics: LatentStatistics, active: NDArray[np.bool_]) -> None:
    """How many codes there are, and which dimensions are active."""
    facts = {
        "Images encoded": f"{statistics.n:,}",
        "Active dimensions": f"{active.sum()} of {space.latent_dim}",
        "Standard deviation": f"{statistics.std.min():.2f}–{statistics.std.max():.2f}",
    }
    means = {
        "Active dimensions": ACTIVE_RULES[space.signature.kind],
        "Standard deviation": "Smallest and largest of the dimensions (latent units).",
    }
    show_facts(facts, means)
    if not active.all():
        st.caption(f"Inactive: {', '.join(map(str, np.flatnonzero(~active)))}.")


def show_distributions(space: LatentSpace, chart_of: Callable[[cached.Distribution], cached.Chart], n: int) -> None:
    """The charts of `cached.distribution_chart`, of ``n`` codes; each is sent before the next is made."""
    if space.latent_dim > charts.MOST_PANELS:
        st.caption(
            f"Charts show the {charts.MOST_PANELS} of {space.latent_dim} dimensions with the largest standard "
            "deviation; the table shows all."
        )
    st.subheader("Histograms")
    show_built(f"Histograms of the {space.latent_dim} dimensions over {n} codes", chart_of("histograms"))
    st.subheader("Box plots")
    show_built("Median, quartiles, 1st and 99th percentile and extremes of each dimension", chart_of("boxes"))
    st.subheader("All dimensions pooled")
    show_built("Histogram of all values, with the standard normal density as a line", chart_of("values"))
    st.caption("Line: standard normal density. Where bars and line differ, N(0, 1) does not match the codes.")


def show_numbers(statistics: LatentStatistics, active: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """The table of every dimension, by column."""
    table = {
        "dimension": np.arange(len(active)),
        "active": active,
        "mean": statistics.mean,
        "std": statistics.std,
        "min": statistics.min,
        "1st quartile": statistics.quantile(0.25),
        "median": statistics.median,
        "3rd quartile": statistics.quantile(0.75),
        "max": statistics.max,
    }
    st.subheader("Numbers")
    columns = {name: st.column_config.NumberColumn(format="%.3f") for name in [*table][2:]}
    show_table(table, columns, "Statistics of each dimension")
    return table
