"""Samplers side by side: what each draws, and its measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import streamlit as st

from latent import images, sampling
from latent.measure import topics
from latent.measure.evidence import SEED, Evidence, Sampled
from latent.measure.fidelity import Fidelity
from latent.page import cached
from latent.page.panels.exhibits import show_exhibit
from latent.page.show import let_first_be_drawn, plain_markdown
from latent.page.snippet import Snippet, snippet
from latent.page.take_away import take_away
from latent.space import LatentSpace


def why_not_measured(evidence: Evidence) -> str:
    """Why samplers have no measures: nobody can judge them, or a gate is closed; empty where they have."""
    evidence.health()  # by which the gates are known
    return evidence.refusal or " ".join(gate.text for gate in evidence.closing("samplers"))


def show_unjudged(space: LatentSpace, evidence: Evidence, why: str, n: int, seed: int) -> None:
    """What each sampler draws, without the measures, and why there are none."""
    st.info(f"{plain_markdown(why)} Samples only.")
    drawn = {name: sampling.sample(evidence.fitted_sampler(name), n, seed=seed) for name in evidence.samplers}
    pictures = {name: images.to_uint8(cached.pictures_of(space, z)) for name, z in drawn.items()}
    for name in drawn:
        show_exhibit(space, topics.sampler_pictures(space, name, drawn[name], pictures[name]))
    python = samplers_python(drawn, f"{n}, seed={seed})")
    take_away(space, python, drawn, png=lambda: images.rows_sheet(list(pictures.values()), 2).png())


def show_measured(
    space: LatentSpace, evidence: Evidence, n: int, seed: int
) -> tuple[dict[str, Sampled], dict[str, list[Any]]]:
    """What each sampler draws, with the measures as they come in; the samples, and the table of measures."""
    advice, overview, judged = st.empty(), st.empty(), st.empty()
    st.subheader("Samples")
    fidelities: dict[str, Fidelity] = {}
    shown: dict[str, Sampled] = {}
    for name in evidence.rows:
        of_seed = seed if name in evidence.samplers else SEED
        if not evidence.has("sampler", name, of_seed):
            advice.progress(
                len(shown) / len(evidence.rows), f"Measuring {len(evidence.halves()[1]):,} images: {name} …"
            )
            show_fidelities(overview, evidence, fidelities)
        shown[name] = evidence.sampler(name, of_seed)
        fidelities[name] = shown[name].fidelity
        z, pictures = shown[name].z[:n], shown[name].pictures[:n]
        show_exhibit(space, topics.sampler_pictures(space, name, z, pictures, fidelities[name]))
        let_first_be_drawn()  # the first sampler's images, before those of the others
    advice.markdown(f"**{plain_markdown(topics.advice(evidence, fidelities))}**")
    show_fidelities(overview, evidence, fidelities)
    with judged.container():
        for exhibit in topics.classes_and_copies(evidence, fidelities):
            show_exhibit(space, exhibit)
    st.caption(topics.how_samplers_are_measured(evidence))
    return shown, topics.numbers_of_samplers(fidelities)


def show_fidelities(place: Any, evidence: Evidence, fidelities: Mapping[str, Fidelity]) -> None:
    """How near samplers come to real images, as far as is measured, in this place."""
    with place.container():
        for exhibit in topics.fidelity_exhibits(evidence, fidelities):
            show_exhibit(evidence.space, exhibit)


def samplers_python(names: Iterable[str], how_many: str) -> Snippet:
    """The Python that draws codes as the samplers of these names do."""
    lines = ["known, held_out = Evidence.of(space).halves()", "z, labels = space.z[known], space.labels[known]"]
    lines += [f"{name} = sampling.sample(sampling.fit({name!r}, z, labels=labels), {how_many}" for name in names]
    return snippet("\n".join(lines), Evidence, sampling)
