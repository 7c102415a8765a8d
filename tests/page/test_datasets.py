"""The page on images of one's own: any size, colour, classes or none, few or many."""

import io
import json
import re
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import streamlit as st
from PIL import Image

from latent import checkpoint, dataset, report, train
from latent.measure.evidence import Evidence
from latent.page import datasets
from latent.page.panels.model_file import notes_on_images
from latent.space import LatentSpace
from tests.support.exhaustive import few_of
from tests.support.models import CHECKPOINTS, ROOT, tiny
from tests.support.page import SECTIONS, facts, move, opened, own_folders, parts, sheets, shown

XRAYS = ROOT.parent / "shared" / "images" / "pneumonia.npz"
SHAPE = (3, 10, 6)  # of the images of these tests: channels, height, width
CLASSES = ("cat", "dog")
TECHNICAL = ("key", "id:", "element_id", "options", "At most 10,000 images are used")  # lines that nobody reads, or may


def some(n, labels=None, classes=(), shape=SHAPE):
    """Made images, bright in one half or the other by their class."""
    random = np.random.default_rng(0)
    images = random.integers(0, 80, (n, *shape[1:], shape[0]), np.uint8)
    for image, label in zip(images, np.zeros(n, int) if labels is None else labels):
        image[: shape[1] // 2 if label % 2 else None] += np.uint8(20 * (label % 7) + 20)
    images = images if shape[0] > 1 else images[..., 0]
    return (
        {"images": images}
        | ({} if labels is None else {"labels": np.array(labels)})
        | ({"classes": np.array(classes)} if classes else {})
    )


SETS = {
    "pets": some(60, np.arange(60) % 2, CLASSES),
    "plain": some(40),
    "hundred": some(600, np.arange(600) % 100, [f"kind {index}" for index in range(100)]),
    "one-each": some(4, np.arange(4), list("abcd")),
    "single": some(1),
    "wide": some(30, np.arange(30) % 2, CLASSES, (1, 6, 14)),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def folders(tmp_path_factory):
    """A folder of data sets, one of models, and a store of these tests' own."""
    base = tmp_path_factory.mktemp("own images")
    (base / "images").mkdir()
    (base / "models").mkdir()
    for name, arrays in SETS.items():
        np.savez(base / "images" / f"{name}.npz", **arrays)
    checkpoint.save(base / "models" / "mnist.pt", tiny())
    mine = tiny(latent_dim=3, image_shape=SHAPE)
    mine.recipe["dataset"] = "pets"
    checkpoint.save(base / "models" / "mine.pt", mine)
    with own_folders(base):
        yield base


def texts(app):
    """All that the page says, as one text, without the lines of Python."""
    found = []
    for element in (*app.main, *app.sidebar):
        proto = getattr(element, "proto", None)
        if proto is not None and "language" not in str(proto):
            found.append(str(proto))
    found += [json.dumps(part) for kind in ("map", "grid", "strip", "live") for part in parts(app, kind).values()]
    return "\n".join(found)


def lines_of_digits(text):
    """The lines that speak of the images that ship, of their number or of their classes."""
    read = [line for line in text.splitlines() if not any(word in line for word in TECHNICAL)]
    return [line for line in read if re.search(r"digits?\b|10,000|\bten classes|MNIST", line)]


def test_the_picker_offers_what_ships_and_what_is_in_the_folder():
    app = opened("Model", checkpoint="mnist")
    assert app.selectbox(key="images").options == ["MNIST", *sorted(SETS)]
    assert app.selectbox(key="images").value == "MNIST"


def test_a_model_chooses_the_images_that_its_file_names_and_the_next_one_those_that_ship():
    app = opened("Model", checkpoint="mine")
    assert app.selectbox(key="images").value == "pets"
    app = move(app, "selectbox", "checkpoint", "mnist")
    assert app.selectbox(key="images").value == "MNIST"
    app = move(app, "selectbox", "images", "wide")
    assert app.selectbox(key="images").value == "wide"
    assert "resized from 6 × 14 to 28 × 28" in texts(app)


def test_what_large_images_take_of_the_servers_memory_is_said():
    def notes(n):
        images = dataset.Dataset.of(np.full((n, 128, 128, 3), (9, 0, 0), np.uint8))
        return " ".join(notes_on_images(LatentSpace.of("large", tiny(image_shape=(3, 128, 128)), images)))

    assert notes(2100) == "The images in use take 103 MB of the server's memory."
    assert notes(100) == ""


def test_a_link_says_which_images():
    assert opened("Model", checkpoint="mine", images="plain").selectbox(key="images").value == "plain"
    app = opened("Model", checkpoint="mine", images="gone")
    assert any("Linked images not found" in each.value for each in app.warning)
    assert not app.error


def test_a_model_that_is_worse_than_the_mean_image_says_so_first():
    app = opened("Overview", checkpoint="mnist", images="plain")
    assert "for the mean image" in app.warning[0].value
    assert "its own images" in app.warning[0].value
    shipped = opened("Overview", checkpoint="mine", images="MNIST")
    assert shipped.warning  # an untrained model is worse on any images


@pytest.mark.parametrize("section", SECTIONS)
def test_no_section_speaks_of_digits_or_of_ten_classes(section):
    app = opened(section, checkpoint="mine")
    assert not app.error
    assert lines_of_digits(texts(app)) == []


@pytest.mark.parametrize("images", few_of(["plain", "hundred", "one-each", "single", "wide"], ["plain", "single"]))
@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_is_there_or_says_what_it_lacks(section, images):
    app = opened(section, checkpoint="mine", images=images)
    assert app.header[0].value == section
    said = [each.value for each in (*app.info, *app.error, *app.text, *app.main.markdown)]
    assert shown(app) or any(text.endswith(".") for text in said)


def test_classes_are_called_by_their_names():
    app = opened("Arithmetic", checkpoint="mine")
    picker = app.selectbox(key="arithmetic_a_mean_of")
    assert picker.options == list(CLASSES)
    assert "mean of class dog" in texts(move(app, "selectbox", "arithmetic_a_mean_of", 1))


def test_without_classes_no_control_asks_for_one():
    app = opened("Arithmetic", checkpoint="mine", images="plain")
    assert "class mean" not in app.selectbox(key="arithmetic_a_source").options
    assert not [each for each in opened("Real vs generated", checkpoint="mine", images="plain").selectbox
                if each.key == "compare_digit"]  # fmt: skip
    assert "class" not in opened("Map", checkpoint="mine", images="plain").selectbox(key="map_colour").options


def test_without_classes_an_image_is_chosen_by_the_number_in_its_name():
    app = opened("Dimensions", checkpoint="mine", images="plain", dimensions_source="test image")
    assert app.number_input(key="dimensions_which").label == "Image"
    app = move(app, "number_input", "dimensions_which", 4)
    assert "Other dimensions as in image 4." in texts(app)
    assert "Other dimensions as in image 0." in texts(move(app, "number_input", "dimensions_which", 0))


def test_within_a_class_an_image_is_chosen_by_its_position():
    app = opened("Dimensions", checkpoint="mine", dimensions_source="test image", dimensions_digit="dog")
    assert app.number_input(key="dimensions_which").label == "Position"
    app = move(app, "number_input", "dimensions_which", 2)
    assert "Other dimensions as in class dog, image 3." in texts(app)  # cat, dog, cat, dog


def test_pictures_are_in_colour_and_of_their_own_shape():
    app = opened("Model", checkpoint="mine")
    sheet = sheets(app)["model_grid"]
    content = sheet["src"].partition("base64,")[2]
    image = Image.open(io.BytesIO(__import__("base64").b64decode(content)))
    assert image.mode == "RGBA"
    assert np.ptp(np.asarray(image, int)[..., :3], axis=-1).max() > 0
    left, top, right, bottom = sheet["boxes"][0]
    assert (bottom - top) / (right - left) == pytest.approx(10 / 6)


def test_the_facts_are_of_the_images_in_use():
    pets, wide = (facts(opened("Model", checkpoint="mine", images=images))["Test MSE"] for images in ("pets", "wide"))
    assert pets != wide


class Uploaded(io.BytesIO):
    """A file as the uploader hands it over."""

    def __init__(self, name, content):
        super().__init__(content)
        self.name, self.size = name, len(content)


@pytest.fixture
def session(monkeypatch):
    """A session in which a file can be dropped on the opener."""
    kept = {}
    monkeypatch.setattr(st, "session_state", kept)

    def drop(name, content):
        kept["upload_images"] = Uploaded(name, content)
        datasets.take_images()
        return datasets.state()

    return drop


def zipped(images):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for row, image in enumerate(images):
            content = io.BytesIO()
            Image.fromarray(image).save(content, "PNG")
            archive.writestr(f"{CLASSES[row % 2]}/{row}.png", content.getvalue())
    return buffer.getvalue()


def test_a_zip_of_pictures_can_be_dropped_in_and_the_same_one_is_there_once(session):
    content = zipped(SETS["pets"]["images"][:8])
    opened_now = session("pets & more.zip", content)
    assert list(opened_now.sets) == ["pets & more.zip (uploaded)"]
    images = opened_now.sets["pets & more.zip (uploaded)"]
    assert (images.classes, len(images), images.image_shape) == (CLASSES, 8, SHAPE)
    assert list(session("other name.zip", content).sets) == ["pets & more.zip (uploaded)"]
    assert len(session("pets & more.zip", zipped(SETS["pets"]["images"][8:16])).sets) == 2


@pytest.mark.parametrize("content", [b"", b"no images", zipped([])], ids=["empty", "text", "empty-zip"])
def test_what_holds_no_images_is_refused_by_a_sentence(session, content):
    after = session("mine.zip", content)
    assert not after.sets
    assert after.mistake.endswith(".")


def test_a_folder_of_pictures_is_a_data_set_itself(tmp_path, monkeypatch, session):
    folder = tmp_path / "holiday"
    folder.mkdir()
    for row in range(3):
        Image.fromarray(SETS["pets"]["images"][row]).save(folder / f"{row}.png")
    monkeypatch.setenv("LATENT_IMAGES", str(folder))
    assert datasets.offered_sets() == {"holiday": folder}
    assert len(dataset.read(folder)) == 3


def test_without_a_folder_only_what_ships_is_offered(monkeypatch, tmp_path, session):
    monkeypatch.setenv("LATENT_IMAGES", str(tmp_path / "absent"))
    assert datasets.offered_sets() == {}


def test_the_shipped_models_open_on_what_ships(monkeypatch):
    monkeypatch.setenv("LATENT_CHECKPOINTS", str(CHECKPOINTS))
    assert opened("Model", checkpoint="ae-2").selectbox(key="images").value == "MNIST"


def test_a_model_that_holds_its_images_is_evaluated_on_them(folders):
    """Two of them, whose images have the same name, and then one that holds none."""
    for seed, n in ((0, 20), (1, 30)):
        held = dataset.Dataset.of(**some(n, np.arange(n) % 2, CLASSES), name="images of mine")
        saved = replace(tiny(latent_dim=3, image_shape=SHAPE, seed=seed), images=held)
        checkpoint.save(folders / "models" / f"holds{n}.pt", saved)
    app = opened(checkpoint="holds20")
    assert app.session_state["images"] == "images of mine"
    assert facts(app)["Data set"] == "MNIST"  # which it was trained on
    move(app, "selectbox", "checkpoint", "holds30")
    assert app.session_state["images"] == "images of mine (2)"
    move(app, "selectbox", "checkpoint", "mnist")
    assert app.session_state["images"] == "MNIST"
    for n in (20, 30):
        (folders / "models" / f"holds{n}.pt").unlink()


@pytest.fixture(scope="class")
def model_of_xrays(folders):
    shutil.copy(XRAYS, folders / "images")
    options = ["--data", XRAYS, "--epochs", 20, "--width", 8, "--hidden", 64, "--device", "cpu"]
    out = folders / "models" / "xrays.pt"
    assert train.main([*map(str, options), "--out", str(out)]) == 0
    yield out
    out.unlink()


@pytest.mark.exhaustive
@pytest.mark.skipif(not XRAYS.exists(), reason="the X-rays are not beside this checkout")
@pytest.mark.usefixtures("model_of_xrays")
class TestXrays:
    """Two commands lead from a file of images to a page and a report that explain their model, and not digits."""

    @pytest.mark.parametrize("section", SECTIONS)
    def test_every_section_is_complete_or_says_what_it_lacks(self, section):
        app = opened(section, checkpoint="xrays")
        assert not app.error
        assert shown(app) or app.info
        assert lines_of_digits(texts(app)) == []

    def test_the_report_speaks_of_these_images(self, model_of_xrays):
        evidence = Evidence.of(LatentSpace.open(model_of_xrays, XRAYS))
        for _ in report.gather(evidence):
            pass
        page = report.page(evidence)
        assert "a reference classifier (" in page
        assert "pneumonia" in page
        assert lines_of_digits(page) == []
