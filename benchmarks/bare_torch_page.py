"""What a page with PyTorch costs before it does anything: torch imported, one picture. Run by the benchmarks."""

import numpy as np
import streamlit as st
import torch

st.image(np.random.default_rng(0).integers(0, 256, (140, 140), dtype=np.uint8), width=140)
st.text(f"torch {torch.__version__}")
