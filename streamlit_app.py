"""Latent Space Explorer: one page that opens a trained autoencoder and walks through its latent space.

Run it with ``streamlit run streamlit_app.py``. Read it from top to bottom: loaders, controls that sections
share, one function a section, the list of sections, the page.
"""

import os

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch: sessions share the cores, and threads would fight over them

import gc
import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from latent import charts, checkpoint, codes, data, images, interpolation, sampling, traversal
from latent.errors import ArgumentError, CheckpointError, LatentError
from latent.reading import Reading
from latent.space import LatentSpace
from latent.statistics import LatentStatistics

CHECKPOINTS = Path(os.environ.get("LATENT_CHECKPOINTS", Path(__file__).parent / "checkpoints"))
DEFAULT_CHECKPOINT = "ae-16"
MOST_NUMBERS_IN_URL = 256  # of a vector: servers refuse addresses of many kilobytes
LARGEST_UPLOAD = 200 * 1024**2  # bytes, as in .streamlit/config.toml
KINDS = {"ae": "autoencoder", "vae": "VAE"}
Code = NDArray[np.float32]

# ---------------------------------------------------------------------------------------------------------------------
# Loaders and caches. A space stands for itself in a key by its checkpoint's SHA-256, never by its arrays.

BY_SHA256: dict[type | str, Callable[[Any], Any]] = {checkpoint.Checkpoint: lambda saved: saved.sha256}
BY_CHECKPOINT: dict[type | str, Callable[[Any], Any]] = {LatentSpace: lambda space: identity(space)}


def identity(space: LatentSpace) -> tuple[Any, ...]:
    """What tells a space from every other: its file, how that is read, and the digit that is asked for."""
    reading = str(space.checkpoint.scored[0].reading.to_dict()) if space.checkpoint.scored else ""
    return space.checkpoint.sha256, reading, space.digit


def freeze_heap() -> None:
    """Spare everything loaded so far the full garbage collection that Streamlit asks for after every rerun."""
    gc.collect()
    gc.freeze()


@st.cache_data(max_entries=64, show_spinner=False)
def fingerprint(path: str, modified: int, size: int) -> str:
    """SHA-256 of a file, read again only where its time or size is another."""
    return checkpoint.fingerprint(path)


@st.cache_resource(max_entries=8, show_spinner="Opening the file; one of a stranger is read on real digits first …")
def loaded(path: str, sha256: str) -> checkpoint.Checkpoint:
    """What a file holds; for somebody else's, how it is read."""
    return checkpoint.load(path, within=CHECKPOINTS)


@st.cache_resource(max_entries=8, show_spinner="Trying readings of the file on real digits …")
def uploaded(sha256: str, name: str, _content: bytes) -> checkpoint.Checkpoint:
    """What an uploaded file holds."""
    return checkpoint.parse(_content, name)


@st.cache_resource(max_entries=8, hash_funcs=BY_SHA256, show_spinner="Encoding the test digits …")
def space_of(name: str, saved: checkpoint.Checkpoint, overruling: str = "") -> LatentSpace:
    """The space of a checkpoint, its evaluation images encoded; ``overruling`` choices of its reading, as JSON."""
    if overruling:
        reading = saved.scored[0].reading
        for choice, chosen in json.loads(overruling).items():
            reading = reading.alternatives()[choice].get(chosen, reading)
        saved = saved.overruled(reading)
    space = LatentSpace.of(name, saved)
    _ = space.statistics  # encodes now, before the heap is frozen
    freeze_heap()
    return space


@st.cache_resource(max_entries=8, show_spinner=False)
def alternatives_of(sha256: str, _reading: Reading) -> dict[str, dict[str, Reading]]:
    """The other ways to read a file; its own reading follows from the file."""
    return _reading.alternatives()


@st.cache_resource(max_entries=64, hash_funcs=BY_CHECKPOINT, show_spinner="Fitting the distribution …")
def fitted(
    space: LatentSpace, name: str, digit: int | None = None, low: float | None = None, high: float | None = None
) -> sampling.Distribution:
    """A distribution fitted to the codes of the evaluation images, or of those of one digit."""
    z = space.z if digit is None else space.z[space.labels == digit]
    distribution = sampling.fit(name, z, low=low, high=high)
    if name == "mixture":
        freeze_heap()  # scikit-learn came in
    return distribution


@st.cache_data(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner="Measuring what each dimension does …")
def dimension_effects(space: LatentSpace) -> NDArray[np.float32]:
    """How much each of the most spread dimensions changes the picture, over the first 16 evaluation images."""
    statistics = space.statistics
    return traversal.effects(space.decode, space.z[:16], statistics.std, statistics.most_spread(charts.MOST_PANELS))


@st.cache_data(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner="Measuring the error on 10,000 digits …")
def test_error(space: LatentSpace) -> float:
    """The saved score, or where there is none, or the file is read another way, the error measured now."""
    scores = space.checkpoint.scores
    return scores["test_mse"] if scores and len(space.checkpoint.scored) < 2 else space.test_error


@st.cache_data(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def statistics_of(space: LatentSpace, n: int) -> LatentStatistics:
    """Statistics of the codes of the first ``n`` evaluation images."""
    return LatentStatistics.of(space.z[:n])


@st.cache_data(max_entries=32, hash_funcs=BY_CHECKPOINT, show_spinner=False)
def distribution_charts(space: LatentSpace, n: int) -> dict[str, alt.LayerChart]:
    """The charts of the Statistics section, by name."""
    z, statistics = space.z[:n], statistics_of(space, n)
    active = statistics.active(space.signature.kind)
    return {
        "histograms": charts.histograms_chart(z, active),
        "values": charts.values_chart(z),
        "boxes": charts.box_chart(statistics, active),
    }


# ---------------------------------------------------------------------------------------------------------------------
# What sections share: showing pictures, and choosing a code.


def show(picture: Image.Image, alt_text: str, *, stretch: bool = False) -> None:
    """A picture, sent within the page: no request of its own, and nothing to expire on the server."""
    st.image(images.data_uri(images.png_bytes(picture)), alt=alt_text, width="stretch" if stretch else "content")


def show_chart(chart: alt.Chart | alt.LayerChart, alt_text: str) -> None:
    st.altair_chart(chart, alt=alt_text)


def side_by_side() -> Any:
    """A row that goes on in the next line where the window is narrow."""
    return st.container(horizontal=True, gap="medium")


def show_code(space: LatentSpace, code: Code, name: str, zoom: int = 6) -> None:
    """A code as the picture it decodes to, with its name above it."""
    st.markdown(f"**{name}**")
    show(images.sheet(space.decode(code), 1, zoom), f"Decoded picture: {name}")


def npz(**arrays: Any) -> Callable[[], bytes]:
    """What makes an NPZ file of the arrays when it is asked for."""

    def make() -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    return make


def choose_digit(label: str, key: str, default: int) -> int:
    return st.selectbox(label, range(10), index=default, key=key, bind="query-params")


def choose_image(space: LatentSpace, key: str, digit: int, label: str = "") -> int:
    """The index of an evaluation image: a digit, and which of its images."""
    left, right = st.columns(2)
    with left:
        digit = choose_digit(f"{label} digit".strip().capitalize(), f"{key}_digit", digit)
    indices = np.flatnonzero(space.labels == digit)
    with right:
        which = st.number_input(
            "Which one", 1, len(indices), 1, key=f"{key}_which", bind="query-params",
            help=f"There are {len(indices)} test images of this digit.",
        )  # fmt: skip
    return int(indices[which - 1])


SOURCES = ("real image", "class mean", "mean", "zeros", "random draw", "custom vector")
OF_REAL_IMAGES = ("real image", "class mean", "mean")  # what a decoder alone cannot offer


def choose_code(
    space: LatentSpace, key: str, label: str, *, source: str = "real image", digit: int = 7
) -> tuple[str, Code]:
    """Controls that choose a code; its name and the code (latent_dim,)."""
    sources = [name for name in SOURCES if space.signature.has_encoder or name not in OF_REAL_IMAGES]
    index = sources.index(source) if source in sources else sources.index("random draw")
    source = st.selectbox(label, sources, index=index, key=f"{key}_source", bind="query-params")
    match source:
        case "random draw":
            seed = st.number_input("Seed", 0, 2**31 - 1, digit, key=f"{key}_draw", bind="query-params")
            return "a random draw", sampling.sample(fitted(space, "learned"), 1, seed=int(seed))[0]
        case "real image":
            index = choose_image(space, key, digit)
            return f"a real {space.labels[index]}", space.z[index]
        case "class mean":
            digit = choose_digit("Mean of the", f"{key}_mean_of", digit)
            return f"mean of the {digit}s", space.class_mean(digit)
        case "mean":
            return "mean of all codes", space.statistics.mean
        case "custom vector":
            return "custom vector", custom_vector(space)
    return "zeros", np.zeros(space.latent_dim, np.float32)


def custom_vector(space: LatentSpace) -> Code:
    """The code last entered in the Custom vector section, or where there is none the first real image's."""
    kept = st.session_state.get("custom_kept", {})
    return kept.get(space.checkpoint.sha256, space.z[0])


def choose_distribution(space: LatentSpace, key: str, default: str, digit: int | None = None) -> sampling.Distribution:
    """Controls that choose a distribution, which is fitted to the codes of one digit where one is given."""
    name = st.selectbox(
        "Distribution", sampling.DISTRIBUTIONS, index=sampling.DISTRIBUTIONS.index(default), key=f"{key}_distribution",
        bind="query-params", help="\n".join(f"- **{name}**: {text}" for name, text in sampling.HELP.items()),
    )  # fmt: skip
    st.caption(sampling.HELP[name])
    if name != "uniform" or not st.toggle(
        "Choose the range", key=f"{key}_bounded", bind="query-params",
        help="Off: every dimension runs over the values that real codes take in it.",
    ):  # fmt: skip
        return fitted(space, name, digit)
    left, right = st.columns(2)
    low = left.number_input("From", value=-3.0, step=0.5, key=f"{key}_low", bind="query-params")
    high = right.number_input("To", value=3.0, step=0.5, key=f"{key}_high", bind="query-params")
    return fitted(space, name, digit, low, high)


def choose_scale_and_seed(key: str) -> tuple[float, int]:
    scale = st.slider(
        "Scale", 0.0, 3.0, 1.0, 0.05, key=f"{key}_scale", bind="query-params",
        help="How far codes lie from their centre: below 1 more typical pictures, above 1 stranger ones.",
    )  # fmt: skip
    seed = st.number_input(
        "Seed", 0, 2**31 - 1, 0, key=f"{key}_seed", bind="query-params", help="The same seed, the same pictures."
    )
    return scale, int(seed)


def follow(key: str, value: Any, origin: Any) -> None:
    """Set a control to ``value`` at first, and again whenever ``origin``, which the value came from, is another one.

    In between it is the user's. A value in the URL comes before the first one.
    """
    origins = st.session_state.setdefault("origins", {})
    if origins.get(key) != origin:
        origins[key] = origin
        st.session_state[key] = value


def columns_for(n: int, most: int = 10) -> int:
    """Columns of a grid of ``n`` pictures: as square as can be."""
    return min(most, int(np.ceil(np.sqrt(n))))


# ---------------------------------------------------------------------------------------------------------------------
# The sections: their controls, one computation, their pictures.


def model_section(space: LatentSpace) -> None:
    """What is this file, and how much of a digit is left after the way through it?"""
    with st.sidebar:
        n = st.slider("Digits to reconstruct", 5, 30, 15, key="model_digits", bind="query-params")
        first = st.number_input("From test image", 0, len(space.images) - n, 0, key="model_first", bind="query-params")

    saved, signature = space.checkpoint, space.signature
    recipe, history = saved.recipe, saved.history
    code = " × ".join(map(str, signature.code_shape)) + f" = {space.latent_dim}" * (len(signature.code_shape) > 1)
    facts = {
        "Kind": "conditional " * signature.conditional
        + (KINDS[signature.kind] if signature.has_encoder else "decoder"),
        "Latent dimensions": code,
        "Parameters": f"{sum(p.numel() for p in space.model.parameters()):,}",
        "Data set": str(recipe.get("dataset", "unknown")),
    }
    if history or recipe:
        facts |= {
            "Epochs": f"{len(history)} of {recipe['epochs']}" if recipe and not saved.scores else str(len(history)),
            "Trained for": f"{sum(row['seconds'] for row in history) / 60:.1f} min",
        }
    if signature.has_encoder:
        unfinished = bool(recipe) and not saved.scores
        facts["Test error"] = "not finished" if unfinished else f"{test_error(space):.5f}"
    with side_by_side():
        for name, value in facts.items():
            st.metric(name, value, width="content")
    st.caption(
        "The test error is the mean squared error a pixel on the 10,000 test images, pixels in [0, 1]. The file:"
    )
    st.code(f"{space.name}  {saved.container}, sha256 {saved.sha256[:16]}…", language=None)
    if signature.image_shape != (1, 28, 28):
        channels, height, width = signature.image_shape
        st.caption(
            f"The digits are resized for this model to {height} × {width}, {channels} channel{'s' * (channels > 1)}."
        )

    if signature.has_encoder:
        real, labels = space.images[first : first + n], space.labels[first : first + n]
        x_hat = space.reconstruct(real, labels)
        st.subheader("Real digits, and what is left of them")
        show(images.rows_sheet([real, x_hat], zoom=3), f"{n} real digits over their reconstructions", stretch=n > 10)
        errors = np.square(x_hat - real / 255).reshape(n, -1).mean(axis=1)
        st.caption(
            f"Above, real test digits; below, the same after encoding to {space.latent_dim} "
            f"number{'s' * (space.latent_dim > 1)} and decoding. Error of these: {errors.mean():.4f} on average, "
            f"from {errors.min():.4f} to {errors.max():.4f}."
        )
    else:
        st.subheader("What it draws from random codes")
        drawn = space.decode(space.z[first : first + n])
        show(images.sheet(drawn, n, zoom=3), f"{n} pictures of random codes", stretch=n > 10)
        st.caption(
            "The file holds a decoder alone: real digits cannot be encoded, so the codes are draws from N(0, 1)."
        )
    if saved.scored:
        show_reading(space)
    if history:
        st.subheader("Training")
        show_chart(charts.history_chart(history), "Training and test loss over the epochs")


def show_reading(space: LatentSpace) -> None:
    """How somebody else's file was read, how sure that is, and controls to read it another way."""
    scored = space.checkpoint.scored
    reading = scored[0].reading
    st.subheader("How this file was read")
    found, kept = st.columns([3, 2])
    with found:
        st.markdown("**The layers, in the order in which they run**: names and sizes are read from the file")
        st.code("\n".join(reading.layer_lines()), language=None, wrap_lines=True)
    with kept:
        st.markdown("**Inferred**: tried on real digits, and the reading that works kept")
        st.code("\n".join(f"{name}: {value}" for name, value in reading.choices().items()), language=None)
    tried = [each for each in scored if np.isfinite(each.error)]
    if len(tried) > 1:
        best, second = tried[:2]
        ratio = second.error / best.error
        verdict = (
            ""
            if ratio > 1.05
            else " The two hardly differ in what they do; the likelier way to write a network is kept."
        )
        st.markdown(f"**The runner-up** has {ratio:.2f} times the error ({second.error:.4f}).{verdict} It differs in:")
        st.text(best.reading.differences(second.reading))
    with st.expander("Read it another way", expanded=len(scored) > len(tried)):
        st.caption("All sections follow a choice, and the test error above says at once whether it is better.")
        overrule(tried[0].reading, space.checkpoint.sha256)
    own_format = checkpoint.to_bytes(space.checkpoint)
    st.download_button(
        "Save as a checkpoint of our format",
        own_format,
        f"{space.name}.pt",
        "application/octet-stream",
        on_click="ignore",
    )


def overrule(reading: Reading, sha256: str) -> None:
    """Controls for all that was inferred; what is chosen otherwise is kept for this file and session."""
    changed: dict[str, str] = {}
    alternatives = alternatives_of(sha256, reading)
    cells = st.columns(3) * (len(alternatives) // 3 + 1)
    for cell, (name, choices) in zip(cells, alternatives.items()):
        chosen = cell.selectbox(name, list(choices), key=f"model_{name}_{sha256[:8]}")
        if choices[chosen] != reading:
            changed[name] = chosen
    overruled = st.session_state.setdefault("overruled", {})
    text = json.dumps(changed) if changed else ""
    if overruled.get(sha256, "") != text:
        overruled[sha256] = text
        st.rerun()


def statistics_section(space: LatentSpace) -> None:
    """Are all dimensions used, and how do their values spread over real digits?"""
    with st.sidebar:
        n = st.slider(
            "Images to encode",
            1000,
            len(space.images),
            len(space.images),
            1000,
            key="statistics_images",
            bind="query-params",
        )

    statistics = statistics_of(space, n)
    kind = space.signature.kind
    active = statistics.active(kind)
    rule = "a variance above 0.01" if kind == "vae" else "a variance above 1 % of the largest"
    with side_by_side():
        st.metric("Images encoded", f"{n:,}", width="content")
        st.metric(
            "Active dimensions", f"{active.sum()} of {space.latent_dim}", help=f"Active: {rule}.", width="content"
        )
        st.metric(
            "Standard deviation", f"{statistics.std.min():.2f} – {statistics.std.max():.2f}",
            help="Of the least and the most spread dimension, latent units.", width="content",
        )  # fmt: skip
    if not active.all():
        st.caption(f"Inactive: {', '.join(map(str, np.flatnonzero(~active)))} (active is {rule}).")

    if space.latent_dim > charts.MOST_PANELS:
        st.caption(
            f"The charts show the {charts.MOST_PANELS} most spread of the {space.latent_dim} dimensions, the table all."
        )

    drawn = distribution_charts(space, n)
    st.subheader("Every dimension")
    show_chart(drawn["histograms"], f"Histograms of the {space.latent_dim} dimensions over {n} codes")
    st.subheader("Box plots")
    show_chart(drawn["boxes"], "Median, quartiles, 1st and 99th percentile and extremes of every dimension")
    st.subheader("All values together")
    show_chart(drawn["values"], "Histogram of all values, with the standard normal density as a line")
    st.caption(
        "The line is the standard normal density: where the bars leave it, sampling from N(0, 1) leaves the data."
    )

    table = pd.DataFrame(
        {
            "dimension": np.arange(space.latent_dim),
            "active": active,
            "mean": statistics.mean,
            "std": statistics.std,
            "min": statistics.min,
            "1st quartile": statistics.quantile(0.25),
            "median": statistics.median,
            "3rd quartile": statistics.quantile(0.75),
            "max": statistics.max,
        }
    )
    st.subheader("Numbers")
    numbers = {name: st.column_config.NumberColumn(format="%.3f") for name in table.columns[2:]}
    st.dataframe(table, hide_index=True, column_config=numbers, alt="Statistics of every dimension")
    st.download_button(
        "Download CSV", lambda: table.to_csv(index=False), f"{space.name}-statistics.csv", "text/csv", on_click="ignore"
    )


def generate_section(space: LatentSpace) -> None:
    """What can it produce? Random codes, decoded."""
    with st.sidebar:
        distribution = choose_distribution(space, "generate", "learned")
        n = st.slider("Pictures", 1, 100, 36, key="generate_pictures", bind="query-params")
        scale, seed = choose_scale_and_seed("generate")

    z = sampling.sample(distribution, n, scale=scale, seed=seed)
    pictures = space.decode(z)

    grid = images.sheet(pictures, columns_for(n), zoom=3)
    left, right = st.columns([3, 2])
    with left:
        show(grid, f"{n} generated pictures", stretch=n >= 25)
        png, arrays, _ = st.columns([1, 1, 2])
    with right:
        st.markdown("**Their vectors**")
        show_chart(charts.codes_chart(z), f"Heat map of the {n} vectors")
        with st.expander("As numbers"):
            named = pd.DataFrame(z, columns=[f"dim {d}" for d in range(space.latent_dim)])
            st.dataframe(named, alt="The vectors as numbers")
    name = f"{space.name}-generated"
    png.download_button(
        "PNG", lambda: images.png_bytes(grid), f"{name}.png", "image/png", on_click="ignore", width="stretch"
    )
    arrays.download_button(
        "NPZ", npz(z=z, images=pictures), f"{name}.npz", "application/octet-stream", on_click="ignore", width="stretch",
        help="Arrays z (codes) and images (pixels in [0, 1]).",
    )  # fmt: skip


def custom_section(space: LatentSpace) -> None:
    """What does this vector look like? Paste one, or start from a known one and change its numbers."""
    with st.sidebar:
        start = st.selectbox(
            "Start from",
            ("real image", "random draw", "mean", "zeros") if space.signature.has_encoder else ("random draw", "zeros"),
            key="custom_start",
            bind="query-params",
        )
        if start == "real image":
            base = space.z[choose_image(space, "custom", 7)]
        elif start == "random draw":
            seed = st.number_input("Seed", 0, 2**31 - 1, 0, key="custom_seed", bind="query-params")
            base = sampling.sample(fitted(space, "learned"), 1, seed=int(seed))[0]
        else:
            base = space.statistics.mean if start == "mean" else np.zeros(space.latent_dim, np.float32)
        if st.button("Back to the start", key="custom_back", width="stretch"):
            st.session_state["custom_numbers"] = codes.text_of(base)

    follow("custom_numbers", codes.text_of(base), (space.checkpoint.sha256, base.tobytes()))
    text = st.text_area(
        f"{space.latent_dim} numbers", key="custom_numbers", height=90,
        bind="query-params" if space.latent_dim <= MOST_NUMBERS_IN_URL else None,
        help="Separated by commas, spaces or lines; brackets and JSON are fine.",
    )  # fmt: skip
    try:
        code = codes.parse(text, space.latent_dim)
    except ArgumentError as error:
        st.warning("This is not a vector yet; below is the last good one.")
        st.text(str(error))
        code = custom_vector(space)
    st.session_state.setdefault("custom_kept", {})[space.checkpoint.sha256] = code

    def take_edits() -> None:
        edited = code.copy()
        for row, change in st.session_state[table_key]["edited_rows"].items():
            edited[int(row)] = change.get("value") or 0.0
        st.session_state["custom_numbers"] = codes.text_of(edited)

    left, right = st.columns([1, 2])
    with left:
        show_code(space, code, "Decoded", zoom=8)
        if space.signature.has_encoder:
            nearest = int(space.nearest(code)[0])
            st.markdown(f"**Nearest real digit**: a {space.labels[nearest]}")
            show(images.sheet(space.images[[nearest]], 1, 4), f"The nearest real digit, a {space.labels[nearest]}")
    with right:
        show_chart(charts.code_chart(code, space.statistics), "The vector as bars over the range of real codes")
        st.caption("The grey band holds 98 % of the real codes: a bar that leaves it leaves the data.")
        table_key = f"custom_table_{hash(code.tobytes())}"  # another code, another table: no edit counts twice
        with st.expander("Edit as a table"):
            numbers = pd.DataFrame({"dimension": np.arange(space.latent_dim), "value": code.astype(np.float64)})
            value_column = st.column_config.NumberColumn(format="%.3f", required=True)
            st.data_editor(
                numbers, key=table_key, on_change=take_edits, hide_index=True, disabled=["dimension"],
                column_config={"value": value_column}, alt="The vector as an editable table",
            )  # fmt: skip


def dimensions_section(space: LatentSpace) -> None:
    """What does each dimension control? One at a time is moved, the others stay."""
    statistics, effects = space.statistics, dimension_effects(space)
    dimensions = statistics.most_spread(charts.MOST_PANELS)
    order = dimensions[np.argsort(-effects, kind="stable")]
    with st.sidebar:
        dimension = int(
            st.selectbox(
                "Dimension",
                [int(d) for d in order],
                key="dimensions_dimension",
                bind="query-params",
                help="The one that changes the picture most comes first.",
            )
        )
        low, high = (round(float(statistics.quantile(p)[dimension]), 2) for p in (0.01, 0.99))
        reach = 3 * max(abs(low), abs(high), 0.5)
        follow("dimensions_range", (low, high), (space.checkpoint.sha256, dimension))
        chosen: Any = st.slider(
            "Range", -reach, reach, step=0.01, key="dimensions_range", bind="query-params",
            help="At first from the 1st to the 99th percentile of the real codes.",
        )  # fmt: skip
        low, high = chosen
        n_steps = st.slider("Steps", 3, 30, 11, key="dimensions_steps", bind="query-params")
        name, base = choose_code(space, "dimensions", "Base")

    values = np.linspace(low, high, n_steps)
    strip = space.decode(traversal.traverse(base, dimension, values))
    change = strip - space.decode(base)

    st.subheader(f"Dimension {dimension} from {low:.2f} to {high:.2f}, the rest as in {name}")
    named_strip = images.sheet(strip, n_steps, zoom=4, column_names=[f"{value:.2f}" for value in values])
    show(named_strip, f"Pictures as dimension {dimension} goes from {low:.2f} to {high:.2f}", stretch=True)
    st.caption(f"Below each picture the value of dimension {dimension}. In the base it is {base[dimension]:.2f}.")
    show(
        images.sheet(images.signed_to_rgb(change), n_steps, zoom=4),
        "Difference of each picture from the base",
        stretch=True,
    )
    st.caption("The difference from the base: red is brighter, blue is darker.")

    st.subheader("Every dimension, by how much it changes the picture")
    show_chart(charts.effects_chart(dimensions, effects, dimension), "How much each dimension changes the picture")
    st.caption(
        "RMS difference of the pictures one standard deviation up and down, averaged over 16 real digits. "
        "The rows below are in this order, each from the 1st to the 99th percentile of its dimension."
    )
    shown = order[:32]
    low_all, high_all = statistics.quantile(0.01), statistics.quantile(0.99)
    sweeps = np.concatenate([traversal.traverse(base, int(d), np.linspace(low_all[d], high_all[d], 13)) for d in shown])
    overview = images.sheet(space.decode(sweeps), 13, zoom=2, row_names=[str(d) for d in shown])
    show(overview, f"A strip for each of the dimensions {', '.join(map(str, shown))}", stretch=True)


def arithmetic_section(space: LatentSpace) -> None:
    """Do differences of codes mean something? Codes added and subtracted, then decoded."""
    operations: dict[str, tuple[str, Callable[..., Code]]] = {
        "average": ("(A + B) / 2", interpolation.average),
        "difference": ("A − B", interpolation.difference),
        "sum": ("A + B", interpolation.total),
        "analogy": ("A − B + C", interpolation.analogy),
    }
    with st.sidebar:
        operation = st.selectbox(
            "Operation",
            operations,
            index=3,
            key="arithmetic_operation",
            bind="query-params",
            format_func=lambda name: f"{name}: {operations[name][0]}",
        )
        letters = "ABC" if operation == "analogy" else "AB"
        defaults = {"A": 8, "B": 3, "C": 5} if operation == "analogy" else {"A": 3, "B": 8}
        operands = [
            choose_code(space, f"arithmetic_{letter.lower()}", letter, source="class mean", digit=defaults[letter])
            for letter in letters
        ]

    formula, operate = operations[operation]
    result = operate(*(code for _, code in operands))

    st.subheader(formula)
    shown = [
        *((f"{letter}: {name}", code) for letter, (name, code) in zip(letters, operands)),
        (f"= {formula}", result),
    ]
    with side_by_side():
        for name, code in shown:
            with st.container(width="content"):
                show_code(space, code, name)
        if space.signature.has_encoder:
            nearest = int(space.nearest(result)[0])
            with st.container(width="content"):
                st.markdown(f"**Nearest real: a {space.labels[nearest]}**")
                show(images.sheet(space.images[[nearest]], 1, 6), f"The nearest real digit, a {space.labels[nearest]}")
    for cell, (name, code) in zip(st.columns(len(shown)), shown):
        with cell:
            st.markdown(f"**{name}**")
            show_chart(charts.code_chart(code, space.statistics, height=200), f"{name} as bars")
    st.caption(
        "The grey bands hold 98 % of the real codes. A difference or a sum usually leaves them: it is a direction, or "
        "twice a picture, and decodes to something no real digit looks like. An average or an analogy stays inside."
    )


def compare_section(space: LatentSpace) -> None:
    """Could you tell generated from real, and has the model collapsed to a few digits?"""
    with st.sidebar:
        digit = st.selectbox(
            "Digit", [None, *range(10)], key="compare_digit", bind="query-params",
            format_func=lambda digit: "all digits" if digit is None else f"only {digit}s",
            help="One digit: real ones of it, and samples from a distribution fitted to its codes.",
        )  # fmt: skip
        distribution = choose_distribution(space, "compare", "learned", digit)
        n = st.slider("Pictures", 1, 100, 36, key="compare_pictures", bind="query-params")
        scale, seed = choose_scale_and_seed("compare")

    among = np.arange(len(space.images)) if digit is None else np.flatnonzero(space.labels == digit)
    real = np.random.default_rng(seed).choice(among, n, replace=False)
    z = sampling.sample(distribution, n, scale=scale, seed=seed)
    generated, nearest = space.decode(z), space.nearest(z)

    columns = columns_for(n)
    left, right = st.columns(2)
    with left:
        st.subheader("Real")
        show(images.sheet(space.images[real], columns, zoom=2), f"{n} real digits", stretch=True)
    with right:
        st.subheader("Generated")
        show(images.sheet(generated, columns, zoom=2), f"{n} generated pictures", stretch=True)
    st.subheader("Every generated picture over its nearest real digit")
    pairs = images.pairs_sheet(generated, space.images[nearest], columns=12, zoom=3)
    show(pairs, f"{n} generated pictures, each over its nearest real digit", stretch=n >= 12)
    counts = np.bincount(space.labels[nearest], minlength=10)
    st.caption(
        "Nearest by the distance of the codes among the 10,000 test images. The nearest ones are: "
        + ", ".join(f"{count} × {digit}" for digit, count in enumerate(counts) if count)
        + "."
    )


def interpolate_section(space: LatentSpace) -> None:
    """Is the space smooth? The way from one code to another, in even steps."""
    with st.sidebar:
        start_name, start = choose_code(space, "interpolate_from", "From", digit=2)
        end_name, end = choose_code(space, "interpolate_to", "To", digit=4)
        n_steps = st.slider("Steps", 3, 30, 12, key="interpolate_steps", bind="query-params")
        kind = st.radio(
            "GIF along", interpolation.PATHS, key="interpolate_path", bind="query-params", horizontal=True,
            help="Linear: the straight line. Spherical: the arc, which keeps to codes of the norm of its ends.",
        )  # fmt: skip

    strips = {name: space.decode(interpolation.path(start, end, n_steps, name)) for name in interpolation.PATHS}

    st.subheader(f"From {start_name} to {end_name}")
    for name, strip in strips.items():
        st.markdown(f"**{name.capitalize()}**")
        show(images.rows_sheet([strip], zoom=4), f"{name} interpolation in {n_steps} steps", stretch=True)
    animation = images.gif_bytes(strips[kind])
    left, right = st.columns([1, 3])
    with left:
        st.markdown(f"**As it moves ({kind})**")
        st.image(images.data_uri(animation, "image/gif"), alt=f"Animation of the {kind} interpolation")
        st.download_button("GIF", animation, f"{space.name}-interpolation.gif", "image/gif", on_click="ignore")
    with right:
        st.markdown("**How evenly it moves**")
        changes = {name: np.sqrt(np.square(np.diff(strip, axis=0)).mean(axis=(1, 2))) for name, strip in strips.items()}
        show_chart(charts.steps_chart(changes), "Change of the picture at every step of both paths")
        st.caption("A smooth space has an even line; a peak is where one digit jumps to another.")


SECTIONS: dict[str, Callable[[LatentSpace], None]] = {
    "Model": model_section,
    "Statistics": statistics_section,
    "Generate": generate_section,
    "Custom vector": custom_section,
    "Dimensions": dimensions_section,
    "Arithmetic": arithmetic_section,
    "Real vs generated": compare_section,
    "Interpolate": interpolate_section,
}
NEED_AN_ENCODER = ("Statistics", "Real vs generated")

# ---------------------------------------------------------------------------------------------------------------------
# The page.


STYLE = """<style>
[data-testid="stImage"] img { image-rendering: pixelated }  /* digits have hard pixels */
[data-testid="stMainBlockContainer"] { padding-top: 3rem }
</style>"""


@st.cache_resource(show_spinner=False)
def page_icon() -> Image.Image:
    """A real digit; a named icon would be fetched from a distant host."""
    digits, _ = data.evaluation_digits()
    return images.sheet(digits[61:62], 1, zoom=2)


def choose_checkpoint() -> LatentSpace:
    """The checkpoint picker; the space of the chosen file. The folder is looked through again at every rerun."""
    uploads: dict[str, tuple[str, bytes]] = st.session_state.setdefault("uploads", {})
    found = checkpoint.find(CHECKPOINTS)
    stems = [path.stem for path in found]
    files = {path.stem if stems.count(path.stem) == 1 else path.name: path for path in found}
    if not files and not uploads:
        raise CheckpointError(
            f"There is no checkpoint in {CHECKPOINTS}: train one with python -m latent.train --out "
            f"{CHECKPOINTS / 'ae-16.pt'}, or name another folder in LATENT_CHECKPOINTS."
        )
    names = [*files, *uploads]
    default = names.index(DEFAULT_CHECKPOINT) if DEFAULT_CHECKPOINT in files else 0
    name = st.selectbox("Checkpoint", names, index=default, key="checkpoint", bind="query-params")
    if name in uploads:
        sha256, content = uploads[name]
        saved = uploaded(sha256, name, content)
    else:
        path, status = str(files[name]), files[name].stat()
        saved = loaded(path, fingerprint(path, status.st_mtime_ns, status.st_size))
    space = space_of(name, saved, st.session_state.get("overruled", {}).get(saved.sha256, "") if saved.scored else "")
    if space.signature.conditional:
        space = space.for_digit(choose_digit("Digit to draw", "digit", 3))
    return space


def take_upload() -> None:
    """Add the uploaded file to the picker, for this session, and choose it."""
    file = st.session_state["upload"]
    if file is None:
        return
    content = file.getvalue() if file.size <= LARGEST_UPLOAD else b""  # the server's own limit, checked again
    name = f"{file.name[:60]} (uploaded)"
    st.session_state.setdefault("uploads", {})[name] = (hashlib.sha256(content).hexdigest(), content)
    st.session_state["checkpoint"] = name


def show_error(error: LatentError) -> None:
    """A mistake, as a sentence. Its text may quote a file, so it is shown as text and never as Markdown."""
    st.error("This cannot be shown:")
    st.text(str(error))


st.set_page_config("Latent Space Explorer", page_icon(), layout="wide")
st.html(STYLE)
with st.sidebar:
    st.markdown("### Latent Space Explorer")
    space: LatentSpace | None = None
    try:
        space = choose_checkpoint()
    except LatentError as error:
        show_error(error)
    with st.expander("Open a file"):
        st.file_uploader(
            "Any trained autoencoder", key="upload", on_change=take_upload,
            help="PyTorch, TorchScript, safetensors, Keras .h5 or .npz, at most 200 MB. Nothing in it is executed; "
            "it is kept for this session only.",
        )  # fmt: skip
    if space is None:
        st.stop()
    section = st.radio("Section", SECTIONS, key="section", bind="query-params")
    st.divider()
st.header(section, anchor=False)
st.caption(SECTIONS[section].__doc__)
try:
    if section in NEED_AN_ENCODER and not space.signature.has_encoder:
        st.info("This file holds a decoder alone, which gives no codes of real digits, and this section needs them.")
    else:
        SECTIONS[section](space)
except LatentError as error:
    show_error(error)
