"""Pictures, charts and numbers, as all sections show them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import streamlit as st

from latent import arrow, charts, document, images, support
from latent.arrays import Code, Codes, Labels, Pictures, Rows
from latent.arrow import Columns
from latent.errors import LatentError
from latent.figures import ChartFigure, Figure, SheetFigure
from latent.images import Sheet
from latent.page import cached, widgets
from latent.page.cached import Chart
from latent.page.keeping import keep
from latent.page.server import turns
from latent.page.state import state
from latent.page.told import told_by
from latent.space import LatentSpace

A_FRAME = 0.1  # seconds in which a browser draws pictures that came, also while the page around them is drawn again
A_CHART = 0.1  # seconds in which it draws a chart
FIRST_PICTURE = 0.4  # seconds in which it fetches the code for pictures, too, and draws the first
MARKUP = re.compile(r"([\\`*_\[\]<>$])")
MOST_COUNTED = 10  # classes that are counted in a sentence
LOW = 200  # pixels of a chart that stands among others, with room for the title of its axis
MILLISECONDS = 80  # that a moving picture stays
LETTER, CELL_PADDING, BAR = 8, 20, 104  # pixels of a table: a letter, both sides of a cell, a bar with its number


def show_error(error: LatentError) -> None:
    """A mistake, as a sentence. Its text may quote a file, so it is shown as text and never as Markdown."""
    st.error("Error:")
    st.text(str(error))


def plain_markdown(text: str) -> str:
    """Plain text as Markdown that shows it letter by letter.

    >>> plain_markdown("a_b < c")
    'a\\\\_b \\\\< c'
    """
    return MARKUP.sub(r"\\\1", text)


def show_sheet(sheet: Sheet, alt_text: str, *, stretch: bool = False) -> None:
    """Pictures, sent within the page: no request of their own, and nothing to expire on the server."""
    note_sheet(alt_text, sheet)
    st.image(sheet.address, alt=alt_text, width="stretch" if stretch else sheet.size[0])


def show_codes(
    key: str, space: LatentSpace, sheet: Sheet, z: Codes, names: Sequence[str], alt_text: str, *, stretch: bool = False
) -> None:
    """Pictures of the codes ``z``, one a box of the sheet: a click on one keeps its code on the shelf."""

    def keep_clicked() -> None:
        with told_by(key, "clicked") as told:
            index = told.index(len(z))
            keep(space, names[index], z[index])

    widgets.grid(key, sheet, names, alt_text, stretch=stretch, on_clicked=keep_clicked)
    note_sheet(alt_text, sheet, names)


def note_sheet(alt_text: str, sheet: Sheet, names: Sequence[str] = ()) -> None:
    """Remember that these images were sent, for who waits for them and for who downloads the figures."""
    state().sent.pictures = True
    note_figure(SheetFigure(alt_text, sheet, tuple(names)))


def note_figure(figure: Figure) -> None:
    """Remember what is shown, for who downloads the figures; one that is drawn again takes the place of the first."""
    state().run.figures[figure.shows] = figure


def show_real(key: str, space: LatentSpace, indices: Rows, alt_text: str, zoom: int = 3) -> None:
    """Real images, which keep their codes when they are clicked."""
    sheet = images.sheet(space.images[indices], min(10, len(indices)), zoom)
    show_codes(key, space, sheet, space.z[indices], real_names(space, indices), alt_text)


def real_names(space: LatentSpace, indices: Rows) -> list[str]:
    """What the images of these indices are called."""
    if not space.signature.has_encoder:
        return [f"random code {index}" for index in indices]
    return [space.image_name(int(index)) for index in indices]


def show_moving(pictures: Pictures, alt_text: str, zoom: int = 6) -> None:
    """Pictures one after the other and back, for ever: the browser moves a strip of them behind a window."""
    n, height, width = pictures.shape[:3]
    strip = images.sheet(pictures, n, gap=0)
    st.html(
        f'<div class="latent-moving" role="img" aria-label="{escape(alt_text)}" style="width: {zoom * width}px; '
        f"height: {zoom * height}px; background: url({strip.address}) 0 0 / {100 * n}% 100%; "
        f'animation: latent-moving {MILLISECONDS * n}ms steps({n}, jump-none) infinite alternate"></div>'
    )


def let_first_be_drawn() -> None:
    """Once a turn, before what takes the browser long: let it draw what it has, unless somebody else waits.

    It draws at once all that came, and the picture that one waits for, or the first chart, would be seen with the last
    of the charts. At the beginning it also fetches the code that draws charts, for which the first picture would wait.
    """
    session, sent = state(), state().sent
    if sent.paused or not (sent.pictures or sent.charts):
        return
    sent.paused = True
    is_first = sent.pictures and not session.has_seen_pictures
    turns().pause(FIRST_PICTURE if is_first else A_FRAME if sent.pictures else A_CHART)
    session.has_seen_pictures = session.has_seen_pictures or sent.pictures


def show_chart(alt_text: str, chart: Callable[..., Any], *given: Any, **choices: Any) -> None:
    """What a function of `latent.charts` makes of these, built once: Altair takes 10 to 50 ms for one."""
    show_built(alt_text, cached.built(chart, *given, **choices))


def show_built(alt_text: str, chart: Chart) -> None:
    """A chart that is built already."""
    let_first_be_drawn()
    note_figure(ChartFigure(alt_text, lambda: chart))
    st.vega_lite_chart(with_one_text(chart), alt=alt_text)
    state().sent.charts = True


def show_rows(alt_text: str, chart: Callable[..., Any], rows: Columns, **choices: Any) -> None:
    """What such a function makes of any rows: what the chart looks like is built once, for each choice."""
    let_first_be_drawn()
    table, looks = arrow.to_table(rows), cached.chart_without_rows(chart, rows, **choices)
    spec = looks | {"data": {"name": "rows"}, "datasets": {"rows": table}}
    note_figure(ChartFigure(alt_text, lambda: spec))
    st.vega_lite_chart(table, with_one_text(looks), alt=alt_text)
    state().sent.charts = True


def with_one_text(chart: Chart) -> Chart:
    """The chart without a sentence for each of its bars: the page has one text for all of it, which is what is read
    aloud, and a browser takes longer to write the sentences than to draw the bars."""
    return chart | {"config": chart.get("config", {}) | {"aria": False}}


def show_code_chart(space: LatentSpace, code: Code, alt_text: str, height: int = 260) -> None:
    """A code as bars over the range of the codes of images, or of draws where there are none."""
    show_rows(alt_text, charts.code_chart, charts.code_rows(code, space.statistics), height=height)


def show_facts(facts: Mapping[str, str], means: Mapping[str, str] | None = None) -> None:
    """Numbers with their names, and below each what it means: one element for all, where `st.metric` is one each."""
    means = means or {}
    rows = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd><dd>{escape(means.get(name, ''))}</dd></div>"
        for name, value in facts.items()
    )
    st.html(f'<dl class="latent-facts">{rows}</dl>')


def show_support(space: LatentSpace, code: Code) -> None:
    """The support meter: how far out a code lies, measured by how far out the codes of images, or draws, lie."""
    quantile = float(space.support.quantile(code[None])[0])
    verdict = support.verdict(quantile).capitalize()
    st.progress(quantile, f"**{verdict}**: farther from its neighbours than {quantile:.0%} of {space.codes_noun}")


def show_table(rows: Any, columns: Mapping[str, Any], alt_text: str, *, place: Any = st, **choices: Any) -> None:
    """Rows by column name, or a data frame, in a table whose ``columns`` say how each is shown."""
    columns = {name: of_width(columns.get(name), name, rows[name]) for name in rows}
    place.dataframe(
        arrow.to_table(rows), hide_index=True, column_config=columns, alt=alt_text, placeholder="–", **choices
    )


def show_texts(alt_text: str, titles: Sequence[str], rows: Sequence[Sequence[str]], *, place: Any = st) -> None:
    """A few rows of texts under their titles, all in sight: in a narrow window they break instead of scrolling."""
    place.html(
        f'<div class="latent-texts" role="group" aria-label="{escape(alt_text)}">{document.table(titles, rows)}</div>'
    )


def of_width(column: Any, name: str, values: Any) -> Any:
    """How a column is shown, as wide as its title and its texts, and bars no wider than they need; for other columns
    what the browser finds is right."""
    column = {"label": column} if isinstance(column, str) else dict(column or {})
    title, values = column.get("label") or name, np.asarray(values)
    kind = (column.get("type_config") or {}).get("type")
    if kind == "progress":
        column["width"] = max(BAR, LETTER * len(title) + CELL_PADDING)
    elif values.dtype.kind in "UO":
        column["width"] = LETTER * max(len(title), *map(len, map(str, values))) + CELL_PADDING
    return column


def lazy_expander(label: str, key: str) -> Any:
    """An expander once somebody opened it, None before: what is in it is not made, sent and drawn for nobody."""
    place = st.expander(label, key=key, on_change="rerun")
    return place if place.open else None


def side_by_side() -> Any:
    """A row that goes on in the next line where the window is narrow."""
    return st.container(horizontal=True, gap="medium")


def columns_for(n: int, most: int = 10) -> int:
    """Columns of a grid of ``n`` pictures: as square as can be."""
    return min(most, int(np.ceil(np.sqrt(n))))


def counted(labels: Labels, classes: Sequence[str]) -> str:
    """How many there are of each of the classes, for those that there are, the most frequent first where they are many.

    >>> counted(np.array([2, 0, 2]), ["a", "b", "c"])
    '1 of class a, 2 of class c'
    """
    found = [(name, count) for name, count in zip(classes, np.bincount(labels)) if count]
    if len(found) > MOST_COUNTED:
        found.sort(key=lambda each: -each[1])
        found, rest = found[:MOST_COUNTED], f", and {len(found) - MOST_COUNTED} other classes"
    else:
        rest = ""
    return ", ".join(f"{count} of class {name}" for name, count in found) + rest
