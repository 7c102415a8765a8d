"""A model at a glance: what it makes of images, where their codes lie, what can be drawn, and what was found."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import streamlit as st

from latent import images
from latent.measure import findings
from latent.measure.evidence import Evidence
from latent.measure.samples import Samples
from latent.page import cached
from latent.page.panels import code_map
from latent.page.panels.findings import show_finding
from latent.page.panels.model_file import Shown
from latent.page.show import real_names, show_codes
from latent.page.snippet import snippet
from latent.page.state import open_section
from latent.sampling import SAMPLERS
from latent.space import LatentSpace

N_SAMPLES = 20
IN_A_ROW = 10
MAP_HEIGHT = 290  # pixels


def title_with_door(title: str, section: str, **controls: Any) -> None:
    """A heading, and beside it a button that opens the section which shows more."""
    row = st.container(horizontal=True, wrap=False, vertical_alignment="center", horizontal_alignment="distribute")
    row.subheader(title, width="content")
    row.button(
        section, key=f"overview_to_{section}", type="tertiary", icon=":material/arrow_forward:", width="content",
        on_click=open_section, args=(section,), kwargs=controls, help=f"Open {section}",
    )  # fmt: skip


def show_reconstructions(space: LatentSpace) -> Shown:
    """The first images, of each class where there are classes, over their reconstructions."""
    title_with_door("Originals and reconstructions", "Model")
    rows = space.examples(IN_A_ROW)
    z = space.codes(0, int(rows.max()) + 1)[rows]  # the other images may still be on their way through the encoder
    real, labels = space.images[rows], space.labels[rows]
    pictures = cached.pictures_of(space, z, labels)
    sheet = images.rows_sheet([real, pictures], zoom=3)
    text = f"{len(rows)} originals over their reconstructions"
    show_codes("overview_images", space, sheet, np.tile(z, (2, 1)), real_names(space, rows) * 2, text, stretch=True)
    python = snippet(
        f"rows = space.examples({IN_A_ROW})\nreal, labels = space.images[rows], space.labels[rows]\n"
        "z = space.z[rows]\npictures = space.decode(z, labels)"
    )
    return Shown({"real": real, "z": z, "pictures": pictures}, python, sheet.png)


def show_samples(space: LatentSpace, evidence: Evidence) -> None:
    """Pictures of the sampler to use, as far as the samplers were measured already, or else of the usual one."""
    drawn = Samples.of(evidence, N_SAMPLES, partial(cached.fitted, space), partial(cached.pictures_of, space))
    name, z = drawn.sampler, drawn.z
    best = ", the least Fréchet distance of those that draw new codes."
    text = f"Sampler “{name}”{best if drawn.measured else '; Sampler lab measures which is best.'}"
    title_with_door("Samples", "Generate", generate_distribution=name)
    sheet = images.sheet(drawn.pictures, IN_A_ROW, zoom=3)
    names = [f"sample {i + 1}" for i in range(len(z))]
    show_codes("overview_samples", space, sheet, z, names, f"{len(z)} samples: {SAMPLERS[name].noun}", stretch=True)
    st.caption(text)


def show_map(space: LatentSpace) -> None:
    """The map of the codes, small; a click on it opens the section."""
    title_with_door("Map of the codes", "Map")
    drawn = code_map.map_data(space, code_map.PLANE, code_map.usual_colouring(space), previews=False)
    to_map = lambda: open_section("Map")  # noqa: E731
    code_map.mount_map("overview_map", space, code_map.PLANE, drawn | {"height": MAP_HEIGHT}, then=to_map)


def show_foremost(evidence: Evidence) -> None:
    """The findings that matter most, each with a door to what shows it."""
    title_with_door("Main findings", "Diagnose")
    found = findings.foremost(findings.findings(evidence))
    for place, finding in enumerate(found):
        show_finding(place, finding, "overview")
    if evidence.has_judge and evidence.refusal:
        st.caption(evidence.refusal)
    if evidence.missing():
        st.caption("Not all is measured yet; Diagnose measures the rest.")
