"""The topics of Diagnose: which is looked at, and what is shown of it."""

from __future__ import annotations

import streamlit as st

from latent import report
from latent.measure.evidence import Evidence
from latent.measure.findings import usual_sampler
from latent.measure.topics import TOPICS, Topic
from latent.page import cached
from latent.page.controls import controls
from latent.page.fragment import fragment_in_turn
from latent.page.panels.exhibits import show_exhibit
from latent.page.panels.findings import TOPIC
from latent.page.show import plain_markdown
from latent.page.snippet import snippet
from latent.page.take_away import take_away
from latent.space import LatentSpace


@fragment_in_turn
def show_chosen(space: LatentSpace) -> None:
    """The topic that is looked at, beneath its controls; another is shown without the findings being drawn again."""
    evidence = cached.evidence_of(space)
    topic, sampler = choose_topic(evidence)
    if topic.asks_judge and topic.refusal(evidence):
        have_judge(evidence)
    if refusal := topic.refusal(evidence):
        st.info(plain_markdown(refusal))
        return
    show_topic(evidence, topic, sampler)
    files = topic.files(evidence, sampler=sampler)
    python = snippet(f"evidence = Evidence.of(space)\n{files.python}", Evidence)
    take_away(space, python, files.arrays, csv=lambda: files.table)


def choose_topic(evidence: Evidence) -> tuple[Topic, str]:
    """Controls that choose a topic and, where it is about one, a sampler; the usual one is the empty name."""
    names = [name for name, topic in TOPICS.items() if topic.section == "Diagnose"]
    with controls():
        name = st.radio(
            "Topic", names, key=TOPIC, bind="query-params", horizontal=True,
            format_func=lambda name: TOPICS[name].title,
        )  # fmt: skip
        if not TOPICS[name].takes_sampler or (evidence.has_judge and evidence.refusal):
            return TOPICS[name], ""
        usual = evidence.samplers.index(usual_sampler(evidence))
        sampler = st.selectbox(
            "Sampler", evidence.samplers, index=usual, key="diagnose_sampler", bind="query-params"
        )  # fmt: skip
    return TOPICS[name], sampler


def have_judge(evidence: Evidence) -> None:
    """Train the reference classifier of the images in use where there is none yet, with progress."""
    if evidence.has_judge:
        return
    text, place = "Training a reference classifier for these images …", st.empty()
    place.progress(0.0, text)
    evidence.judge(lambda share: place.progress(share, text))
    place.empty()


def show_topic(evidence: Evidence, topic: Topic, sampler: str = "") -> None:
    """All that is shown of a topic, what it rests on measured before."""
    if not evidence.refusal or not topic.takes_sampler:
        while missing := [part for part in topic.parts(evidence, sampler=sampler) if not evidence.has(*part)]:
            with st.spinner(f"Measuring {report.name_of(missing[0])} …"):
                evidence.measure(*missing[0])
    for exhibit in topic.exhibits(evidence, sampler=sampler, decode=cached.pictures_of):
        show_exhibit(evidence.space, exhibit)
