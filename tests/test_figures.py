"""Figures for a paper: what is in the archive, and that it is what the page shows."""

import io
import re
import xml.etree.ElementTree as ElementTree
import zipfile

import numpy as np
import pytest
from PIL import Image

from latent import arrow, charts, document, figures, images
from latent.figures import ChartFigure, SheetFigure
from latent.page import fragment
from latent.page.state import State

RNG = np.random.default_rng(0)
PLACES = RNG.normal(size=(300, 2)).astype(np.float32)
PICTURES = RNG.integers(0, 256, (3, 28, 28), dtype=np.uint8)
HISTORY = [{"epoch": e, "train_loss": 1 / e, "test_loss": 2 / e} for e in (1, 2, 3)]
CHART = ChartFigure("Loss per epoch", lambda: charts.packed(charts.history_chart(HISTORY)))
STRIP = SheetFigure("A strip", images.sheet(PICTURES, 3, 4), ("one", "two", "three & more"))


def opened(content):
    return zipfile.ZipFile(io.BytesIO(content))


def test_every_figure_is_three_files_and_a_caption_that_says_of_what_it_is():
    files = opened(figures.archive([CHART, STRIP], "Model mine; images: shapes."))
    stems = ["01-loss-per-epoch", "02-a-strip"]
    wanted = [f"{stem}.{suffix}" for stem in stems for suffix in ("svg", "pdf", "png")]
    assert files.namelist() == [*wanted, "captions.txt"]
    assert files.read("captions.txt").decode().split("\n\n") == [
        "Figure 1. Loss per epoch. Model mine; images: shapes.",
        "Figure 2. A strip. From left to right and down: one; two; three & more. Model mine; images: shapes.\n",
    ]
    for stem in stems:
        assert files.read(f"{stem}.pdf").startswith(b"%PDF-")
        svg = ElementTree.fromstring(files.read(f"{stem}.svg"))
        width, height = (float(svg.get(side)) for side in ("width", "height"))
        drawn = Image.open(io.BytesIO(files.read(f"{stem}.png")))
        assert drawn.size == (round(2 * width), round(2 * height))


def test_a_chart_is_drawn_with_all_its_rows_whichever_way_it_holds_them():
    drawn = CHART.svg()
    for row in HISTORY:
        assert f"epoch: {row['epoch']}; " in drawn
    table = arrow.to_table({"step": np.arange(3), "change": np.array([0.5, 1.5, 2.5])})
    spec = {
        "data": {"name": "rows"}, "datasets": {"rows": table}, "mark": "point",
        "encoding": {"x": {"field": "step", "type": "quantitative"}, "y": {"field": "change", "type": "quantitative"}},
    }  # fmt: skip
    assert ChartFigure("Steps", lambda: spec).svg().count('aria-roledescription="point"') == 3


def test_a_chart_is_drawn_as_altair_itself_saves_it():
    right = io.StringIO()
    chart = charts.history_chart(HISTORY).properties(width=figures.CHART_WIDTH).configure(background="white")
    chart.save(right, format="svg")
    assert CHART.svg() == right.getvalue()
    assert right.getvalue() in document.figure(charts.history_chart(HISTORY), "")


def test_the_images_of_a_sheet_are_in_the_figure_pixel_by_pixel():
    import base64

    (content,) = re.findall("base64,([^\"']+)", STRIP.svg())
    inside = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))).convert("L"))
    assert np.array_equal(inside, np.asarray(STRIP.sheet.image.convert("L")))
    drawn = opened(figures.archive([STRIP], "")).read("01-a-strip.png")
    twice = np.asarray(Image.open(io.BytesIO(drawn)).convert("L"), int)
    assert np.abs(twice[::2, ::2] - inside).max() <= 1


@pytest.mark.parametrize("by_class", [True, False])
def test_the_map_has_a_dot_for_every_code_in_its_colour(by_class):
    values = RNG.normal(size=300)
    colours, legend = (
        (charts.category_colours(np.arange(300) % 3), charts.category_legend(["a", "b", "c"]))
        if by_class
        else charts.value_colours(values)
    )
    figure = ChartFigure("Map", lambda: charts.packed(charts.map_chart(PLACES, colours, legend, ["first", "second"])))
    drawn = figure.svg()
    dots = re.findall('aria-roledescription="circle"[^>]*?fill="(#[0-9a-f]{6})"', drawn)
    assert dots == ["#{:02x}{:02x}{:02x}".format(*colour) for colour in colours.tolist()]
    for text in ("first", "second", *legend):
        assert f">{text}</text>" in drawn


def test_what_a_part_of_a_section_showed_is_replaced_when_it_runs_again(monkeypatch):
    session = State()
    monkeypatch.setattr(fragment, "state", lambda: session)
    session.run.figures["chart"] = CHART
    for _ in range(2):
        fragment.forget_figures_of("part")
        session.run.figures["strip"] = STRIP
        assert list(session.run.figures) == ["chart", "strip"]
    fragment.forget_figures_of("part")
    assert list(session.run.figures) == ["chart"]
