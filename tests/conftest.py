"""What tests share: a tiny seeded model, and real data in torchvision's layout made from the shipped digits."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import struct
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from latent import checkpoint, data
from latent.checkpoint import Checkpoint
from latent.evidence import Evidence
from latent.model import AutoencoderConfig
from latent.space import LatentSpace
from latent.train import initial_model

settings.register_profile("steady", deadline=None)  # a busy machine is no failure
settings.load_profile("steady")

ROOT = Path(__file__).parents[1]
CHECKPOINTS = ROOT / "checkpoints"


def tiny(kind="ae", latent_dim=2, image_shape=(1, 28, 28), seed=0) -> Checkpoint:
    """A finished checkpoint of a tiny untrained network."""
    config = AutoencoderConfig(kind, latent_dim, image_shape, width=4, hidden=16)
    state = initial_model(config, seed).state_dict()
    history = [{"epoch": 1, "train_loss": 0.2, "test_loss": 0.1, "test_mse": 0.1, "seconds": 1.5}]
    recipe = {"kind": kind, "latent_dim": latent_dim, "dataset": "MNIST", "epochs": 1}
    return Checkpoint(config, state, history, scores={"test_mse": 0.1}, recipe=recipe)


@pytest.fixture
def tiny_file(tmp_path) -> Path:
    path = tmp_path / "tiny.pt"
    checkpoint.save(path, tiny())
    return path


@pytest.fixture
def tiny_space(tiny_file) -> LatentSpace:
    return LatentSpace.open(tiny_file)


@pytest.fixture(scope="session")
def space() -> LatentSpace:
    """The default shipped checkpoint."""
    return LatentSpace.open(CHECKPOINTS / "ae-16.pt")


@pytest.fixture(scope="session")
def evidence(space) -> Evidence:
    """What is measured of it: each part once for all tests."""
    return Evidence(space)


@pytest.fixture(scope="session")
def fashion_folder(tmp_path_factory) -> Path:
    """A folder with FashionMNIST's four files that hold some of the shipped digits: no network is needed."""
    folder = tmp_path_factory.mktemp("data")
    raw = folder / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    images, labels = data.evaluation_digits()
    for name, part in (("train", slice(0, 6000)), ("t10k", slice(6000, 7000))):
        x, y = images[part], labels[part]
        (raw / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, len(x), 28, 28) + x.tobytes())
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, len(y)) + y.tobytes())
    return folder


@pytest.fixture(autouse=True)
def deterministic_threads():
    """One thread, so that sums are added in the same order everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
