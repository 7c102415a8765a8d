"""The page through Streamlit's own test harness: every section, one control of each moved, every mistake a sentence."""

import inspect
import io
import shutil
import threading
from functools import cache
from html import escape
from pathlib import Path

import numpy as np
import pytest
import streamlit as st

from latent import charts, checkpoint, data, drawing, figures, images, shelf, store
from latent.figures import ChartFigure, SheetFigure
from latent.measure import properties, smoothness
from latent.page import heap
from latent.sampling import SAMPLERS
from latent.space import LatentSpace
from tests.support.authors import network_of
from tests.support.exhaustive import few_of, few_rows_of
from tests.support.model_files import saved
from tests.support.models import CHECKPOINTS, ROOT, tiny
from tests.support.page import (
    IN_TURN,
    MEASURED,
    SECTIONS,
    delivered,
    facts,
    healthy,
    move,
    opened,
    parts,
    sheets,
    shown,
    tables,
    unfold,
)

# A control of every section, by the kind of widget and its key, and the value it is moved to.
CONTROLS = {
    "Model": [("slider", "model_digits", 20), ("number_input", "model_first", 100)],
    "Statistics": [("slider", "statistics_images", 2000)],
    "Map": [
        ("selectbox", "map_colour", "MSE"), ("selectbox", "map_colour", "dimension"),
        ("selectbox", "map_colour", "cluster"), ("selectbox", "map_colour", "property"), ("toggle", "map_atlas", True),
    ],
    "Clusters": [
        ("slider", "clusters_n", 4), ("radio", "clusters_method", "mixture"), ("number_input", "clusters_seed", 3),
    ],
    "Generate": [
        ("selectbox", "generate_distribution", "normal"), ("selectbox", "generate_distribution", "uniform"),
        ("selectbox", "generate_distribution", "gaussian"), ("selectbox", "generate_distribution", "mixture"),
        ("selectbox", "generate_distribution", "classes"), ("selectbox", "generate_distribution", "around"),
        ("slider", "generate_pictures", 9), ("slider", "generate_scale", 0.5), ("number_input", "generate_seed", 7),
    ],
    "Custom vector": [
        ("selectbox", "custom_start", "zeros"), ("selectbox", "custom_start", "random code"),
        ("selectbox", "custom_digit", 3), ("number_input", "custom_which", 5),
    ],
    "Live": [],
    "Draw": [],
    "Directions": [
        ("selectbox", "directions_kind", "two classes"), ("selectbox", "directions_kind", "two codes"),
        ("selectbox", "directions_kind", "principal component"), ("selectbox", "directions_property", "slant"),
        ("slider", "directions_reach", 3.0), ("slider", "directions_steps", 5), ("slider", "directions_at", -1.0),
        ("selectbox", "directions_measure", "holes"), ("selectbox", "directions_source", "mean"),
    ],
    "Dimensions": [
        ("selectbox", "dimensions_dimension", 5), ("slider", "dimensions_range", (-1.0, 2.0)),
        ("slider", "dimensions_steps", 5), ("selectbox", "dimensions_source", "zeros"),
        ("selectbox", "dimensions_digit", 2),
    ],
    "Arithmetic": [
        ("selectbox", "arithmetic_operation", "average"), ("selectbox", "arithmetic_operation", "difference"),
        ("selectbox", "arithmetic_operation", "sum"), ("selectbox", "arithmetic_a_source", "test image"),
        ("selectbox", "arithmetic_a_mean_of", 2),
    ],
    "Real vs generated": [
        ("selectbox", "compare_digit", 4), ("slider", "compare_pictures", 10), ("number_input", "compare_seed", 3),
        ("selectbox", "compare_distribution", "mixture"),
    ],
    "Sampler lab": [("slider", "samplers_pictures", 10), ("number_input", "samplers_seed", 4)],
    "Diagnose": [
        ("radio", "diagnose_topic", "reconstruction"), ("radio", "diagnose_topic", "collapse"),
        ("radio", "diagnose_topic", "smoothness"), ("radio", "diagnose_topic", "overlap"),
    ],
    "Interpolate": [
        ("slider", "interpolate_steps", 6), ("radio", "interpolate_path", "spherical"),
        ("selectbox", "interpolate_from_source", "mean"), ("number_input", "interpolate_to_which", 4),
    ],
    "Compare runs": [
        ("selectbox", "runs_other", "ae-8"), ("selectbox", "runs_digits", "in order"),
        ("selectbox", "runs_digits", "where A is better"), ("selectbox", "runs_digits", "where B is better"),
        ("slider", "runs_pictures", 20),
    ],
}  # fmt: skip
MOVES = sorted(
    ((section, *move) for section, moves in CONTROLS.items() for move in moves), key=lambda move: move[0] in MEASURED
)
LONG_MOVES = [
    ("Map", "selectbox", "map_colour", "MSE"), ("Sampler lab", "slider", "samplers_pictures", 10),
    ("Diagnose", "radio", "diagnose_topic", "reconstruction"), ("Compare runs", "selectbox", "runs_other", "ae-8"),
    ("Compare runs", "selectbox", "runs_digits", "where A is better"),
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def nothing_left_for_other_files():
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture(autouse=True)
def empty_caches(request):
    """What the page keeps stays for the next test, unless a test brings files or functions of its own."""
    own = {"folder", "monkeypatch"} & set(inspect.signature(request.function).parameters)
    if own:
        st.cache_data.clear()
    yield
    if own:
        st.cache_data.clear()


digits_in_use = {"few": False}


@pytest.fixture(autouse=True)
def few_digits(request, monkeypatch, tmp_path_factory):
    """For sections that measure: 1,000 digits and 20 ways, with a store of their own for what that gives.

    What is open stays open for the next test that is of as many digits: to read and to measure it takes seconds.
    """
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    few = request.node.get_closest_marker("few_digits") is not None or parameters.get("section") in MEASURED
    if digits_in_use["few"] != few:
        st.cache_resource.clear()
        st.cache_data.clear()
        digits_in_use["few"] = few
    if not few:
        return
    digits, labels = data.evaluation_digits()
    monkeypatch.setattr(data, "evaluation_digits", lambda: (digits[:1000], labels[:1000]))
    monkeypatch.setenv("LATENT_CACHE", str(tmp_path_factory.getbasetemp() / "few digits"))
    monkeypatch.setattr(smoothness, "N_PAIRS", 20)


@pytest.mark.parametrize("section", IN_TURN)
def test_every_section_opens_full_and_without_an_error(section):
    app = at_rest(section).app
    assert app.header[0].value == section
    assert app.radio(key="section").options == SECTIONS
    assert len(shown(app)) >= 2
    assert not app.error


@pytest.mark.parametrize(
    ("section", "kind", "key", "value"), few_rows_of(MOVES, [move for move in MOVES if move not in LONG_MOVES])
)
def test_every_control_changes_what_is_shown(section, kind, key, value):
    app = opened(section)
    before = shown(app)
    assert getattr(app, kind)(key=key).value != value
    assert shown(move(app, kind, key, value)) != before
    assert not app.error


@pytest.mark.parametrize("section", IN_TURN)
def test_every_picture_says_what_it_shows_and_what_a_click_keeps(section):
    app = at_rest(section).app
    for element in app.main.get("image"):
        assert all(image.alt for image in element.proto.imgs)
    for sheet in sheets(app).values():
        assert sheet["alt"]
        assert len(sheet["names"]) == len(sheet["boxes"]) >= 1
        assert all(sheet["names"])


@pytest.mark.parametrize(
    ("name", "section"),
    few_rows_of(
        [(name, section) for name in ("vae-2", "ae-32") for section in IN_TURN],
        [("vae-2", section) for section in IN_TURN if section not in MEASURED],
    ),
)
def test_every_section_works_for_another_checkpoint(section, name):
    app = opened(section, checkpoint=name)
    assert app.selectbox(key="checkpoint").value == name
    assert not app.error
    assert len(shown(app)) >= 2


def test_the_default_checkpoint_is_open_and_the_zoo_is_offered():
    picker = opened().selectbox(key="checkpoint")
    assert picker.value == "ae-16"
    assert picker.options == ["ae-2", "ae-8", "ae-16", "ae-16-b", "ae-32", "vae-2", "vae-16"]


def test_a_section_keeps_its_controls_while_another_is_looked_at():
    app = move(opened("Generate"), "slider", "generate_pictures", 9)
    before = shown(app)
    move(app, "radio", "section", "Model")
    move(app, "radio", "section", "Generate")
    assert app.slider(key="generate_pictures").value == 9
    assert shown(app) == before


def test_a_link_reproduces_the_view():
    app = move(opened("Generate"), "selectbox", "generate_distribution", "uniform")
    move(app, "number_input", "generate_seed", 5)
    again = opened("Generate", generate_distribution="uniform", generate_seed="5")
    assert shown(again) == shown(app)


def test_who_comes_second_to_a_view_has_nothing_decoded_anew(monkeypatch):
    first = opened("Generate")
    asked = []
    decode = LatentSpace.decode
    monkeypatch.setattr(
        LatentSpace, "decode", lambda space, z, *given: asked.append(len(z)) or decode(space, z, *given)
    )
    assert shown(opened("Generate")) == shown(first)
    assert not asked
    assert shown(opened("Generate", generate_seed="5")) != shown(first)
    assert asked == [36]


# Pictures of real digits may be the same whatever the model: the nearest ones, or those compared with; keys to colours
# are no pictures.
REAL_DIGITS = {
    "inbox_thumbnails", "map_original", "map_neighbours", "custom_nearest", "arithmetic_nearest", "compare_real",
    "draw_nearest", "draw_seen", "draw_canvas", "samplers_real_images", "latent-key",
    "runs_most_changed", "runs_chosen", "runs_shared", "runs_lost", "runs_gained",
}  # fmt: skip


@pytest.mark.parametrize("section", few_of(IN_TURN, ["Model", "Map", "Dimensions", "Interpolate"]))
def test_switching_the_checkpoint_changes_every_picture_of_every_section(section):
    app = opened(section, checkpoint="ae-16")
    before = shown(app)
    move(app, "selectbox", "checkpoint", "ae-16-b")
    same = [picture for picture in shown(app) if picture in before]
    assert not [picture for picture in same if not any(name.encode() in picture for name in REAL_DIGITS)]


class TestCustomVector:
    NUMBERS = "[" + ", ".join(["0.5"] * 16) + "]"

    def test_pasted_numbers_are_decoded(self, space):
        app = move(opened("Custom vector"), "text_area", "custom_numbers", self.NUMBERS)
        assert sheets(app)["custom_grid"]["src"] == images.sheet(space.decode([0.5] * 16), 1, 8).address

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("1 2 3 4 5 6 7 8", "Expected 16 numbers, got 8."),
            ("a", "got 'a'"),
            ("nan " * 16, "'nan'"),
            ("inf", "'inf'"),
        ],
    )
    def test_a_mistake_is_a_sentence_and_the_last_good_picture_stays(self, text, sentence):
        app = move(opened("Custom vector"), "text_area", "custom_numbers", self.NUMBERS)
        good = shown(app)
        move(app, "text_area", "custom_numbers", text)
        assert any(sentence in element.value for element in app.text)
        assert shown(app) == good

    def test_another_start_replaces_the_numbers_and_the_button_brings_them_back(self):
        app = move(opened("Custom vector"), "text_area", "custom_numbers", self.NUMBERS)
        move(app, "selectbox", "custom_start", "zeros")
        zeros = app.text_area(key="custom_numbers").value
        assert set(zeros.replace(" ", "").split(",")) == {"0.000"}
        move(app, "text_area", "custom_numbers", self.NUMBERS)
        healthy(app.button(key="custom_back").click().run())
        assert app.text_area(key="custom_numbers").value == zeros

    def test_it_is_the_base_of_other_sections(self, space):
        app = move(opened("Custom vector"), "text_area", "custom_numbers", self.NUMBERS)
        move(app, "radio", "section", "Dimensions")
        real = shown(app)
        move(app, "selectbox", "dimensions_source", "custom vector")
        assert shown(app) != real
        assert "is 0.50: red" in parts(app, "strip")["dimensions_strip"]["note"]

    def test_a_link_carries_the_numbers(self):
        app = move(opened("Custom vector"), "text_area", "custom_numbers", self.NUMBERS)
        assert shown(opened("Custom vector", custom_numbers=self.NUMBERS)) == shown(app)

    def test_switching_to_another_latent_dimension_starts_afresh(self):
        app = move(opened("Custom vector"), "text_area", "custom_numbers", self.NUMBERS)
        move(app, "selectbox", "checkpoint", "ae-2")
        assert not app.warning
        assert len(app.text_area(key="custom_numbers").value.split(",")) == 2


def test_the_range_of_a_sweep_follows_the_dimension_until_it_is_moved():
    app = opened("Dimensions")
    first = app.slider(key="dimensions_range").value
    move(app, "selectbox", "dimensions_dimension", 5)
    assert app.slider(key="dimensions_range").value != first
    move(app, "slider", "dimensions_range", (-1.0, 1.0))
    move(app, "slider", "dimensions_steps", 6)
    assert app.slider(key="dimensions_range").value == (-1.0, 1.0)


class TestCheckpointFolder:
    def test_a_checkpoint_that_training_adds_is_found_without_a_restart(self, folder):
        app = opened()
        assert app.selectbox(key="checkpoint").options == ["first", "second"]
        checkpoint.save(folder / "third.pt", tiny(seed=2))
        healthy(app.run())
        assert app.selectbox(key="checkpoint").options == ["first", "second", "third"]

    def test_a_file_that_is_replaced_is_read_again(self, folder):
        app = opened()
        before = shown(app)
        checkpoint.save(folder / "first.pt", tiny(latent_dim=5, seed=9))
        healthy(app.run())
        assert shown(app) != before
        assert "5" in facts(app).values()

    def test_a_damaged_file_is_a_sentence_and_another_can_be_chosen(self, folder):
        (folder / "second.pt").write_bytes(b"not a checkpoint")
        app = move(opened(), "selectbox", "checkpoint", "second")
        assert app.error
        assert any("second.pt" in text.value for text in app.main.text)  # on a phone the sidebar is closed
        move(app, "selectbox", "checkpoint", "first")
        assert not app.error
        assert shown(app)

    def test_a_link_out_of_the_folder_is_refused(self, folder, tmp_path_factory):
        outside = tmp_path_factory.mktemp("outside") / "secret.pt"
        shutil.copy(folder / "first.pt", outside)
        (folder / "link.pt").symlink_to(outside)
        app = move(opened(), "selectbox", "checkpoint", "link")
        assert any("link.pt links to a file outside the model folder" in text.value for text in app.text)

    def test_an_empty_or_missing_folder_is_a_sentence(self, folder):
        for path in folder.iterdir():
            path.unlink()
        app = opened()
        assert any("python -m latent.train" in text.value for text in app.text)
        shutil.rmtree(folder)
        assert any("cannot be read" in text.value for text in healthy(app.run()).text)

    def test_markdown_in_a_file_name_stays_text(self, folder):
        name = "![x](http:evil) **b** <img src=x>"
        shutil.copy(folder / "first.pt", folder / f"{name}.pt")
        app = move(opened(), "selectbox", "checkpoint", name)
        assert any(escape(name) in element.proto.body for element in app.main.get("html"))
        assert not any("evil" in markdown.value for markdown in (*app.markdown, *app.caption))

    def test_a_run_in_progress_and_a_run_without_history_are_shown(self, folder):
        from dataclasses import replace

        running = replace(tiny(), scores={}, recipe={"epochs": 9, "dataset": "MNIST"})
        checkpoint.save(folder / "first.pt", running)
        assert "1 of 9" in facts(opened()).values()
        checkpoint.save(folder / "first.pt", replace(tiny(), history=[], scores={}, recipe={}))
        assert "unknown" in facts(opened()).values()

    @pytest.mark.parametrize("section", few_of(IN_TURN, ["Overview", "Map", "Clusters", "Live", "Dimensions"]))
    @pytest.mark.parametrize("latent_dim", few_of([1, 128], [1]))
    def test_every_section_works_from_1_to_128_dimensions(self, folder, section, latent_dim):
        checkpoint.save(folder / "first.pt", tiny(latent_dim=latent_dim))
        app = opened(section)
        gate = any("Not trained" in element.value for element in app.markdown)  # is all that Diagnose says of these
        assert len(shown(app)) >= 2 or (section == "Diagnose" and gate)


def test_samplers_of_an_untrained_model_are_drawn_and_not_measured(folder):
    app = opened("Sampler lab", checkpoint="first")
    assert any(info.value.startswith("Not trained") for info in app.info)
    assert not app.dataframe
    assert not app.get("vega_lite_chart")
    assert {f"samplers_{name}" for name in SAMPLERS} <= sheets(app).keys()


@pytest.mark.few_digits
class TestCompareRuns:
    """Two checkpoints of a folder of this test's own, so that nothing of them is in the store."""

    @pytest.fixture(autouse=True)
    def own_store(self, folder, monkeypatch):
        monkeypatch.setenv("LATENT_CACHE", str(folder / "store"))
        store.store_of_process.cache_clear()

    def scores(self, app):
        return {name: values for name, *values in (row.values() for row in tables(app)[0])}

    def test_at_first_it_compares_with_one_of_the_same_kind_and_size(self, folder):
        checkpoint.save(folder / "first-vae.pt", tiny("vae", seed=3))
        checkpoint.save(folder / "zzz.pt", tiny(seed=4))
        app = opened("Compare runs", checkpoint="first")
        assert app.selectbox(key="runs_other").options == ["first-vae", "second", "zzz"]
        assert app.selectbox(key="runs_other").value == "zzz"
        move(app, "selectbox", "checkpoint", "zzz")
        assert app.selectbox(key="runs_other").value == "first"

    @pytest.mark.exhaustive
    def test_a_link_reproduces_what_is_compared(self, folder):
        checkpoint.save(folder / "third.pt", tiny(seed=4))
        app = move(opened("Compare runs", checkpoint="first"), "selectbox", "runs_other", "second")
        again = opened("Compare runs", checkpoint="first", runs_other="second")
        assert again.selectbox(key="runs_other").value == "second"
        assert shown(again) == shown(app)

    def test_every_score_but_the_samplers_is_measured_at_once_and_those_when_asked(self, folder):
        app = opened("Compare runs", checkpoint="first")
        assert [warning.value[:19] for warning in app.warning] == ["A, first: Not train", "B, second: Not trai"]
        before = self.scores(app)
        samplers = before.pop("Fréchet distance, mixture")
        assert samplers == ["not measured", "not measured", ""]
        assert all(a and b and "measuring" not in a + b for a, b, _ in before.values())
        assert before["Dimensions"] == ["2", "3", ""]
        healthy(app.button(key="runs_samplers").click().run())
        a, b, better = self.scores(app)["Fréchet distance, mixture"]
        a_value, b_value = (float(text.split()[0]) for text in (a, b))  # behind it stands the interval
        assert better in ("", "A" if a_value < b_value else "B")
        assert not [button for button in healthy(app.run()).button if button.key == "runs_samplers"]

    @pytest.mark.exhaustive
    def test_the_zoo_is_measured_when_asked_and_leaves_out_what_cannot_be_opened(self, folder):
        checkpoint.save(folder / "third.pt", tiny(latent_dim=4, seed=4))
        (folder / "broken.pt").write_bytes(b"not a checkpoint")
        app = opened("Compare runs", checkpoint="first")
        assert not any("Left out" in text.value for text in app.text)
        healthy(app.button(key="runs_zoo").click().run())
        assert [text.value for text in app.text if "Left out, broken" in text.value]
        assert not [button for button in healthy(app.run()).button if button.key == "runs_zoo"]
        assert [text.value for text in app.text if "Left out, broken" in text.value]
        probes = app.main.get("vega_lite_chart")[2].proto.SerializeToString()
        assert all(name in probes for name in (b"first", b"second", b"third"))

    def test_the_only_checkpoint_is_said_to_be_the_only_one(self, folder):
        (folder / "second.pt").unlink()
        app = opened("Compare runs")
        assert "Only one model" in app.info[0].value
        assert shown(app)

    def test_a_second_file_that_cannot_be_opened_is_a_sentence(self, folder):
        (folder / "second.pt").write_bytes(b"not a checkpoint")
        app = opened("Compare runs", checkpoint="first")
        assert app.error
        assert any("second.pt" in text.value for text in app.text)

    @pytest.mark.exhaustive
    def test_pictures_of_another_size_are_shown_in_their_own(self, folder):
        checkpoint.save(folder / "second.pt", tiny(latent_dim=3, image_shape=(3, 20, 24)))
        app = opened("Compare runs", checkpoint="first")
        assert not app.error
        assert len(sheets(app)["runs_same"]["boxes"]) == 20
        assert len(app.main.get("image")) == 2  # B's own pictures, and the stitched ones

    @pytest.mark.exhaustive
    def test_only_pictures_of_the_open_checkpoint_can_be_kept(self, folder):
        sheet = sheets(opened("Compare runs", checkpoint="first"))["runs_same"]
        assert len(sheet["boxes"]) == len(sheet["names"]) == 20
        assert sheet["size"][1] > max(bottom for *_, bottom in sheet["boxes"]) + 50  # B's row, below them


@pytest.fixture(scope="module")
def strangers_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("strangers")
    for name in ("two heads", "conditional", "pooled", "one head, interleaved"):
        (folder / f"{name}.pth").write_bytes(saved(network_of(name).state_dict()))
    decoder = {k: v for k, v in network_of("two heads").state_dict().items() if k.startswith(("b.", "c."))}
    (folder / "decoder.pth").write_bytes(saved(decoder))
    checkpoint.save(folder / "first.pt", tiny())
    return folder


ASKING = [section for section in IN_TURN if section != "Statistics"]  # which has a test of its own
OF_CLASSES = "Model", "Map", "Generate", "Real vs generated"  # where a conditional model is told a class


class TestStrangersFiles:
    @pytest.fixture
    def strangers(self, strangers_files, monkeypatch):
        monkeypatch.setenv("LATENT_CHECKPOINTS", str(strangers_files))
        return strangers_files

    @pytest.mark.few_digits
    @pytest.mark.parametrize(
        ("name", "section"),
        few_rows_of(
            [(name, section) for name in ("two heads", "pooled", "conditional", "decoder") for section in ASKING],
            [*(("decoder", section) for section in ASKING), *(("conditional", section) for section in OF_CLASSES)],
        ),
    )
    def test_every_section_works_or_says_why_not(self, strangers, section, name):
        app = opened(section, checkpoint=name)
        assert app.selectbox(key="checkpoint").value == name
        assert not app.error
        assert shown(app) or app.info

    @pytest.mark.parametrize("name", ["two heads", "decoder"])
    def test_statistics_which_asks_for_a_thousand_digits_or_more_works_or_says_why_not(self, strangers, name):
        app = opened("Statistics", checkpoint=name)
        assert not app.error
        assert shown(app) or app.info

    @pytest.mark.parametrize("reading", ["{", "3", "[1]", '"ab"', "[" * 50_000], ids=len)
    def test_a_link_that_overrules_by_something_else_overrules_nothing(self, strangers, reading):
        app = opened(checkpoint="decoder", reading=reading)
        assert not app.error
        assert any("pixels out: sigmoid" in code.value for code in app.code)

    def test_the_page_says_how_the_file_was_read(self, strangers):
        app = opened(checkpoint="two heads")
        texts = " ".join(code.value for code in app.code)
        assert "a: Linear 784 → 200" in texts
        assert "pixels out: sigmoid" in texts
        assert "mean: h1" in texts
        assert any("Second-best" in markdown.value for markdown in app.markdown)

    def test_a_choice_that_is_overruled_is_scored_at_once_and_changes_the_pictures(self, strangers):
        app = opened(checkpoint="one head, interleaved")
        before, error = shown(app), float(facts(app)["Test MSE"])
        split = next(box for box in app.selectbox if box.key.startswith("model_Mean"))
        healthy(split.set_value("first half").run())
        assert shown(app) != before
        assert float(facts(app)["Test MSE"]) > 1.5 * error
        split = next(box for box in app.selectbox if box.key.startswith("model_Mean"))
        healthy(split.set_value("even indices").run())
        assert shown(app) == before

    @pytest.mark.exhaustive
    def test_everything_inferred_can_be_overruled(self, strangers):
        kinds = {"two heads": "Mean", "pooled": "Convolutions", "conditional": "Label"}
        for name, kind in kinds.items():
            app = opened(checkpoint=name)
            before = shown(app)
            box = next(box for box in app.selectbox if box.key.startswith(f"model_{kind}"))
            healthy(box.set_value(box.options[1]).run())
            assert shown(app) != before, name
            assert not app.error

    def test_a_digit_picker_appears_for_a_conditional_model(self, strangers):
        app = opened("Generate", checkpoint="conditional")
        before = shown(app)
        assert shown(move(app, "selectbox", "digit", 8)) != before
        assert not [box for box in opened("Generate", checkpoint="two heads").selectbox if box.key == "digit"]

    def test_an_upload_joins_the_picker_of_its_session_only(self, strangers):
        app = unfold(opened(), "open_file")
        content = (strangers / "pooled.pth").read_bytes()
        healthy(app.file_uploader(key="upload").set_value(("mine.pth", content, "application/octet-stream")).run())
        assert app.selectbox(key="checkpoint").value == "mine.pth (uploaded)"
        assert not app.error
        assert "mine.pth (uploaded)" not in opened().selectbox(key="checkpoint").options


def test_the_heap_is_kept_small_from_the_first_rerun_on():
    opened()
    assert heap.KEEPER in {thread.name for thread in threading.enumerate()}


@pytest.mark.exhaustive
def test_torch_serves_with_one_thread():
    import subprocess
    import sys

    code = "import streamlit_app, torch; assert torch.get_num_threads() == 1, torch.get_num_threads()"
    environment = {"PATH": "", "LATENT_CHECKPOINTS": str(CHECKPOINTS)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_empty_canvas_asks_for_a_stroke():
    app = opened("Draw", drawn="")
    assert "one stroke" in app.info[0].value
    assert not app.error


@pytest.mark.parametrize("query", [{"drawn": "damaged"}, {"map_at": "a,b"}, {"map_at": "nan,1"}, {"map_dot": "-3"}])
@pytest.mark.parametrize("section", ["Draw", "Map"])
def test_a_damaged_link_still_opens(section, query):
    app = opened(section, **{"map_box": "PCA,1,2", "kept": "x.y", "custom": "z", "reading": "{"} | query)
    assert app.header[0].value == section


class TestShelf:
    """What the address brings along is on the shelf, and every section that takes a code offers it."""

    KEPT = shelf.Kept("mine", "Map", np.linspace(-1, 1, 16).astype(np.float32), np.zeros((28, 28), np.uint8))
    LINK = shelf.to_link(KEPT)

    def shown_on_shelf(self, app):
        return [item["name"] for item in parts(app, "shelf")["shelf"]["items"]]

    def test_a_link_fills_the_shelf_and_keeps_it_in_the_address(self):
        app = opened("Model", kept=self.LINK)
        assert self.shown_on_shelf(app) == ["mine"]
        assert app.query_params["kept"] in (self.LINK, [self.LINK])
        move(app, "radio", "section", "Generate")
        assert self.shown_on_shelf(app) == ["mine"]

    @pytest.mark.parametrize(
        ("section", "control"),
        [
            ("Dimensions", "dimensions"), ("Directions", "directions"), ("Arithmetic", "arithmetic_a"),
            ("Arithmetic", "arithmetic_c"), ("Interpolate", "interpolate_from"), ("Interpolate", "interpolate_to"),
        ],
    )  # fmt: skip
    def test_every_base_and_operand_can_be_taken_from_it(self, section, control, monkeypatch):
        app = opened(section, python=True, kept=self.LINK)
        before = shown(app)
        move(app, "selectbox", f"{control}_source", "shelf item")
        assert app.selectbox(key=f"{control}_kept").options == ["mine"]
        assert shown(app) != before
        code = next(code.value for code in app.code if "LatentSpace.open" in code.value)
        assert "-0.8666667" in code  # the second number of the vector, every bit of it

    def test_a_shelf_belongs_to_its_checkpoint(self):
        app = opened("Model", kept=self.LINK)
        move(app, "selectbox", "checkpoint", "ae-16-b")
        assert "shelf" not in parts(app, "shelf")
        move(app, "selectbox", "checkpoint", "ae-16")
        assert self.shown_on_shelf(app) == ["mine"]

    def test_an_empty_shelf_says_how_to_fill_it(self):
        app = opened("Dimensions", dimensions_source="shelf item")
        assert any("Click an image" in caption.value for caption in app.caption)

    def test_a_kept_direction_is_walked_along(self):
        from dataclasses import replace

        link = shelf.to_link(replace(self.KEPT, kind="direction"))
        app = move(opened("Directions", kept=link), "selectbox", "directions_kind", "shelf direction")
        assert app.selectbox(key="directions_kept").options == ["mine"]
        assert not app.error


class Downloads:
    """The download buttons of a section, by name: what each would give."""

    def __init__(self, section, monkeypatch, **query):
        self.contents = {}
        self.figures = []
        monkeypatch.setattr(st, "download_button", self.offer)
        monkeypatch.setattr(figures, "archive", self.take_figures)  # which take seconds to draw
        self.app = opened(section, python=True, **query)

    def offer(self, label, content, file_name, mime, **options):
        self.contents[label] = content() if callable(content) else content
        self.names = [*getattr(self, "names", []), file_name]

    def take_figures(self, shown, source):
        self.figures = shown
        return source

    def arrays(self):
        return dict(np.load(io.BytesIO(self.contents["NPZ"])))

    def python(self):
        return next(code.value for code in self.app.code if "LatentSpace.open" in code.value)


@cache
def at_rest(section):
    """A section as it opens, for all tests that only look at it, with what its buttons would give."""
    with pytest.MonkeyPatch.context() as patch:
        return Downloads(section, patch)


@cache
def opened_once(path, n_digits):
    """The space of a checkpoint, and its codes, which take a second: for all lines that open it on as many digits."""
    return LatentSpace.of(Path(path).stem, checkpoint.load(Path(path)))


def values_of(python, monkeypatch):
    """The variables that the lines leave, run in the folder of the project."""
    variables = {}
    with monkeypatch.context() as patch:
        patch.chdir(ROOT)
        patch.setattr(LatentSpace, "open", lambda path: opened_once(path, len(data.evaluation_digits()[0])))
        exec(python, variables)
    return variables


@pytest.mark.parametrize("section", IN_TURN)
def test_the_python_of_every_section_gives_the_same_arrays(section, monkeypatch):
    downloads = at_rest(section)
    variables = values_of(downloads.python(), monkeypatch)
    assert len(downloads.arrays()) >= 2
    for name, array in downloads.arrays().items():
        assert np.array_equal(array, variables[name]), name


@pytest.mark.parametrize(
    ("section", "query"),
    [
        ("Generate", {"generate_distribution": "uniform", "generate_bounded": "true", "generate_pictures": "5"}),
        ("Real vs generated", {"compare_digit": "4", "compare_distribution": "gaussian"}),
        ("Generate", {"generate_distribution": "classes"}),
        ("Dimensions", {"dimensions_source": "class mean", "dimensions_steps": "5"}),
        ("Interpolate", {"interpolate_from_source": "random code", "interpolate_to_source": "custom vector"}),
        ("Arithmetic", {"arithmetic_operation": "difference", "arithmetic_a_source": "mean"}),
        ("Map", {"map_at": "1.5,-2"}),
        ("Directions", {"directions_kind": "two classes"}),
        ("Directions", {"directions_kind": "principal component", "directions_component": "3"}),
        ("Directions", {"directions_kind": "two codes", "directions_a_source": "mean"}),
        ("Draw", {"drawn": drawing.to_text(data.evaluation_digits()[0][8])}),
        pytest.param("Model", {"checkpoint": "vae-2", "model_first": "50"}, marks=pytest.mark.exhaustive),
        pytest.param("Compare runs", {"runs_other": "vae-2", "runs_pictures": "12"}, marks=pytest.mark.exhaustive),
    ],
)
def test_the_python_follows_the_controls(section, query, monkeypatch):
    downloads = Downloads(section, monkeypatch, **query)
    variables = values_of(downloads.python(), monkeypatch)
    assert downloads.contents["NPZ"] != Downloads(section, monkeypatch).contents["NPZ"]
    for name, array in downloads.arrays().items():
        assert np.array_equal(array, variables[name]), name


@pytest.mark.parametrize("section", IN_TURN)
def test_every_section_offers_its_pictures_and_numbers_as_files(section):
    downloads = at_rest(section)
    magic = {"PNG": b"\x89PNG", "NPZ": b"PK", "GIF": b"GIF8"}
    assert "NPZ" in downloads.contents
    assert {"PNG", "CSV"} & set(downloads.contents)
    magic |= dict.fromkeys(("Report as HTML", "Interactive HTML"), "<!doctype html>") | {"Numbers as JSON": "{"}
    magic["Figures"] = "Model ae-16; images: MNIST."
    for label, content in downloads.contents.items():
        assert content.startswith(magic[label]) if label in magic else "," in content.splitlines()[0]
    assert all(name.startswith("ae-16-") for name in downloads.names)


def test_the_map_is_coloured_by_any_measured_property(space):
    app = opened("Map", map_colour="property", map_property="slant")
    assert app.selectbox(key="map_property").options == list(properties.of(space.images))
    (shown,) = parts(app, "map").values()
    assert shown["alt"] == "Map of 10,000 codes by PCA, coloured by slant"
    slants = properties.PROPERTIES["slant"].measure(space.images)
    legend = [float(entry) for entry in charts.value_colours(slants)[1]]
    assert legend == pytest.approx(np.linspace(*np.quantile(slants, [0.01, 0.99]), 5), abs=0.06)
    assert shown["colours"] in delivered(app)
    (colours,) = [each for name, each in delivered(app).items() if name == shown["colours"]]
    assert [float(entry["name"]) for entry in colours["legend"]] == legend
    assert colours["value"] == "slant:"


@pytest.mark.parametrize("section", IN_TURN)
def test_the_figures_are_every_chart_and_sheet_of_the_section(section):
    downloads = at_rest(section)
    shown = [element.proto for element in downloads.app.main.get("vega_lite_chart")]
    drawn = [figure.shows for figure in downloads.figures if isinstance(figure, ChartFigure)]
    maps = [shows for shows in drawn if shows.startswith("Map of ")]
    assert len(maps) == len(parts(downloads.app, "map"))
    assert len(drawn) == len(shown) + len(maps)
    sheets_shown = {sheet["src"] for sheet in sheets(downloads.app).values()}
    assert sheets_shown <= {figure.sheet.address for figure in downloads.figures if isinstance(figure, SheetFigure)}


@pytest.mark.few_digits
class TestFindings:
    def test_every_finding_stands_with_its_number_and_a_way_to_its_picture(self):
        app = opened("Diagnose")
        found = [element.value for element in app.markdown if element.value[:2] in {f"{n}." for n in range(1, 10)}]
        assert 5 <= len(found) <= 10
        assert all(any(sign.isdigit() for sign in text[2:]) for text in found)
        shows = [button for button in app.button if button.key and button.key.startswith("diagnose_show_")]
        assert len(shows) >= len(found)

    def test_a_finding_leads_to_the_picture_that_shows_it(self):
        app = opened("Diagnose")
        sections = set()
        for place in range(6):
            healthy(app.button(key=f"diagnose_show_{place}").click().run())
            sections.add((app.header[0].value, *app.query_params.get("diagnose_topic", [])))
            assert len(shown(app)) >= 2
            move(app, "radio", "section", "Diagnose")
        assert len(sections) >= 3
        assert ("Dimensions",) in {each[:1] for each in sections}

    def test_a_model_of_other_images_is_diagnosed_without_the_judge(self, folder):
        fashion = tiny()
        fashion.recipe["dataset"] = "FashionMNIST"
        checkpoint.save(folder / "first.pt", fashion)
        app = opened("Diagnose")
        assert any("trained on FashionMNIST" in element.value for element in app.info)
        move(app, "radio", "diagnose_topic", "collapse")
        assert any("trained on FashionMNIST" in element.value for element in app.info)
        move(app, "radio", "section", "Sampler lab")
        assert any("trained on FashionMNIST" in element.value for element in app.info)
        assert len(sheets(app)) == 7

    @pytest.mark.exhaustive
    def test_the_seed_moves_samples_and_leaves_references(self):
        app = opened("Sampler lab")
        before = sheets(app)
        after = sheets(move(app, "number_input", "samplers_seed", 9))
        same = {key for key in before if before[key]["src"] == after[key]["src"]}
        assert same == {"samplers_real_images", "samplers_reconstructions"}
