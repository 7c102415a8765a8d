"""What is selected: found on the map, shared by all models of the same images, and taken to where it is used."""

import csv
import io
import threading
from functools import partial

import numpy as np
import pytest

from latent import checkpoint, data, dataset, projection
from latent.page.panels import code_map
from latent.page.panels.selected import selection_csv, selection_npz
from latent.projection import Plane
from latent.selection import Selection
from latent.space import LatentSpace
from tests.support.models import tiny
from tests.support.page import delivered, healthy, move, opened, own_folders, parts

N = 300  # images


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    """A folder with one small data set, one with two models, and a store of these tests' own."""
    base = tmp_path_factory.mktemp("selections")
    (base / "images").mkdir()
    (base / "models").mkdir()
    images, labels = data.evaluation_digits()
    np.savez(base / "images" / "few.npz", images=images[:N], labels=labels[:N])
    named = {"images": images[:N], "labels": np.arange(N) % 2, "classes": ["round", "straight"]}
    np.savez(base / "images" / "own_classes.npz", **named)
    checkpoint.save(base / "models" / "first.pt", tiny())
    checkpoint.save(base / "models" / "second.pt", tiny(latent_dim=3, seed=1))
    with own_folders(base):
        yield base


@pytest.fixture(scope="module")
def space(folders):
    """The space of the model that is open."""
    return LatentSpace.open(folders / "models" / "first.pt", dataset.read(folders / "images" / "few.npz"))


def found(app, by, **controls):
    """The page after images were searched for by a class, a cluster, …, with these controls of the search."""
    move(app, "radio", "map_find_by", by)
    for control, (kind, value) in controls.items():
        move(app, kind, control, value)
    return healthy(app.button(key="map_find_select").click().run())


def selected(app):
    """The images that the address says are selected."""
    return Selection.from_link(parameter(app, "selected")).rows


def parameter(app, name):
    """What the address says under a name: the harness has a single value alone or in a list."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def sevens(app):
    return found(app, "class", map_find_class=("selectbox", 7))


def test_images_are_found_by_their_class_and_stand_out(space):
    app = sevens(opened("Map", images="few"))
    rows = np.flatnonzero(space.labels == 7)
    assert np.array_equal(selected(app), rows)
    (shown,) = parts(app, "map").values()
    assert delivered(app)[shown["selected"]]["arrays"]["numbers"][2] == len(rows)
    assert any(f"{len(rows):,} selected" in element.value for element in app.subheader)


def test_images_are_found_by_number_and_a_single_one_is_inspected():
    app = found(opened("Map", images="few"), "number", map_find_numbers=("text_input", "4, 100-102"))
    assert selected(app).tolist() == [4, 100, 101, 102]
    app = found(app, "number", map_find_numbers=("text_input", "61"))
    assert parameter(app, "map_dot") == "61"
    assert any("test image 61" in element.value for element in app.subheader)


@pytest.mark.parametrize("text", ["", "x", "300"])
def test_numbers_that_are_none_leave_the_selection_and_say_why(text):
    app = found(opened("Map", images="few"), "number", map_find_numbers=("text_input", "4"))
    app = found(app, "number", map_find_numbers=("text_input", text))
    assert selected(app).tolist() == [4]
    assert any("mage numbers" in element.value for element in app.text)


def test_the_worst_reconstructions_are_those_of_the_largest_error(space):
    app = found(opened("Map", images="few"), "largest MSE", map_find_worst=("slider", 5))
    errors = np.square(space.decode(space.z) - space.images / 255).mean(axis=(1, 2))
    assert selected(app).tolist() == sorted(np.argsort(-errors)[:5].tolist())


@pytest.mark.parametrize(("model", "offered"), [("first", False), ("second", True)])
def test_a_space_of_two_dimensions_has_no_map_of_three(model, offered):
    app = opened("Map", images="few", checkpoint=model)
    assert ("PCA in 3D" in app.radio(key="map_projection").options) == offered
    if offered:
        app = move(app, "radio", "map_projection", "PCA in 3D")
        (shown,) = parts(app, "map").values()
        assert delivered(app)[shown["dots"]]["dimensions"] == 3
        assert "of the variance" in shown["axes"][2]


def test_umap_is_offered_where_it_is_installed_and_elsewhere_said_how(monkeypatch):
    for installed in (True, False):
        monkeypatch.setattr(projection, "has_umap", partial(bool, installed))
        choice = opened("Map", images="few").radio(key="map_projection")
        assert ("UMAP" in choice.options) == installed
        assert ("pip install umap-learn" in choice.help) != installed


def test_another_model_of_the_same_images_has_the_same_ones_selected():
    app = sevens(opened("Map", images="few"))
    before = selected(app)
    move(app, "selectbox", "checkpoint", "second")
    assert np.array_equal(selected(app), before)


def test_a_link_opens_with_what_was_selected_and_one_of_other_images_without():
    text = Selection.of("mine", "typed numbers", "", [3, 8]).to_link()
    assert "selected" not in opened("Map", images="few", selected=text).query_params  # it does not say of which images
    own = parameter(sevens(opened("Map", images="few")), "selected")
    assert np.array_equal(selected(opened("Map", images="few", selected=own)), Selection.from_link(own).rows)
    assert "selected" not in opened("Map", images="few", selected=own[:-3]).query_params


def test_a_box_in_an_old_link_is_still_selected(space):
    places = Plane.of(space.z).project(space.z)
    (left, bottom), (right, top) = np.quantile(places, (0.3, 0.6), axis=0)
    x, y = places.T
    rows = np.flatnonzero((x >= left) & (x <= right) & (y >= bottom) & (y <= top))
    app = opened("Map", images="few", map_box=f"PCA {space.checkpoint.sha256[:8]},{left},{bottom},{right},{top}")
    assert np.array_equal(selected(app), rows)
    assert 0 < len(rows) < N


def test_a_selection_is_kept_with_its_images_and_is_a_direction(space):
    app = found(opened("Map", images="few"), "number", map_find_numbers=("text_input", "1, 5"))
    healthy(app.button(key="map_selection_keep").click().run())
    (kept,) = app.session_state["latent"].shelves[space.checkpoint.sha256]
    assert kept.selection.rows.tolist() == [1, 5]
    assert np.allclose(kept.vector, space.z[[1, 5]].mean(axis=0), atol=1e-6)
    app = sevens(app)
    healthy(app.button(key="map_selection_direction").click().run())
    assert app.header[0].value == "Directions"
    move(app, "selectbox", "directions_from_selection", "2 numbered")
    expected = space.z[space.labels == 7].mean(axis=0) - space.z[[1, 5]].mean(axis=0)
    (strip,) = (part for key, part in parts(app, "strip").items() if key == "directions_walk")
    assert np.allclose(strip["rows"][0]["line"]["direction"], expected, atol=1e-5)


def test_a_selection_as_csv_has_the_numbers_and_classes_of_its_images(space):
    selection = Selection.of("some", "typed numbers", space.dataset.sha256, [2, 61])
    rows = list(csv.DictReader(io.StringIO(selection_csv(space, selection))))
    assert [(row["image"], row["class"]) for row in rows] == [(str(i), str(space.labels[i])) for i in (2, 61)]
    with np.load(io.BytesIO(selection_npz(space, selection))) as file:
        assert np.array_equal(file["z"], space.z[[2, 61]])
        assert file["images"].tolist() == [2, 61]


def test_the_map_as_csv_has_the_classes_by_the_same_names_as_the_selection():
    app = found(opened("Map", images="own_classes"), "number", map_find_numbers=("text_input", "2"))
    text = app.session_state["latent"].downloads["CSV"]()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["class"] for row in rows[:3]] == ["round", "straight", "round"]
    assert [row["image"] for row in rows if row["selected"] == "True"] == ["2"]


def test_compare_runs_shows_the_selection_and_whose_neighbours_changed(space):
    app = found(opened("Map", images="few"), "number", map_find_numbers=("text_input", "10-24"))
    healthy(app.button(key="map_selection_compare").click().run())
    assert app.header[0].value == "Compare runs"
    assert app.selectbox(key="runs_digits").value == "selection"
    maps = parts(app, "map")
    assert {"runs_map_A", "runs_map_B"} == set(maps)
    assert len({each["selected"] for each in maps.values()}) == 1
    names = parts(app, "grid")["runs_most_changed"]["names"]
    assert {int(name.partition("image ")[2].partition(":")[0]) for name in names} <= set(range(10, 25))
    app = opened("Compare runs", images="few", runs_image="17")
    assert any("image 17" in element.value for element in app.markdown)
    assert parameter(app, "runs_image") == "17"
    kept, lost, gained = (set(each["numbers"]) for each in parts(app, "map")["runs_map_A"]["lines"])
    assert kept.isdisjoint(lost | gained)
    assert len(kept) + len(lost) == len(kept) + len(gained) == 10


def test_what_a_link_has_no_room_for_is_named_to_who_opens_it():
    app = opened("Map", images="few", left_out="my <b>big</b> one")
    assert any(element.value == "my <b>big</b> one" for element in app.sidebar.text)
    assert "left_out" not in app.query_params


@pytest.mark.parametrize("name", ["t-SNE", "UMAP"])
def test_a_map_that_takes_long_is_seen_while_it_grows_and_then_with_all_beside_it(monkeypatch, name):
    go_on = threading.Event()
    last = np.random.default_rng(0).standard_normal((N, 2)).astype(np.float32)

    def tsne(z, progress):
        progress(0.25, -last)
        assert go_on.wait(60)
        return last

    monkeypatch.setattr(projection, "tsne", tsne)
    monkeypatch.setattr(projection, "umap", lambda z: tsne(z, lambda share, places: None))
    monkeypatch.setattr(projection, "has_umap", lambda: True)
    monkeypatch.setattr(code_map, "FEW", N - 1)
    app = opened("Map", images="few", map_projection=name)
    assert set(parts(app, "map")) == {"map_growing"}
    if name == "UMAP":  # which does not say how far it is
        assert any("s so far" in each.value for each in app.text)
    assert not app.subheader
    go_on.set()
    for thread in threading.enumerate():
        if thread.name == "growing map":
            thread.join(30)
    app.run()
    assert set(parts(healthy(app), "map")) == {"map"}
    assert any("test image 0" in element.value for element in app.subheader)
