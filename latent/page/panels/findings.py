"""The findings of a model: sentences, each with a button that opens what shows it."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from latent import handout, report
from latent.measure import findings
from latent.measure.evidence import Evidence
from latent.measure.findings import Finding
from latent.measure.topics import TOPICS
from latent.page import widgets
from latent.page.state import open_section, state
from latent.page.take_away import downloads

TOPIC = "diagnose_topic"  # the key of the control that chooses what is shown


def show_so_far(place: Any, evidence: Evidence, share: float, name: str) -> None:
    """The findings that can be made already, while the rest is measured."""
    with place.container():
        st.subheader("Findings")
        st.progress(share, f"Measuring {name} …")
        for number, finding in enumerate(findings.findings(evidence), 1):
            st.markdown(f"{number}. {finding.text}")


def show_findings(evidence: Evidence) -> None:
    """All findings, and the report as a file."""
    st.subheader("Findings")
    for place, finding in enumerate(findings.findings(evidence)):
        show_finding(place, finding, "diagnose")
    if evidence.refusal:
        st.info(evidence.refusal)
    name = f"{evidence.space.name}-report"
    with downloads("report"):
        offer_handout(evidence)
        st.download_button(
            "Report as HTML", lambda: report.page(evidence), f"{name}.html", "text/html", on_click="ignore",
            help="All findings, charts and images in one file that opens offline.",
        )  # fmt: skip
        st.download_button(
            "Numbers as JSON", lambda: json.dumps(report.numbers(evidence), indent=1), f"{name}.json",
            "application/json", on_click="ignore",
        )  # fmt: skip


def offer_handout(evidence: Evidence) -> None:
    """The button that writes the model as one interactive file, of what is measured so far."""
    st.download_button(
        "Interactive HTML", lambda: handout.page(evidence), f"{evidence.space.name}-explorer.html", "text/html",
        on_click="ignore", help="Decoder, map and report in one file that opens offline, to hand around.",
    )  # fmt: skip


def show_finding(place: int, finding: Finding, section: str) -> None:
    """A finding with its number in the list, and the button that opens what shows it; in one of the sections."""
    row = st.container(horizontal=True, wrap=False, vertical_alignment="center")
    row.markdown(f"{place + 1}. {finding.text}")
    row.button(
        "Show", key=f"{section}_show_{place}", type="tertiary", on_click=go_to, args=(finding,),
        help=f"Show the figure of finding {place + 1}",
    )  # fmt: skip


def go_to(finding: Finding) -> None:
    """Open what shows a finding: a dimension, or the section of its topic."""
    if finding.dimension is not None:
        open_section("Dimensions", dimensions_dimension=finding.dimension)
        return
    section = TOPICS[finding.topic].section
    if section == "Diagnose":
        state().asked_for += 1
        open_section(section, **{TOPIC: finding.topic})
    else:
        open_section(section)


def bring_asked_for() -> None:
    """Bring the figure that was asked for into sight, once all is drawn."""
    session = state()
    if session.brought < session.asked_for:
        session.brought = session.asked_for
        widgets.bring_into_view(TOPIC, session.brought)


def show_first(place: Any, evidence: Evidence) -> None:
    """What can be said before the first part that is missing is measured, where one is."""
    if evidence.missing():
        show_so_far(place, evidence, 0.0, "test MSE")


def measure_and_show(place: Any, evidence: Evidence) -> None:
    """Measure what is missing, part after part, and show all findings."""
    for share, name in report.gather(evidence):
        show_so_far(place, evidence, share, name)
    with place.container():
        show_findings(evidence)
