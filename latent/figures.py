"""What a section shows as figures for a paper: vector graphics, images at twice the size, captions ready to paste."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from latent import images
from latent.lazy import Lazily

if TYPE_CHECKING:
    import pyarrow as pa
    import vl_convert

    from latent.images import Sheet
else:
    pa, vl_convert = Lazily("pyarrow"), Lazily("vl_convert")

LONGEST_FILE_NAME = 60  # characters
MOST_NAMED = 30  # images whose names stand in a caption
ENLARGED = 2  # pixels of a PNG file for one of the page
PAPER = {"background": "white"}
CHART_WIDTH = 640  # pixels


class Figure(Protocol):
    """Something shown: what it shows in a few words, and the caption that says it in full."""

    @property
    def shows(self) -> str: ...

    @property
    def caption(self) -> str: ...

    def svg(self) -> str:
        """The figure as the text of an SVG file."""
        ...


@dataclass(frozen=True)
class ChartFigure:
    """A chart: what makes its Vega-Lite specification, with its rows as Arrow or as they are (see `charts.packed`)."""

    shows: str
    spec: Callable[[], Mapping[str, Any]]

    @property
    def caption(self) -> str:
        return self.shows

    def svg(self) -> str:
        return chart_svg(self.spec())


@dataclass(frozen=True)
class SheetFigure:
    """Images on one sheet, with their names in the order in which they stand, where they have some."""

    shows: str
    sheet: Sheet
    names: Sequence[str] = ()

    @property
    def caption(self) -> str:
        if not 0 < len(self.names) <= MOST_NAMED:
            return self.shows
        if len(self.names) == 1:
            return f"{self.shows}: {self.names[0]}"
        return f"{self.shows}. From left to right and down: {'; '.join(self.names)}"

    def svg(self) -> str:
        width, height = self.sheet.size
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" role="img">'
            f"<title>{escape(self.shows)}</title>"
            f'<image width="{width}" height="{height}" style="image-rendering: pixelated" '
            f'href="{images.data_uri(self.sheet.png())}"/></svg>'
        )


def chart_svg(spec: Mapping[str, Any]) -> str:
    """A chart as vector graphics: its Vega-Lite specification, with its rows as Arrow or as they are."""
    datasets = {name: plain_rows(rows) for name, rows in spec.get("datasets", {}).items()}
    whole = {"width": CHART_WIDTH} | dict(spec) | {"datasets": datasets}  # some have a width of their own
    drawn: str = vl_convert.vegalite_to_svg(whole, config=PAPER)
    return drawn


def plain_rows(rows: Any) -> list[dict[str, Any]]:
    """Rows of a chart as dictionaries, from an Arrow stream or a table."""
    table = pa.ipc.open_stream(rows).read_all() if isinstance(rows, bytes) else rows
    found: list[dict[str, Any]] = table if isinstance(table, list) else table.to_pylist()
    return found


def archive(figures: Sequence[Figure], source: str) -> bytes:
    """A ZIP file with every figure as SVG, PDF and PNG, and their captions, each of which ends with the ``source``."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as files:
        captions = []
        for number, figure in enumerate(figures, 1):
            name, drawn = f"{number:02d}-{file_name(figure.shows)}", figure.svg()
            files.writestr(f"{name}.svg", drawn)
            files.writestr(f"{name}.pdf", vl_convert.svg_to_pdf(drawn))
            files.writestr(f"{name}.png", vl_convert.svg_to_png(drawn, scale=ENLARGED))
            captions.append(f"Figure {number}. {figure.caption.rstrip('.')}. {source}\n")
        files.writestr("captions.txt", "\n".join(captions))
    return buffer.getvalue()


def file_name(shows: str) -> str:
    """What a figure shows, as a file may be called.

    >>> file_name("Effect of each dimension on the image")
    'effect-of-each-dimension-on-the-image'
    >>> file_name("…")
    'figure'
    """
    words = re.sub(r"[^a-z0-9]+", "-", shows.lower())[:LONGEST_FILE_NAME].strip("-")
    return words or "figure"
