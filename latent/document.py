"""One HTML file that opens without a network: its shell, and the pieces that are put into it."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from latent import charts, images
from latent.figures import chart_svg
from latent.images import Sheet

if TYPE_CHECKING:  # it is loaded with the first chart
    import altair as alt

BEGINS = b"<!doctype html>"
STYLE = """
:root { color-scheme: light; --ink: #1c2330; --paper: #fff; --quiet: #5b6575; --line: #d5dae2; --pale: #eceff3 }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --ink: #e6e9ef; --paper: #12161d; --quiet: #a3adbb; --line: #39424f; --pale: #222a35 }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif }
main { max-width: 900px; margin: 0 auto; padding: 32px 20px }
a { color: light-dark(#0b57c2, #7db2ff) }
h1 { margin: 0; overflow-wrap: anywhere }
h2 { margin: 40px 0 8px; border-bottom: 1px solid var(--line); padding-bottom: 4px }
h3 { margin: 24px 0 4px; font-size: 17px } h3 + figure, .lead + figure { margin-top: 4px }
.lead { margin: 20px 0 4px }
.facts, figcaption, footer { color: var(--quiet); font-size: 14px }
dl.numbers { display: flex; flex-wrap: wrap; gap: 8px 32px; margin: 12px 0 }
dl.numbers dt { color: var(--quiet); font-size: 14px } dl.numbers dd { margin: 0; font-size: 20px }
dl.numbers dd + dd { color: var(--quiet); font-size: 13px; max-width: 260px }
figure { margin: 20px 0 } figure img { image-rendering: pixelated; max-width: 100%; height: auto }
figure svg { max-width: 100%; height: auto; border-radius: 6px }
table { border-collapse: collapse; font-size: 14px; display: block; overflow-x: auto }
th, td { padding: 3px 12px 3px 0; text-align: right; border-bottom: 1px solid var(--pale); white-space: nowrap }
th:first-child, td:first-child { text-align: left }
li { margin: 6px 0 } footer { margin-top: 48px }
@media print { figure, h2, h3, .lead { break-inside: avoid } h2, h3, .lead { break-after: avoid } }
"""


def document(title: str, *parts: str, head: str = "") -> str:
    """A whole file of this title (plain text) with these parts (HTML) in its body; ``head`` stands behind the style."""
    return (
        f'{BEGINS.decode()}<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>{head}</head>'
        f"<body><main>{''.join(parts)}</main></body></html>"
    )


def section(name: str, title: str, *parts: str) -> str:
    """Parts under a title, to which a link ``#name`` leads."""
    return f'<section id="{html.escape(name)}"><h2>{html.escape(title)}</h2>{"".join(parts)}</section>'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; ``kind`` is a class of `STYLE`: "facts", "lead"."""
    return f'<p class="{kind}">{html.escape(text)}</p>' if kind else f"<p>{html.escape(text)}</p>"


def lead(title: str, rest: str = "") -> str:
    """A line above what it speaks of, its first words in bold."""
    return f'<p class="lead"><b>{html.escape(title)}</b>{html.escape(rest)}</p>'


def figure(chart: alt.Chart | alt.LayerChart, caption: str, text: str = "") -> str:
    """A chart as vector graphics, with a caption; ``text`` says what it shows where the caption does not."""
    label = f' role="img" aria-label="{html.escape(text)}"' if text else ""
    return f"<figure><div{label}>{chart_svg(charts.packed(chart))}</div>{figcaption(caption)}</figure>"


def picture(sheet: Sheet, caption: str, text: str = "") -> str:
    """Pictures in the file itself, with a caption; ``text`` says what they show where the caption does not."""
    source = images.data_uri(sheet.png())
    return f'<figure><img src="{source}" alt="{html.escape(text or caption)}">{figcaption(caption)}</figure>'


def figcaption(caption: str) -> str:
    """The caption of a figure; nothing where there is none."""
    return f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""


def facts(values: Mapping[str, str], means: Mapping[str, str]) -> str:
    """Numbers under their names, and below each what it means, where that is said."""
    rows = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd>"
        + (f"<dd>{html.escape(means[name])}</dd>" if name in means else "")
        + "</div>"
        for name, value in values.items()
    )
    return f'<dl class="numbers">{rows}</dl>'


def table(titles: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Values (see `cell`) under the titles of their columns."""
    head = "".join(f"<th>{html.escape(title)}</th>" for title in titles)
    body = "".join(f"<tr>{''.join(f'<td>{html.escape(cell(each))}</td>' for each in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def cell(value: Any, form: str = ".3g") -> str:
    """A value as text: numbers that are not whole by ``form``, by default with three significant digits.

    >>> cell(0.00440), cell(12), cell(None), cell(float("nan")), cell("mixture"), cell(0.123, ".1%"), cell(True)
    ('0.0044', '12', '', '', 'mixture', '12.3%', 'yes')
    """
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, form) if isinstance(value, float) else str(value)
