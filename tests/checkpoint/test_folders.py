"""Folders as other libraries write them: one model is offered of each, and what lies beside it is used."""

import json
import pickle

import pytest
import torch
from torch import Tensor, nn

from latent import checkpoint
from latent.checkpoint.pythae import Config
from latent.data import evaluation_digits
from latent.errors import CheckpointError
from latent.foreign.certainty import Level
from latent.likelihood import Bernoulli


def components(latent_dim: int = 16) -> dict[str, Tensor]:
    """The principal components of digits under the names of pythae's own layers."""
    digits = torch.from_numpy(evaluation_digits()[0][:1000]).flatten(1) / 255
    mean = digits.mean(0)
    axes = torch.linalg.svd(digits - mean, full_matrices=False).Vh[:latent_dim]
    return {
        "encoder.embedding.weight": axes, "encoder.embedding.bias": -axes @ mean,
        "decoder.layers.0.0.weight": axes.T.contiguous(), "decoder.layers.0.0.bias": mean,
    }  # fmt: skip


@pytest.fixture
def pythae(tmp_path):
    """What pythae's `save` writes of a model with an encoder and a decoder of its owner."""
    folder = tmp_path / "AE_training_2024" / "final_model"
    folder.mkdir(parents=True)
    torch.save({"model_state_dict": components()}, folder / "model.pt")
    config = {"name": "AEConfig", "input_dim": [1, 28, 28], "latent_dim": 16, "uses_default_encoder": False}
    (folder / "model_config.json").write_text(json.dumps(config))
    (folder / "environment.json").write_text(json.dumps({"name": "EnvironmentConfig", "python_version": "3.11"}))
    for name in ("encoder.pkl", "decoder.pkl"):
        (folder / name).write_bytes(pickle.dumps({"weight": [1.0]}))
    torch.save({"state": {}, "param_groups": []}, folder / "optimizer.pt")
    return folder


def change(folder, **values) -> None:
    path = folder / "model_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_the_likelihood_is_known_where_the_configuration_says_binary_cross_entropy_of_a_plain_vae(pythae):
    sizes = {"input_dim": [1, 28, 28], "latent_dim": 16}
    for name, loss in (("VAE", "mse"), ("VAE", None), ("BetaVAE", "bce"), ("AE", "bce")):
        config = {"name": f"{name}Config", **sizes, "reconstruction_loss": loss}
        assert Config.parse(json.dumps(config).encode(), "model_config.json").likelihood is None
    change(pythae, name="VAEConfig", reconstruction_loss="bce")
    assert checkpoint.load(pythae / "model.pt").likelihood == Bernoulli()


def test_a_folder_of_pythae_is_offered_as_one_model(pythae):
    for folder in (pythae, pythae.parent, pythae.parent.parent):
        assert checkpoint.find(folder) == [pythae / "model.pt"]


def test_what_its_configuration_says_is_used(pythae):
    loaded = checkpoint.load(pythae / "model.pt")
    assert "of pythae (AE, images of 1 × 28 × 28, 16 latent dimensions)" in loaded.container
    assert loaded.certainty.level == Level.CERTAIN
    before = checkpoint.stamp(pythae / "model.pt")
    for values, words in (
        ({"latent_dim": 8}, "says AE, images of 1 × 28 × 28, 8 latent dimensions, while its weights seem to be of"),
        ({"latent_dim": 16, "name": "SVAEConfig"}, "says SVAE, which puts its codes onto a sphere"),
    ):
        change(pythae, **values)
        doubted = checkpoint.load(pythae / "model.pt").certainty
        assert doubted.level != Level.CERTAIN
        assert words in doubted.reasons()[0]
    assert checkpoint.stamp(pythae / "model.pt") != before


@pytest.mark.parametrize("content", [b"", b"[]", b'{"name": "AEConfig"}', b"[" * 100_000, b"\xff"])
def test_a_configuration_that_is_damaged_is_refused_in_one_sentence(content, pythae):
    (pythae / "model_config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model_config\.json, which lies beside the model, is not a config"):
        checkpoint.load(pythae / "model.pt")


def test_a_run_of_lightning_is_listed_and_opened(tmp_path):
    folder = tmp_path / "lightning_logs" / "version_0" / "checkpoints"
    folder.mkdir(parents=True)
    path = folder / "epoch=9-step=1000.ckpt"
    state = {f"model.{name}": tensor for name, tensor in components().items()}
    torch.save({"state_dict": state, "epoch": 9, "pytorch-lightning_version": "2.5", "optimizer_states": []}, path)
    (folder.parent / "hparams.yaml").write_text("latent_dim: 16\n")
    (folder.parent / "metrics.csv").write_text("epoch,loss\n9,0.1\n")
    assert checkpoint.find(tmp_path) == [path]
    assert checkpoint.load(path).model().signature.latent_dim == 16


def test_folders_are_gone_through_to_a_depth_and_a_number(tmp_path, monkeypatch):
    deep = tmp_path.joinpath(*"abcde")
    deep.mkdir(parents=True)
    for folder in (deep, deep.parent):
        torch.save(nn.Linear(2, 2).state_dict(), folder / "a.pt")
    assert checkpoint.find(tmp_path) == [deep.parent / "a.pt"]
    monkeypatch.setattr(checkpoint, "MOST_FOLDERS", 2)
    assert checkpoint.find(tmp_path) == []
