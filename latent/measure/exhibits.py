"""Exhibits: what is shown of a topic, as data. A page and a report each decide how to show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from latent import images
from latent.arrays import Codes

if TYPE_CHECKING:  # it is loaded with the first chart
    from altair import Chart, LayerChart

Kind = Literal["plain", "text", "number", "bar"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Exhibit:
    """One thing to show. By itself it is text: a line whose ``title`` is bold and whose ``rest`` is not, a ``caption``.

    The line stands above what other kinds show, the caption below; each may be empty. All text is plain.
    """

    title: str = ""
    rest: str = ""
    caption: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class Heading(Exhibit):
    """Its ``title`` is a heading over the exhibits that follow."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Facts(Exhibit):
    """Named ``values``, already written with their units; ``means`` says what some of them are."""

    values: Mapping[str, str]
    means: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False, kw_only=True)
class Figure(Exhibit):
    """A chart: a function of `latent.charts` with what it is ``given``, so that a cache can know it by these.

    ``alt`` says what it shows to those who do not see it.
    """

    chart: Callable[..., Chart | LayerChart]
    given: tuple[Any, ...]
    choices: Mapping[str, Any] = field(default_factory=dict)
    alt: str

    def drawn(self) -> Chart | LayerChart:
        """The chart itself."""
        return self.chart(*self.given, **self.choices)


@dataclass(frozen=True)
class Column:
    """A column of a table: its ``key`` in the rows, the ``title`` over it, what ``help`` says of it.

    ``kind``: "text"; "number", written by ``form`` (a format specification of Python, such as ".3f" or ".1%"); "bar",
    a number from 0 to ``most`` that may be drawn as a bar; "plain" for whole numbers, names and yes or no as they are.
    """

    key: str
    title: str
    kind: Kind = "plain"
    form: str = ".3g"
    help: str = ""
    most: float = 1.0

    @property
    def is_share(self) -> bool:
        """Whether values are shares, written in per cent."""
        return self.form.endswith("%")


@dataclass(frozen=True, eq=False, kw_only=True)
class Table(Exhibit):
    """Rows (key -> value) under columns; NaN or None where a value is not known."""

    columns: Sequence[Column]
    rows: Sequence[Mapping[str, Any]]
    alt: str


@dataclass(frozen=True, eq=False, kw_only=True)
class PictureSheet(Exhibit):
    """Pictures (n, height, width[, 3]) uint8 on one sheet, ``columns`` in a row, each pixel ``zoom`` wide.

    With ``partners``, of the same shape, each picture stands on top of its partner, which is tinted. ``z`` are the
    codes (n, latent_dim) of the pictures, then of the partners, and ``names`` what to call each when it is put on the
    shelf; ``z`` is None where they have none. ``key`` tells the sheet from others on a page; ``stretch`` is true for
    one that is as wide as the page.
    """

    key: str
    pictures: NDArray[np.uint8]
    columns: int
    zoom: int = 2
    row_names: Sequence[str] = ()
    column_names: Sequence[str] = ()
    partners: NDArray[np.uint8] | None = None
    z: Codes | None = None
    names: Sequence[str] = ()
    alt: str
    stretch: bool = False

    def sheet(self) -> images.Sheet:
        """The pictures on their sheet."""
        if self.partners is not None:
            return images.pairs_sheet(self.pictures, self.partners, self.columns, self.zoom)
        return images.sheet(
            self.pictures, self.columns, self.zoom, row_names=self.row_names, column_names=self.column_names
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class SideBySide(Exhibit):
    """Exhibits beside each other where there is room, as wide in proportion as ``widths`` says."""

    exhibits: Sequence[Exhibit]
    widths: Sequence[int] = (1, 1)
