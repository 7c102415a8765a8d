"""Controls that several sections share: they choose a class, an image, a code, a distribution or a direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Literal, NamedTuple

import numpy as np
import streamlit as st

from latent import directions, sampling, shelf
from latent.arrays import Code, Rows
from latent.components import PrincipalAxes
from latent.errors import ArgumentError
from latent.measure import properties
from latent.page import cached
from latent.page.controls import CLASS_WIDTHS
from latent.page.keeping import custom_code, shelf_of
from latent.page.selecting import from_kept, put_in_link, selected_in
from latent.page.snippet import Snippet, literal, snippet
from latent.page.state import state
from latent.sampling import SAMPLERS, Sampler
from latent.selection import Selection
from latent.space import LatentSpace

SOURCES = ("test image", "class mean", "mean", "zeros", "random code", "shelf item", "custom vector")
OF_REAL_IMAGES = ("test image", "class mean", "mean", "property", "two classes")  # what a decoder alone cannot offer
OTHERS = "the others"
OF_CLASSES = ("class mean", "two classes")  # what is there only where the classes of the images are known
DEFAULT_PROPERTY = "thickness"
MOST_COMPONENTS = 64
LARGEST_SEED = 2**31 - 1

Width = int | Literal["stretch"]  # of a control, in pixels


class Operand(NamedTuple):
    """A code that was chosen: what to call it, its numbers (latent_dim,), and the Python that gives them."""

    name: str
    code: Code
    python: Snippet


class Drawn(NamedTuple):
    """A sampler that was chosen, and the Python that fits it."""

    sampler: Sampler
    python: Snippet


class Direction(NamedTuple):
    """A direction that was chosen: what to call it, (latent_dim,), the Python that gives it, what to measure on it."""

    name: str
    code: Code
    python: Snippet
    measure: str = DEFAULT_PROPERTY


def choose_class(names: Sequence[str], label: str, key: str, default: int, width: Width | None = None) -> int:
    """A control for one of the classes of these names, by its index."""
    least, most = CLASS_WIDTHS
    return st.selectbox(
        label, range(len(names)), index=default % len(names), key=key, bind="query-params",
        format_func=lambda index: names[index], width=width or min(most, least + 8 * max(0, longest(names) - 2)),
    )  # fmt: skip


def longest(names: Sequence[str]) -> int:
    """How many letters the longest of the names has."""
    return max(map(len, names))


def choose_seed(key: str, default: int = 0, text: str | None = "The same seed gives the same samples.") -> int:
    """A control for a seed; ``text`` is its help."""
    return int(st.number_input("Seed", 0, LARGEST_SEED, default, key=key, bind="query-params", help=text))


def choose_scale_and_seed(key: str) -> tuple[float, int]:
    """Controls for how far draws lie from their centre, and for the seed."""
    scale = st.slider(
        "Scale", 0.0, 3.0, 1.0, 0.05, key=f"{key}_scale", bind="query-params",
        help="Multiplies the spread around the centre.",
    )  # fmt: skip
    return scale, choose_seed(f"{key}_seed")


def choose_image(space: LatentSpace, key: str, of_class: int) -> int:
    """The index of an image: where classes are known, of a class and a position in it, counted from 1; else the number
    that the image is named by, counted from 0, with ``of_class`` to begin with."""
    if not space.has_classes:
        last = len(space.images) - 1
        return choose_which("Image", 0, last, min(last, of_class), key, f"Number of the image, from 0 to {last:,}.")
    chosen = choose_class(space.classes, "Class", f"{key}_digit", of_class)
    indices = np.flatnonzero(space.labels == chosen)
    if len(indices) == 0:
        raise ArgumentError(f"There is no image of class {space.classes[chosen]} among the images in use.")
    text = (
        f"Position among the {len(indices):,} test images of this class, counted from 1. The number in the name of an "
        "image counts all images, from 0."
    )
    return int(indices[choose_which("Position", 1, len(indices), 1, key, text) - 1])


def choose_which(label: str, low: int, high: int, default: int, key: str, text: str) -> int:
    """A control for one of several images; ``text`` is its help."""
    return int(st.number_input(label, low, high, default, key=f"{key}_which", bind="query-params", help=text))


def choose_code(space: LatentSpace, key: str, label: str, *, source: str = "test image", of_class: int = 7) -> Operand:
    """Controls that choose a code: a real one, a computed one, one from the shelf. ``of_class`` is the class to begin
    with, or where there are none the number of an image."""
    sources = [name for name in SOURCES if offers(space, name)]
    if source not in sources:
        source = "test image" if space.signature.has_encoder else "random code"
    index = sources.index(source)
    source = st.selectbox(label, sources, index=index, key=f"{key}_source", bind="query-params")
    match source:
        case "test image":
            index = choose_image(space, key, of_class)
            return Operand(space.image_name(index), space.z[index], snippet(f"space.z[{index}]"))
        case "class mean":
            chosen = choose_class(space.classes, "Class", f"{key}_mean_of", of_class)
            name = f"mean of class {space.classes[chosen]}"
            return Operand(name, space.class_mean(chosen), snippet(f"space.class_mean({chosen})"))
        case "mean":
            return mean_of_all(space)
        case "random code":
            seed = choose_seed(f"{key}_draw", of_class, None)
            python = snippet(f'sampling.sample(sampling.fit("learned", space.z), 1, seed={seed})[0]', sampling)
            code = sampling.sample(cached.fitted(space, "learned"), 1, seed=seed)[0]
            return Operand("random code", code, python)
        case "shelf item":
            return choose_kept(space, key, "code", "selection")
        case "custom vector":
            code = custom_code(space)
            state().run.link["custom"] = [shelf.vector_to_text(code)]
            return Operand("custom vector", code, literal(code))
    zeros = snippet("np.zeros(space.latent_dim, np.float32)", np)
    return Operand("zeros", np.zeros(space.latent_dim, np.float32), zeros)


def offers(space: LatentSpace, name: str) -> bool:
    """Whether a source of codes, or a kind of direction, is there for this space."""
    if name == "two selections":
        return bool(selections_of(space))
    return (space.signature.has_encoder or name not in OF_REAL_IMAGES) and (space.has_classes or name not in OF_CLASSES)


def mean_of_all(space: LatentSpace) -> Operand:
    """The mean of the codes of all images."""
    return Operand("mean of all codes", space.statistics.mean, snippet("space.statistics.mean"))


def choose_kept(space: LatentSpace, key: str, *kinds: shelf.Kind) -> Operand:
    """A control that chooses from the shelf; the mean of all codes where nothing is on it."""
    names = shelf_of(space).names(*kinds)
    if not names:
        st.caption("Shelf empty: using the mean code. Click an image to add its code.")
        return mean_of_all(space)
    if f"{key}_kept" not in st.session_state and f"{key}_kept" not in st.query_params:
        st.session_state[f"{key}_kept"] = names[-1]
    # Without a default, which the address would leave out and the next vector that is kept would change.
    name = st.selectbox("Shelf item", names, index=None, key=f"{key}_kept", bind="query-params") or names[-1]
    kept = shelf_of(space)[name]
    state().run.items.add(kept.name)
    return Operand(kept.name, kept.vector, literal(kept.vector))


def choose_sampler(space: LatentSpace, key: str, default: str, of_class: int | None = None) -> Drawn:
    """Controls that choose a sampler, which is fitted to the codes of one class where one is given."""
    names = list(SAMPLERS)
    name = st.selectbox(
        "Sampler", names, index=names.index(default), key=f"{key}_distribution", bind="query-params",
        help="\n".join(f"- **{name}**: {each.help}" for name, each in SAMPLERS.items()),
    )  # fmt: skip
    chosen = SAMPLERS[name]
    rows = "" if of_class is None else f"[space.labels == {of_class}]"
    if chosen.takes_range and st.toggle(
        "Custom range", key=f"{key}_bounded", bind="query-params",
        help=f"Off: range of the {space.codes_noun}.",
    ):  # fmt: skip
        low = st.number_input("From", value=-3.0, step=0.5, key=f"{key}_low", bind="query-params")
        high = st.number_input("To", value=3.0, step=0.5, key=f"{key}_high", bind="query-params")
        python = snippet(f"sampling.fit({name!r}, space.z{rows}, low={low}, high={high})", sampling)
        return Drawn(cached.fitted(space, name, of_class, low, high), python)
    labels = f", labels=space.labels{rows}" if chosen.needs_labels else ""
    return Drawn(
        cached.fitted(space, name, of_class), snippet(f"sampling.fit({name!r}, space.z{rows}{labels})", sampling)
    )


def choose_direction(space: LatentSpace) -> Direction:
    """Controls that choose a direction."""
    kinds = [kind for kind in CHOOSERS if offers(space, kind)]
    kind = st.selectbox("Direction", kinds, key="directions_kind", bind="query-params")
    return CHOOSERS[kind](space)


def direction_of_property(space: LatentSpace) -> Direction:
    name = choose_property(space, "Property", "directions_property", DEFAULT_PROPERTY)
    measured = f"properties.PROPERTIES[{name!r}].measure(space.images)"
    python = snippet(f"directions.of_property(space.z, {measured}, space.labels)", directions, properties)
    return Direction(f"more {name}", cached.property_direction(space, name), python, name)


def direction_of_classes(space: LatentSpace) -> Direction:
    a = choose_class(space.classes, "From class", "directions_from_digit", 4)
    b = choose_class(space.classes, "To class", "directions_to_digit", 9)
    lines = f"directions.difference(space.z[space.labels == {b}], space.z[space.labels == {a}])"
    code = directions.difference(space.z[space.labels == b], space.z[space.labels == a])
    return Direction(
        f"class {space.classes[a]} to class {space.classes[b]}"[: shelf.LONGEST_NAME], code, snippet(lines, directions)
    )


def direction_of_vectors(space: LatentSpace) -> Direction:
    start = choose_code(space, "directions_a", "From", source="class mean", of_class=3)
    end = choose_code(space, "directions_b", "To", source="class mean", of_class=8)
    lines = f"directions.difference({end.python}, {start.python})"
    python = snippet(lines, directions, start.python, end.python)
    name = f"{start.name} to {end.name}"[: shelf.LONGEST_NAME]
    return Direction(name, directions.difference(end.code, start.code), python)


def direction_of_component(space: LatentSpace) -> Direction:
    most = min(space.latent_dim, MOST_COMPONENTS)
    number = int(st.number_input("Component", 1, most, 1, key="directions_component", bind="query-params"))
    python = snippet(f"PrincipalAxes.of(space.z, {most}).scaled({number - 1})", PrincipalAxes)
    return Direction(f"principal component {number}", cached.principal_of(space).scaled(number - 1), python)


def kept_direction(space: LatentSpace) -> Direction:
    return Direction(*choose_kept(space, "directions", "direction"))


def direction_of_selections(space: LatentSpace) -> Direction:
    first, second = (
        choose_selection(space, "directions_from", "From", 0),
        choose_selection(space, "directions_into", "To", 1),
    )
    lines = f"directions.difference(space.z[{second.python}], space.z[{first.python}])"
    python = snippet(lines, directions, first.python, second.python)
    name = f"to {second.name}" if first.name == OTHERS else f"{first.name} to {second.name}"
    code = directions.difference(space.z[second.rows], space.z[first.rows])
    return Direction(name[: shelf.LONGEST_NAME], code, python)


class Chosen(NamedTuple):
    """Images that were chosen as a group: what to call them, their numbers, and the Python that gives these."""

    name: str
    rows: Rows
    python: Snippet


def choose_selection(space: LatentSpace, key: str, label: str, index: int) -> Chosen:
    """A control for one of the selections: the one of the session, those on the shelf, and of the first the others."""
    found = selections_of(space)
    names = [OTHERS, *found]
    name = st.selectbox(label, names, index=min(index, len(names) - 1), key=f"{key}_selection", bind="query-params")
    selection = found[next(iter(found)) if name == OTHERS else name]
    if name in shelf_of(space):
        state().run.items.add(name)
    else:
        put_in_link(selection)
    written = snippet(f"Selection.from_link({selection.to_link()!r})", Selection)
    if name == OTHERS:
        rows = selection.others(len(space.z))
        if len(rows) == 0:
            raise ArgumentError("All images are selected, so there are no other ones.")
        return Chosen(name, rows, snippet(f"{written}.others(len(space.z))", written))
    return Chosen(selection.name, selection.rows, snippet(f"{written}.rows", written))


def selections_of(space: LatentSpace) -> dict[str, Selection]:
    """What is selected, and the selections on the shelf that are of the images in use, by their names."""
    found: dict[str, Selection] = {}
    current = selected_in(space)
    for kept in shelf_of(space):
        with suppress(ArgumentError):  # it is no selection, or of other images
            found[kept.name] = from_kept(space, kept)
    if current is not None:
        taken = found.get(current.name)
        differs = taken is not None and not np.array_equal(taken.rows, current.rows)
        found = {f"{current.name}, now" if differs else current.name: current} | found
    return found


CHOOSERS: dict[str, Callable[[LatentSpace], Direction]] = {
    "property": direction_of_property,
    "two classes": direction_of_classes,
    "two selections": direction_of_selections,
    "two codes": direction_of_vectors,
    "principal component": direction_of_component,
    "shelf direction": kept_direction,
}


def choose_property(space: LatentSpace, label: str, key: str, default: str, width: Width = "stretch") -> str:
    """A control that chooses a property that can be measured of the images; the first where there is no ``default``."""
    names = list(cached.originals_of(space).kinds_of_properties())
    index = names.index(default) if default in names else 0
    return st.selectbox(label, names, index=index, key=key, bind="query-params", width=width)


def reset_when_changed(key: str, value: Any, origin: Any) -> None:
    """Set a control to ``value`` at first, and again whenever ``origin``, which the value came from, is another one.

    In between it is the user's. A value in the URL comes before the first one.
    """
    origins = state().origins
    if origins.get(key) != origin:
        origins[key] = origin
        st.session_state[key] = value
