"""What a Streamlit page costs by itself: one slider, one picture, nothing imported. Run by the benchmarks."""

import numpy as np
import streamlit as st

seed = st.slider("Seed", 0, 100, 50)
st.image(np.random.default_rng(seed).integers(0, 256, (140, 140), dtype=np.uint8), width=140)
