"""Samplers side by side: what each draws, and its measures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import charts, images, report, sampling
from latent.arrays import Codes
from latent.measure import fidelity, findings
from latent.measure.evidence import REAL, SEED, Evidence, Sampled
from latent.measure.fidelity import Fidelity
from latent.page import cached
from latent.page.show import show_chart, show_codes, show_sheet, show_table
from latent.page.snippet import Snippet, snippet
from latent.page.take_away import take_away
from latent.space import LatentSpace

SHARES = ("precision", "recall", "coverage", "confidence")  # shown as bars
MOST_IN_A_ROW = 20


def show_unjudged(space: LatentSpace, evidence: Evidence, n: int, seed: int) -> None:
    """What each sampler draws, without the measures, and why there are none."""
    st.info(f"{evidence.refusal} Below are its pictures alone.")
    drawn = {name: sampling.sample(evidence.distribution(name), n, seed=seed) for name in evidence.samplers}
    pictures = {name: images.to_uint8(cached.pictures_of(space, z)) for name, z in drawn.items()}
    for name in drawn:
        st.markdown(f"**{name.capitalize()}**")
        show_sampled(space, name, drawn[name], pictures[name])
    python = samplers_python(drawn, f"{n}, seed={seed})")
    take_away(space, python, drawn, png=lambda: images.rows_sheet(list(pictures.values()), 2).png())


def show_measured(
    space: LatentSpace, evidence: Evidence, n: int, seed: int
) -> tuple[dict[str, Sampled], dict[str, NDArray[Any]]]:
    """What each sampler draws, with the measures as they come in; the samples, and the table of measures."""
    advice, overview, judged = st.empty(), st.empty(), st.empty()
    st.subheader("What each draws")
    fidelities: dict[str, Fidelity] = {}
    shown: dict[str, Sampled] = {}
    for name in evidence.rows:
        of_seed = seed if name in evidence.samplers else SEED
        if not evidence.has("sampler", name, of_seed):
            advice.progress(len(shown) / len(evidence.rows), f"Measuring {len(space.z) // 2:,} pictures: {name} …")
            show_fidelities(overview, evidence, fidelities)
        shown[name] = evidence.sampler(name, of_seed)
        fidelities[name] = shown[name].fidelity
        st.markdown(f"**{name.capitalize()}**, Fréchet distance {fidelities[name].frechet:.3g}")
        show_sampled(space, name, shown[name].z[:n], shown[name].pictures[:n])
    advice.markdown(f"**{findings.advice(fidelities).text}**")
    table = show_fidelities(overview, evidence, fidelities)
    with judged.container():
        st.subheader("Which digits the judge sees")
        text = "Share of each digit among the pictures of each sampler"
        show_chart(text, charts.shares_chart, *report.judged_shares(fidelities))
    st.caption(
        f"Each sampler is fitted to the codes of half of the test digits and draws {len(space.z) // 2:,} pictures, "
        "measured against the other half in the features of the judge, a small classifier "
        f"({evidence.judge.scores['accuracy']:.1%} of the test digits right). The reference rows say what is possible."
    )
    return shown, table


def samplers_python(names: Iterable[str], how_many: str) -> Snippet:
    """The Python that draws codes as the samplers of these names do."""
    lines = ["known, held_out = fidelity.halves(len(space.z))", "z, labels = space.z[known], space.labels[known]"]
    lines += [f"{name} = sampling.sample(sampling.fit({name!r}, z, labels=labels), {how_many}" for name in names]
    return snippet("\n".join(lines), fidelity, sampling)


def show_sampled(space: LatentSpace, name: str, z: Codes, pictures: NDArray[np.uint8]) -> None:
    """A row of what a sampler draws."""
    sheet = images.sheet(pictures, min(MOST_IN_A_ROW, len(pictures)), 2)
    names = [f"{name}, {i + 1}" for i in range(len(z))]
    key = f"samplers_{name.replace(' ', '_')}"
    if name == REAL and not space.signature.has_encoder:  # these have no codes
        show_sheet(sheet, f"{len(pictures)} real digits")
    else:
        show_codes(key, space, sheet, z, names, f"{len(pictures)} pictures: {name}", stretch=len(pictures) >= 15)


def show_fidelities(place: Any, evidence: Evidence, fidelities: Mapping[str, Fidelity]) -> dict[str, NDArray[Any]]:
    """What is measured of samplers so far: bars of the distance and a table of everything, best first."""
    order = sorted(fidelities, key=lambda name: fidelities[name].frechet)
    table: dict[str, NDArray[Any]] = {"sampler": np.array(order)}
    table |= {each: np.array([getattr(fidelities[name], each) for name in order]) for each in fidelity.MEASURES}
    if order:
        frechet = {name: fidelities[name].frechet for name in order}
        references = [name for name in order if name not in evidence.samplers]
        with place.container():
            text = "Fréchet distance of each sampler, the least first"
            show_chart(text, charts.samplers_chart, frechet, references)
            show_table(table, fidelity_columns(), "Measures of each sampler")
    return table


def fidelity_columns() -> dict[str, Any]:
    """How each measure is shown in the table."""
    return {
        name: st.column_config.ProgressColumn(name, format="percent", min_value=0, max_value=1, help=text)
        if name in SHARES
        else st.column_config.NumberColumn(
            "Fréchet distance" if name == "frechet" else name,
            help=text,
            format="percent" if name == "duplicates" else "%.3g",
        )
        for name, text in fidelity.MEASURES.items()
    }
