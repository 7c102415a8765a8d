"""Charts: arrays in, an ``alt.Chart`` out. Neither torch nor streamlit comes in here.

Every encoding is an object of its own kind with its type, ``alt.X2("to:Q")`` and not ``x2="to"``, and layers are put
together at once: Altair builds such a chart in less than half of the time, and without a look at the rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latent import arrow
from latent.arrow import Columns
from latent.lazy import Lazily
from latent.statistics import LatentStatistics, histograms

if TYPE_CHECKING:
    import altair as alt
    import pyarrow as pa
else:
    alt, pa = Lazily("altair"), Lazily("pyarrow")

BLUE, ORANGE, GREY = "#3b7dd8", "#e8803a", "#8a919e"  # told apart in every common colour blindness, on light and dark
LEAST_HEIGHT = 260  # pixels of a chart, of which axes and a legend take their part
LEVEL_NAME, MOST_LEVEL = 12, 24  # letters of a name, and names, that stand level below an axis
# Of classes, in every chart the same, and from the first again after the tenth; told apart in common colour blindness
# (Petroff 2021, arXiv:2107.02270).
CLASSES = (
    "#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6", "#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd",
)  # fmt: skip
# From low to high: viridis (van der Walt & Smith 2015), which grows evenly lighter.
SCALE = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725")
MOST_PANELS = 64  # small multiples beyond this are too small to read


def history_chart(history: Sequence[Mapping[str, float]]) -> alt.LayerChart:
    """Training and test loss over the epochs, on a logarithmic scale."""
    rows = {
        "epoch": np.tile([row["epoch"] for row in history], 2),
        "images": np.repeat(["training", "test"], len(history)),
        "loss": np.array([row[name] for name in ("train_loss", "test_loss") for row in history]),
    }
    base = alt.Chart(arrow.to_table(rows)).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("loss:Q", title="loss per pixel (log scale)", scale=alt.Scale(type="log", nice=False)),
        color=alt.Color("images:N", title=None, scale=alt.Scale(domain=["training", "test"], range=[BLUE, ORANGE])),
        tooltip=[alt.Tooltip("images:N"), alt.Tooltip("epoch:Q"), alt.Tooltip("loss:Q", format=".5f")],
    )
    return alt.LayerChart(layer=[base.mark_line(), base.mark_point(filled=True, size=18)])


def histograms_chart(z: NDArray[np.float32], active: NDArray[np.bool_], columns: int = 8) -> alt.LayerChart:
    """A histogram of every dimension, as small multiples with one range of values for all.

    One chart with the panels laid out in it, rather than a facet: it is as wide as the page.
    """
    dimensions = LatentStatistics.of(z).most_spread(MOST_PANELS)
    columns = min(columns, len(dimensions))
    place = np.arange(len(dimensions))
    low, high = np.quantile(z, (0.0005, 0.9995))
    counts, edges = histograms(np.clip(z[:, dimensions], low, high), bins=36)
    row, column = place // columns, place % columns
    left = column[:, None] + 0.04 + 0.92 * (edges - low) / max(high - low, 1e-12)
    bottom = -(row[:, None] + 0.96)
    bars = arrow.to_table(
        {
            "dimension": np.repeat(dimensions, counts.shape[1]),
            "left": left[:, :-1].ravel(),
            "right": left[:, 1:].ravel(),
            "bottom": np.broadcast_to(bottom, counts.shape).ravel(),
            "top": (bottom + 0.74 * counts / counts.max(axis=1, keepdims=True)).ravel(),
            "from": edges[:, :-1].ravel(),
            "to": edges[:, 1:].ravel(),
            "codes": counts.ravel(),
            "state": np.repeat(np.where(active[dimensions], "active", "inactive"), counts.shape[1]),
        }
    )
    zero = 0.04 + 0.92 * (0 - low) / max(high - low, 1e-12)
    panels = arrow.to_table(
        {"name": dimensions.astype(str), "x": column + 0.06, "y": -(row + 0.05), "zero": column + zero}
        | {"floor": -(row + 0.96), "ceiling": -(row + 0.22)}
    )
    as_is = alt.Scale(nice=False, zero=False)
    rectangles = (
        alt.Chart(bars)
        .mark_rect()
        .encode(
            x=alt.X("left:Q", axis=None, scale=as_is),
            x2=alt.X2("right:Q"),
            y=alt.Y("bottom:Q", axis=None, scale=as_is),
            y2=alt.Y2("top:Q"),
            color=state_color(active),
            tooltip=[
                alt.Tooltip("dimension:Q"),
                alt.Tooltip("from:Q", format=".2f"),
                alt.Tooltip("to:Q", format=".2f"),
                alt.Tooltip("codes:Q"),
            ],
        )
    )
    labels = (
        alt.Chart(panels)
        .mark_text(align="left", baseline="top", color=GREY, fontSize=12)
        .encode(x=alt.X("x:Q"), y=alt.Y("y:Q"), text=alt.Text("name:N"))
    )
    zeros = (
        alt.Chart(panels)
        .mark_rule(color=GREY, strokeDash=[2, 2], opacity=0.7)
        .encode(x=alt.X("zero:Q"), y=alt.Y("floor:Q"), y2=alt.Y2("ceiling:Q"))
    )
    title = [  # short lines, for narrow windows
        f"Value (latent units), {low:.1f} to {high:.1f} in every panel; dashed: 0.",
        "Height: share of codes, scaled per panel.",
    ]
    height = 130 * int(row.max() + 1)
    return alt.LayerChart(layer=[rectangles, zeros, labels]).properties(
        height=height, title=alt.Title(title, fontWeight="normal", fontSize=12)
    )


def values_chart(z: NDArray[np.float32], bins: int = 80) -> alt.LayerChart:
    """A histogram of all values of all dimensions, with the standard normal density over it."""
    low, high = np.quantile(z, (0.0005, 0.9995))
    counts, edges = np.histogram(z, bins, range=(low, max(high, low + 1e-6)))
    density = counts / (z.size * np.diff(edges))
    middle = (edges[:-1] + edges[1:]) / 2
    normal = np.exp(-np.square(middle) / 2) / np.sqrt(2 * np.pi)
    rows = arrow.to_table(
        {
            "from": edges[:-1],
            "to": edges[1:],
            "density": density,
            "value": middle,
            "normal": normal,
            "floor": np.zeros(bins),
        }
    )
    x = alt.X("from:Q", title="value (latent units)", scale=alt.Scale(nice=False, zero=False))
    bars = (
        alt.Chart(rows)
        .mark_rect(color=BLUE)
        .encode(
            x=x,
            x2=alt.X2("to:Q"),
            y=alt.Y("density:Q", title="density"),
            y2=alt.Y2("floor:Q"),
            tooltip=[alt.Tooltip("value:Q", format=".2f"), alt.Tooltip("density:Q")],
        )
    )
    line = alt.Chart(rows).mark_line(color=ORANGE).encode(x=alt.X("value:Q"), y=alt.Y("normal:Q"))
    return alt.LayerChart(layer=[bars, line]).properties(height=240)


def box_chart(statistics: LatentStatistics, active: NDArray[np.bool_]) -> alt.LayerChart:
    """A box a dimension: quartiles and median, whiskers at the 1st and 99th percentile, dots at the extremes."""
    numbers_of = {
        "min": statistics.min,
        "p1": statistics.quantile(0.01),
        "q1": statistics.quantile(0.25),
        "median": statistics.median,
        "q3": statistics.quantile(0.75),
        "p99": statistics.quantile(0.99),
        "max": statistics.max,
    }
    dimensions = statistics.most_spread(MOST_PANELS)
    rows = {"dimension": dimensions, "state": np.where(active, "active", "inactive")[dimensions]}
    rows |= {name: values[dimensions] for name, values in numbers_of.items()}
    thickness = 0.006 * float(statistics.max.max() - statistics.min.min())
    rows |= {"below": rows["median"] - thickness, "above": rows["median"] + thickness}
    numbers = [alt.Tooltip(f"{name}:Q", format=".2f") for name in numbers_of]
    base = alt.Chart(arrow.to_table(rows)).encode(x=dimension_axis(), tooltip=[alt.Tooltip("dimension:Q"), *numbers])
    whiskers = base.mark_rule().encode(
        y=alt.Y("p1:Q", title="value (latent units)"), y2=alt.Y2("p99:Q"), color=state_color(active)
    )
    boxes = base.mark_bar(width=alt.RelativeBandSize(0.7)).encode(
        y=alt.Y("q1:Q"), y2=alt.Y2("q3:Q"), color=state_color(active)
    )
    medians = base.mark_bar(width=alt.RelativeBandSize(0.7), color="white").encode(
        y=alt.Y("below:Q"), y2=alt.Y2("above:Q")
    )
    lowest = base.mark_point(size=10, color=GREY).encode(y=alt.Y("min:Q"))
    highest = base.mark_point(size=10, color=GREY).encode(y=alt.Y("max:Q"))
    return alt.LayerChart(layer=[whiskers, boxes, medians, lowest, highest]).properties(height=300)


def code_rows(code: ArrayLike, statistics: LatentStatistics) -> Columns:
    """What `code_chart` draws: a row a dimension, the `MOST_PANELS` most spread ones."""
    dimensions = statistics.most_spread(MOST_PANELS)
    return {
        "dimension": dimensions,
        "value": np.asarray(code, np.float64)[dimensions],
        "low": statistics.quantile(0.01)[dimensions],
        "high": statistics.quantile(0.99)[dimensions],
    }


def code_chart(rows: Columns, height: int = 260) -> alt.LayerChart:
    """A code as bars, over the band in which 98 % of the real codes lie; ``rows`` from `code_rows`."""
    base = alt.Chart(arrow.to_table(rows)).encode(x=dimension_axis())
    band = base.mark_bar(color=GREY, opacity=0.25, width=alt.RelativeBandSize(0.9)).encode(
        y=alt.Y("low:Q", title="value (latent units)"), y2=alt.Y2("high:Q")
    )
    bars = base.mark_bar(color=BLUE, width=alt.RelativeBandSize(0.6)).encode(
        y=alt.Y("value:Q"),
        tooltip=[
            alt.Tooltip("dimension:Q"),
            *(alt.Tooltip(f"{name}:Q", format=".3f") for name in ("value", "low", "high")),
        ],
    )
    return alt.LayerChart(layer=[band, bars]).properties(height=height)


def codes_rows(z: NDArray[np.float32]) -> Columns:
    """What `codes_chart` draws: a row a number, of the `MOST_PANELS` most spread dimensions."""
    dimensions = LatentStatistics.of(z).most_spread(MOST_PANELS)
    z = z[:, dimensions]
    n, latent_dim = z.shape
    return {
        "sample": np.repeat(np.arange(1, n + 1), latent_dim),
        "dimension": np.tile(dimensions, n),
        "value": z.ravel().astype(np.float64),
    }


def reach_of(values: ArrayLike) -> float:
    """The largest of the values without their signs, rounded up to one digit: a scale that many codes share."""
    largest = float(np.abs(np.asarray(values)).max())
    if largest == 0:
        return 1.0
    unit = 10.0 ** np.floor(np.log10(largest))
    return float(np.ceil(largest / unit) * unit)


def density_chart(
    counts: NDArray[np.int64], edges: tuple[NDArray[np.float64], NDArray[np.float64]], names: tuple[str, str]
) -> alt.Chart:
    """Counts (rows, columns) of codes in the cells of a plane, coloured by their logarithm; empty cells stay empty.

    ``edges`` of the columns and of the rows, latent units; ``names`` of the two axes.
    """
    row, column = np.nonzero(counts)
    across, up = edges
    cells = arrow.to_table(
        {"left": across[column], "right": across[column + 1], "bottom": up[row], "top": up[row + 1]}
        | {"x": (across[column] + across[column + 1]) / 2, "y": (up[row] + up[row + 1]) / 2}
        | {"codes": counts[row, column]}
    )
    as_is = alt.Scale(nice=False, zero=False)
    shade = alt.Scale(type="log", scheme="viridis", domain=[1, max(2, int(counts.max(initial=0)))])
    return (
        alt.Chart(cells)
        .mark_rect()
        .encode(
            x=alt.X("left:Q", title=names[0], scale=as_is),
            x2=alt.X2("right:Q"),
            y=alt.Y("bottom:Q", title=names[1], scale=as_is),
            y2=alt.Y2("top:Q"),
            color=alt.Color("codes:Q", title="codes per cell", scale=shade).legend(
                orient="bottom", type="gradient", format=",d", tickCount=5
            ),
            tooltip=[
                alt.Tooltip("codes:Q", format=",d"), alt.Tooltip("x:Q", format=".2f"), alt.Tooltip("y:Q", format=".2f"),
            ],
        )
        .properties(height=480)
    )  # fmt: skip


def codes_chart(rows: Columns, reach: float, height: int = 260) -> alt.Chart:
    """Codes as a heat map, a column each: blue below zero, red above; ``rows`` from `codes_rows`, colours up to
    ``reach``."""
    return (
        alt.Chart(arrow.to_table(rows))
        .mark_rect()
        .encode(
            x=alt.X("sample:O", title="sample (row by row)", axis=alt.Axis(labelOverlap=True, labelAngle=0)),
            y=alt.Y("dimension:O", title="dimension", axis=alt.Axis(labelOverlap=True)),
            color=alt.Color(
                "value:Q",
                title="value",
                scale=alt.Scale(scheme="redblue", reverse=True, domain=[-reach, reach]),
            ),
            tooltip=[alt.Tooltip("sample:Q"), alt.Tooltip("dimension:Q"), alt.Tooltip("value:Q", format=".3f")],
        )
        .properties(height=height)
    )


def effects_chart(dimensions: NDArray[np.intp], effects: NDArray[np.float32], chosen: int) -> alt.Chart:
    """How much each dimension changes the picture, the strongest first; the ``chosen`` one stands out."""
    rows = arrow.to_table({"dimension": dimensions, "effect": effects.astype(np.float64)})
    return (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=dimension_axis(sort="-y"),
            y=alt.Y("effect:Q", title=["image change", "(RMS per pixel)"]),
            color=alt.ColorValue(BLUE, condition={"test": f"datum.dimension == {chosen}", "value": ORANGE}),
            tooltip=[alt.Tooltip("dimension:Q"), alt.Tooltip("effect:Q", format=".4f")],
        )
        .properties(height=220)
    )


def classes_chart(values: NDArray[Any], names: Sequence[str], title: str = "images", height: int = 220) -> alt.Chart:
    """A number for each class (n_classes,), by default how many there are, in the classes' own colours.

    There may be fewer values than names, where the last classes have none.
    """
    names = list(names)[: len(values)]
    rows = arrow.to_table({"class": np.array(names), "value": values})
    whole = bool(np.issubdtype(values.dtype, np.integer))
    return (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=class_axis(names),
            y=alt.Y("value:Q", title=title, axis=alt.Axis(tickMinStep=1) if whole else alt.Axis()),
            color=alt.Color("class:N", legend=None, scale=alt.Scale(domain=names, range=list(CLASSES))),
            tooltip=[
                alt.Tooltip("class:N"),
                alt.Tooltip("value:Q", title=title, format="d" if whole else ".4f"),
            ],
        )
        .properties(height=height)
    )


def class_axis(names: Sequence[str], **choices: Any) -> alt.X:
    """Classes from left to right, their names level where they are short."""
    return alt.X("class:N", title="class", sort=list(names), axis=alt.Axis(labelAngle=angle_of(names)), **choices)


def angle_of(names: Sequence[str]) -> int:
    """Of names below an axis, in degrees: level where they are short and few."""
    return 0 if max(map(len, names), default=0) <= LEVEL_NAME and len(names) <= MOST_LEVEL else -40


def match_chart(table: NDArray[np.integer[Any]], names: Sequence[str], icons: Sequence[str]) -> alt.LayerChart:
    """How many of each class every cluster holds, ``table`` (k, n_classes), with a picture of each cluster at its row.

    ``icons`` are ``data:`` addresses, which the chart shows without another request.
    """
    k = len(table)
    size = 60 if k <= 12 else 36 if k <= 24 else 20  # pixels a row
    names = list(names)[: table.shape[1]]
    columns = ["", *names]
    counts = arrow.to_table(
        {
            "cluster": np.repeat(np.arange(k), len(names)),
            "class": np.tile(names, k),
            "images": table.ravel(),
            "share": (table / np.maximum(table.sum(axis=1, keepdims=True), 1)).ravel(),
        }
    )
    pictures = arrow.to_table({"cluster": np.arange(k), "class": np.full(k, ""), "icon": np.array(icons)})
    x = class_axis(columns, scale=alt.Scale(domain=columns))
    y = alt.Y("cluster:O", title="cluster")
    cells = (
        alt.Chart(counts)
        .mark_rect()
        .encode(
            x=x,
            y=y,
            color=alt.Color("share:Q", title="share of cluster", scale=alt.Scale(scheme="blues", domain=[0, 1]))
            .legend(format=".0%", orient="bottom"),
            tooltip=[
                alt.Tooltip("cluster:Q"), alt.Tooltip("class:N"), alt.Tooltip("images:Q"),
                alt.Tooltip("share:Q", format=".1%"),
            ],
        )
    )  # fmt: skip
    numbers = (
        alt.Chart(counts)
        .transform_filter("datum.images > 0")
        .mark_text(fontSize=12 if k <= 12 else 11 if k <= 24 else 9)
        .encode(
            x=x,
            y=y,
            text=alt.Text("images:Q"),
            color=alt.ColorValue("#333", condition={"test": "datum.share > 0.5", "value": "white"}),
        )
    )
    icon_column = (
        alt.Chart(pictures)
        .mark_image(width=min(size - 2, 26), height=min(size - 2, 26))
        .encode(x=x, y=y, url=alt.Url("icon:N"))
    )
    return alt.LayerChart(layer=[cells, numbers, icon_column]).properties(height=max(k * size + 20, LEAST_HEIGHT))


WALKS = ("this base code", "mean over 50 images")


def walk_rows(
    steps: NDArray[np.floating[Any]], values: NDArray[np.floating[Any]], crowd: NDArray[np.floating[Any]]
) -> Columns:
    """What `walk_chart` draws: a property along this walk and its mean along many, (n_steps,) each."""
    return {
        "walk": np.repeat(WALKS, len(steps)),
        "step": np.tile(steps, len(WALKS)),
        "value": np.concatenate([values, crowd]).astype(np.float64),
    }


def walk_chart(rows: Columns, title: str) -> alt.LayerChart:
    """A measured property along a walk: of this walk as a line, the mean of many dashed; ``rows`` from `walk_rows`."""
    names = list(WALKS)
    base = alt.Chart(arrow.to_table(rows)).encode(
        x=alt.X("step:Q", title="position (× direction)", scale=alt.Scale(nice=False)),
        y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)),
        color=alt.Color("walk:N", title=None, scale=alt.Scale(domain=names, range=[BLUE, GREY])),
        strokeDash=alt.StrokeDash("walk:N", scale=alt.Scale(domain=names, range=[[1, 0], [5, 4]]), legend=None),
        tooltip=[
            alt.Tooltip("walk:N", title="curve"),
            alt.Tooltip("step:Q", title="position", format=".2f"),
            alt.Tooltip("value:Q", format=".3f"),
        ],
    )
    return alt.LayerChart(layer=[base.mark_line(), base.mark_point(filled=True)]).properties(height=300)


def steps_rows(changes: Mapping[str, NDArray[np.float32]]) -> Columns:
    """What `steps_chart` draws: how much the picture changes at every step of each of the named paths."""
    lengths = [len(values) for values in changes.values()]
    return {
        "path": np.repeat(list(changes), lengths),
        "step": np.concatenate([np.arange(1, length + 1) for length in lengths]),
        "change": np.concatenate(list(changes.values())).astype(np.float64),
    }


def steps_chart(rows: Columns, paths: Sequence[str]) -> alt.LayerChart:
    """How evenly the paths change the picture, a line each; ``rows`` from `steps_rows`."""
    base = alt.Chart(arrow.to_table(rows)).encode(
        x=alt.X("step:Q", title="step", axis=alt.Axis(tickMinStep=1)),
        y=alt.Y("change:Q", title=["image change", "(RMS per pixel)"], scale=alt.Scale(domainMin=0)),
        color=alt.Color("path:N", title=None, scale=alt.Scale(domain=list(paths), range=[BLUE, ORANGE])),
        tooltip=[alt.Tooltip("path:N"), alt.Tooltip("step:Q"), alt.Tooltip("change:Q", format=".4f")],
    )
    return alt.LayerChart(layer=[base.mark_line(), base.mark_point(filled=True)]).properties(height=220)


def samplers_chart(frechet: Mapping[str, float], references: Sequence[str] = ()) -> alt.LayerChart:
    """The Fréchet distance of each sampler, the least first, on a logarithmic scale; references are grey."""
    least = max(min(frechet.values()), 1e-3)  # a bar of a logarithmic scale cannot start at 0
    names = np.array(list(frechet))
    rows = arrow.to_table(
        {
            "sampler": names,
            "distance": np.maximum(list(frechet.values()), least),
            "floor": np.full(len(names), 10 ** np.floor(np.log10(least) - 0.01)),
            "kind": np.where(np.isin(names, references), "reference", "sampler"),
        }
    )
    base = alt.Chart(rows).encode(
        x=alt.X("distance:Q", title="Fréchet distance (log scale)", scale=alt.Scale(type="log")),
        y=alt.Y(
            "sampler:N", title="sampler", sort=alt.EncodingSortField("distance", order="ascending"),
            axis=alt.Axis(labelOverlap=False),
        ),
        tooltip=[alt.Tooltip("sampler:N"), alt.Tooltip("distance:Q", format=".3g")],
    )  # fmt: skip
    colour = alt.Color("kind:N", legend=None, scale=alt.Scale(domain=["sampler", "reference"], range=[BLUE, GREY]))
    bars = base.mark_bar().encode(x2=alt.X2("floor:Q"), color=colour)
    numbers = base.mark_text(align="left", dx=4, color=GREY).encode(text=alt.Text("distance:Q", format=".3g"))
    return alt.LayerChart(layer=[bars, numbers]).properties(height=26 * len(rows) + 20)


Shares = tuple[NDArray[np.floating[Any]], Sequence[str], Sequence[str], tuple[str, str, str]]  # of `shares_chart`


def shares_chart(
    shares: NDArray[np.floating[Any]], rows: Sequence[str], columns: Sequence[str], titles: tuple[str, str, str]
) -> alt.LayerChart:
    """A table (n_rows, n_columns) of shares, each as a shade and in per cent; those that are NaN are left out.

    ``titles`` of the rows, of the columns and of the shares.
    """
    share = np.asarray(shares, np.float64).ravel()
    known = ~np.isnan(share)
    cells = {"row": np.repeat(list(rows), len(columns)), "column": np.tile(list(columns), len(rows)), "share": share}
    base = alt.Chart(arrow.to_table({name: values[known] for name, values in cells.items()})).encode(
        x=alt.X("column:N", title=titles[1], sort=list(columns), axis=alt.Axis(labelAngle=angle_of(columns))),
        y=alt.Y("row:N", title=titles[0], sort=list(rows)),
        tooltip=[
            alt.Tooltip("row:N", title=titles[0]), alt.Tooltip("column:N", title=titles[1]),
            alt.Tooltip("share:Q", title=titles[2], format=".1%"),
        ],
    )  # fmt: skip
    most = float(share[known].max(initial=0)) or 1.0
    shade = alt.Color("share:Q", title=titles[2], scale=alt.Scale(scheme="blues", domain=[0, most]))
    numbers = base.transform_filter("datum.share >= 0.005").mark_text(fontSize=11)
    contrast = alt.ColorValue("#333", condition={"test": f"datum.share > {most / 2}", "value": "white"})
    shades = base.mark_rect().encode(color=shade.legend(format=".0%"))
    numbers = numbers.encode(text=alt.Text("share:Q", format=".0%"), color=contrast)
    return alt.LayerChart(layer=[shades, numbers]).properties(height=26 * len(rows) + 40)


def matrix_chart(
    values: NDArray[np.floating[Any]], rows: Sequence[str], columns: Sequence[str], titles: tuple[str, str, str]
) -> alt.Chart:
    """A table (n_rows, n_columns) of numbers from -1 to 1 as colours, blue below zero, red above.

    ``titles`` of the rows, of the columns and of the numbers. Shares are a case of it: none is below zero.
    """
    cells = arrow.to_table(
        {
            titles[0]: np.repeat(list(rows), len(columns)),
            titles[1]: np.tile(list(columns), len(rows)),
            titles[2]: np.asarray(values, np.float64).ravel(),
        }
    )
    scale = alt.Scale(scheme="redblue", reverse=True, domain=[-1, 1])
    quiet = alt.Axis(labelOverlap=True, labelAngle=0)
    return (
        alt.Chart(cells)
        .mark_rect()
        .encode(
            x=alt.X(f"{titles[1]}:N", title=titles[1], sort=list(columns), axis=quiet),
            y=alt.Y(f"{titles[0]}:N", title=titles[0], sort=list(rows), axis=quiet),
            color=alt.Color(f"{titles[2]}:Q", title=titles[2], scale=scale),
            tooltip=[
                alt.Tooltip(f"{titles[0]}:N"),
                alt.Tooltip(f"{titles[1]}:N"),
                alt.Tooltip(f"{titles[2]}:Q", format=".2f"),
            ],
        )
        .properties(height=max(160, min(24 * len(rows), 480)))
    )


def errors_chart(errors: NDArray[np.floating[Any]], lines: Mapping[str, float], bins: int = 60) -> alt.LayerChart:
    """A histogram of the errors of images (n,), and named errors as lines across it, on a logarithmic scale."""
    least = max(float(errors.min()), 1e-8)
    ends = np.geomspace(least, max(*lines.values(), float(errors.max()), 2 * least) * 1.05, bins + 1)
    counts, edges = np.histogram(np.maximum(errors, least), ends)
    bars = arrow.to_table({"from": edges[:-1], "to": edges[1:], "images": counts, "floor": np.zeros(bins)})
    marks = arrow.to_table({"line": np.array(list(lines)), "error": np.array(list(lines.values()))})
    x = alt.X("from:Q", title="MSE per pixel (log scale)", scale=alt.Scale(type="log", nice=False))
    numbers = [alt.Tooltip(f"{name}:Q", format=".4f") for name in ("from", "to")]
    histogram = (
        alt.Chart(bars)
        .mark_rect(color=BLUE)
        .encode(
            x=x,
            x2=alt.X2("to:Q"),
            y=alt.Y("images:Q", title="images"),
            y2=alt.Y2("floor:Q"),
            tooltip=[*numbers, alt.Tooltip("images:Q")],
        )
    )
    colour = alt.Color(
        "line:N", title=None, sort=list(lines), legend=alt.Legend(orient="top"),
        scale=alt.Scale(domain=list(lines), range=[ORANGE, GREY, CLASSES[4]][: len(lines)]),
    )  # fmt: skip
    rules = (
        alt.Chart(marks)
        .mark_rule(strokeWidth=2)
        .encode(x=alt.X("error:Q"), color=colour, tooltip=[alt.Tooltip("line:N"), alt.Tooltip("error:Q", format=".4f")])
    )
    return alt.LayerChart(layer=[histogram, rules]).properties(height=260)


def paths_chart(roughness: Mapping[str, NDArray[np.floating[Any]]], most: int) -> alt.Chart:
    """For each kind of path, the share of paths (n,) whose relative perceptual path length is below a value.

    The axis, logarithmic, goes from 1 to ``most``, that of one jump; NaN is left out.
    """
    known = {kind: np.sort(values[np.isfinite(values)]) for kind, values in roughness.items()}
    counts = [len(values) for values in known.values()]
    rows = arrow.to_table(
        {
            "way": np.repeat(list(known), counts),
            "length": np.concatenate(list(known.values())),
            "share": np.concatenate([np.arange(1, n + 1) / max(n, 1) for n in counts]),
        }
    )
    scale = alt.Scale(type="log", domain=[1, most], clamp=True)
    return (
        alt.Chart(rows)
        .mark_line(interpolate="step-after")
        .encode(
            x=alt.X("length:Q", title="path length over the least that joins the ends", scale=scale),
            y=alt.Y("share:Q", title="cumulative share of paths", axis=alt.Axis(format="%")),
            color=alt.Color("way:N", title=None, scale=alt.Scale(domain=list(known), range=[BLUE, ORANGE, CLASSES[4]])),
            tooltip=[
                alt.Tooltip("way:N", title="path"),
                alt.Tooltip("length:Q", format=".2f"),
                alt.Tooltip("share:Q", format=".0%"),
            ],
        )
        .properties(height=260)
    )


def spread_chart(
    spreads: Mapping[str, NDArray[np.floating[Any]]], active: Sequence[NDArray[np.bool_]]
) -> alt.LayerChart:
    """The standard deviations of two named runs' dimensions, the most spread first; inactive ones are hollow."""
    orders = [np.argsort(-std, kind="stable") for std in spreads.values()]
    lengths = [len(order) for order in orders]
    alive = np.concatenate([each[order] for each, order in zip(active, orders)])
    rows = arrow.to_table(
        {
            "run": np.repeat(list(spreads), lengths),
            "rank": np.concatenate([np.arange(1, length + 1) for length in lengths]),
            "dimension": np.concatenate(orders),
            "std": np.concatenate([std[order] for std, order in zip(spreads.values(), orders)]).astype(np.float64),
            "state": np.where(alive, "active", "inactive"),
        }
    )
    base = alt.Chart(rows).encode(
        x=alt.X(
            "rank:Q", title="dimensions (by falling standard deviation)", scale=alt.Scale(nice=False),
            axis=alt.Axis(tickMinStep=1),
        ),
        y=alt.Y("std:Q", title="standard deviation (latent units)", scale=alt.Scale(domainMin=0)),
        color=alt.Color(
            "run:N", title=None, scale=alt.Scale(domain=list(spreads), range=[BLUE, ORANGE]),
            legend=alt.Legend(orient="top", labelLimit=400),
        ),
        tooltip=[
            alt.Tooltip("run:N", title="model"), alt.Tooltip("dimension:Q"), alt.Tooltip("state:N"),
            alt.Tooltip("std:Q", format=".3f"),
        ],
    )  # fmt: skip
    hollow = alt.FillOpacityValue(0, condition={"test": "datum.state == 'active'", "value": 1})
    points = base.mark_point(filled=True, stroke=GREY).encode(fillOpacity=hollow)
    return alt.LayerChart(layer=[base.mark_line(), points]).properties(height=260)


LONGEST_NAME = 20  # characters of a checkpoint in a chart
NAME_HEIGHT = 0.065  # of the range of values that the chart shows


def zoo_chart(
    measured: Sequence[tuple[str, float | None, float | None]],
    title: str,
    form: str,
    chosen: Sequence[str],
    curve: ArrayLike | None = None,
    log: bool = False,
) -> alt.LayerChart:
    """A measure of many checkpoints against the length of their codes; the two chosen ones stand out.

    ``measured`` are a name, latent_dim and value of every checkpoint, None or NaN where it is not known. ``curve`` (n,)
    are PCA's values with 1, 2, … n components, NaN where one is not known.
    """
    checkpoints = np.array([name for name, _, _ in measured])
    latent_dims, found = np.array([numbers for _, *numbers in measured], np.float64).T  # None becomes NaN
    sizes = sorted({int(latent_dim) for latent_dim in latent_dims})
    known = np.isfinite(found)
    values = np.full(1, np.nan) if curve is None else np.asarray(curve, np.float64)
    n_components = np.arange(len(values)) + 1
    inside = np.isfinite(values) & (n_components >= sizes[0]) & (n_components <= sizes[-1])
    shown = np.concatenate([found[known], values[inside]])
    reach = float(np.ptp(np.log(shown) if log else shown))
    states = [("A", "B")[chosen.index(name)] if name in chosen else "other" for name in checkpoints]
    labels = [name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…" for name in checkpoints]
    rows = {
        "checkpoint": checkpoints[known],
        "latent_dim": latent_dims[known],
        "value": found[known],
        "state": np.array(states)[known],
        "label": np.array(labels)[known],
        "place": apart(latent_dims[known], found[known], NAME_HEIGHT * reach, log),
    }
    scale = alt.Scale(type="log", nice=False, padding=24) if log else alt.Scale(zero=False, padding=24)
    axis = alt.Axis(format="~%" if form.endswith("%") else "~g", tickCount=5)
    x = alt.X(
        "latent_dim:Q", title="latent dimensions (log scale)", axis=alt.Axis(values=sizes, format="d"),
        scale=alt.Scale(type="log", nice=False, padding=40, domain=[sizes[0] / 1.1, sizes[-1] * 1.2]),
    )  # fmt: skip
    told = [
        alt.Tooltip("checkpoint:N", title="model"),
        alt.Tooltip("latent_dim:Q", title="dimensions"),
        alt.Tooltip("value:Q", format=form, title=title),
    ]
    base = alt.Chart(arrow.to_table(rows)).encode(
        x=x,
        color=alt.Color(
            "state:N", legend=None, scale=alt.Scale(domain=["A", "B", "other"], range=[BLUE, ORANGE, GREY])
        ),
        tooltip=told,
    )
    big = alt.SizeValue(140, condition={"test": "datum.state == 'other'", "value": 60})
    dots = base.mark_point(filled=True, opacity=1).encode(
        y=alt.Y("value:Q", title=title, scale=scale, axis=axis), size=big
    )
    names = base.mark_text(align="left", dx=9, fontSize=12).encode(
        y=alt.Y("place:Q", scale=scale), text=alt.Text("label:N")
    )
    layers = [dots, names]
    if inside.any():
        line = arrow.to_table(
            {
                "latent_dim": n_components[inside],
                "value": values[inside],
                "checkpoint": np.full(inside.sum(), "PCA"),
            }
        )
        drawn = alt.Chart(line).encode(x=x, y=alt.Y("value:Q", scale=scale), tooltip=told)
        start = alt.Chart(line.slice(0, 1)).mark_text(align="left", dy=-10, fontSize=12, color=GREY)
        dashed = drawn.mark_line(color=GREY, strokeDash=[5, 4], point=alt.OverlayMarkDef(color=GREY, size=12))
        name = start.encode(x=x, y=alt.Y("value:Q", scale=scale), text=alt.TextValue("PCA"))
        layers = [dashed, name, *layers]
    return alt.LayerChart(layer=layers).properties(height=300)


def apart(x: NDArray[Any], y: NDArray[Any], gap: float, log: bool) -> NDArray[np.float64]:
    """Heights for the names of points: theirs, moved ``gap`` apart where names of one ``x`` would overlap.

    With ``log``, all of this on a logarithmic scale.
    """
    heights = np.log(y) if log else np.asarray(y, np.float64)
    places = heights.copy()
    for column in np.unique(x):
        members = np.flatnonzero(x == column)
        members = members[np.argsort(heights[members], kind="stable")]
        for below, member in pairwise(members):
            places[member] = max(places[member], places[below] + gap)
        places[members] += (heights[members] - places[members]).mean()  # about where the points are
    return np.exp(places) if log else places


def map_chart(
    places: NDArray[np.float32], colours: NDArray[np.uint8], legend: Mapping[str, str], axes: Sequence[str]
) -> alt.LayerChart:
    """A map of dots at ``places`` (n, 2), each in its colour (n, 3), with a legend of colours by name."""
    shades = [f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in colours.tolist()]
    dots = alt.Chart(arrow.to_table({"x": places[:, 0], "y": places[:, 1], "colour": np.array(shades)})).encode(
        x=alt.X("x:Q", title=axes[0], scale=alt.Scale(zero=False)),
        y=alt.Y("y:Q", title=axes[1], scale=alt.Scale(zero=False)),
        color=alt.Color("colour:N", scale=None),
    )
    names = arrow.to_table({"name": np.array(list(legend))})
    scale = alt.Scale(domain=list(legend), range=list(legend.values()))
    keys = alt.Chart(names).encode(fill=alt.Fill("name:N", title=None, scale=scale, sort=None))
    return alt.LayerChart(
        layer=[dots.mark_circle(size=9, opacity=1), keys.mark_point(size=0)], height=480, width=480
    ).resolve_scale(color="independent", fill="independent")


def dimension_axis(sort: Literal["ascending", "-y"] = "ascending") -> alt.X:
    """The x axis of charts with a bar a dimension: upright numbers, thinned out where they are many."""
    axis = alt.Axis(labelAngle=0, labelOverlap=True)
    return alt.X("dimension:O", title="dimension", axis=axis, sort=sort)


def state_color(active: NDArray[np.bool_]) -> alt.Color:
    """Blue for active dimensions, grey for inactive ones; a legend only where there are both."""
    scale = alt.Scale(domain=["active", "inactive"], range=[BLUE, GREY])
    legend = None if active.all() else alt.Legend(orient="top")
    return alt.Color("state:N", title=None, scale=scale, legend=legend)


def rgb_of(colours: Sequence[str]) -> NDArray[np.uint8]:
    """Hexadecimal colours as red, green, blue (n, 3)."""
    return np.array([[int(colour[at : at + 2], 16) for at in (1, 3, 5)] for colour in colours], np.uint8)


def category_colours(categories: NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
    """The colour (n, 3) of every category (n,): the first ten have their own, further ones repeat them."""
    return rgb_of(CLASSES)[categories % len(CLASSES)]


def category_legend(names: Sequence[str]) -> dict[str, str]:
    """Name to colour; where there are more than colours, the last entry says so, in no colour."""
    legend = dict(zip(names, CLASSES))
    more = len(names) - len(CLASSES)
    return legend | ({f"{more} more, in the same colours": "transparent"} if more > 0 else {})


def value_colours(values: NDArray[np.floating[Any]]) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """The colour (n, 3) of every value (n,), from dark to light, and a legend: value to colour.

    The scale ends at the 1st and the 99th percentile, so that a few extremes do not take it all.
    """
    low, high = np.quantile(values, (0.01, 0.99))
    share = np.clip((values - low) / max(high - low, 1e-12), 0, 1) * (len(SCALE) - 1)
    anchors = rgb_of(SCALE).astype(np.float64)
    below = np.minimum(share.astype(int), len(SCALE) - 2)
    part = (share - below)[:, None]
    colours = np.rint(anchors[below] * (1 - part) + anchors[below + 1] * part).astype(np.uint8)
    legend = {f"{value:.3g}": colour for value, colour in zip(np.linspace(low, high, 5), SCALE[::2])}
    return colours, legend


def packed(chart: alt.Chart | alt.LayerChart) -> dict[str, Any]:
    """The chart as Streamlit sends it, its rows as Arrow, so that they are not turned into that at every rerun.

    Altair names rows by a hash of them. Here they are numbered, so that a chart of other rows is not another chart: the
    browser puts them into the one that it has.
    """
    tables: dict[int, pa.Table] = {}  # layers may share one
    for part in (chart, *getattr(chart, "layer", ())):
        if isinstance(rows := part.data, pa.Table):
            tables[id(rows)] = rows
            part.data = alt.NamedData(f"rows-{list(tables).index(id(rows))}")
    spec: dict[str, Any] = chart.to_dict(validate=False)  # half of the time; tests validate every chart
    return spec | {"datasets": {f"rows-{number}": arrow.to_bytes(rows) for number, rows in enumerate(tables.values())}}
