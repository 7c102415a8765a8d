"""Weights of networks that were trained on other images than digits, read by images of that kind."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latent import checkpoint, dataset
from latent.foreign.reading import Reading
from latent.foreign.search import Examples
from latent.space import LatentSpace
from tests.support.exhaustive import few_of
from tests.support.model_files import saved
from tests.support.models import ROOT

FOREIGN = ROOT.parent / "shared" / "foreign_checkpoints"
NAMES = ("btcvae_dsprites", "VAE_celeba")


@pytest.mark.skipif(not FOREIGN.is_dir(), reason="the foreign checkpoints are not beside this checkout")
@pytest.mark.parametrize("name", few_of(NAMES, []))
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


class Sized(nn.Module):
    """A dense or a convolutional autoencoder for square images of any side and number of channels."""

    def __init__(self, channels: int, side: int, conv: bool) -> None:
        super().__init__()
        n, ends = channels * side * side, nn.Unflatten(1, (channels, side, side))
        if conv:
            self.encoder = nn.Sequential(
                nn.Conv2d(channels, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.ReLU(), nn.Flatten(),
                nn.Linear(16 * (side // 4) ** 2, 10),
            )  # fmt: skip
            self.decoder = nn.Sequential(
                nn.Linear(10, 16 * (side // 4) ** 2), nn.ReLU(), nn.Unflatten(1, (16, side // 4, side // 4)),
                nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(8, channels, 4, 2, 1), nn.Sigmoid(),
            )  # fmt: skip
        else:
            self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(n, 96), nn.ReLU(), nn.Linear(96, 10))
            self.decoder = nn.Sequential(nn.Linear(10, 96), nn.ReLU(), nn.Linear(96, n), nn.Sigmoid(), ends)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(x))


def discs(channels: int, side: int, n: int = 400) -> np.ndarray:
    """Images (n, side, side[, 3]) of a disc somewhere, each of its own size and brightness in every channel."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side] / side
    places, sizes = random.uniform(0.25, 0.75, (n, 2, 1, 1)), random.uniform(0.1, 0.25, (n, 1, 1))
    inside = np.hypot(x - places[:, 0], y - places[:, 1]) < sizes
    bright = random.integers(80, 256, (n, 1, 1, channels))
    images = (inside[..., None] * bright + 10 * np.arange(channels)).clip(0, 255).astype(np.uint8)
    return images if channels > 1 else images[..., 0]


SIZES = [(1, 8, False), (1, 48, True), (3, 40, False), (3, 48, True), (1, 96, True), (1, 48, False), (3, 16, True)]


@pytest.mark.parametrize("size", few_of(SIZES, [(1, 8, False)]), ids=str)
def test_weights_for_images_of_another_side_are_read_by_images_of_that_side(size):
    channels, side, conv = size
    torch.manual_seed(0)
    network, images = Sized(channels, side, conv), discs(channels, side)
    x = torch.tensor(images).float().div(255)
    x = x[:, None] if channels == 1 else x.movedim(3, 1)
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for _ in range(80):  # trained less, colours of 48 × 48 are drawn better with another activation
        for batch in torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).split(20):
            loss = F.binary_cross_entropy(network(x[batch]), x[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    model = checkpoint.parse(saved(network.state_dict()), "mine.pt", dataset.Dataset.of(images)).model()
    assert model.signature.image_shape == (channels, side, side)
    with torch.inference_mode():
        right = network(x)
        assert (right - x).square().mean() < 0.5 * x.var(dim=0).mean()
        assert (model.decode(model.encode(x)) - right).square().mean() < 0.01 * right.var(dim=0).mean()
    again = Reading.from_dict(model.reading.to_dict(), network.state_dict())
    assert (again.side, again.channels) == (side, channels)


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
