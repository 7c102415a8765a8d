"""What tests share: a tiny seeded model, and real data in torchvision's layout made from the shipped digits."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

from latent import checkpoint, data
from latent.browser import live
from latent.checkpoint import Checkpoint
from latent.measure.evidence import Evidence
from latent.model import AutoencoderConfig
from latent.page.turns import Turns
from latent.snapshots import N_IMAGES, N_PICTURES, Snapshots
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


def settling(latent_dim=2, n_epochs=6, seed=0):
    """A film whose codes draw together by digit and whose pictures grow brighter."""
    images, labels = (part[:N_IMAGES] for part in data.evaluation_digits())
    random = np.random.default_rng(seed)
    ends, starts = random.normal(0, 3, (10, latent_dim))[labels], random.normal(size=(N_IMAGES, latent_dim))
    film = Snapshots.plan(labels, latent_dim, (28, 28))
    for epoch in range(n_epochs):
        share = epoch / (n_epochs - 1)
        film = film.after(epoch, starts + share * (ends - starts), images[:N_PICTURES] / 255 * share)
    return film


def history(n_epochs):
    """The history of a film of so many frames, the first being the untrained network."""
    return [
        {"epoch": epoch, "train_loss": 1 / epoch, "test_loss": 1 / epoch, "test_mse": 1 / epoch, "seconds": 1.0}
        for epoch in range(1, n_epochs)
    ]


def filmed(latent_dim=2) -> Checkpoint:
    """A tiny checkpoint with a film."""
    film = settling(latent_dim)
    return replace(tiny(latent_dim=latent_dim), snapshots=film, history=history(len(film)))


@pytest.fixture
def tiny_file(tmp_path) -> Path:
    path = tmp_path / "tiny.pt"
    checkpoint.save(path, tiny())
    return path


@pytest.fixture
def tiny_space(tiny_file) -> LatentSpace:
    return LatentSpace.open(tiny_file)


@pytest.fixture
def film_page(tmp_path):
    """The page with the film at its end, whatever section shows it, and a checkpoint that has one."""
    checkpoint.save(tmp_path / "filmed.pt", filmed())
    checkpoint.save(tmp_path / "plain.pt", tiny())
    source = (ROOT / "streamlit_app.py").read_text(encoding="utf-8")
    path = tmp_path / "page.py"
    path.write_text(source.replace("Path(__file__).parent", f"Path({str(ROOT)!r})") + "\nshow_training(space)\n")
    return path


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
    for name, part in (("train", slice(0, 3000)), ("t10k", slice(6000, 7000))):
        x, y = images[part], labels[part]
        (raw / f"{name}-images-idx3-ubyte").write_bytes(struct.pack(">IIII", 2051, len(x), 28, 28) + x.tobytes())
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 2049, len(y)) + y.tobytes())
    return folder


@pytest.fixture(scope="session")
def modules(tmp_path_factory) -> Path:
    """The JavaScript where Node takes it for modules."""
    folder = tmp_path_factory.mktemp("modules")
    for name in ("special_functions.js", "decoder.js", "live.js", "parcel.js"):
        shutil.copy(ROOT / "latent" / "browser" / name, folder)
    (folder / "activations.js").write_text(live.activations())
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


@pytest.fixture(autouse=True)
def deterministic_threads():
    """One thread, so that sums are added in the same order everywhere."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_browser_to_wait_for(monkeypatch, request):
    """Pages that are run without a browser, and it is most of them, leave it no time to draw."""
    if "turns" not in request.path.name:
        monkeypatch.setattr(Turns, "pause", lambda turns, seconds: None)


SLOWEST_FIRST = ("test_page.py", "test_browser.py", "test_reading.py", "test_live.py")


def pytest_collection_modifyitems(items):
    """The files that take longest begin, so that all processes end at about the same time."""
    order = {name: place for place, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))
