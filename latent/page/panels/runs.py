"""Two models side by side: which to compare, their scores, the same images by both, and what their codes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent import charts, compare
from latent.arrays import Pictures, Rows
from latent.compare import Comparison
from latent.errors import LatentError
from latent.measure import scores
from latent.page import cached
from latent.page.controls import choose_number, controls
from latent.page.panels.neighbours import show_neighbours
from latent.page.panels.selected import SELECTION
from latent.page.picker import model_folder, offered_files, open_space, sha256_of
from latent.page.selecting import put_in_link, selected_in
from latent.page.show import (
    plain_markdown,
    real_names,
    show_chart,
    show_codes,
    show_error,
    show_facts,
    show_sheet,
    show_texts,
)
from latent.page.snippet import Snippet, opening, snippet
from latent.page.state import state
from latent.space import LatentSpace

IMAGES_SHOWN = ("one per class", "in order", "where A is better", "where B is better")


def choose_run(space: LatentSpace) -> tuple[LatentSpace | None, Rows]:
    """Controls that choose what to compare with, None where there is nothing; and the test images to look at."""
    files = offered_files()
    names = [name for name in (*files, *state().uploads) if name != space.name]
    if not names:
        st.info("Only one model file here: train another model or open a file in the sidebar to compare two.")
        return None, np.arange(0)
    if st.session_state.get("runs_other") not in names:  # what is open now was B before
        st.session_state.pop("runs_other", None)
    with controls():
        index = names.index(most_alike(space, names, files))
        name = st.selectbox("Model B", names, index=index, key="runs_other", bind="query-params")
        selection = selected_in(space)
        offered = IMAGES_SHOWN[not space.has_classes :] + (SELECTION,) * (selection is not None)
        shown = st.selectbox("Images shown", offered, key="runs_digits", bind="query-params")
        n = choose_number("Number of images", 5, 30, 10, len(space.images), key="runs_pictures")
        first = 0
        most = len(space.images) - n
        if shown == "in order" and most:
            first = int(st.number_input("First image", 0, most, 0, key="runs_first", bind="query-params"))
    try:
        other = open_space(name, files, space.dataset)
    except LatentError as error:
        show_error(error)
        return None, np.arange(0)
    if shown in IMAGES_SHOWN[2:] and space.signature.has_encoder and other.signature.has_encoder:
        with st.spinner("Measuring the MSE of both …"):
            return other, cached.comparison_of(space, other).better("a" if shown == "where A is better" else "b", n)
    if shown == SELECTION and selection is not None:
        put_in_link(selection)
        return other, selection.rows[:n]
    if shown == "one per class":
        return other, space.examples(n)
    return other, np.arange(first, first + n)


@st.cache_resource(max_entries=8, hash_funcs=cached.BY_CHECKPOINT, show_spinner=False)
def open_most_alike(space: LatentSpace) -> None:
    """Open what a shipped model is compared with at first, whose images are then encoded before anybody asks.

    The encoding is the only part of that comparison that no file of results holds; where there are no such files, the
    comparison takes long anyway and says so.
    """
    evidence = cached.evidence_of(space)
    if not evidence.kept or evidence.missing():
        return
    with suppress(LatentError):
        files = offered_files()
        names = [name for name in files if name != space.name]
        if names:
            open_space(most_alike(space, names, files), files, space.dataset)


def most_alike(space: LatentSpace, names: Sequence[str], files: Mapping[str, Path]) -> str:
    """What to compare with at first: a checkpoint of the same kind and size where there is one, else the one whose name
    begins alike."""

    def likeness(name: str) -> tuple[bool, int]:
        same = False
        if name in files:
            with suppress(LatentError):
                same = cached.kind_and_size(
                    str(files[name]), sha256_of(files[name]), space.dataset, str(model_folder())
                ) == (space.signature.kind, space.latent_dim)
        return same, sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(name, space.name)))

    return max(names, key=likeness)


def say_gates(both: Comparison) -> None:
    """What is wrong with either model, to be read before its scores."""
    for letter, evidence in (("A", both.a), ("B", both.b)):
        for gate in evidence.measured_gates():
            st.warning(plain_markdown(f"{letter}, {evidence.space.name}: {gate.text}"))


def draw_scores(place: Any, both: Comparison, now: tuple[str, str] | None = None) -> dict[str, NDArray[Any]]:
    """The scores known so far as a table, ``now`` the one that is being measured; the bare numbers by column."""
    known, rows = {}, []
    for name, score in scores.SCORES.items():
        values, texts = [], []
        for side, evidence in (("a", both.a), ("b", both.b)):
            value = scores.known(scores.key_of(evidence.space), name)
            text = "not measured" if value is None else score.text(value)
            values.append(np.nan if value is None else value)
            texts.append("measuring …" if now == (name, side) else text)
        intervals = [scores.known_interval(each, name) for each in (both.a, both.b)]
        texts = [
            score.text_with_interval(value, interval) if text == score.text(value) else text
            for text, value, interval in zip(texts, values, intervals)
        ]
        winner = score.winner(values[0], values[1], *intervals)
        known[score.name] = values
        rows.append([score.name, *texts, winner.upper()])
    titles = ["Score", f"A: {both.a.space.name}", f"B: {both.b.space.name}", "Better"]
    show_texts("Metrics of both models, and which is better", titles, rows, place=place)
    of_a, of_b = np.array(list(known.values())).T
    return {"score": np.array(list(known)), "A": of_a, "B": of_b}


def measure_scores(place: Any, ask: Any, both: Comparison, numbers: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Fill the table of scores with what is not known yet; samplers, which take longest, when they are asked for."""
    sides = {"a": both.a, "b": both.b}
    missing = [
        (name, side)
        for name in scores.SCORES
        for side, evidence in sides.items()
        if scores.known(scores.key_of(evidence.space), name) is None
    ]
    slow = [each for each in missing if each[0] == "frechet"]
    quick = [each for each in missing if each not in slow]
    for name, side in quick:
        draw_scores(place, both, (name, side))
        scores.score(sides[side], name)
        scores.interval(sides[side], name)
    if quick:
        numbers = draw_scores(place, both)
    text = "About ten seconds each, once per model file."
    if slow and ask.button("Compute Fréchet distances", key="runs_samplers", help=text):
        for name, side in slow:
            draw_scores(place, both, (name, side))
            scores.score(sides[side], name)
            scores.interval(sides[side], name)
        ask.empty()
        numbers = draw_scores(place, both)
    return numbers


class Shown(NamedTuple):
    """What was shown of both: its arrays by name, and what makes the picture, where there is one."""

    arrays: dict[str, Any]
    png: Callable[[], bytes] | None


def show_codes_of_both(both: Comparison, rows: Rows, same: Shown) -> dict[str, Any]:
    """How the dimensions of both spread, and what their codes share; the arrays of that."""
    a, b = both.a.space, both.b.space
    show_neighbours(a, both)
    st.subheader("Code statistics")
    spreads = {f"A: {a.name}": a.statistics.std, f"B: {b.name}": b.statistics.std}
    text = "Standard deviation of each dimension of A and B over the test images"
    show_chart(text, charts.spread_chart, spreads, [both.a.active(), both.b.active()])
    st.caption(
        "The codes of a plain autoencoder have no fixed scale: compare the shapes of the curves, not their heights. "
        "Hollow points: inactive dimensions."
    )
    st.subheader("Similarity of the codes")
    return show_shared(both, rows, same.arrays["b"]) | {"n_shared": both.neighbours.n_shared}


def say_why_not() -> Shown:
    """In place of that, where one of the two has no codes of real images."""
    st.info("One of the two models has no encoder, so there are no codes to compare.")
    return Shown({}, None)


def runs_python(both: Comparison, rows: Rows) -> Snippet:
    """The Python that gives the arrays of both."""
    other = opening(both.b.space, "other")
    python = snippet(
        f"{other}\nboth = compare.Comparison.of(space, other)\n"
        'parameters = [scores.score(each, "parameters") for each in (both.a, both.b)]',
        compare, scores, other,
    )  # fmt: skip
    if not both.encodes:
        return python
    return snippet(
        f"{python}\nrows = np.array({rows.tolist()})\nreal = space.images[rows]\na, b = both.reconstructions(rows)\n"
        "stitched = both.stitched(rows)\nn_shared = both.neighbours.n_shared\nfound = both.alignment\n"
        "shared = np.array([found.overlap, found.cka, found.r2_a_to_b, found.r2_b_to_a])",
        np, python,
    )  # fmt: skip


def show_same_images(both: Comparison, rows: Rows) -> Shown:
    """Real images over what A and B make of them. Only codes of A, the open checkpoint, can be kept."""
    of_a, of_b = both.reconstructions(rows, cached.pictures_of)
    a, b = both.a.space, both.b.space
    real = a.images[rows]
    alike = a.images.shape == b.images.shape
    shown: dict[str, NDArray[Any]] = {"real": real, "A": of_a}
    sheet = compare.rows_sheet(shown | ({"B": of_b} if alike else {}))
    clickable = replace(sheet, boxes=sheet.boxes[: 2 * len(rows)])
    text = f"{len(rows)} originals over the reconstructions by A{' and B' if alike else ''}"
    show_codes("runs_same", a, clickable, a.z[np.tile(rows, 2)], real_names(a, rows) * 2, text, stretch=len(rows) > 10)
    if not alike:
        sheet_of_b = compare.rows_sheet({"real": b.images[rows], "B": of_b})
        show_sheet(sheet_of_b, "Originals at B's size, B's reconstructions")
    errors = [float(np.square(part - each.images[rows] / 255).mean()) for part, each in ((of_a, a), (of_b, b))]
    st.caption(f"MSE of these images: {errors[0]:.5f} with A, {errors[1]:.5f} with B.")
    return Shown({"rows": rows, "real": real, "a": of_a, "b": of_b}, sheet.png)


def show_shared(both: Comparison, rows: Rows, of_b: Pictures) -> dict[str, Any]:
    """What can be found in both codes, and B's decoder at work on A's codes."""
    found, stitching = both.alignment, both.stitching
    show_facts(
        {
            "Shared neighbours": f"{found.overlap:.1%}",
            "Linear CKA": f"{found.cka:.3f}",
            "R² from A to B": f"{found.r2_a_to_b:.3f}",
            "R² from B to A": f"{found.r2_b_to_a:.3f}",
        },
        {
            "Shared neighbours": "Share of the ten nearest neighbours of an image that both have in common.",
            "Linear CKA": "1 = same geometry, 0 = unrelated; dimensions count by their effect on the image.",
            "R² from A to B": "Variance of B explained by the best affine map from A, on held-out codes.",
            "R² from B to A": "Variance of A explained by the best affine map from B, on held-out codes.",
        },
    )
    st.markdown("**Stitched**: encoded by A, mapped, and decoded by B")
    b, stitched = both.b.space, both.stitched(rows, cached.pictures_of)
    sheet = compare.rows_sheet({"real": b.images[rows], "B": of_b, "A to B": stitched})
    show_sheet(sheet, "Originals at B's size, B's reconstructions, A's codes decoded by B", stretch=len(rows) > 10)
    st.caption(
        f"Stitched MSE {stitching.stitched:.5f}, B's own {stitching.own:.5f}, on {stitching.n:,} held-out images. By "
        f"chance, {10 / (len(b.z) - 1):.1%} of neighbours would be shared."
    )
    shared = np.array([found.overlap, found.cka, found.r2_a_to_b, found.r2_b_to_a])
    return {"stitched": stitched, "shared": shared}
