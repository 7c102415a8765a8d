"""The page as one writes it at first: 64 pictures of a model, one by one, and a chart. Run by the benchmarks."""

from pathlib import Path

import altair as alt
import pandas as pd
import streamlit as st
import torch

from latent import checkpoint, data

DIGITS = Path(__file__).parents[1] / "checkpoints" / "ae-16.pt"


@st.cache_resource
def model() -> torch.nn.Module:
    return checkpoint.load(DIGITS).model()


@st.cache_data
def codes() -> torch.Tensor:
    digits, _ = data.evaluation_digits()
    with torch.inference_mode():
        return model().encode(torch.from_numpy(digits[:1000, None].copy()).float() / 255)


seed = st.slider("Seed", 0, 100, 50, key="seed")
z = codes()
generator = torch.Generator().manual_seed(seed)
drawn = z.mean(dim=0) + z.std(dim=0) * torch.randn(64, z.shape[1], generator=generator)
with torch.inference_mode():
    pictures = model().decode(drawn)[:, 0].numpy()
for start in range(0, 64, 8):
    for column, picture in zip(st.columns(8), pictures[start : start + 8]):
        column.image(picture, width=84)
rows = pd.DataFrame({"dimension": range(z.shape[1]), "value": drawn.mean(dim=0).numpy()})
st.altair_chart(alt.Chart(rows).mark_bar().encode(x="dimension:O", y="value:Q"))
