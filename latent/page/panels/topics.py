"""The topics of Diagnose: what each shows of what was measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from latent import arrow, charts, images, report
from latent.errors import ArgumentError
from latent.measure import fidelity, findings, smoothness
from latent.measure.evidence import REAL, SEED, Evidence
from latent.page import cached
from latent.page.panels.knowledge import show_knowledge
from latent.page.panels.samplers import show_sampled
from latent.page.show import real_names, show_chart, show_codes, show_facts
from latent.page.take_away import Table
from latent.space import LatentSpace

Diagnosed = tuple[Callable[[], Table], dict[str, Any], str]  # a table, arrays, and the Python for the arrays


def diagnose_dimensions(space: LatentSpace, evidence: Evidence) -> Diagnosed:
    """What each dimension carries, and what it stands for."""
    with st.spinner("Measuring what each dimension does …"):
        carried, meant = evidence.dimensions(), evidence.meanings()
    table = pd.DataFrame(list(report.dimension_rows(evidence))).fillna({"stands_for": "", "correlation": np.nan})
    facts = {
        "Dimensions that change the picture": f"{int(table['active'].sum())} of {len(table)}",
        "Effective rank": f"{carried.effective_rank:.1f}",
    }
    if carried.kl is not None:
        facts["KL in all"] = f"{carried.kl.sum():.1f} nats"
    show_facts(facts, {"Effective rank": "How many directions the codes really take (Roy & Vetterli 2007)."})
    if len(table) < space.latent_dim:
        st.caption(f"The {len(table)} most spread of the {space.latent_dim} dimensions.")
    bars = {"effect": "effect on the picture", "digit_information": "digit information, bits"}
    columns: dict[str, Any] = {
        "variance": st.column_config.NumberColumn(format="%.3f", help="Of the real codes, squared latent units."),
        "kl": st.column_config.NumberColumn("KL, nats", format="%.2f"),
        "stands_for": st.column_config.TextColumn("stands for"),
        "correlation": st.column_config.NumberColumn("r", format="%.2f"),
    }
    for name, title in bars.items():
        most = max(float(table[name].max()), 1e-12)
        columns[name] = st.column_config.ProgressColumn(title, format="%.3f", min_value=0, max_value=most)
    st.subheader("What each carries")
    shown = table if carried.kl is not None else table.drop(columns="kl")
    st.dataframe(arrow.to_table(shown), hide_index=True, column_config=columns, alt="What each dimension carries")
    st.caption(
        "Effect: RMS difference a pixel of the pictures one standard deviation up and down, from 64 real digits. Digit "
        "information: mutual information with the label, of 3.32 bits. A dimension stands for a property where both "
        "agree: the real digits (r of 0.5 or more) and the decoded pictures of a sweep."
    )
    names = [str(dimension) for dimension in carried.dimensions]
    left, right = st.columns(2)
    with left:
        st.markdown("**Among real digits**: how dimensions go together with measured properties")
        show_chart(
            "Correlation of each dimension with each property",
            charts.matrix_chart,
            meant.correlation,
            names,
            meant.names,
            ("dimension", "property", "correlation"),
        )
    with right:
        st.markdown("**In a sweep**: standard deviations a property moves for one of the dimension")
        show_chart(
            "How far each dimension alone moves each property",
            charts.matrix_chart,
            np.clip(meant.slope, -1, 1),
            names,
            meant.names,
            ("dimension", "property", "slope"),
        )
    st.markdown("**How dimensions go together** among real digits")
    show_chart(
        "Correlation of each dimension with each",
        charts.matrix_chart,
        carried.correlation,
        names,
        names,
        ("dimension", "with dimension", "correlation"),
    )
    arrays = {"effect": carried.effect, "digit_information": carried.digit_information}
    arrays |= {"correlation": carried.correlation, "property_correlation": meant.correlation, "slope": meant.slope}
    python = (
        "carried, meant = evidence.dimensions(), evidence.meanings()\n"
        "effect, digit_information = carried.effect, carried.digit_information\n"
        "correlation, property_correlation, slope = carried.correlation, meant.correlation, meant.slope"
    )
    return lambda: table, arrays, python


def diagnose_reconstruction(space: LatentSpace, evidence: Evidence) -> Diagnosed:
    """How large errors are, of which digits, and the worst and the best."""
    with st.spinner("Measuring the error of every test digit …"):
        errors = evidence.reconstruction()
        lines = report.error_lines(evidence)
        if not evidence.refusal:
            evidence.originals(), evidence.reconstructions()
    left, right = st.columns([3, 2])
    with left:
        st.markdown("**How large the error is**")
        show_chart("Histogram of the errors of all test digits", charts.errors_chart, errors.errors, lines)
    with right:
        st.markdown("**Of which digits**")
        show_chart(
            "Mean error of each digit", charts.digits_chart, errors.by_digit, "mean squared error a pixel", height=260
        )
    for name, rows in (("worst", errors.worst()), ("best", errors.best())):
        st.markdown(f"**The {len(rows)} {name}**, above the digits, below what is left of them")
        for place, part in enumerate(np.array_split(rows, 2)):
            text = f"The {name} reconstructions, {len(part)} of them"
            show_codes(
                f"diagnose_{name}_{place}", space, report.before_and_after(evidence, part, zoom=3),
                space.z[np.tile(part, 2)], real_names(space, part) * 2, text, stretch=True,
            )  # fmt: skip
    if not evidence.refusal:
        st.caption("Below each pair what the judge reads: in the digit > in what is left of it, where the two differ.")

    def table() -> Table:
        columns = {"image": np.arange(len(errors.errors)), "digit": space.labels, "error": errors.errors}
        if not evidence.refusal:
            columns["judged before"] = evidence.originals().digits
            columns["judged after"] = evidence.reconstructions().digits
        return columns

    arrays = {"errors": errors.errors, "by_digit": errors.by_digit, "worst": errors.worst(), "best": errors.best()}
    python = "found = evidence.reconstruction()\nerrors, by_digit = found.errors, found.by_digit\n"
    return table, arrays, python + "worst, best = found.worst(), found.best()"


def diagnose_collapse(space: LatentSpace, evidence: Evidence) -> Diagnosed:
    """Are all digits drawn, and no picture twice?"""
    needs_judge(evidence)
    usual = findings.usual_sampler(evidence)
    with st.sidebar:
        name = st.selectbox(
            "Sampler", evidence.samplers, index=evidence.samplers.index(usual), key="diagnose_sampler",
            bind="query-params",
        )  # fmt: skip
    with st.spinner(f"Measuring {len(space.z) // 2:,} pictures …"):
        real = evidence.sampler(REAL, SEED).fidelity
        sampled = evidence.sampler(name, SEED)
    drawn = sampled.fidelity
    show_facts(
        {
            "Coverage": f"{drawn.coverage:.0%}",
            "Duplicates": f"{drawn.duplicates:.1%}",
            "Entropy": f"{drawn.entropy:.2f} bits",
            "Confidence": f"{drawn.confidence:.0%}",
        },
        {name.capitalize(): text for name, text in fidelity.MEASURES.items()},
    )
    st.caption(f"Real digits, for comparison: coverage {real.coverage:.0%}, duplicates {real.duplicates:.1%}.")
    left, right = st.columns(2)
    with left:
        st.markdown(f"**What the judge sees in {drawn.digits.sum():,} samples**: {name}")
        show_chart("Digits among the samples", charts.digits_chart, drawn.digits, "pictures")
    with right:
        st.markdown("**In as many real digits**")
        show_chart("Digits among real images", charts.digits_chart, real.digits, "pictures")
    st.markdown("**Some of the samples**")
    show_sampled(space, name, sampled.z, sampled.pictures)
    columns = {"digit": np.arange(10), "samples": drawn.digits, "real": real.digits}
    python = (
        f"sampled = evidence.sampler({name!r}, {SEED})\nz, drawn = sampled.z, sampled.fidelity\ndigits = drawn.digits"
    )
    return lambda: columns, {"z": sampled.z, "digits": drawn.digits}, python


def diagnose_smoothness(space: LatentSpace, evidence: Evidence) -> Diagnosed:
    """What happens between random pairs of real digits?"""
    needs_judge(evidence)
    place, ways = st.empty(), {}
    for kind in smoothness.KINDS:
        if not evidence.has("smoothness", kind):
            place.info(f"Walking between real digits: {kind} …")
        ways[kind] = evidence.smoothness(kind)
    table = pd.DataFrame(
        [
            {
                "way": kind, "evenness": each.evenness.mean(), "confidence": each.confidence.mean(),
                "off data": each.off_data.mean(),
            }
            for kind, each in ways.items()
        ]
    )  # fmt: skip
    columns = {
        "evenness": st.column_config.ProgressColumn(
            "evenness of steps", format="%.2f", min_value=0, max_value=1,
            help="Mean step in picture space over the largest: 1 where the picture changes at an even pace.",
        ),
        "confidence": st.column_config.ProgressColumn(
            "lowest confidence", format="%.2f", min_value=0, max_value=1, help="Of the judge on the way, on average."
        ),
        "off data": st.column_config.ProgressColumn(
            "share off the data", format="percent", min_value=0, max_value=1,
            help="Points farther from the nearest real code than 99 % of real codes are from theirs.",
        ),
    }  # fmt: skip
    place.dataframe(
        arrow.to_table(table), hide_index=True, column_config=columns, alt="Smoothness along each kind of way"
    )
    lowest = {kind: each.confidence for kind, each in ways.items()}
    st.markdown("**How sure the judge stays on the way**")
    show_chart("Share of ways below each lowest confidence", charts.ways_chart, lowest)
    n_ways, n_steps, _ = ways["linear"].codes.shape
    st.caption(
        f"Over {n_ways} random pairs of real digits, {n_steps} steps each. The farther right a line, the surer the way."
    )
    shown = [
        (kind, name, row)
        for kind, way in ways.items()
        for name, row in (("surest", way.best), ("least sure", way.worst))
    ]
    strips = np.split(
        cached.pictures_of(space, np.concatenate([ways[kind].codes[row] for kind, _, row in shown])), len(shown)
    )
    for (kind, name, row), strip in zip(shown, strips):
        each = ways[kind]
        codes = each.codes[row]
        st.markdown(
            f"**{kind.capitalize()}**: the {name} of {n_ways} ways, lowest confidence {each.confidence[row]:.2f}"
        )
        names = [f"{kind}, {name}, step {step + 1}" for step in range(len(codes))]
        sheet = images.rows_sheet([strip], zoom=3)
        key = f"diagnose_{kind.replace(' ', '_')}_{name.replace(' ', '_')}"
        show_codes(key, space, sheet, codes, names, f"The {name} way: {kind}", stretch=True)
    arrays = {kind.replace(" ", "_"): values for kind, values in lowest.items()}
    python = "\n".join(
        f"{kind.replace(' ', '_')} = evidence.smoothness({kind!r}).confidence" for kind in smoothness.KINDS
    )
    return lambda: table, arrays, python


def diagnose_digits(space: LatentSpace, evidence: Evidence) -> Diagnosed:
    """Which digits lie among each other, and what the codes know."""
    with st.spinner("Looking up the neighbours of every code …"):
        shares = evidence.neighbours()
    st.markdown("**Which other digits are among the ten nearest neighbours**")
    show_chart(
        "Share of each other digit among the neighbours of each digit",
        charts.shares_chart,
        *report.overlap_shares(evidence),
    )
    apart = np.nan_to_num(shares * (1 - np.eye(10)))
    a, b = (int(digit) for digit in np.unravel_index(apart.argmax(), apart.shape))
    of_a, of_b = (rows[:24] for rows in cached.strays_of(space, a, b))
    if len(of_a):
        st.markdown(f"**{a}s whose nearest neighbour is a {b}**, each over that neighbour")
        pairs = images.pairs_sheet(space.images[of_a], space.images[of_b], columns=12, zoom=3)
        both = np.concatenate([of_a, of_b])
        text = f"{len(of_a)} {a}s, each over the {b} that is its nearest neighbour"
        show_codes(
            "diagnose_pairs", space, pairs, space.z[both], real_names(space, both), text, stretch=len(of_a) >= 12
        )
    st.markdown("**What the codes know about the digits**")
    show_knowledge(space)
    names = [str(digit) for digit in range(10)]
    return (
        lambda: dict(zip(names, shares.T)) | {"digit": names},
        {"shares": shares},
        "shares = evidence.neighbours()",
    )


def needs_judge(evidence: Evidence) -> None:
    """Raises what is shown in place of a topic that the judge is needed for."""
    if evidence.refusal:
        raise ArgumentError(evidence.refusal)


DIAGNOSES: dict[findings.Topic, Callable[[LatentSpace, Evidence], Diagnosed]] = {
    "dimensions": diagnose_dimensions,
    "reconstruction": diagnose_reconstruction,
    "collapse": diagnose_collapse,
    "smoothness": diagnose_smoothness,
    "digits": diagnose_digits,
}
