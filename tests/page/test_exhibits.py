"""Tables of exhibits: a short one is text, which a browser draws at once; a long one can be sorted and searched."""

from dataclasses import replace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from latent.measure.exhibits import Column, Table
from latent.page.panels.exhibits import SHORT, short_table

COLUMNS = (Column("name", "name", "text"), Column("share", "share", "bar", ".0%", "of <all>", most=0.5))
TABLE = Table(columns=COLUMNS, rows=[{"name": "a & b", "share": 0.25}, {"name": "", "share": None}], alt="Shares")


@pytest.mark.parametrize(("n", "long"), [(1, False), (SHORT, False), (SHORT + 1, True)])
def test_a_long_table_is_one_that_can_be_sorted(n, long):
    def page(n):  # which is run as a script of its own
        from latent.measure.exhibits import Column, Table
        from latent.page.panels.exhibits import show_exhibit

        rows = [{"share": 0.5} for _ in range(n)]
        show_exhibit(None, Table(columns=[Column("share", "share", "number", ".0%")], rows=rows, alt="Shares"))

    app = AppTest.from_function(page, args=(n,)).run()
    assert not app.exception
    assert len(app.dataframe) == long


def test_a_short_table_says_what_its_columns_say():
    drawn = short_table(TABLE)
    assert '<th class="bar" title="of &lt;all&gt;">share</th>' in drawn
    assert '<td class="text">a &amp; b</td><td class="bar" style="--share: 50.0%">25%</td>' in drawn
    assert '<td class="text"></td><td class="bar">–</td>' in drawn
    assert 'aria-label="Shares"' in drawn


def test_a_bar_is_no_longer_than_its_cell():
    table = replace(TABLE, rows=[{"name": "more", "share": 7.0}])
    assert "--share: 100.0%" in short_table(table)


def test_a_chart_of_the_page_has_one_text_for_all_its_bars(monkeypatch):
    sent = []
    monkeypatch.setattr(st, "vega_lite_chart", lambda *given, **choices: sent.append((given, choices)))

    def page():  # which is run as a script of its own
        from latent.page import show

        show.show_built("Bars", {"mark": "bar", "config": {"axis": {"grid": False}}})

    assert not AppTest.from_function(page).run().exception
    [((chart,), choices)] = sent
    assert chart["config"] == {"axis": {"grid": False}, "aria": False}
    assert choices == {"alt": "Bars"}
