"""Overview: the model at a glance, each part a door to the section that shows more."""

import pytest
from streamlit.testing.v1 import AppTest

from latent import checkpoint
from latent.measure.findings import findings, foremost
from latent.page.panels import runs
from tests.support.exhaustive import few_of
from tests.support.models import CHECKPOINTS, ROOT, tiny
from tests.support.page import facts, healthy, opened, parts, sheets


def heading(app):
    return app.main.header[0].value


def test_it_is_what_opens_when_nothing_is_said():
    app = healthy(AppTest.from_file(str(ROOT / "streamlit_app.py"), default_timeout=120).run())
    assert heading(app) == "Overview"


def test_it_shows_facts_images_samples_a_map_and_the_three_main_findings(evidence):
    app = opened("Overview")
    assert facts(app)["Latent dimensions"] == "16"
    shown = sheets(app)
    assert len(shown["overview_images"]["names"]) == 20
    assert [name.split(",")[0] for name in shown["overview_images"]["names"][:10]] == [f"class {i}" for i in range(10)]
    assert len(shown["overview_samples"]["names"]) == 20
    assert parts(app, "map")["overview_map"]["height"] == 290
    texts = [element.value for element in app.main.markdown]
    expected = [f"{place}. {each.text}" for place, each in enumerate(foremost(findings(evidence)), 1)]
    assert [text for text in texts if text[:2] in ("1.", "2.", "3.")] == expected
    assert not any("Not all is measured" in caption.value for caption in app.caption)


@pytest.mark.parametrize("section", few_of(["Model", "Generate", "Map", "Diagnose"], ["Map"]))
def test_every_part_is_a_door_to_its_section(section):
    app = opened("Overview")
    healthy(app.button(key=f"overview_to_{section}").click().run())
    assert heading(app) == section


@pytest.mark.exhaustive
def test_its_samples_are_of_the_sampler_that_its_door_sets():
    app = opened("Overview")
    said = next(caption.value for caption in app.caption if caption.value.startswith("Sampler"))
    healthy(app.button(key="overview_to_Generate").click().run())
    assert f"“{app.selectbox(key='generate_distribution').value}”" in said


def test_a_finding_opens_what_shows_it():
    app = opened("Overview")
    healthy(app.button(key="overview_show_0").click().run())
    assert heading(app) != "Overview"


def test_a_model_that_nobody_measured_opens_at_once_and_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path / "cache"))
    checkpoint.save(tmp_path / "mine.pt", tiny("vae", latent_dim=3))
    app = opened("Overview", checkpoint="mine")
    assert len(sheets(app)["overview_samples"]["names"]) == 20
    captions = [caption.value for caption in app.caption]
    assert any("Not all is measured yet" in caption for caption in captions)
    assert any("“normal”" in caption for caption in captions), "what a VAE is usually sampled from"


@pytest.fixture
def opened_ahead(monkeypatch):
    """The names of the models that were opened for whoever compares later."""
    names = []
    open_space = runs.open_space
    monkeypatch.setattr(runs, "open_space", lambda name, *others: names.append(name) or open_space(name, *others))
    runs.open_most_alike.clear()
    return names


def test_what_a_shipped_model_is_compared_with_is_opened_ahead_once(opened_ahead):
    opened("Overview", checkpoint="vae-16")
    (name,) = opened_ahead
    app = opened("Generate", checkpoint="vae-16")
    assert opened_ahead == [name]
    healthy(app.radio(key="section").set_value("Compare runs").run())
    assert app.selectbox(key="runs_other").value == name


def test_nothing_is_opened_ahead_of_a_model_that_nobody_measured(folder, opened_ahead):
    opened("Overview", checkpoint="first")
    assert not opened_ahead


def test_it_says_why_there_are_no_scores(tmp_path, monkeypatch):
    monkeypatch.setenv("LATENT_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path / "cache"))
    fashion = tiny()
    fashion.recipe["dataset"] = "FashionMNIST"
    checkpoint.save(tmp_path / "mine.pt", fashion)
    app = opened("Overview", checkpoint="mine")
    assert any("trained on FashionMNIST" in caption.value for caption in app.caption)


@pytest.mark.exhaustive
def test_a_file_without_an_encoder_is_shown_by_draws(tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("LATENT_CHECKPOINTS", str(tmp_path))
    saved = torch.load(CHECKPOINTS / "vae-2.pt", weights_only=True)
    decoder = {name: value.float() for name, value in saved["state"].items() if name.startswith("decoder")}
    torch.save(decoder, tmp_path / "decoder.pt")
    app = opened("Overview", checkpoint="decoder")
    assert "Main findings" in [title.value for title in app.subheader]
    assert "model_grid" in sheets(app)
