"""What is added in one place at run time, as CONTRIBUTING.md shows it, is found where a visitor would look for it."""

import re
from dataclasses import dataclass

import altair as alt
import numpy as np
import pytest
import streamlit as st

from latent import arrow, checkpoint, images
from latent.arrays import Codes
from latent.foreign.formats import FORMATS, Format
from latent.measure.measures import Measure
from latent.measure.scores import SCORES
from latent.page import cached
from latent.page.controls import controls
from latent.page.sections import Page
from latent.page.show import show_chart, show_codes
from latent.page.snippet import snippet
from latent.page.take_away import take_away
from latent.sampling import SAMPLERS, LearnedNormals
from latent.space import LatentSpace
from tests.support.models import ROOT, tiny
from tests.support.page import SECTIONS, healthy, opened, sheets, shown, tables, unfold

EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)


def example(text, **names):
    """What the example of CONTRIBUTING.md that holds this text defines, given these names."""
    (found,) = [each for each in EXAMPLES if text in each]
    exec(found, names)
    return names


def toy_chart(values):
    """Bars of these values."""
    rows = arrow.to_table({"place": np.arange(len(values)), "value": values})
    return alt.Chart(rows).mark_bar().encode(x=alt.X("place:O"), y=alt.Y("value:Q"))


def with_more(monkeypatch, add):
    """Let the page have what ``add`` adds to it."""
    show = Page.show

    def show_with_more(page):
        add(page)
        show(page)

    monkeypatch.setattr(Page, "show", show_with_more)


def test_a_section_is_in_the_list_and_opens_with_its_question(monkeypatch):
    names = {
        "LatentSpace": LatentSpace, "cached": cached, "controls": controls,
        "images": images, "show_codes": show_codes, "snippet": snippet,
        "st": st, "take_away": take_away,
    }  # fmt: skip
    with_more(monkeypatch, lambda page: example("def toy_section", page=page, **names))
    app = opened("Toy", python=True)
    assert app.radio(key="section").options == [*SECTIONS, "Toy"]
    assert app.header[0].value == "Toy"
    assert app.caption[0].value == "Is it a toy?"
    assert sheets(app)["toy_grid"]["names"] == ["toy 1", "toy 2", "toy 3"]
    assert "z = space.z[:3]" in app.code[0].value
    app = healthy(app.slider(key="toy_toys").set_value(5).run())
    assert len(sheets(app)["toy_grid"]["names"]) == 5


def test_a_chart_is_drawn_with_its_text(monkeypatch):
    def draw(space):
        show_chart("Three toys", toy_chart, np.array([3.0, 1.0, 2.0]))

    with_more(monkeypatch, lambda page: page.section("Toy", group="toys")(draw))
    (chart,) = opened("Toy").main.get("vega_lite_chart")
    assert chart.proto.alt == "Three toys"
    assert '"bar"' in chart.proto.spec


class TestSampler:
    @pytest.fixture(autouse=True)
    def narrow(self, monkeypatch):
        names = {"Codes": Codes, "LearnedNormals": LearnedNormals, "dataclass": dataclass, "np": np}
        added = {}
        example("class Narrow", add_sampler=lambda cls: added.update({cls.name: cls}) or cls, **names)
        monkeypatch.setitem(SAMPLERS, "narrow", added["narrow"])

    def test_generate_offers_it_and_draws_from_it(self):
        app = opened("Generate")
        box, before = app.selectbox(key="generate_distribution"), shown(app)
        assert box.options[-1] == "narrow"
        assert "**narrow**: Half the spread" in box.help
        assert shown(healthy(box.set_value("narrow").run())) != before

    def test_the_sampler_lab_has_a_row_of_it(self, folder):
        fashion = tiny()
        fashion.recipe["dataset"] = "FashionMNIST"  # whose samples are shown without measures, which take a minute
        checkpoint.save(folder / "first.pt", fashion)
        assert list(sheets(opened("Sampler lab", checkpoint="first")))[-1] == "samplers_narrow"


def test_a_format_is_named_by_the_opener(monkeypatch):
    toy = Format("toy file", "Toybox", (".toy",), lambda raw: raw.startswith(b"TOY!"), lambda raw: {})
    monkeypatch.setitem(FORMATS, "toy file", toy)
    assert "or Toybox, at most" in unfold(opened(), "open_file").file_uploader(key="upload").help


@pytest.mark.exhaustive
def test_a_measure_is_in_the_table_of_compare_runs(folder, monkeypatch):
    (record,) = [each for each in EXAMPLES if '"pixels": Measure(' in each]
    monkeypatch.setitem(SCORES, "pixels", eval("{" + record + "}", {"Measure": Measure})["pixels"])
    (row,) = [row for row in tables(opened("Compare runs", checkpoint="first"))[0] if row["Score"] == "Pixels"]
    assert list(row.values()) == ["Pixels", "784", "784", ""]
