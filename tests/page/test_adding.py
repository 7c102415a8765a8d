"""What is added in one place at run time is found where a visitor would look for it."""

import altair as alt
import numpy as np
import pytest
import streamlit as st

from latent import arrow, checkpoint
from latent.foreign.formats import FORMATS, Format
from latent.measure.measures import Measure
from latent.measure.scores import SCORES
from latent.page.sections import Page
from latent.page.show import show_chart
from latent.sampling import SAMPLERS, LearnedNormals
from tests.support.models import tiny
from tests.support.page import SECTIONS, healthy, opened, sheets, shown, unfold


def toy_chart(values):
    """Bars of these values."""
    rows = arrow.to_table({"place": np.arange(len(values)), "value": values})
    return alt.Chart(rows).mark_bar().encode(x=alt.X("place:O"), y=alt.Y("value:Q"))


@pytest.fixture
def toy(monkeypatch):
    """The page with one more section, which shows a chart of its own."""
    show = Page.show

    def show_with_toy(page):
        @page.section("Toy", group="toys")
        def toy_section(space):
            """Is it a toy?"""
            st.text(f"{space.name} has {space.latent_dim} dimensions")
            show_chart("Three toys", toy_chart, np.array([3.0, 1.0, 2.0]))

        show(page)

    monkeypatch.setattr(Page, "show", show_with_toy)


def test_a_section_is_in_the_list_and_opens_with_its_question(toy):
    app = opened("Toy")
    assert app.radio(key="section").options == [*SECTIONS, "Toy"]
    assert app.header[0].value == "Toy"
    assert app.caption[0].value == "Is it a toy?"
    assert "ae-16 has 16 dimensions" in [text.value for text in app.text]


def test_a_chart_is_drawn_with_its_text(toy):
    (chart,) = opened("Toy").main.get("vega_lite_chart")
    assert chart.proto.alt == "Three toys"
    assert '"mark"' in chart.proto.spec
    assert "bar" in chart.proto.spec


def test_a_section_may_need_an_encoder(monkeypatch, toy):
    show = Page.show

    def show_with_need(page):
        page.section("Needy", group="toys", needs="encoder")(lambda space: st.text("it has one"))
        show(page)

    monkeypatch.setattr(Page, "show", show_with_need)
    assert "it has one" in [text.value for text in opened("Needy").text]


class Narrow(LearnedNormals):
    """Half as far as the learned distribution."""

    name = "narrow"
    noun = "the narrow distribution"
    help = "Half the spread of the real codes."

    def draw(self, n, scale, rng):
        return super().draw(n, scale / 2, rng)


class TestSampler:
    @pytest.fixture(autouse=True)
    def narrow(self, monkeypatch):
        monkeypatch.setitem(SAMPLERS, "narrow", Narrow)

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


def test_a_measure_is_in_the_table_of_compare_runs(folder, monkeypatch):
    pixels = Measure(
        "Pixels", "", "neither", ",.0f", "In an image.", lambda evidence: float(evidence.space.images[0].size)
    )
    monkeypatch.setitem(SCORES, "pixels", pixels)
    table = opened("Compare runs", checkpoint="first").dataframe[0].value
    (row,) = table[table["score"] == "Pixels"].to_dict("records")
    assert (row["a"], row["b"]) == ("784", "784")
