"""A network in memory as a model file: it gives what the network's own functions give, or is not written."""

import json

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from latent import checkpoint, export, exporting, notebook
from latent.checkpoint.__main__ import main
from latent.dataset import Dataset
from latent.errors import CheckpointError, ExportError
from latent.space import LatentSpace
from tests.support.unusual import NETWORKS, mean_of, network

ALLOWED = 1e-5
SCALED = {"colour": (-1, 1), "tiny": (-1, 1), "KL": (-1, 1)}


def images_for(module: nn.Module, n: int = 12) -> np.ndarray:
    channels, height, width = module.image
    shape = (n, height, width) if channels == 1 else (n, height, width, channels)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_file_gives_what_the_network_gives(name, tmp_path):
    module = network(name)
    images, labels = images_for(module, 20), np.arange(20) % 10
    conditional = {"condition": "index"} if name == "conditional" else {}
    scale = SCALED.get(name, (0, 1))
    export(
        tmp_path / "mine.pt", module.encode, module.decode, images, labels, list("abcdefghij"), pixels=scale,
        **conditional,
    )  # fmt: skip
    space = LatentSpace.open(tmp_path / "mine.pt")
    assert np.array_equal(space.dataset.images, images)
    assert space.classes == tuple("abcdefghij")
    x = torch.from_numpy(images).float() / 255
    x = (x[:, None] if x.ndim == 3 else x.movedim(-1, 1)) * (scale[1] - scale[0]) + scale[0]
    given = (torch.from_numpy(labels),) if conditional else ()
    with torch.inference_mode():
        z = mean_of(module.encode(x, *given))
        y = (module.decode(z, *given) - scale[0]) / (scale[1] - scale[0])
    right = y[:, 0].numpy() if y.shape[1] == 1 else y.movedim(1, -1).numpy()
    assert np.abs(space.z - z.flatten(1).numpy()).max() <= ALLOWED
    assert np.abs(space.decode(space.z, labels) - right.clip(0, 1)).max() <= ALLOWED
    assert space.signature.kind == ("vae" if name in ("dense VAE", "KL") else "ae")


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return nn.Linear(16, 3), nn.Sequential(nn.Linear(3, 16), nn.Sigmoid())


SMALL = np.random.default_rng(1).integers(0, 256, (5, 4, 4), np.uint8)


def test_functions_that_take_flat_images_are_given_flat_images(small, tmp_path):
    """Modules, and functions around them; in training mode, which they are left in."""
    encoder, decoder = small
    dropping = nn.Sequential(nn.Dropout(0.5), encoder).train()
    space = export(tmp_path / "a.pt", lambda x: dropping(2 * x), decoder, SMALL)
    with torch.inference_mode():
        z = encoder(2 * torch.from_numpy(SMALL).float().flatten(1) / 255)
    assert np.abs(space.z - z.numpy()).max() <= ALLOWED
    assert dropping.training
    assert dropping[0].training


def test_a_network_in_memory_is_explored_without_a_file(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    space = notebook.explore(*small, SMALL, np.arange(5) % 2, ["even", "odd"])
    assert notebook.current_space() is space
    assert space.classes == ("even", "odd")
    assert (space.z.shape, notebook.explore_dimension(0, n_steps=3).shape) == ((5, 3), (3, 4, 4))
    assert not any(tmp_path.iterdir())


def test_the_noise_of_a_sampled_code_is_its_mean(small):
    """The difference to the mean is that of the mean itself, whichever way the noise is drawn."""
    encoder, decoder = small
    with torch.inference_mode():
        mu = encoder(torch.from_numpy(SMALL).float().flatten(1) / 255)
    for noise in (torch.randn_like, lambda m: torch.randn(m.shape), lambda m: torch.empty_like(m).normal_(),
                  lambda m: torch.distributions.Normal(0 * m, 1 + 0 * m).rsample()):  # fmt: skip
        space = notebook.explore(lambda x, noise=noise: encoder(x) + noise(encoder(x)), decoder, SMALL)
        assert np.abs(space.z - mu.numpy()).max() <= ALLOWED
        assert space.signature.kind == "vae"


def test_without_its_images_a_file_says_which_they_were(small, tmp_path):
    judged = Dataset.of(SMALL, name="tiles")
    export(tmp_path / "a.pt", *small, judged, keep_images=False)
    loaded = checkpoint.load(tmp_path / "a.pt")
    assert loaded.images is None
    assert any("tiles" in each and judged.sha256 in each for each in loaded.described.halves.remarks)


class Unsteady(nn.Module):
    """Gives something else each time."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x[:, :3] + self.calls


def cube(x: Tensor) -> Tensor:
    return torch.special.bessel_j0(x)[:, :3]


def branch(x: Tensor) -> Tensor:
    return x[:, :3] if x.sum() > 0 else x[:, 3:6]


REFUSED = {
    "an operation outside the table": (cube, {}, r"encode needs the operation aten\.special_bessel_j0.*\(node .*\)"),
    "a branch by what the image shows": (branch, {}, "encode cannot be traced"),
    "another result each time": (Unsteady(), {}, "would not give what encode gives: .* apart"),
    "no tensor": (lambda x: "code", {}, "encode must give a tensor"),
    "one code for all": (lambda x: x.mean(0), {}, "one result per image"),
    "places in a codebook": (lambda x: x.argmax(1, keepdim=True), {}, "not places in a codebook"),
    "images of another size": (lambda x: x[:, :16] @ torch.ones(5, 3), {}, "encode cannot take"),
    "a scale that is none": (nn.Identity(), {"pixels": (3, 4)}, r"pixels must be one of \[0, 1\], \[-1, 1\]"),
    "a class without classes": (nn.Identity(), {"condition": "index"}, "needs images of 2 to 1,000 classes, got 0"),
    "half precision": (nn.Linear(16, 3).half(), {}, "computes in float16"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_exported_is_refused_in_one_sentence_and_not_written(name, small, tmp_path):
    encode, choices, words = REFUSED[name]
    with pytest.raises(ExportError, match=words) as caught:
        export(tmp_path / "a.pt", encode, small[1], SMALL, **choices)
    assert "\n" not in str(caught.value)
    assert not any(tmp_path.iterdir())


def test_the_operation_that_differs_is_named(small, tmp_path, monkeypatch):
    """As it would be if the table computed it wrongly."""
    from latent.foreign import node_operations

    wrong = node_operations.Operation("sigmoid", lambda x: torch.sigmoid(x) + 0.01)
    monkeypatch.setitem(node_operations.OPERATIONS, "sigmoid", wrong)
    with pytest.raises(ExportError, match=r"what decode gives: 0\.01 apart, first at the operation sigmoid \(node "):
        export(tmp_path / "a.pt", *small, SMALL)


def test_pixels_outside_of_the_scale_are_spoken_of(small):
    space = notebook.explore(small[0], small[1][0], SMALL)
    assert any("lie outside of [0, 1]" in each for each in space.checkpoint.described.halves.remarks)


def test_images_that_take_too_much_room_are_thinned_out(small, tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "MOST_BYTES", 3 * SMALL[0].nbytes)
    space = export(tmp_path / "a.pt", *small, SMALL)
    assert np.array_equal(space.dataset.images, SMALL[[0, 2, 4]])
    assert LatentSpace.open(tmp_path / "a.pt").dataset.note.startswith("3 of 5 images are in the file")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("pixels", torch.rand(5, 4, 4)), ("pixels", "none"), ("labels", torch.tensor([9])), ("classes", ["a", "a"]),
        ("name", 7),
    ],
    ids=["floats", "text", "other labels", "classes without labels", "a number"],
)  # fmt: skip
def test_damaged_images_in_a_file_are_refused_in_one_sentence(part, value, small, tmp_path):
    export(tmp_path / "a.pt", *small, SMALL)
    values = torch.load(tmp_path / "a.pt", weights_only=True)
    values["images"][part] = value
    torch.save(values, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match=r"b\.pt is an incomplete or damaged"):
        checkpoint.load(tmp_path / "b.pt")


def test_a_command_shows_how_the_file_is_run(small, tmp_path, capsys):
    space = export(tmp_path / "a.pt", *small, SMALL)
    assert main([str(tmp_path / "a.pt"), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["latent_dim"], found["image_shape"]) == (3, [1, 4, 4])
    assert found["mse"] == pytest.approx(space.test_error)
    assert any("Compared with its network on 5 images" in each for each in found["reading"]["remarks"])
