"""A section and a chart, each added in one place at run time, are found where a visitor would look for them."""

import altair as alt
import numpy as np
import pytest
import streamlit as st

from latent import arrow
from latent.page.sections import Page
from latent.page.show import show_chart
from tests.support.page import SECTIONS, opened


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
