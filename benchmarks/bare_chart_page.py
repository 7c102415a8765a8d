"""What a chart costs by itself in a Streamlit page: one slider, one histogram of 40 bars. Run by the benchmarks."""

import numpy as np
import streamlit as st

seed = st.slider("Seed", 0, 100, 50)
counts, edges = np.histogram(np.random.default_rng(seed).standard_normal(1000), 40, (-4, 4))
st.vega_lite_chart(
    {"value": edges[:-1], "count": counts},
    {"mark": "bar", "encoding": {"x": {"field": "value", "type": "ordinal"}, "y": {"field": "count"}}},
)
