"""The class that a conditional model is asked for, of as many as it knows."""

import numpy as np
import pytest

from latent import checkpoint
from latent.dataset import Dataset
from latent.exporting import exported
from tests.support.page import move, opened, own_folders, sheets
from tests.support.told import built

KINDS = ("cat", "dog", "owl")


@pytest.fixture
def own(tmp_path):
    """A model of three classes with its images in its file, and a folder of images of two classes."""
    for name in ("models", "images"):
        (tmp_path / name).mkdir()
    images, labels = np.random.default_rng(0).integers(0, 256, (60, 28, 28), np.uint8), np.arange(60) % 3
    module, judged = built(3, "one-hot"), Dataset.of(images, labels, KINDS, name="animals")
    checkpoint.save(
        tmp_path / "models" / "told.pt", exported(module.encode, module.decode, judged, (0, 1), None, "one-hot")
    )
    np.savez(tmp_path / "images" / "two.npz", images=images[:40], labels=labels[:40] % 2)
    with own_folders(tmp_path):
        yield


def test_the_picker_offers_the_classes_of_the_models_own_images(own):
    app = opened("Generate", checkpoint="told")
    picker = app.selectbox(key="digit")
    assert (picker.options, picker.value) == (list(KINDS), 2)
    before = sheets(app)
    assert sheets(move(app, "selectbox", "digit", 0)) != before
    assert opened("Generate", checkpoint="told", digit="dog").selectbox(key="digit").value == 1


def test_images_of_another_number_of_classes_leave_the_numbers_of_the_model(own):
    app = opened("Generate", checkpoint="told", images="two")
    assert app.selectbox(key="digit").options == ["0", "1", "2"]
    assert not app.error
