"""Exhibits on the page: what `latent.measure.topics` says is shown of a topic, drawn by Streamlit."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from latent.document import cell
from latent.measure.exhibits import Column, Exhibit, Facts, Figure, Heading, PictureSheet, SideBySide, Table
from latent.page.show import plain_markdown, show_chart, show_codes, show_facts, show_sheet, show_table
from latent.space import LatentSpace

SHORT = 40  # rows of a table that is short


def show_exhibit(space: LatentSpace, exhibit: Exhibit) -> None:
    """One exhibit: its line of text, what it is, its caption."""
    if isinstance(exhibit, Heading):
        st.subheader(exhibit.title)
    elif exhibit.title:
        st.markdown(f"**{plain_markdown(exhibit.title)}**{plain_markdown(exhibit.rest)}")
    match exhibit:
        case Facts():
            show_facts(exhibit.values, exhibit.means)
        case Figure():
            show_chart(exhibit.alt, exhibit.chart, *exhibit.given, **exhibit.choices)
        case Table():
            show_rows_of(exhibit)
        case PictureSheet():
            show_pictures(space, exhibit)
        case SideBySide():
            for cell, each in zip(st.columns(list(exhibit.widths)), exhibit.exhibits):
                with cell:
                    show_exhibit(space, each)
    if exhibit.caption:
        st.caption(plain_markdown(exhibit.caption))


def show_pictures(space: LatentSpace, exhibit: PictureSheet) -> None:
    """Pictures, whose codes a click keeps where they have any."""
    sheet = exhibit.sheet()
    if exhibit.z is None:
        show_sheet(sheet, exhibit.alt, stretch=exhibit.stretch)
    else:
        show_codes(exhibit.key, space, sheet, exhibit.z, exhibit.names, exhibit.alt, stretch=exhibit.stretch)


def show_rows_of(exhibit: Table) -> None:
    """A table, its columns shown by their kind; a short one as text, which a browser draws at once."""
    if len(exhibit.rows) <= SHORT:
        st.html(short_table(exhibit))
        return
    columns = {column.key: shown_as(column) for column in exhibit.columns}
    show_table(values_of(exhibit), columns, exhibit.alt)


def short_table(exhibit: Table) -> str:
    """A table as HTML, all of it in sight: a bar lies behind its number, what explains a column is at its title."""
    head = "".join(map(short_title, exhibit.columns))
    body = "".join(
        f"<tr>{''.join(short_cell(column, row[column.key]) for column in exhibit.columns)}</tr>" for row in exhibit.rows
    )
    return (
        f'<div class="latent-table" role="group" aria-label="{escape(exhibit.alt)}" tabindex="0">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def short_title(column: Column) -> str:
    """The title of a column of it."""
    explained = f' title="{escape(column.help)}"' if column.help else ""
    return f'<th class="{column.kind}"{explained}>{escape(column.title)}</th>'


def short_cell(column: Column, value: Any) -> str:
    """A cell of it; of a number that is not known, a dash.

    >>> short_cell(Column("r", "r", "number", ".2f"), None)
    '<td class="number">–</td>'
    >>> short_cell(Column("share", "share", "bar", ".0%"), 0.25)
    '<td class="bar" style="--share: 25.0%">25%</td>'
    """
    text = escape(cell(value, column.form))
    if column.kind == "bar" and text:
        share = np.clip(float(value) / column.most, 0, 1)
        return f'<td class="bar" style="--share: {share:.1%}">{text}</td>'
    return f'<td class="{column.kind}">{text or ("" if column.kind == "text" else "–")}</td>'


def values_of(exhibit: Table) -> dict[str, NDArray[Any]]:
    """The columns of a table by their keys; numbers of which some are not known as text, those as a dash."""
    return {column.key: column_values(column, [row[column.key] for row in exhibit.rows]) for column in exhibit.columns}


def column_values(column: Column, values: list[Any]) -> NDArray[Any]:
    """The values of one column.

    >>> column_values(Column("r", "r", "number", ".2f"), [0.5, None]).tolist()
    ['0.50', '–']
    >>> column_values(Column("share", "share", "number", ".0%"), [0.9722]).tolist()
    [0.97]
    """
    if column.kind == "text":
        return np.array([value or "" for value in values], str)
    if column.kind in ("number", "bar"):
        known = np.array([np.nan if value is None else value for value in values], np.float64)
        if column.is_share:  # the browser writes as many decimals of a per cent as there are
            known = np.round(known, 2 + int(column.form[1:-1]))
        if column.kind == "number" and np.isnan(known).any():
            return np.array(["–" if np.isnan(value) else format(value, column.form) for value in known])
        return known
    return np.array(values)


def shown_as(column: Column) -> Any:
    """How Streamlit shows a column of a table."""
    written = "percent" if column.is_share else f"%{column.form.lstrip(',')}"
    text = column.help or None
    match column.kind:
        case "bar":
            return st.column_config.ProgressColumn(
                column.title, format=written, min_value=0, max_value=column.most, help=text
            )
        case "number":
            return st.column_config.NumberColumn(column.title, format=written, help=text)
        case "text":
            return st.column_config.TextColumn(column.title, help=text)
    return st.column_config.Column(column.title, help=text)
