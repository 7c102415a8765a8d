"""Weights of networks that were trained on other images than digits, read by images of that kind."""

import numpy as np
import pytest
import torch

from latent import checkpoint, dataset
from latent.foreign.search import Examples
from latent.space import LatentSpace
from tests.support.exhaustive import few_of
from tests.support.model_files import saved
from tests.support.models import ROOT

FOREIGN = ROOT.parent / "shared" / "foreign_checkpoints"
NAMES = ("btcvae_dsprites", "VAE_celeba")


@pytest.mark.skipif(not FOREIGN.is_dir(), reason="the foreign checkpoints are not beside this checkout")
@pytest.mark.parametrize("name", few_of(NAMES, ["VAE_celeba"]))
def test_a_network_of_other_images_is_read_as_its_author_runs_it(name):
    path = FOREIGN / f"YannDubs__disentangling-vae__{name}_model.pt"
    space = LatentSpace.open(path, path.with_name(f"{path.name}.images.npz"))
    with np.load(FOREIGN / "functions" / f"{path.name}.npz") as known:
        codes, pictures = known["codes"], known["pictures"]
    difference = np.square(space.decode(codes) - pictures).mean()
    assert difference < 0.01 * pictures.var()
    assert space.errors.mean() < 0.1 * (space.images / 255).var(axis=0).mean()


def test_examples_are_spread_over_a_set_and_labels_count_where_a_model_knows_as_many_classes():
    images = np.arange(1200, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    ten = dataset.Dataset.of(images, np.arange(1200) % 10)
    spread = Examples.of(ten)
    assert len(spread.images) == 500
    assert np.ptp(np.flatnonzero(np.isin(np.arange(1200), np.linspace(0, 1199, 500).astype(int)))) == 1199
    assert set(spread.labels.tolist()) == set(range(10))
    fifty = Examples.of(dataset.Dataset.of(images, np.arange(1200) % 50))
    assert np.array_equal(fifty.told(50).argmax(1), fifty.labels)
    assert fifty.told(10).shape == (500, 10)
    assert not fifty.told(10).argmax(1).any()
    assert not Examples.of(dataset.Dataset.of(images)).told(10).argmax(1).any()


def test_the_set_that_ships_is_what_readings_are_judged_by_at_first(tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(checkpoint.search, "read", lambda *arguments: given.append(arguments[3]) or [])
    for images in (None, dataset.shipped(), dataset.shipped().select(np.arange(50))):
        checkpoint.parse(saved({"fc.weight": torch.zeros(4, 784)}), "mine.pt", images)
    assert [each is None for each in given] == [True, True, False]


def onnx_that_draws(value):
    """An autoencoder whose file does not tell the scale of its pixels, and which draws this value everywhere."""
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    weights = {
        "in": np.full((784, 2), 0.01, np.float32), "out": np.zeros((2, 784), np.float32),
        "bias": np.full(784, value, np.float32),
    }  # fmt: skip
    nodes = [helper.make_node("MatMul", ["x", "in"], ["z"]), helper.make_node("Gemm", ["z", "out", "bias"], ["y"])]
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", 784]) for name in "xy"]
    tensors = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString()


def test_the_scale_of_pixels_that_a_file_does_not_tell_is_judged_by_the_images_in_use():
    content = onnx_that_draws(100)
    white = dataset.Dataset.of(np.full((30, 28, 28), 255, np.uint8))
    dark, bright = (checkpoint.parse(content, "mine.onnx", images).described for images in (None, white))
    assert (dark.pixels_out, bright.pixels_out) == ("[0, 255]", "[0, 1]")
