"""All models: every model of the picker by its measures, against the length of its code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import charts, checkpoint
from latent.errors import LatentError
from latent.measure import scores
from latent.measure.evidence import Evidence
from latent.page import cached
from latent.page.picker import model_folder, offered_files, open_space, sha256_of
from latent.page.show import show_chart
from latent.page.state import state
from latent.space import LatentSpace

MEASURED_IN_ZOO = (*scores.OVERVIEW, "pca_probe")


def show_zoo(chosen: Sequence[LatentSpace]) -> None:
    """Every checkpoint of the picker by its measures, against the length of its code."""
    st.subheader("All models")
    keys, unread = zoo_keys(chosen)
    unmeasured = [
        name for name, key in keys.items() if any(scores.known(key, each) is None for each in MEASURED_IN_ZOO)
    ]
    ask = st.empty()
    if unmeasured and ask.button(
        f"Measure {len(unmeasured)} of {len(keys)} model files", key="runs_zoo",
        help="About ten seconds each, once.",
    ):  # fmt: skip
        unread |= measure_zoo(chosen, unmeasured, ask)
        ask.empty()
    for name, (quantity, curve, log) in zoo_measures(keys, cached.evidence_of(chosen[0])).items():
        rows = [(each, scores.known(key, "latent_dim"), scores.known(key, name)) for each, key in keys.items()]
        rows = [row for row in rows if row[1] is not None]  # without those that were not opened yet
        st.markdown(f"**{quantity}**")
        if all(value is None or np.isnan(value) for *_, value in rows):
            st.caption("Not measured yet.")
            continue
        score = scores.SCORES[name]
        text, names = f"{quantity} of each model against its number of dimensions", [each.name for each in chosen]
        show_chart(text, charts.zoo_chart, rows, quantity, score.form, names, curve, log)
    _, height, width = chosen[0].signature.image_shape
    st.caption(
        f"Dashed: PCA with the same number of components, on {height} × {width} pixels. Lower is better, except for "
        "the linear probe."
    )
    for name, sentence in unread.items():
        st.text(f"Left out, {name}: {sentence}")


def zoo_keys(chosen: Sequence[LatentSpace]) -> tuple[dict[str, scores.Key], dict[str, str]]:
    """What the scores of every file in the picker are kept under, and sentences about those that cannot be read."""
    keys, unread, images = {}, {}, chosen[0].dataset
    refused, uploads = state().refused, state().uploads
    for name, path in offered_files().items():
        try:
            sha256 = sha256_of(path)
            cached.kind_and_size(str(path), sha256, images, str(model_folder()))
            if sha256 in refused:
                unread[name] = refused[sha256]
            else:
                keys[name] = (sha256, "", images.sha256)
        except LatentError as error:
            unread[name] = str(error)
    keys |= {name: (each.sha256, "", images.sha256) for name, each in uploads.items() if each.sha256 not in refused}
    keys |= {space.name: scores.key_of(space) for space in chosen}
    return keys, unread


def measure_zoo(chosen: Sequence[LatentSpace], names: Sequence[str], place: Any) -> dict[str, str]:
    """Measure checkpoints one after the other, telling which; sentences about those that cannot be opened."""
    spaces, files, unread = {space.name: space for space in chosen}, offered_files(), {}
    images, originals = chosen[0].dataset, cached.evidence_of(chosen[0]).originals
    for done, name in enumerate(names):
        place.progress(done / len(names), f"Measuring model file {done + 1} of {len(names)} …")
        try:
            if name in spaces:
                evidence = cached.evidence_of(spaces[name])
            elif name in files:  # not from the caches, which hold what people look at
                loaded = checkpoint.load(files[name], within=model_folder(), images=images)
                space = LatentSpace.of(name, loaded, images)
                evidence = Evidence.with_kept(space, originals.shared_with(space))
            else:
                evidence = cached.evidence_of(open_space(name, files, images))
            for each in ("latent_dim", *MEASURED_IN_ZOO):
                scores.score(evidence, each)
        except LatentError as error:
            unread[name] = str(error)
            sha256 = sha256_of(files[name]) if name in files else state().uploads[name].sha256
            state().refused[sha256] = str(error)
    return unread


def zoo_measures(
    keys: Mapping[str, scores.Key], evidence: Evidence
) -> dict[str, tuple[str, NDArray[np.float64] | None, bool]]:
    """The measures of the zoo: what to call each, PCA's curve on the images of this evidence where there is one,
    whether its scale is logarithmic."""
    sizes = {name: int(scores.known(key, "latent_dim") or 0) for name, key in keys.items()}
    largest = min(max(sizes.values(), default=0), evidence.space.images[0].size)
    errors = evidence.pca_curve(max(scores.CURVE, largest))[1:]
    probes = np.full(max(1, *sizes.values()), np.nan)
    for name, key in keys.items():
        value = scores.known(key, "pca_probe")
        if value is not None and sizes[name]:
            probes[sizes[name] - 1] = value
    return {
        "mse": ("Test MSE", errors, True),
        "probe": ("Linear probe", probes, False),
        "frechet": (scores.SCORES["frechet"].name, None, True),
    }
